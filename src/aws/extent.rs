//! How much a request asks for: items and bytes, as far as its head and the beginning of its body tell.

use http::header::CONTENT_LENGTH;

use super::member::{self, Pointer};
use super::request::{AwsRequest, Head, Protocol};

/// Whether the body must be looked into to count the items.
pub fn counts_items_in_body(request: &AwsRequest) -> bool {
    batch(request).is_some()
}

/// How many items it writes, reads or sends: those of a batch, else one. Of a body that was read in part, the rest is taken to hold as
/// many for its length.
pub fn items(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> u64 {
    let Some(place) = batch(request).and_then(|place| place.parse::<Pointer>().ok()) else { return 1 };
    let (count, is_whole) = member::count(request, head, body_prefix, &place);
    let whole = match length(head) {
        Some(length) if !is_whole && !body_prefix.is_empty() => count.saturating_mul(length) / body_prefix.len() as u64,
        _ => count,
    };
    whole.max(1)
}

/// How many bytes its body has, without the framing of `aws-chunked`; where no length is told, what was read of it.
pub fn bytes(head: &Head<'_>, body_prefix: &[u8]) -> u64 {
    let decoded = head.header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
    decoded.or_else(|| length(head)).unwrap_or(body_prefix.len() as u64)
}

/// How many bytes of data it carries, where JSON carries them in base 64.
pub fn data(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> u64 {
    let bytes = bytes(head, body_prefix);
    let in_base64 = matches!(request.protocol, Protocol::Json10 | Protocol::Json11 | Protocol::RestJson);
    if in_base64 { bytes / 4 * 3 } else { bytes }
}

fn length(head: &Head<'_>) -> Option<u64> {
    head.header(CONTENT_LENGTH.as_str())?.parse().ok()
}

/// Where the items of a batch stand.
fn batch(request: &AwsRequest) -> Option<&'static str> {
    let reading = request.reading()?;
    let (service, operation) = (reading.service.name, reading.operation?.name);
    let (_, _, place, in_form) = BATCHES.iter().find(|(s, o, ..)| (*s, *o) == (service, operation))?;
    let place = if matches!(request.protocol, Protocol::Query | Protocol::Ec2) { in_form } else { place };
    Some(place).filter(|place| !place.is_empty()).copied()
}

/// Service and operation, and where the items stand: in JSON, CBOR or XML, and in a form.
const BATCHES: &[(&str, &str, &str, &str)] = &[
    ("cloudwatch", "PutMetricData", "/MetricData/*", "MetricData.member.*.MetricName"),
    ("dynamodb", "BatchExecuteStatement", "/Statements/*", ""),
    ("dynamodb", "BatchGetItem", "/RequestItems/*/Keys/*", ""),
    ("dynamodb", "BatchWriteItem", "/RequestItems/*/*", ""),
    ("dynamodb", "ExecuteTransaction", "/TransactStatements/*", ""),
    ("dynamodb", "TransactGetItems", "/TransactItems/*", ""),
    ("dynamodb", "TransactWriteItems", "/TransactItems/*", ""),
    ("events", "PutEvents", "/Entries/*", ""),
    ("firehose", "PutRecordBatch", "/Records/*", ""),
    ("kinesis", "PutRecords", "/Records/*", ""),
    ("logs", "PutLogEvents", "/logEvents/*", ""),
    ("s3", "DeleteObjects", "/Object", ""),
    ("sns", "PublishBatch", "", "PublishBatchRequestEntries.member.*.Id"),
    ("sqs", "ChangeMessageVisibilityBatch", "/Entries/*", "ChangeMessageVisibilityBatchRequestEntry.*.Id"),
    ("sqs", "DeleteMessageBatch", "/Entries/*", "DeleteMessageBatchRequestEntry.*.Id"),
    ("sqs", "SendMessageBatch", "/Entries/*", "SendMessageBatchRequestEntry.*.Id"),
    ("timestream-write", "WriteRecords", "/Records/*", ""),
];

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::aws::catalog;
    use crate::aws::request::Reading;

    fn request(service: &str, operation: &str, protocol: Protocol) -> AwsRequest {
        let service = catalog::service(service).unwrap();
        AwsRequest::of(Reading { service, operation: Some(service.operation(operation).unwrap()) }, protocol)
    }

    fn told<T>(fields: &[(&'static str, &str)], read: impl FnOnce(&Head<'_>) -> T) -> T {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = fields.iter().map(field).collect();
        read(&Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers })
    }

    #[test]
    fn every_batch_is_an_operation_of_the_catalog() {
        for (service, operation, ..) in BATCHES {
            request(service, operation, Protocol::Json11);
        }
    }

    #[test]
    fn the_items_of_batches_are_counted_in_each_protocol() {
        use Protocol::{Json10, Json11, Query, RestXml};
        for (service, operation, protocol, body, expected) in [
            ("dynamodb", "BatchWriteItem", Json10, r#"{"RequestItems": {"a": [{}, {}], "b": [{}]}}"#, 3),
            (
                "dynamodb",
                "BatchGetItem",
                Json10,
                r#"{"RequestItems": {"a": {"Keys": [{}, {}]}, "b": {"Keys": [{}]}}}"#,
                3,
            ),
            ("dynamodb", "PutItem", Json10, r#"{"Item": {"a": 1, "b": 2}}"#, 1),
            ("kinesis", "PutRecords", Json11, r#"{"Records": [{"Data": "x"}, {"Data": "y"}], "StreamName": "s"}"#, 2),
            (
                "sqs",
                "SendMessageBatch",
                Query,
                "SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.2.Id=b",
                2,
            ),
            (
                "s3",
                "DeleteObjects",
                RestXml,
                "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>",
                2,
            ),
            ("kinesis", "PutRecords", Json11, "", 1),
        ] {
            let count = told(&[], |head| items(&request(service, operation, protocol), head, body.as_bytes()));
            assert_eq!(count, expected, "{operation}");
        }
    }

    #[test]
    fn items_behind_what_was_read_are_estimated_by_length() {
        let body = br#"{"Records": [{"Data": "xxxxxxxx"}, {"Data": "xxxxxxxx"}, "#;
        let length = (body.len() * 10).to_string();
        let put = request("kinesis", "PutRecords", Protocol::Json11);
        assert_eq!(told(&[("content-length", &length)], |head| items(&put, head, body)), 20);
    }

    #[test]
    fn bytes_are_the_lengths_that_the_head_tells() {
        assert_eq!(told(&[("content-length", "80")], |head| bytes(head, b"x")), 80);
        let chunked = [("content-length", "80"), ("x-amz-decoded-content-length", "50")];
        assert_eq!(told(&chunked, |head| bytes(head, b"x")), 50);
        assert_eq!(told(&[], |head| bytes(head, b"xyz")), 3);
        let put = |protocol| request("kinesis", "PutRecord", protocol);
        let of = |protocol| told(&[("content-length", "80")], |head| data(&put(protocol), head, b""));
        assert_eq!((of(Protocol::Json11), of(Protocol::Cbor)), (60, 80));
    }
}
