//! Where a request goes on with what it began: the token of a page before, or a shard iterator.
//!
//! [`may_go_on`] says whether an operation can carry such a token at all, [`goes_on`] whether a request does, in its query or in the
//! beginning of its body, and [`expired`] which error its service gives for one that is no longer good. Keys that never expire
//! (DynamoDB's ExclusiveStartKey, the markers of S3's older lists) are no tokens.

use std::sync::LazyLock;

use super::catalog::ErrorShape;
use super::idiom::{Idiom, idiom};
use super::member::{self, Pointer};
use super::protocol::AwsError;
use super::request::{AwsRequest, Head, Reading};

/// Whether this request's operation may carry a token: one that writes does not.
pub fn may_go_on(request: &AwsRequest) -> bool {
    let may = |reading: &Reading| {
        let name = reading.operation.map_or("", |operation| operation.name);
        !name.is_empty() && !WRITES.iter().any(|verb| name.starts_with(verb))
    };
    request.readings.iter().any(may)
}

/// Whether it carries one, as far as its query and the beginning of its body tell.
pub fn goes_on(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
    let is_s3 = request.reading().is_some_and(|reading| reading.service.name == "s3");
    let is_token = |name: &str| TOKENS.contains(&name) && !(is_s3 && name == "marker");
    let query = head.query.unwrap_or_default();
    let in_query = form_urlencoded::parse(query.as_bytes()).any(|(key, value)| is_token(&key) && !value.is_empty());
    in_query || (!body_prefix.is_empty() && stands_in_body(request, head, body_prefix))
}

fn stands_in_body(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
    let texts = member::read(request, head, body_prefix, &IN_BODY);
    // A token too long to be read as a name is counted all the same.
    let is_long = || member::count(request, head, body_prefix, &IN_BODY).0 > texts.len() as u64;
    texts.iter().any(|text| !text.is_empty() && text != "null") || is_long()
}

static IN_BODY: LazyLock<Pointer> = LazyLock::new(|| Pointer::one_of(TOKENS));

/// The error that this request's service gives for a token that has expired: the one that the operation models, else what the service
/// says of a parameter that is not valid.
pub fn expired(request: &AwsRequest) -> AwsError {
    let modeled = |reading: &Reading| {
        let errors = reading.operation.into_iter().flat_map(|operation| reading.service.errors_of(operation));
        errors.filter_map(|shape| Some((rank(shape)?, shape))).min_by_key(|(rank, _)| *rank).map(|(_, shape)| shape)
    };
    let mut choices = request.readings.iter().map(modeled);
    let first = choices.next().flatten();
    let shape = first.filter(|first| choices.all(|other| other.is_some_and(|other| other.code == first.code)));
    let mut error = idiom(request, Idiom::Validation);
    if let Some(shape) = shape {
        error.code = shape.code.into();
        error.status = http::StatusCode::from_u16(shape.status).ok();
    }
    let is_iterator = shape.is_some_and(|shape| shape.code.contains("Iterator"));
    error.message = Some(if is_iterator { "The iterator has expired." } else { "The token has expired." }.into());
    error
}

/// How well a modeled error says it: the lower the better.
fn rank(shape: &ErrorShape) -> Option<usize> {
    CODES.iter().position(|code| shape.code.starts_with(code))
}

/// How the codes begin, the best first.
const CODES: &[&str] = &[
    "ExpiredIterator",
    "ExpiredNextToken",
    "InvalidNextToken",
    "InvalidPaginationToken",
    "InvalidContinuationToken",
    "InvalidMarker",
];

const TOKENS: &[&str] = &[
    "NextToken",
    "nextToken",
    "next-token",
    "next_token",
    "ContinuationToken",
    "continuationToken",
    "continuation-token",
    "Marker",
    "marker",
    "StartingToken",
    "startingToken",
    "ShardIterator",
    "PageToken",
    "pageToken",
    "PaginationToken",
    "paginationToken",
    "NextPageToken",
    "nextPageToken",
];

/// How the names of operations begin that write.
const WRITES: &[&str] = &[
    "Add",
    "Attach",
    "BatchWrite",
    "Complete",
    "Copy",
    "Create",
    "Delete",
    "Detach",
    "Disable",
    "Enable",
    "Invoke",
    "Modify",
    "Publish",
    "Put",
    "Register",
    "Remove",
    "Send",
    "Set",
    "Stop",
    "Tag",
    "Terminate",
    "Untag",
    "Update",
    "Upload",
];

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::aws::catalog;
    use crate::aws::request::{Protocol, Reading};

    fn request(service: &str, operation: &str) -> AwsRequest {
        let service = catalog::service(service).unwrap();
        let reading = Reading { service, operation: Some(service.operation(operation).unwrap()) };
        AwsRequest::of(reading, service.protocols.first().copied().unwrap_or(Protocol::Json11))
    }

    fn carries(service: &str, operation: &str, query: Option<&str>, body: &str) -> bool {
        let headers = HeaderMap::new();
        let head = Head { method: &Method::POST, host: "h", path: "/", query, headers: &headers };
        goes_on(&request(service, operation), &head, body.as_bytes())
    }

    #[test]
    fn tokens_are_found_in_bodies_forms_and_queries() {
        assert!(carries("kinesis", "GetRecords", None, r#"{"ShardIterator": "AAA"}"#));
        assert!(carries("ssm", "DescribeParameters", None, r#"{"MaxResults": 1, "NextToken": "x"}"#));
        assert!(carries("ssm", "DescribeParameters", None, &format!(r#"{{"NextToken": "{}"}}"#, "x".repeat(5000))));
        assert!(carries("iam", "ListUsers", None, "Action=ListUsers&Version=2010-05-08&Marker=x"));
        assert!(carries("lambda", "ListFunctions", Some("Marker=x"), ""));
        assert!(carries("s3", "ListObjectsV2", Some("list-type=2&continuation-token=x"), ""));
    }

    #[test]
    fn first_pages_and_keys_that_never_expire_carry_none() {
        assert!(!carries("ssm", "DescribeParameters", None, r#"{"MaxResults": 1, "NextToken": ""}"#));
        assert!(!carries("ssm", "DescribeParameters", None, r#"{"NextToken": null, "Filters": [{"NextToken": "x"}]}"#));
        assert!(!carries("dynamodb", "Scan", None, r#"{"ExclusiveStartKey": {"id": {"S": "1"}}}"#));
        assert!(!carries("s3", "ListObjects", Some("marker=a"), ""));
        assert!(!carries("s3", "ListObjectsV2", Some("list-type=2&continuation-token="), ""));
    }

    #[test]
    fn each_service_says_in_its_own_words_that_a_token_has_expired() {
        for (service, operation, code) in [
            ("kinesis", "GetRecords", "ExpiredIteratorException"),
            ("dynamodbstreams", "GetRecords", "ExpiredIteratorException"),
            ("kinesis", "ListShards", "ExpiredNextTokenException"),
            ("ssm", "DescribeParameters", "InvalidNextToken"),
            ("s3", "ListObjectsV2", "InvalidArgument"),
        ] {
            let error = expired(&request(service, operation));
            assert_eq!((error.code.as_str(), error.status.unwrap().as_u16()), (code, 400), "{service} {operation}");
            assert!(error.message.unwrap().ends_with("has expired."));
        }
    }

    #[test]
    fn what_writes_carries_none() {
        assert!(!may_go_on(&request("s3", "PutObject")));
        assert!(may_go_on(&request("s3", "ListObjectsV2")));
    }
}
