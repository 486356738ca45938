//! One exchange, from its request to its answer: the function in which the request path can be read.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::Proxy;
use super::ahead::Ahead;
use super::approach;
use super::exchange::{Exchange, ExchangeBody};
use super::forward::{NoAnswer, forward};
use super::inject::{self, Given};
use super::route::{self, Connection, Route};
use super::{own, unread};
use crate::aws::request::{self, AwsRequest, Foreign, Head};
use crate::aws::{member, resource};
use crate::net::cut::StreamReset;
use crate::profile::{Ruling, Seen, Verdict};

/// Carries one exchange through: decode, decide, inject or forward, record.
pub async fn handle(
    proxy: Arc<Proxy>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ExchangeBody>, StreamReset> {
    let mut exchange = Exchange::open(&proxy, &connection, &request);
    let route = match route::route(&proxy, &connection, &request) {
        Ok(route) => route,
        Err(no_route) => {
            let (head, body) = request.into_parts();
            let mut answer = own::answer(no_route.reason, &no_route.text);
            unread::settle(&proxy, head.version, &head.headers, body, &mut answer).await;
            return Ok(exchange.own_answer(answer));
        }
    };
    let ruling = proxy.live.load();
    let (request, ahead, aws) = understand(&ruling, &connection, &route, request).await;
    exchange.understood(route.mode, route.host.clone(), &aws);
    if let Some(rule) = connection.progress.silenced_by.get() {
        return Err(exchange.silenced(rule.clone()).await);
    }
    if let Some(ended) = approach::at_connect(&proxy, &connection, &route.host).filter(|_| aws.is_ok()) {
        return Err(exchange.ended_at_once(ended).await);
    }
    let verdict = aws.as_ref().map_or_else(
        |_| Verdict::default(),
        |aws| ruling.decide(&seen(&connection, &route, &request, aws, &ahead.bytes()), proxy.live.now()),
    );
    exchange.decided(&verdict);
    inject::before(&verdict).await;
    let (Some((rule, instead)), Ok(aws)) = (&verdict.instead, &aws) else {
        return match forward(&proxy, &connection, &route, request, ahead, &mut exchange, &verdict).await {
            Ok(answer) => Ok(inject::answer(exchange, answer, &verdict).await),
            Err(why) => no_answer(exchange, why).await,
        };
    };
    let mut unsent = Some(request);
    if let Some(request) = unsent.take_if(|_| verdict.goes_on()) {
        // Carried out, and the client will not hear of it.
        match Box::pin(forward(&proxy, &connection, &route, request, ahead, &mut exchange, &verdict)).await {
            Ok(answer) => inject::lose(&mut exchange, answer).await,
            Err(why) => return no_answer(exchange, why).await,
        }
    }
    let given = Given { rule, instead, aws, verdict: &verdict };
    inject::instead(&proxy, exchange, &given, unsent).await
}

/// The far end has not answered: what it did instead is done to the client, or Squall says why.
async fn no_answer(exchange: Exchange, why: NoAnswer) -> Result<Response<ExchangeBody>, StreamReset> {
    match why {
        NoAnswer::Broken(broken) => Err(exchange.unanswered(&broken).await),
        NoAnswer::Unreachable(answer) => Ok(exchange.own_answer(*answer)),
    }
}

fn head<'a>(route: &'a Route, request: &'a Request<Incoming>) -> Head<'a> {
    let uri = request.uri();
    let headers = request.headers();
    Head { method: request.method(), host: &route.host, path: uri.path(), query: uri.query(), headers }
}

/// What rules look at.
fn seen<'a>(
    connection: &Connection,
    route: &'a Route,
    request: &'a Request<Incoming>,
    aws: &'a AwsRequest,
    body: &'a [u8],
) -> Seen<'a> {
    Seen { request: aws, head: head(route, request), body, peer: Some(connection.client.ip()) }
}

/// Decodes a request, looking into its body only where the head leaves a doubt, or a rule asks for what the body alone tells.
async fn understand(
    ruling: &Ruling,
    connection: &Connection,
    route: &Route,
    mut request: Request<Incoming>,
) -> (Request<Incoming>, Ahead, Result<AwsRequest, Foreign>) {
    let mut ahead = Ahead::default();
    if request::needs_body(&head(route, &request)) {
        ahead = Ahead::read(&mut request).await;
    }
    let mut aws = request::decode(&head(route, &request), &ahead.bytes());
    if let Ok(aws) = &mut aws {
        ruling.plan.settle(aws);
        if ahead.is_empty() && asks_for_body(ruling, request.version(), &seen(connection, route, &request, aws, b"")) {
            ahead = Ahead::read(&mut request).await;
            aws.is_about(resource::read(aws, &head(route, &request), &ahead.bytes()));
        }
    }
    (request, ahead, aws)
}

/// Whether a rule asks for what only the body can tell. A body of HTTP/2 without a length may be one half of a conversation, whose other
/// half would have to come first.
fn asks_for_body(ruling: &Ruling, version: Version, seen: &Seen<'_>) -> bool {
    let conversation = version == Version::HTTP_2 && !seen.head.headers.contains_key(CONTENT_LENGTH);
    let of_resource = || ruling.plan.asks_for_resource(seen) && resource::stands_in_body(seen.request, &seen.head);
    let of_member = || ruling.plan.asks_for_body(seen) && member::is_readable(seen.request, &seen.head);
    !conversation && (of_resource() || of_member())
}
