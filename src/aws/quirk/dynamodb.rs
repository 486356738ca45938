//! DynamoDB: long request ids, a dated namespace, and a checksum of every body.

use http::header::SERVER;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::aws::protocol::{Stamp, Told};

/// Of its error shapes, those of its streams included.
pub(super) const NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810";

/// 52 capitals and digits, as `VV4KQNSO5AEMVJF66Q9ASUAAJG…`.
pub(super) fn request_id(stamp: &Stamp) -> String {
    stamp.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 52)
}

pub(super) fn text(code: &str) -> Option<&'static str> {
    Some(match code {
        "ConditionalCheckFailedException" => "The conditional request failed",
        "ResourceInUseException" => "Attempt to change a resource which is still in use",
        "ResourceNotFoundException" => "Requested resource not found",
        "ThrottlingException" => "Rate of requests exceeds the allowed throughput.",
        _ => return None,
    })
}

/// Clients check `x-amz-crc32` against the body's bytes and retry on a mismatch (botocore's and Java's do).
pub(in crate::aws) fn finish(told: &Told<'_>, body: &[u8], headers: &mut HeaderMap) {
    if told.service.is_none_or(|service| service.signing_name != "dynamodb") {
        return;
    }
    headers.insert(SERVER, HeaderValue::from_static("Server"));
    headers.insert(HeaderName::from_static("x-amz-crc32"), HeaderValue::from(crc32fast::hash(body)));
}
