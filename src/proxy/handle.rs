//! One exchange, from its request to its answer: the function in which the request path can be read.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::Proxy;
use super::exchange::{Exchange, ExchangeBody};
use super::inject::{self, Fault};
use super::route::{self, Connection, Route};
use super::upgrade::Wanted;
use super::{own, unread};
use crate::aws::request::{self, AwsRequest, Foreign, Head};
use crate::net::body::{RequestBody, ResponseBody};
use crate::net::upstream::SendError;

/// The connection must end without an answer: its far end ended so, and the client has to see just that.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends unanswered, as the upstream's did")]
pub struct Abort;

/// Carries one exchange through: decode, decide, inject or forward, record.
pub async fn handle(
    proxy: Arc<Proxy>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ExchangeBody>, Abort> {
    let mut exchange = Exchange::open(&proxy, &connection, &request);
    let mut route = match route::route(&proxy, &connection, &request) {
        Ok(route) => route,
        Err(no_route) => {
            let (head, body) = request.into_parts();
            let mut answer = own::answer(no_route.reason, &no_route.text);
            unread::settle(&proxy, &head.headers, body, &mut answer).await;
            return Ok(exchange.own_answer(answer));
        }
    };
    let (request, ahead) = look_ahead(&route, request).await;
    let aws = decode(&route, &request, ahead.as_deref().unwrap_or_default());
    exchange.understood(route.mode, std::mem::take(&mut route.host), &aws);
    let Ok(aws) = aws else { return forward(&proxy, &connection, &route, request, ahead, exchange).await };

    let verdict = proxy.plan.decide(&proxy.states, &aws);
    exchange.decided(&verdict);
    inject::delay(verdict.delay).await;
    if let Some((rule, error)) = &verdict.answer {
        let fault = Fault { rule, error, request: &aws, id: exchange.request_id() };
        let (head, body) = request.into_parts();
        return Ok(exchange.injected(inject::answer(&proxy, &fault, &head.headers, body).await));
    }
    forward(&proxy, &connection, &route, request, ahead, exchange).await
}

fn decode(route: &Route, request: &Request<Incoming>, ahead: &[u8]) -> Result<AwsRequest, Foreign> {
    request::decode(&head(route, request), ahead)
}

fn head<'a>(route: &'a Route, request: &'a Request<Incoming>) -> Head<'a> {
    let uri = request.uri();
    let headers = request.headers();
    Head { method: request.method(), host: &route.host, path: uri.path(), query: uri.query(), headers }
}

/// Reads as much of the body as decoding needs: nothing, unless the operation's name stands in a form.
async fn look_ahead(route: &Route, mut request: Request<Incoming>) -> (Request<Incoming>, Option<Bytes>) {
    if !request::needs_body(&head(route, &request)) {
        return (request, None);
    }
    let mut ahead = BytesMut::new();
    while ahead.len() < MOST_AHEAD {
        let Some(Ok(frame)) = request.body_mut().frame().await else { break };
        if let Ok(data) = frame.into_data() {
            ahead.extend_from_slice(&data);
        }
    }
    (request, Some(ahead.freeze()))
}

/// Sends the request on as it came, and the answer back as it comes.
async fn forward(
    proxy: &Arc<Proxy>,
    connection: &Connection,
    route: &Route,
    mut request: Request<Incoming>,
    ahead: Option<Bytes>,
    exchange: Exchange,
) -> Result<Response<ExchangeBody>, Abort> {
    let upgrade = Wanted::take(&mut request);
    let request = outgoing(route, request, ahead, exchange.sent());
    match proxy.upstream.send(&route.to, request).await {
        Ok(response) => {
            let came_early = response.body().came_early();
            let mut response = response.map(ResponseBody::Upstream);
            if came_early {
                // hyper closes a connection whose request body nobody read.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if let Some(upgrade) = upgrade {
                upgrade.join(proxy, &mut response);
            }
            Ok(exchange.answered(response))
        }
        Err(SendError::Unreachable { target, reason, unsent }) => {
            let text = format!("cannot reach {target}: {reason}");
            tracing::warn!("{text}");
            let (head, body) = unsent.into_parts();
            let mut answer = own::answer(own::Reason::UpstreamUnreachable, &text);
            unread::settle(proxy, &head.headers, body, &mut answer).await;
            Ok(exchange.own_answer(answer))
        }
        Err(no_answer @ SendError::NoAnswer { .. }) => {
            tracing::debug!("{no_answer}");
            exchange.unanswered();
            if no_answer.is_reset() {
                connection.control.reset();
            }
            Err(Abort)
        }
    }
}

/// The request as the far end gets it: origin form, without what was meant for the proxy.
fn outgoing(
    route: &Route,
    request: Request<Incoming>,
    ahead: Option<Bytes>,
    sent: Arc<AtomicU64>,
) -> Request<RequestBody> {
    let (mut head, body) = request.into_parts();
    route::origin_form(&mut head.uri);
    head.headers = without_proxy_fields(head.headers);
    if route.tls_ends_here {
        head.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    }
    Request::from_parts(head, RequestBody::new(ahead, Some(body), sent))
}

/// Drops `Proxy-*` fields. The map is built anew, since removing from it would change the order of what stays.
fn without_proxy_fields(headers: HeaderMap) -> HeaderMap {
    let is_ours = |name: &HeaderName| name.as_str().starts_with("proxy-");
    if !headers.keys().any(is_ours) {
        return headers;
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    let mut last = None;
    for (name, value) in headers {
        last = name.or(last);
        if let Some(name) = last.as_ref().filter(|name| !is_ours(name)) {
            kept.append(name.clone(), value);
        }
    }
    kept
}

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Action and Version come first in what SDKs write; a form that has not said them by then is read without.
const MOST_AHEAD: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_fields_go_and_the_order_of_the_rest_stays() {
        let given = [("host", "h"), ("proxy-connection", "keep-alive"), ("a", "1"), ("b", "2"), ("a", "3"), ("z", "4")];
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name, HeaderValue::from_static(value));
        }
        let kept = without_proxy_fields(headers);
        let kept: Vec<_> = kept.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(kept, [("host", "h"), ("a", "1"), ("a", "3"), ("b", "2"), ("z", "4")]);
    }
}
