//! Whether two requests are the same: what asks for the same thing, by the same caller, in the same words.
//!
//! [`digest`] leaves out what differs from one sending to the next: signature, date, security token, the SDK's account of itself and of the
//! attempt. It keeps what an answer may depend on: method, host, path, query, the conditions and ranges in header fields, what AWS's
//! own fields say, and the body.

use std::hash::Hasher as _;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RANGE, TRANSFER_ENCODING};
use http::{HeaderName, Method};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::request::{AwsRequest, Head};

/// A digest of a request; `None` if not all of its body is there.
pub fn digest(request: &AwsRequest, head: &Head<'_>, body: &[u8]) -> Option<u128> {
    if !is_whole(head, body) {
        return None;
    }
    let mut hasher = SipHasher13::new();
    let mut add = |text: &[u8]| {
        hasher.write(text);
        hasher.write(&[0xff]);
    };
    let key = request.access_key.as_ref().map_or("", |key| key.0.as_str());
    [key, head.method.as_str(), head.host, head.path].iter().for_each(|text| add(text.as_bytes()));
    let pairs = head.query.unwrap_or_default().split('&');
    pairs.filter(|pair| !is_of_signing(pair)).for_each(|pair| add(pair.as_bytes()));
    // Distinct names come in an order that a client may change.
    let mut fields: Vec<_> = head.headers.iter().filter(|(name, _)| matters(name)).collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in fields {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    add(body);
    Some(hasher.finish128().into())
}

/// Whether all of the body is there, as far as the head tells.
fn is_whole(head: &Head<'_>, body: &[u8]) -> bool {
    match head.header(CONTENT_LENGTH.as_str()) {
        Some(length) => length.parse() == Ok(body.len()),
        None => {
            let has_none = matches!(*head.method, Method::GET | Method::HEAD) || body.is_empty();
            has_none && !head.headers.contains_key(TRANSFER_ENCODING)
        }
    }
}

/// Whether a pair of the query belongs to a signature.
fn is_of_signing(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let of_v4 = || {
        let name = name.get(..6).filter(|start| start.eq_ignore_ascii_case("x-amz-")).and_then(|_| name.get(6..));
        name.is_some_and(|name| OF_V4.iter().any(|other| other.eq_ignore_ascii_case(name)))
    };
    OF_V2.contains(&name) || of_v4()
}

/// Whether an answer may depend on this header field.
fn matters(name: &HeaderName) -> bool {
    let of_aws = || name.as_str().strip_prefix("x-amz-").is_some_and(|rest| !OF_SENDING.contains(&rest));
    [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RANGE].contains(name) || name.as_str().starts_with("if-") || of_aws()
}

const OF_V2: &[&str] = &["AWSAccessKeyId", "Expires", "Signature", "Timestamp"];
const OF_V4: &[&str] =
    &["Algorithm", "Credential", "Date", "Expires", "Security-Token", "Signature", "SignedHeaders", "Region-Set"];
/// What follows `x-amz-` in fields that tell of the sending.
const OF_SENDING: &[&str] =
    &["content-sha256", "date", "region-set", "s3session-token", "security-token", "user-agent"];

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::aws::request::decode;

    const SCOPE: &str = "AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/s3/aws4_request, Signature=";

    fn of(method: &Method, target: &str, fields: &[(&'static str, &str)], body: &str) -> Option<u128> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = fields.iter().map(field).collect();
        let head = Head { method, host: "s3.us-east-1.amazonaws.com", path, query, headers: &headers };
        digest(&decode(&head, body.as_bytes()).unwrap(), &head, body.as_bytes())
    }

    #[test]
    fn signatures_dates_and_attempts_make_no_difference() {
        let sent = |signature: &str, second: &str| {
            let authorization = format!("{SCOPE}{signature}");
            let fields = [
                ("authorization", &*authorization),
                ("x-amz-date", second),
                ("x-amz-content-sha256", signature),
                ("x-amz-security-token", signature),
                ("amz-sdk-invocation-id", second),
                ("amz-sdk-request", second),
                ("user-agent", signature),
                ("x-amzn-trace-id", second),
            ];
            of(&Method::GET, "/b/k?versionId=1", &fields, "")
        };
        assert!(sent("a", "1").is_some());
        assert_eq!(sent("a", "1"), sent("b", "2"));
        let presigned = |signature: &str| {
            let query = format!("/b/k?X-Amz-Signature={signature}&X-Amz-Date={signature}&versionId=1");
            of(&Method::GET, &query, &[], "")
        };
        assert_eq!(presigned("a"), presigned("b"));
    }

    #[test]
    fn whatever_an_answer_may_depend_on_makes_a_difference() {
        let plain = of(&Method::GET, "/b/k", &[], "");
        for other in [
            of(&Method::HEAD, "/b/k", &[], ""),
            of(&Method::GET, "/b/other", &[], ""),
            of(&Method::GET, "/b/k?versionId=1", &[], ""),
            of(&Method::GET, "/b/k", &[("range", "bytes=0-9")], ""),
            of(&Method::GET, "/b/k", &[("if-none-match", "x")], ""),
            of(&Method::GET, "/b/k", &[("x-amz-checksum-mode", "ENABLED")], ""),
            of(&Method::GET, "/b/k", &[("authorization", &format!("{SCOPE}0"))], ""),
        ] {
            assert!(other.is_some() && other != plain);
        }
        let (one, other) = (("content-length", "1"), ("content-length", "1"));
        assert_ne!(of(&Method::POST, "/b?select", &[one], "a"), of(&Method::POST, "/b?select", &[other], "b"));
    }

    #[test]
    fn a_body_that_is_not_all_there_has_no_digest() {
        assert_eq!(of(&Method::POST, "/b?select", &[("content-length", "2")], "a"), None);
        assert_eq!(of(&Method::POST, "/b?select", &[("transfer-encoding", "chunked")], ""), None);
    }
}
