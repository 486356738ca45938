//! Where AWS itself would have been asked: the real host of a request that was sent to an endpoint of somebody's own.
//!
//! [`real`] puts the host together from service and region as the catalog's endpoint rules say, with what SDKs put before it: the
//! bucket of a virtual host, a host prefix, an account. [`services_at`] goes the other way.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;

use super::catalog::{self, Service};
use super::endpoint::Endpoint;
use super::quirk;
use super::request::{AwsRequest, Reading, lower_case};

/// A host of AWS's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RealHost {
    /// Without port.
    pub name: CompactString,
    /// The region that requests to it are signed for, where it is not the caller's.
    pub region: Option<&'static str>,
}

/// Why the real host cannot be told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unknown {
    /// Its host is made of something that the request does not say.
    #[error("the host of {0} is made of more than service and region ({1}), and the request does not say it")]
    Parameter(String, &'static str),
    /// Neither the signature nor anything else says where.
    #[error("the request names no region; set AWS_REGION for Squall, or a region in the client")]
    Region,
    /// The request is understood in two ways, or in none.
    #[error("the request does not say which service it is for")]
    Service,
}

/// The host that AWS would have been asked at. `named` is the host that the client did name; `region` counts where the request names
/// none.
pub fn real(request: &AwsRequest, named: &str, region: Option<&str>) -> Result<RealHost, Unknown> {
    let reading = request.reading().ok_or(Unknown::Service)?;
    let named = lower_case(named);
    let region = request.region.as_deref().or(region).ok_or(Unknown::Region)?;
    let base = base(reading.service, region)?;
    let before = match quirk::s3::emulator_bucket(&named).filter(|_| reading.service.name == "s3") {
        Some(bucket) => Some(format_compact!("{bucket}.")),
        None => reading.operation.and_then(|o| o.host_prefix).map(|p| prefix(p, request, &named)).transpose()?,
    };
    let name = before.map_or_else(|| base.name.clone(), |before| before + &base.name);
    Ok(RealHost { name, ..base })
}

/// The services that answer at a host of AWS's; none where the host does not say.
pub fn services_at(host: &str) -> SmallVec<[&'static Service; 2]> {
    Endpoint::read(&lower_case(host)).services
}

/// Whether the answer tells URLs that clients follow: of queues, of code.
pub fn answers_with_urls(request: &AwsRequest) -> bool {
    let told = |reading: &Reading| {
        let operation = reading.operation.map_or("", |operation| operation.name);
        URLS_TOLD.contains(&(reading.service.name, operation))
    };
    request.readings.iter().any(told)
}

/// Operations whose answers tell URLs of the service's own, or links that it signed.
const URLS_TOLD: [(&str, &str); 7] = [
    ("lambda", "GetFunction"),
    ("lambda", "GetLayerVersion"),
    ("lambda", "GetLayerVersionByArn"),
    ("sqs", "CreateQueue"),
    ("sqs", "GetQueueUrl"),
    ("sqs", "ListDeadLetterSourceQueues"),
    ("sqs", "ListQueues"),
];

/// Whether a host means the machine that it is looked up on: loopback in all its names, buckets in front of it included, and the name
/// that LocalStack gives it in DNS.
pub fn is_local(host: &str) -> bool {
    let host = lower_case(host.strip_suffix('.').unwrap_or(host));
    let below = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    below("localhost") || below("localhost.localstack.cloud")
}

fn base(service: &'static Service, region: &str) -> Result<RealHost, Unknown> {
    let partition = catalog::partition_of(region).ok_or(Unknown::Region)?;
    let Some((written, signed)) = service.unusual_host(region, partition.name) else {
        let name = format_compact!("{}.{region}.{}", service.endpoint_prefix, partition.suffix);
        return Ok(RealHost { name, region: None });
    };
    if written == "?" {
        return Err(Unknown::Parameter(service.name.to_owned(), "a name of the customer's"));
    }
    let name = written.replace("{r}", region).replace("{s}", partition.suffix).replace("{d}", partition.dual_suffix);
    Ok(RealHost { name: name.into(), region: signed })
}

/// A host prefix with its label filled in: by the account, or by what the client put before the host that it did name.
fn prefix(written: &'static str, request: &AwsRequest, named: &str) -> Result<CompactString, Unknown> {
    let Some((before, label)) = written.split_once('{') else { return Ok(written.into()) };
    let (label, after) = label.split_once('}').unwrap_or((label, ""));
    let value = match label {
        "AccountId" => request.account.as_deref().map(Cow::Borrowed),
        _ => {
            named.strip_prefix(before).and_then(|rest| rest.split_once(after)).map(|(value, _)| value.to_owned().into())
        }
    };
    let missing = || Unknown::Parameter(request.reading().map(ToString::to_string).unwrap_or_default(), label);
    let value = value.filter(|value| !value.is_empty() && *value != named).ok_or_else(missing)?;
    Ok(format_compact!("{before}{value}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real_host(call: &str, named: &str, region: Option<&str>) -> Result<(String, Option<&'static str>), Unknown> {
        let (service, operation) = call.split_once('.').unwrap();
        let service = catalog::service(service).unwrap();
        let reading = Reading { service, operation: service.operation(operation) };
        assert!(reading.operation.is_some(), "{call}");
        let mut request = AwsRequest::of(reading, service.protocols[0]);
        request.account = Some("123456789012".into());
        real(&request, named, region).map(|host| (host.name.into(), host.region))
    }

    #[test]
    fn hosts_are_those_of_the_endpoint_rules_in_every_partition() {
        for (call, region, host, signed) in [
            ("dynamodb.PutItem", "eu-west-1", "dynamodb.eu-west-1.amazonaws.com", None),
            ("cloudwatch.PutMetricData", "cn-north-1", "monitoring.cn-north-1.amazonaws.com.cn", None),
            ("sqs.SendMessage", "us-gov-west-1", "sqs.us-gov-west-1.amazonaws.com", None),
            ("sqs.SendMessage", "us-isob-east-1", "sqs.us-isob-east-1.sc2s.sgov.gov", None),
            ("iam.ListUsers", "eu-west-1", "iam.amazonaws.com", Some("us-east-1")),
            ("iam.ListUsers", "cn-northwest-1", "iam.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("route53.ListHostedZones", "us-west-2", "route53.amazonaws.com", Some("us-east-1")),
            ("networkmanager.ListPeerings", "us-east-1", "networkmanager.us-west-2.amazonaws.com", Some("us-west-2")),
            ("datazone.ListDomains", "eu-west-1", "datazone.eu-west-1.api.aws", None),
            ("signin.CreateOAuth2Token", "eu-west-1", "eu-west-1.signin.aws.amazon.com", None),
            ("stepfunctions.StartSyncExecution", "eu-west-1", "sync-states.eu-west-1.amazonaws.com", None),
            ("s3control.ListAccessPoints", "eu-west-1", "123456789012.s3-control.eu-west-1.amazonaws.com", None),
            ("s3.GetObject", "eu-west-1", "s3.eu-west-1.amazonaws.com", None),
        ] {
            assert_eq!(real_host(call, "127.0.0.1", Some(region)), Ok((host.to_owned(), signed)), "{call} in {region}");
        }
    }

    #[test]
    fn a_bucket_stays_before_the_host() {
        let at = |named| real_host("s3.GetObject", named, Some("us-east-1")).unwrap().0;
        assert_eq!(at("b.localhost"), "b.s3.us-east-1.amazonaws.com");
        assert_eq!(at("My.B.s3.localhost.localstack.cloud"), "my.b.s3.us-east-1.amazonaws.com");
        assert_eq!(at("localhost"), "s3.us-east-1.amazonaws.com");
    }

    #[test]
    fn what_cannot_be_told_is_an_error_that_says_what_is_missing() {
        assert_eq!(real_host("dynamodb.PutItem", "localhost", None), Err(Unknown::Region));
        let keys = real_host("cloudfront-keyvaluestore.GetKey", "localhost", Some("us-east-1"));
        assert!(matches!(keys, Err(Unknown::Parameter(..))), "{keys:?}");
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in ["localhost", "b.localhost", "LOCALHOST.", "b.s3.localhost.localstack.cloud"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "notlocalhost", "localhost.example", "s3.amazonaws.com", "localstack.cloud"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
