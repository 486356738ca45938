use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::{
    aws::{
        request::{AccessKeyId, AwsRequest, Head},
        resource::Resource,
    },
    fault::tests::{request, tree},
    profile::seen::tests::seen,
};

fn matcher(yaml: &str) -> Matcher {
    Matcher::read(&tree(yaml)).unwrap()
}

fn complaint(yaml: &str) -> Complaint {
    Matcher::read(&tree(yaml)).unwrap_err()
}

#[test]
fn without_keys_everything_fits() {
    assert!(matcher("{}").fits(&seen(&request("s3", "GetObject"))));
}

#[test]
fn all_keys_must_hold_and_lists_are_any_of() {
    let matcher = matcher("{service: [dynamodb, s3], operation: [PutItem, 'Get*'], region: us-*, attempt: [1, 3..4]}");
    let mut fitting = request("dynamodb", "PutItem");
    fitting.attempt = Some(4);
    assert!(matcher.fits(&seen(&fitting)));
    assert!(!matcher.fits(&seen(&AwsRequest { attempt: Some(2), ..fitting.clone() })));
    assert!(!matcher.fits(&seen(&AwsRequest { attempt: None, ..fitting.clone() })));
    assert!(!matcher.fits(&seen(&AwsRequest { region: Some("eu-west-1".into()), ..fitting.clone() })));
    assert!(!matcher.fits(&seen(&AwsRequest { region: None, ..fitting.clone() })));
    let with = |service, operation| AwsRequest { attempt: Some(1), ..request(service, operation) };
    assert!(matcher.fits(&seen(&with("s3", "GetObject"))));
    assert!(!matcher.fits(&seen(&with("s3", "PutObject"))));
    assert!(!matcher.fits(&seen(&with("sqs", "GetQueueUrl"))));
}

#[test]
fn a_resource_fits_by_any_of_its_names_and_not_when_it_is_unknown() {
    let mut get = request("s3", "GetObject");
    let fits = |request: &AwsRequest, yaml: &str| matcher(yaml).fits(&seen(request));
    assert!(!fits(&get, "{resource: '*'}"));
    get.resource = Some(Resource { name: "data/a/1".into(), also: ["data".into()].into(), ..Resource::default() });
    for (yaml, expected) in [
        ("{resource: data}", true),
        ("{resource: data/a/*}", true),
        ("{resource: [x, 'data/*']}", true),
        ("{resource: data/b*}", false),
        ("{resource: dat}", false),
    ] {
        assert_eq!(fits(&get, yaml), expected, "{yaml}");
    }
}

#[test]
fn account_and_access_key_fit_only_where_they_are_known() {
    let unknown = request("s3", "GetObject");
    let known = AwsRequest {
        account: Some("123456789012".into()),
        access_key: Some(AccessKeyId("AKIAIOSFODNN7EXAMPLE".into())),
        ..unknown.clone()
    };
    for yaml in ["{account: '123456789012'}", "{account: '1234*'}", "{access_key: AKIA*}"] {
        assert!(matcher(yaml).fits(&seen(&known)) && !matcher(yaml).fits(&seen(&unknown)), "{yaml}");
    }
    assert!(
        !matcher("{account: '210987654321'}").fits(&seen(&known))
            && !matcher("{access_key: ASIA*}").fits(&seen(&known))
    );
}

#[test]
fn a_rule_about_a_resource_may_fit_before_the_resource_is_known() {
    let put = request("dynamodb", "PutItem");
    for (yaml, asks) in [
        ("{}", false),
        ("{resource: orders}", true),
        ("{account: '123456789012'}", true),
        ("{service: dynamodb, resource: orders}", true),
        ("{service: s3, resource: orders}", false),
        ("{operation: GetItem, resource: orders}", false),
        ("{region: eu-*, resource: orders}", false),
    ] {
        assert_eq!(
            {
                let m = matcher(yaml);
                m.is_about_resource() && m.may_fit(&seen(&put))
            },
            asks,
            "{yaml}"
        );
    }
}

#[test]
fn an_operation_key_does_not_match_an_unknown_operation() {
    let mut unknown = request("dynamodb", "PutItem");
    unknown.readings[0].operation = None;
    assert!(matcher("{service: dynamodb}").fits(&seen(&unknown)));
    assert!(!matcher("{service: dynamodb, operation: '*'}").fits(&seen(&unknown)));
}

#[test]
fn one_fitting_reading_is_enough() {
    let mut ambiguous = request("docdb", "DescribeDBInstances");
    ambiguous.readings.push(request("rds", "DescribeDBInstances").readings[0]);
    assert!(matcher("{service: rds}").fits(&seen(&ambiguous)));
    assert!(matcher("{service: rds, operation: DescribeDBInstances}").fits(&seen(&ambiguous)));
    assert!(!matcher("{service: neptune}").fits(&seen(&ambiguous)));
}

#[test]
fn an_operation_of_another_service_by_the_same_name_does_not_fit() {
    assert!(
        !matcher("{service: docdb, operation: DescribeDBInstances}")
            .fits(&seen(&request("rds", "DescribeDBInstances")))
    );
}

#[test]
fn what_exists_nowhere_is_answered_with_what_does() {
    for (yaml, message, help) in [
        ("{service: dynamdb}", "unknown service `dynamdb`", Some("did you mean `dynamodb`?")),
        ("{service: states}", "unknown service `states`", Some("it is called `stepfunctions` here")),
        ("{service: zz*}", "`zz*` fits no AWS service", None),
        (
            "{service: s3, operation: PutItem}",
            "unknown operation `PutItem` of s3",
            Some("it is an operation of dynamodb"),
        ),
        (
            "{service: dynamodb, operation: putitem}",
            "unknown operation `putitem` of dynamodb",
            Some("did you mean `PutItem`?"),
        ),
        ("{service: [s3, sqs], operation: Frob*}", "`Frob*` fits no operation of s3 or sqs", None),
        ("{region: US_EAST}", "`US_EAST` is not a region; write it as in `us-east-1` or `eu-*`", None),
        (
            "{resource: 'arn:aws:sqs:us-east-1:123456789012:q'}",
            "`arn:aws:sqs:us-east-1:123456789012:q` is an ARN; a resource is matched by its name",
            Some("write the name alone, and `account` and `region` beside it where they matter"),
        ),
        (
            "{principal: 'arn:aws:iam::123456789012:role/x'}",
            "`arn:aws:iam::123456789012:role/x` is an ARN; requests do not say under which one they act",
            Some("write an access key id, or the twelve digits of the caller's account"),
        ),
        (
            "{host: 'https://x.com'}",
            "`https://x.com` is not a host; write it as in `*.s3.amazonaws.com`",
            Some("without scheme, port and path"),
        ),
        (
            "{host: 'x.com:443'}",
            "`x.com:443` is not a host; write it as in `*.s3.amazonaws.com`",
            Some("without scheme, port and path"),
        ),
        ("{method: get}", "unknown method `get`", Some("did you mean `GET`?")),
        ("{path: v1}", "`v1` is not a path; write it as in `/v1/*`", None),
        ("{path: '/?acl=x'}", "`/?acl=x` is more than a path", Some("a path is matched without its query")),
        ("{client: boto3}", "`client` must be a map, found `boto3`", Some("its keys: user_agent, header")),
        ("{client: {}}", "`client` needs `user_agent` or `header`", None),
        ("{client: {header: {}}}", "`header` is empty", Some("write it as in `header: {x-team: checkout}`")),
        ("{client: {header: {'x team': a}}}", "`x team` is not the name of a header", None),
        ("{client: {header: {X-A: a, x-a: b}}}", "`x-a` is given twice in `header`", None),
        ("{body: orders}", "`body` must be a map, found `orders`", Some("write it as in `body: {TableName: orders}`")),
        ("{body: {a/b: x}}", "`a/b` names no member; write `TableName`, or a JSON pointer as in `/Item/id/S`", None),
        ("{body: {TableName: }}", "`TableName` has no value", Some("`\"*\"` fits any value")),
        ("{body: {TableName: ''}}", "an empty text fits nothing", None),
        ("{not: {}}", "`not` without keys would exclude every request", Some("leave it out")),
        (
            "{not: {not: {service: s3}}}",
            "unknown key `not` in `not`",
            Some(
                "known here: service, operation, region, resource, account, access_key, principal, client, host, port, tcp, method, path, body, attempt",
            ),
        ),
        ("{account: 123}", "`123` is not an account; write it with its twelve digits, or as in `1234*`", None),
        ("{attempt: 0}", "`0` begins at 0; counting starts at 1", None),
        ("{service: []}", "an empty list matches nothing", Some("leave the key out to match everything")),
    ] {
        let complaint = complaint(yaml);
        assert_eq!((complaint.message.as_str(), complaint.help.as_deref()), (message, help), "{yaml}");
    }
}

#[test]
fn a_match_is_told_in_words() {
    for (yaml, words) in [
        ("{}", "anything"),
        (
            "{service: dynamodb, operation: [PutItem, 'Batch*'], region: us-east-1}",
            "dynamodb PutItem or Batch* in us-east-1",
        ),
        (
            "{service: s3, resource: [data, 'data/a*'], account: '123456789012', access_key: AKIA*}",
            "s3 of data or data/a* in account 123456789012 signed by AKIA*",
        ),
        (
            "{principal: A*, client: {user_agent: '*Boto3*', header: {X-Team: [a, b]}}, body: {/a/b: [1, 2]}}",
            "anything as A* from *boto3* with x-team: a or b with /a/b 1 or 2 in its body",
        ),
        ("{host: X.com, method: [GET, HEAD], path: '/v1/*'}", "anything at x.com by GET or HEAD to /v1/*"),
        ("{not: [{service: s3}, {region: eu-*}]}", "anything but s3 or anything in eu-*"),
        ("{service: dynamodb, not: {operation: 'Get*'}}", "dynamodb but not Get*"),
        ("{service: [s3, sqs, sns], attempt: 1..2}", "s3, sqs or sns on attempt 1..2"),
    ] {
        assert_eq!(matcher(yaml).to_string(), words);
    }
}

/// A request to S3 with these header fields.
fn sent(fields: &[(&'static str, &'static str)], check: impl FnOnce(Seen<'_>)) {
    let field =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let headers: HeaderMap = fields.iter().map(field).collect();
    let request = request("s3", "PutObject");
    let host = "Data.s3.amazonaws.com";
    let head = Head { method: &Method::PUT, host, path: "/in/1", query: Some("x=y"), headers: &headers };
    check(Seen::new(&request, head));
}

#[test]
fn host_method_and_path_are_the_requests_own() {
    sent(&[], |seen| {
        for (yaml, fits) in [
            ("{host: data.S3.amazonaws.com}", true),
            ("{host: '*.amazonaws.com'}", true),
            ("{host: '*.amazonaws.com.cn'}", false),
            ("{method: [GET, PUT]}", true),
            ("{method: GET}", false),
            ("{path: '/in/*'}", true),
            ("{path: /in}", false),
        ] {
            assert_eq!(matcher(yaml).fits(&seen), fits, "{yaml}");
        }
    });
}

#[test]
fn a_client_is_told_by_its_agent_in_any_case_and_by_any_header() {
    let fields = [("user-agent", "Boto3/1.40 md/x"), ("x-team", "checkout"), ("x-team", "pay")];
    sent(&fields, |seen| {
        for (yaml, misfit) in [
            ("{client: {user_agent: '*boto3*'}}", None),
            ("{client: {user_agent: BOTO3/*, header: {X-Team: pay}}}", None),
            ("{client: {header: {x-team: [a, check*]}}}", None),
            ("{client: {user_agent: boto3}}", Some(Misfit { key: "client", unknown: false })),
            ("{client: {header: {x-team: Pay}}}", Some(Misfit { key: "client", unknown: false })),
            ("{client: {header: {x-other: '*'}}}", Some(Misfit { key: "client", unknown: true })),
        ] {
            assert_eq!(matcher(yaml).misfit(&seen), misfit, "{yaml}");
        }
    });
    sent(&[("x-amz-user-agent", "aws-sdk-js/3.1")], |seen| {
        assert!(matcher("{client: {user_agent: aws-sdk-js*}}").fits(&seen));
    });
}

#[test]
fn a_principal_is_the_key_that_signed_or_the_account_it_was_made_for() {
    // The key's account is not the one that the request is about.
    let request = AwsRequest {
        account: Some("210987654321".into()),
        access_key: Some(AccessKeyId("111111111111".into())),
        ..request("s3", "GetObject")
    };
    assert!(matcher("{principal: '1111*'}").fits(&seen(&request)));
    assert!(matcher("{principal: '111111111111', account: '210987654321'}").fits(&seen(&request)));
    assert!(!matcher("{principal: '210987654321'}").fits(&seen(&request)));
}

#[test]
fn members_of_the_body_are_held_against_what_was_read_of_it() {
    let put = request("dynamodb", "PutItem");
    let body = br#"{"TableName": "orders", "Item": {"id": {"S": "17"}}, "Count": 5"#;
    let seen = Seen { body, ..seen(&put) };
    for (yaml, misfit) in [
        ("{body: {TableName: 'o*'}}", None),
        ("{body: {TableName: [x, orders], /Item/id/S: 17}}", None),
        ("{body: {TableName: orders, /Item/id/S: 18}}", Some(Misfit { key: "body", unknown: false })),
        ("{body: {/Item/name/S: '*'}}", Some(Misfit { key: "body", unknown: true })),
    ] {
        assert_eq!(matcher(yaml).misfit(&seen), misfit, "{yaml}");
        assert!(matcher(yaml).is_about_body() && matcher(yaml).may_fit(&Seen { body: b"", ..seen }), "{yaml}");
    }
}

#[test]
fn not_excludes_what_all_its_keys_fit_and_only_what_is_known() {
    let put = AwsRequest { region: None, ..request("s3", "PutObject") };
    let get = request("s3", "GetObject");
    for (yaml, of_put, of_get) in [
        ("{not: {operation: GetObject}}", true, false),
        ("{service: s3, not: {operation: GetObject, region: eu-*}}", true, true),
        ("{not: {region: us-*}}", true, false),
        ("{not: [{operation: GetObject}, {service: s3}]}", false, false),
        ("{not: {resource: data}}", true, true),
    ] {
        let matcher = matcher(yaml);
        assert_eq!((matcher.fits(&seen(&put)), matcher.fits(&seen(&get))), (of_put, of_get), "{yaml}");
    }
    assert_eq!(matcher("{not: {service: s3}}").misfit(&seen(&put)), Some(Misfit { key: "not", unknown: false }));
}

#[test]
fn not_holds_only_where_no_candidate_fits_it() {
    let mut ambiguous = request("docdb", "DescribeDBInstances");
    ambiguous.readings.push(request("rds", "DescribeDBInstances").readings[0]);
    assert!(!matcher("{service: docdb, not: {service: rds}}").fits(&seen(&ambiguous)));
    assert!(matcher("{service: docdb, not: {service: neptune}}").fits(&seen(&ambiguous)));
}

#[test]
fn what_not_says_of_the_body_is_not_decided_by_the_head() {
    let put = request("dynamodb", "PutItem");
    let may_fit = |yaml: &str| matcher(yaml).may_fit(&seen(&put));
    assert!(may_fit("{not: {service: dynamodb, resource: orders}}"));
    assert!(may_fit("{not: {body: {TableName: orders}}}"));
    assert!(!may_fit("{not: {service: dynamodb}, resource: orders}"));
}

#[test]
fn the_first_key_that_does_not_hold_is_told_and_whether_it_is_unknown() {
    let mut put = request("dynamodb", "PutItem");
    for (yaml, key, unknown) in [
        ("{service: s3, region: eu-west-1}", "service", false),
        ("{service: dynamodb, operation: GetItem}", "operation", false),
        ("{region: eu-west-1}", "region", false),
        ("{attempt: 2}", "attempt", true),
        ("{access_key: AKIA*}", "access_key", true),
        ("{resource: orders}", "resource", true),
        ("{account: '123456789012'}", "account", true),
        ("{principal: '123456789012'}", "principal", true),
    ] {
        assert_eq!(matcher(yaml).misfit(&seen(&put)), Some(Misfit { key, unknown }), "{yaml}");
    }
    put.readings[0].operation = None;
    let misfit = matcher("{service: dynamodb, operation: PutItem}").misfit(&seen(&put));
    assert_eq!(misfit, Some(Misfit { key: "operation", unknown: true }));
}

#[test]
fn the_services_of_a_match_are_those_that_it_names_or_whose_operations_it_names() {
    let names = |yaml: &str| -> Option<Vec<&str>> {
        matcher(yaml).services().map(|services| services.iter().map(|service| service.name).collect())
    };
    assert_eq!(names("{}"), None);
    assert_eq!(names("{region: us-east-1, not: {service: s3}}"), None);
    assert_eq!(names("{service: [s3, dynamodb]}"), Some(vec!["dynamodb", "s3"]));
    assert_eq!(names("{operation: BatchWriteItem}"), Some(vec!["dynamodb"]));
    assert_eq!(names("{service: [s3, dynamodb], operation: PutItem}"), Some(vec!["dynamodb"]));
}
