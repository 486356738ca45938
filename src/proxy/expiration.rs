//! When the credentials in an answer expire, told otherwise than the far end tells it.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::exchange::Exchange;
use crate::aws::expiration;
use crate::aws::request::AwsRequest;
use crate::clock;
use crate::net::body::ResponseBody;
use crate::net::cut::Broken;
use crate::profile::Verdict;

/// The far end's answer with the time that a rule says, if one does. What tells none, or is not small and plain, is handed on as it is,
/// and the rule has not fired.
pub(super) async fn put(
    exchange: &mut Exchange,
    answer: Response<ResponseBody>,
    verdict: &Verdict,
    aws: Option<&AwsRequest>,
) -> Result<Response<ResponseBody>, Broken> {
    let expiration = verdict.shape.as_ref().and_then(|shape| shape.expiration.as_ref());
    let (Some((rule, after)), Some(aws)) = (expiration, aws) else { return Ok(answer) };
    let is_small = answer.body().size_hint().upper().is_some_and(|length| (1..=MOST).contains(&length));
    if answer.status() != StatusCode::OK || answer.headers().contains_key(CONTENT_ENCODING) || !is_small {
        exchange.found_nothing(rule);
        return Ok(answer);
    }
    let (mut head, body) = answer.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let Some(other) = expiration::put(aws, &bytes, clock::wall(), *after) else {
        exchange.found_nothing(rule);
        return Ok(Response::from_parts(head, ResponseBody::Own(Some(bytes))));
    };
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(other.len()));
    Ok(Response::from_parts(head, ResponseBody::Own(Some(other.into()))))
}

/// Credentials are a few kilobytes.
const MOST: u64 = 64 << 10;
