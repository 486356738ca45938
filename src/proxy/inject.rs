//! The only place where trouble is made: turns a verdict's effects into waiting and answering.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::Proxy;
use crate::aws::protocol::{self, AwsError, Stamp, SyntheticResponse};
use crate::aws::request::AwsRequest;
use crate::clock;
use crate::net::body::ResponseBody;
use crate::profile::plan::RuleName;

/// Waits as long as the verdict says.
pub async fn delay(by: Duration) {
    if !by.is_zero() {
        tokio::time::sleep(by).await;
    }
}

/// The answer AWS would have given, ready for the client.
///
/// The request's body is read to its end first where that is quick; else it is read on behind the answer, and the client is told that
/// the connection will close. A connection closed over unread bytes becomes a TCP reset, and the SDK would report that instead.
pub async fn answer(
    proxy: &Arc<Proxy>,
    fault: &Fault<'_>,
    request_headers: &HeaderMap,
    body: Incoming,
) -> Response<ResponseBody> {
    let stamp = Stamp { date: clock::wall(), id: fault.id };
    let synthetic = protocol::synthesize(fault.request, fault.error, &stamp);
    let keep_alive = spend(proxy, request_headers, body).await;
    let mut response = into_response(synthetic);
    if proxy.marked
        && let Ok(rule) = HeaderValue::from_str(fault.rule.as_str())
    {
        response.headers_mut().insert(FAULT, rule);
    }
    if !keep_alive {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An error to be injected, and all it depends on.
#[derive(Debug)]
pub struct Fault<'a> {
    /// The rule that asked for it.
    pub rule: &'a RuleName,
    /// The error.
    pub error: &'a AwsError,
    /// What it answers.
    pub request: &'a AwsRequest,
    /// The bits of its request id.
    pub id: u128,
}

fn into_response(synthetic: SyntheticResponse) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Own(Some(synthetic.body)));
    *response.status_mut() = synthetic.status;
    *response.headers_mut() = synthetic.headers;
    response
}

/// Reads a request body that nobody wants; whether the connection can serve another request after the answer.
async fn spend(proxy: &Arc<Proxy>, headers: &HeaderMap, mut body: Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let small = body.size_hint().upper().is_some_and(|n| n <= SMALL_BODY);
    // Asking for the body of an `Expect: 100-continue` request would make hyper send the 100: answer first.
    if small && !headers.contains_key(EXPECT) {
        let drained = tokio::time::timeout(SMALL_BODY_TIME, drain(&mut body, SMALL_BODY)).await;
        return drained.unwrap_or(false);
    }
    proxy.tasks.spawn(async move {
        let _ended = tokio::time::timeout(LARGE_BODY_TIME, drain(&mut body, LARGE_BODY)).await;
    });
    false
}

/// Reads up to `limit` bytes; whether the body has ended by then.
async fn drain(body: &mut Incoming, limit: u64) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len) as u64;
        if read > limit {
            return false;
        }
    }
    true
}

/// Marks an injected answer with the rule that asked for it.
pub const FAULT: HeaderName = HeaderName::from_static("x-squall-fault");
const SMALL_BODY: u64 = 256 << 10;
const SMALL_BODY_TIME: Duration = Duration::from_secs(5);
/// A client that has an error and still sends gets this much patience before the connection is cut.
const LARGE_BODY: u64 = 1 << 30;
const LARGE_BODY_TIME: Duration = Duration::from_secs(30);
