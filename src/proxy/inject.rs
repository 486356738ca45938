//! The only place where trouble is made: turns a verdict's effects into waiting, answering, and ending what is under way.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use hyper::body::Incoming;

use super::exchange::{Exchange, ExchangeBody};
use super::{Proxy, unread};
use crate::aws::protocol::{self, AwsError, Stamp, SyntheticResponse};
use crate::aws::request::AwsRequest;
use crate::clock;
use crate::net::body::ResponseBody;
use crate::net::cut::{Ending, StreamReset};
use crate::profile::plan::RuleName;

/// Waits as long as the verdict says.
pub async fn delay(by: Duration) {
    if !by.is_zero() {
        tokio::time::sleep(by).await;
    }
}

/// The answer AWS would have given, ready for the client.
pub async fn answer(proxy: &Arc<Proxy>, fault: &Fault<'_>, request: &Parts, body: Incoming) -> Response<ResponseBody> {
    let stamp = Stamp { date: clock::wall(), id: fault.id };
    let synthetic = protocol::synthesize(fault.request, fault.error, &stamp);
    let mut response = into_response(synthetic);
    if proxy.marked
        && let Ok(rule) = HeaderValue::from_str(fault.rule.as_str())
    {
        response.headers_mut().insert(FAULT, rule);
    }
    unread::settle(proxy, request.version, &request.headers, body, &mut response).await;
    response
}

/// Ends the exchange in place of an answer.
pub async fn end(exchange: Exchange, ending: Ending) -> StreamReset {
    exchange.ended(ending).await
}

/// Lets so many bytes of the answer's body pass, then ends it. A body that is shorter passes whole.
pub fn cut(answer: Response<ExchangeBody>, after: u64, ending: Ending) -> Response<ExchangeBody> {
    answer.map(|body| body.with_cut(after, ending))
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

/// Marks an injected answer with the rule that asked for it.
pub const FAULT: HeaderName = HeaderName::from_static("x-squall-fault");
