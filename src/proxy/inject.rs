//! The only place where trouble is made: turns a verdict's effects into waiting, answering, changing what passes, and ending what is
//! under way.
//!
//! [`before`] the request goes on, [`instead`] of the far end's answer, and [`answer`] for what happens to an answer on its way down,
//! whoever gave it. What happens on the way up is `forward`'s, which asks [`paced`].

use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use http::header::{CONTENT_LENGTH, DATE, EXPECT, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use super::exchange::{Exchange, ExchangeBody};
use super::{Proxy, corrupt, forward, interrupt, unread};
use crate::aws::gateway;
use crate::aws::protocol::{self, Stamp, SyntheticResponse, event_stream, in_ok};
use crate::aws::request::{AwsRequest, Head};
use crate::aws::skew;
use crate::clock;
use crate::fault::{Breach, Instead, Scope};
use crate::net::body::{Place, ResponseBody};
use crate::net::cut::{ConnectionEnding, Ending, StreamEnding, StreamReset};
use crate::net::pace;
use crate::net::shaped::{Changes, Shaped};
use crate::profile::{RuleName, Shape, Verdict};

/// Answers by a clock that is off: a service refuses what was signed at another time than its own. What a rule answers stands.
pub fn by_clock(verdict: &mut Verdict, aws: &AwsRequest, head: &Head<'_>) {
    if !verdict.is_settled()
        && let Some((rule, by)) = verdict.shape.as_ref().and_then(|shape| shape.clock.as_ref())
        && let Some(error) = skew::refusal(aws, head, skew::moved(clock::wall(), *by))
    {
        verdict.instead = Some((rule.clone(), Instead::Error(error)));
    }
}

/// Waits before the request goes on, or something comes in its place.
pub async fn before(verdict: &Verdict) {
    wait(verdict.delay).await;
}

/// What a rule gives in place of the far end's answer.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The rule.
    pub rule: &'a RuleName,
    /// What.
    pub instead: &'a Instead,
    /// What it answers.
    pub aws: &'a AwsRequest,
    /// What else happens.
    pub verdict: &'a Verdict,
}

/// Throws the far end's answer away.
pub async fn lose(exchange: &mut Exchange, answer: Response<ResponseBody>) {
    exchange.was_lost(answer.status());
    forward::throw_away(answer).await;
}

/// Gives the client what a rule gives; `unsent` is the request, unless it has gone on and its answer is lost.
pub async fn instead(
    proxy: &Arc<Proxy>,
    mut exchange: Box<Exchange>,
    given: &Given<'_>,
    unsent: &mut Option<Request<Incoming>>,
) -> Result<Response<ExchangeBody>, StreamReset> {
    let Given { rule, instead, aws, verdict } = given;
    let stamp = Stamp { date: clock::wall(), id: exchange.request_id() };
    let instead = instead.at_last();
    let mut response = match instead {
        Instead::Recorded(answer) => answer.again(aws, &stamp).map(|body| ResponseBody::Own(Some(body))),
        Instead::Error(error) => into_response(protocol::synthesize(aws, error, &stamp)),
        Instead::ErrorInOk(error) => into_response(in_ok::error(aws, error, &stamp)),
        Instead::FunctionError(failure) => into_response(in_ok::function_error(failure, &stamp)),
        Instead::Gateway(status) => into_response(gateway::page(*status, aws.head_only, &stamp)),
        Instead::BrokenStream(how) => match event_stream::broken_off(aws, how, &stamp) {
            Some(answer) => into_response(answer),
            None => return Err(exchange.ended(Ending::Connection(ConnectionEnding::ShutDown)).await),
        },
        Instead::Close => return Err(exchange.ended(Ending::Connection(ConnectionEnding::ShutDown)).await),
        Instead::Hang(time) => return Err(hang(exchange, *time, unsent.take()).await),
        Instead::Lost(_) => return Err(exchange.ended(reset(Scope::Connection)).await),
        Instead::Reset(scope) => return Err(exchange.ended(reset(*scope)).await),
    };
    if let Instead::Gateway(status) = instead
        && let Some(reason) = gateway::reason(*status)
    {
        response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
    }
    mark(proxy, &mut response, rule);
    if let Some(time) = verdict.shape.as_ref().and_then(|shape| shape.retry_after) {
        ask_to_wait(&mut response, time);
        exchange.asks_to_wait(time);
    }
    if let Some((rule, _)) = verdict.shape.as_ref().and_then(|shape| shape.expiration.as_ref()) {
        exchange.found_nothing(rule);
    }
    if let Some(request) = unsent.take_if(|request| !request.body().is_end_stream()) {
        let (head, body) = request.into_parts();
        unread::settle(proxy, head.version, &head.headers, body, &mut response).await;
    }
    exchange.is_injected();
    Ok(answer(exchange, response, verdict, Some(aws)).await)
}

/// Says on an injected answer which rule gave it.
pub fn mark(proxy: &Proxy, response: &mut Response<ResponseBody>, rule: &RuleName) {
    if proxy.marked
        && let Ok(rule) = HeaderValue::from_str(rule.as_str())
    {
        response.headers_mut().insert(FAULT, rule);
    }
}

/// Gives the client an answer, with all that is to happen to it on its way down.
pub async fn answer(
    exchange: Box<Exchange>,
    response: Response<ResponseBody>,
    verdict: &Verdict,
    aws: Option<&AwsRequest>,
) -> Response<ExchangeBody> {
    match &verdict.shape {
        None => exchange.answered(response),
        Some(shape) => Box::pin(shaped(exchange, response, shape, aws)).await,
    }
}

async fn shaped(
    mut exchange: Box<Exchange>,
    mut response: Response<ResponseBody>,
    shape: &Shape,
    aws: Option<&AwsRequest>,
) -> Response<ExchangeBody> {
    if !shape.first_byte.is_zero() {
        exchange.held_back(shape.first_byte);
        wait(shape.first_byte).await;
    }
    if let Some((_, by)) = &shape.clock {
        response.headers_mut().insert(DATE, skew::http_date(skew::moved(clock::wall(), *by)));
    }
    let mut changes = changes(&mut exchange, &mut response, shape);
    changes.recast = interrupt::interrupt(&mut exchange, &mut response, shape, aws);
    if !changes.is_none() {
        response = response.map(|body| ResponseBody::Shaped(Box::new(Shaped::new(body, changes))));
    }
    exchange.will_be_cut(shape.cuts.iter().map(|(rule, ..)| rule.clone()).collect());
    let response = exchange.answered(response);
    if shape.cuts.is_empty() {
        return response;
    }
    let place = |share: Option<f64>, bytes| share.map_or(Place::Bytes(bytes), Place::Share);
    let cuts = shape.cuts.iter().map(|(_, at, breach)| (place(at.share(), at.bytes()), ending(*breach)));
    let cuts = cuts.collect();
    response.map(|body| body.with_cuts(cuts))
}

/// The pace of a request's body, if it has one of its own.
pub fn paced(verdict: &Verdict) -> Option<pace::Terms> {
    let speed = verdict.shape.as_ref()?.up?.per_second();
    Some(pace::Terms { speed: Some(speed), ..pace::Terms::default() })
}

/// Changes the head of an answer, and says what is to be changed in its body.
fn changes(exchange: &mut Exchange, response: &mut Response<ResponseBody>, shape: &Shape) -> Changes {
    let mut changes = Changes::default();
    for (rule, corruption) in &shape.corruptions {
        if !corrupt::corrupt(*corruption, response, &mut changes) {
            exchange.found_nothing(rule);
        }
    }
    changes.pace = pace::Terms {
        speed: shape.down.map(|speed| speed.per_second()),
        pieces: shape.dribble.map(|dribble| (dribble.chunk.count(), dribble.every)),
        over: shape.over_body,
    };
    if let Some((rule, delay)) = &shape.late_end {
        // A client of HTTP/1 finds the end by Content-Length, wherever the body ends: the connection alone can end late then.
        let by_length = exchange.version() != Version::HTTP_2 && response.headers().contains_key(CONTENT_LENGTH);
        let (body, connection) = if by_length { (Duration::ZERO, *delay) } else { (*delay, Duration::ZERO) };
        changes.late_end = body;
        exchange.will_end_late(rule.clone(), connection);
    }
    changes
}

/// Takes the whole request, but for a body that waits to be asked for, and then nothing happens.
async fn hang(mut exchange: Box<Exchange>, time: Option<Duration>, request: Option<Request<Incoming>>) -> StreamReset {
    exchange.ends_by_rule();
    let taking = async {
        if let Some(mut request) = request.filter(|request| !request.headers().contains_key(EXPECT)) {
            while let Some(Ok(_)) = request.body_mut().frame().await {}
        }
        std::future::pending::<()>().await;
    };
    match time {
        None => taking.await,
        Some(time) => tokio::select! {
            () = taking => {}
            () = tokio::time::sleep(time) => {}
        },
    }
    let ending = match exchange.version() {
        Version::HTTP_2 => Ending::Stream(StreamEnding::Reset(Reason::INTERNAL_ERROR)),
        _ => Ending::Connection(ConnectionEnding::ShutDown),
    };
    exchange.ended(ending).await
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn ask_to_wait(response: &mut Response<ResponseBody>, time: Duration) {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    response.headers_mut().insert(AMZ_RETRY_AFTER, HeaderValue::from(ms));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
}

fn ending(breach: Breach) -> Ending {
    match breach {
        Breach::Finish => Ending::Stream(StreamEnding::Finish),
        Breach::Reset(scope) => reset(scope),
    }
}

fn reset(scope: Scope) -> Ending {
    match scope {
        Scope::Connection => Ending::Connection(ConnectionEnding::Reset),
        Scope::Stream => Ending::Stream(StreamEnding::Reset(Reason::INTERNAL_ERROR)),
    }
}

pub(super) fn into_response(synthetic: SyntheticResponse) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Own(Some(synthetic.body)));
    *response.status_mut() = synthetic.status;
    *response.headers_mut() = synthetic.headers;
    response
}

/// Marks an injected answer with the rule that asked for it.
pub const FAULT: HeaderName = HeaderName::from_static("x-squall-fault");
/// In milliseconds; newer SDKs wait for it.
const AMZ_RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");
