//! Names as people write them, out of ARNs, URLs and the forms that some services allow beside.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::Resource;
use crate::aws::{endpoint, uri};

/// What was found on the wire, as one resource: the first name counts, the others stand beside it.
pub(super) fn normalised(service: &str, found: SmallVec<[CompactString; 1]>) -> Option<Resource> {
    let mut found = found.into_iter().filter(|name| !name.is_empty());
    let mut resource = one(service, &found.next()?);
    for other in found {
        let other = one(service, &other);
        if other.name != resource.name && !resource.also.contains(&other.name) {
            resource.also.push(other.name);
        }
    }
    Some(resource)
}

/// `/123456789012/orders`, with anything before it, as queues' URLs have it.
pub(super) fn of_queue_path(path: &str) -> Option<Resource> {
    let mut from_end = path.trim_end_matches('/').rsplit('/');
    let name = from_end.next().filter(|name| !name.is_empty())?;
    let account = from_end.next().filter(|part| is_account(part))?;
    Some(Resource { name: uri::decoded(name).as_ref().into(), account: Some(account.into()), ..Resource::default() })
}

fn one(service: &str, written: &str) -> Resource {
    if written.starts_with("arn:") {
        return of_arn(written).unwrap_or_else(|| called(written));
    }
    if let Some((_, rest)) = written.split_once("://").filter(|_| service == "sqs") {
        return of_queue_url(rest).unwrap_or_else(|| called(written));
    }
    match service {
        "lambda" => of_function(written),
        "ssm" => called(written.split(':').next().unwrap_or(written)),
        _ => called(written),
    }
}

fn called(name: &str) -> Resource {
    Resource { name: name.into(), ..Resource::default() }
}

/// `arn:partition:service:region:account:resource`, where the resource may hold colons.
fn of_arn(arn: &str) -> Option<Resource> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, region, account, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let name = [name_of(service, rest), rest].into_iter().find(|name| !name.is_empty())?;
    let region = endpoint::is_region(region).then(|| region.into());
    let account = is_account(account).then(|| account.into());
    let mut resource = Resource { region, account, ..called(name) };
    match service {
        // Hierarchies begin with a slash, which the ARN swallows.
        "ssm" if rest.starts_with("parameter/") && name.contains('/') => resource.name.insert(0, '/'),
        "secretsmanager" => without_random_ending(&mut resource),
        _ => {}
    }
    Some(resource)
}

/// The name in an ARN's last part: `orders` of `table/orders/index/by-day`, `f` of `function:f:live`.
fn name_of<'a>(service: &str, rest: &'a str) -> &'a str {
    let Some(at) = rest.find([':', '/']) else { return rest };
    let (kind, name) = (&rest[..at], &rest[at + 1..]);
    let until = |stop: &[char]| name.split(stop).next().unwrap_or(name);
    let last = |name: &'a str| name.rsplit('/').next().unwrap_or(name);
    match (service, kind) {
        // These have no kind before the name; what follows belongs to the name (S3), or is something of its own.
        ("s3", "accesspoint") => until(&['/']),
        ("s3", _) => rest,
        ("sns" | "sqs", _) => rest.split(':').next().unwrap_or(rest),
        ("kms", "alias") => rest,
        ("bedrock", _) => name,
        ("ecr", "repository") | ("ssm", "parameter") | ("secretsmanager", "secret") => name,
        ("iam", _) => last(name),
        // A path may stand before the name of a role, a cluster before that of a service.
        ("ecs", "service" | "task" | "container-instance") => last(name),
        ("elasticloadbalancing", "loadbalancer") => {
            let name = ["app/", "net/", "gwy/"].into_iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name);
            name.split('/').next().unwrap_or(name)
        }
        ("events", "rule") => last(name),
        ("logs", "log-group") | ("cloudwatch", "alarm") => until(&[':']),
        ("autoscaling", _) => last(name),
        _ => {
            let name = name.trim_start_matches('/');
            name.split([':', '/']).next().unwrap_or(name)
        }
    }
}

/// Secrets Manager puts a hyphen and six random characters behind the name; which are random, the ARN does not say.
fn without_random_ending(resource: &mut Resource) {
    let Some((name, ending)) = resource.name.rsplit_once('-') else { return };
    if ending.len() == 6 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.is_empty() {
        let name = CompactString::from(name);
        resource.also.push(std::mem::replace(&mut resource.name, name));
    }
}

/// `sqs.us-east-1.amazonaws.com/123456789012/orders`
fn of_queue_url(rest: &str) -> Option<Resource> {
    let (host, path) = rest.split_once('/')?;
    let mut resource =
        of_queue_path(&rest[host.len()..]).unwrap_or_else(|| called(path.rsplit('/').next().unwrap_or(path)));
    resource.region =
        host.split(['.', ':']).chain(path.split('/')).find(|label| endpoint::is_region(label)).map(Into::into);
    (!resource.name.is_empty()).then_some(resource)
}

/// `f`, `f:live`, `123456789012:function:f` or `us-east-1:123456789012:function:f:live`.
fn of_function(written: &str) -> Resource {
    let Some((before, after)) = written.split_once("function:") else {
        return called(written.split(':').next().unwrap_or(written));
    };
    let name = after.split(':').next().unwrap_or(after);
    let account = before.split(':').find(|part| is_account(part)).map(Into::into);
    Resource { account, ..called(name) }
}

fn is_account(part: &str) -> bool {
    part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(service: &str, written: &str) -> Resource {
        normalised(service, SmallVec::from_buf([written.into()])).unwrap()
    }

    #[test]
    fn of_an_arn_the_name_is_told_with_account_and_region_beside_it() {
        for (arn, name) in [
            ("arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:0a1b:autoScalingGroupName/web", "web"),
            ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude:0", "us.anthropic.claude:0"),
            ("arn:aws:cloudformation:us-east-1:123456789012:stack/shop/0a1b", "shop"),
            ("arn:aws:cloudwatch:us-east-1:123456789012:alarm:too/slow", "too/slow"),
            ("arn:aws:dynamodb:us-east-1:123456789012:table/orders", "orders"),
            ("arn:aws:dynamodb:us-east-1:123456789012:table/orders/index/by-day", "orders"),
            ("arn:aws:ecr:us-east-1:123456789012:repository/team/app", "team/app"),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/main", "main"),
            ("arn:aws:ecs:us-east-1:123456789012:service/main/web", "web"),
            ("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/front/0a1b", "front"),
            ("arn:aws:events:us-east-1:123456789012:event-bus/orders", "orders"),
            ("arn:aws:events:us-east-1:123456789012:rule/bus/nightly", "nightly"),
            ("arn:aws:kinesis:us-east-1:123456789012:stream/clicks/consumer/c:1", "clicks"),
            ("arn:aws:kms:us-east-1:123456789012:alias/main", "alias/main"),
            ("arn:aws:kms:us-east-1:123456789012:key/0a1b-2c", "0a1b-2c"),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:live", "f"),
            ("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f:*", "/aws/lambda/f"),
            ("arn:aws:rds:us-east-1:123456789012:db:main", "main"),
            ("arn:aws:sns:us-east-1:123456789012:news", "news"),
            ("arn:aws:sns:us-east-1:123456789012:news:0a1b", "news"),
            ("arn:aws:sqs:us-east-1:123456789012:orders", "orders"),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/a/b", "/a/b"),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/plain", "plain"),
            ("arn:aws:states:us-east-1:123456789012:execution:machine:run-1", "machine"),
            ("arn:aws:states:us-east-1:123456789012:stateMachine:machine", "machine"),
        ] {
            let found = told("x", arn);
            assert_eq!((&*found.name, found.account.as_deref()), (name, Some("123456789012")), "{arn}");
            assert_eq!(found.region.as_deref(), Some("us-east-1"), "{arn}");
        }
    }

    #[test]
    fn regionless_arns_tell_no_region() {
        let role = told("sts", "arn:aws:iam::123456789012:role/service/path/admin");
        assert_eq!((&*role.name, role.account.as_deref(), role.region), ("admin", Some("123456789012"), None));
        let bucket = told("s3", "arn:aws:s3:::data/a/b");
        assert_eq!((&*bucket.name, bucket.account), ("data/a/b", None));
    }

    #[test]
    fn what_only_begins_like_an_arn_is_a_name() {
        for name in ["arn:", "arn:aws:x", "arn:aws:x:y:z", "arn:aws:x:y:z:"] {
            assert_eq!(told("x", name).name, name);
        }
    }

    #[test]
    fn a_secret_is_called_with_and_without_its_random_ending() {
        let secret = told("secretsmanager", "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbC123");
        assert_eq!(secret.names().collect::<Vec<_>>(), ["prod/db", "prod/db-AbC123"]);
    }

    #[test]
    fn queues_are_told_from_every_url_they_have() {
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", Some("eu-west-1")),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/orders", Some("eu-west-1")),
            ("https://queue.amazonaws.com/123456789012/orders", None),
            ("http://localhost:4566/123456789012/orders", None),
            ("http://localhost:4566/queue/eu-west-1/123456789012/orders", Some("eu-west-1")),
            ("http://sqs.eu-west-1.localhost.localstack.cloud:4566/123456789012/orders", Some("eu-west-1")),
        ] {
            let queue = told("sqs", url);
            assert_eq!(
                (&*queue.name, queue.account.as_deref(), queue.region.as_deref()),
                ("orders", Some("123456789012"), region),
                "{url}"
            );
        }
        assert_eq!(told("sqs", "orders").name, "orders");
        assert_eq!(of_queue_path("/"), None);
        assert_eq!(of_queue_path("/orders"), None);
    }

    #[test]
    fn functions_are_told_without_qualifier() {
        for written in
            ["f", "f:live", "123456789012:function:f", "us-east-1:123456789012:function:f:live", "function:f"]
        {
            assert_eq!(told("lambda", written).name, "f", "{written}");
        }
    }
}
