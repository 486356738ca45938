//! One exchange, from its request to its answer: the function in which the request path can be read.

use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::Proxy;
use super::ahead::Ahead;
use super::exchange::{Exchange, ExchangeBody};
use super::inject::{self, Fault};
use super::route::{self, Addressed, Connection, NoRoute, Route};
use super::upgrade::Wanted;
use super::{own, resign, unread};
use crate::aws::protocol::{self, AwsError};
use crate::aws::request::{self, AwsRequest, Foreign, Head, MOST_OF_BODY};
use crate::aws::resource;
use crate::net::body::{RequestBody, ResponseBody, Sent};
use crate::net::cut::StreamReset;
use crate::net::translate;
use crate::net::upstream::SendError;

/// Carries one exchange through: decode, decide, inject or forward, record.
pub async fn handle(
    proxy: Arc<Proxy>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ExchangeBody>, StreamReset> {
    let mut exchange = Exchange::open(&proxy, &connection, &request);
    let mut addressed = match route::addressed(&proxy, &connection, &request) {
        Ok(addressed) => addressed,
        Err(no_route) => return nowhere(&proxy, &no_route, request, exchange).await,
    };
    let (mut request, mut ahead, aws) = understand(&proxy, &addressed, request).await;
    let route = route::route(&proxy, &connection, &addressed, aws.as_ref().ok()).await;
    exchange.understood(addressed.mode, std::mem::take(&mut addressed.host), &aws);
    let route = match route {
        Ok(route) => route,
        Err(no_route) => return nowhere(&proxy, &no_route, request, exchange).await,
    };
    let Ok(mut aws) = aws else { return forward(&proxy, &connection, &route, request, ahead, exchange).await };

    let verdict = proxy.decide(&aws);
    exchange.decided(&verdict);
    inject::delay(verdict.delay).await;
    if let Some((rule, error)) = &verdict.answer {
        look_closer(&addressed, &mut request, &mut ahead, &mut aws, error).await;
        let fault = Fault { rule, error, request: &aws, id: exchange.request_id() };
        let (head, body) = request.into_parts();
        return Ok(exchange.injected(inject::answer(&proxy, &fault, &head, body).await));
    }
    forward(&proxy, &connection, &route, request, ahead, exchange).await
}

/// Answers a request that cannot be carried.
async fn nowhere(
    proxy: &Arc<Proxy>,
    why: &NoRoute,
    request: Request<Incoming>,
    exchange: Exchange,
) -> Result<Response<ExchangeBody>, StreamReset> {
    let (head, body) = request.into_parts();
    let mut answer = own::answer(why.reason, &why.text);
    unread::settle(proxy, head.version, &head.headers, body, &mut answer).await;
    Ok(exchange.own_answer(answer))
}

fn head<'a>(addressed: &'a Addressed, request: &'a Request<Incoming>) -> Head<'a> {
    let uri = request.uri();
    let headers = request.headers();
    Head { method: request.method(), host: &addressed.host, path: uri.path(), query: uri.query(), headers }
}

/// Decodes a request, looking into its body only where the head leaves a doubt, or a rule asks for what the body alone tells.
async fn understand(
    proxy: &Proxy,
    addressed: &Addressed,
    mut request: Request<Incoming>,
) -> (Request<Incoming>, Ahead, Result<AwsRequest, Foreign>) {
    let mut ahead = Ahead::default();
    if request::needs_body(&head(addressed, &request)) {
        ahead.read(&mut request, MOST_OF_BODY).await;
    }
    let mut aws = request::decode(&head(addressed, &request), &ahead.bytes());
    if let Ok(aws) = &mut aws {
        proxy.plan.settle(aws);
        if ahead.is_empty() && names_resource_in_body(proxy, addressed, &request, aws) {
            ahead.read(&mut request, MOST_OF_BODY).await;
            aws.is_about(resource::read(aws, &head(addressed, &request), &ahead.bytes()));
        }
    }
    (request, ahead, aws)
}

/// Reads as much of the request as the error that answers it tells of it.
async fn look_closer(
    addressed: &Addressed,
    request: &mut Request<Incoming>,
    ahead: &mut Ahead,
    aws: &mut AwsRequest,
    error: &AwsError,
) {
    let most = protocol::asks_body(aws, &head(addressed, request), error);
    if most > 0 && !is_conversation(request) {
        ahead.read(request, most).await;
        protocol::look_into(aws, &head(addressed, request), error, &ahead.bytes());
    }
}

/// Whether a rule asks for the resource, and only the body can tell.
fn names_resource_in_body(proxy: &Proxy, addressed: &Addressed, request: &Request<Incoming>, aws: &AwsRequest) -> bool {
    !is_conversation(request)
        && proxy.plan.asks_for_resource(aws)
        && resource::stands_in_body(aws, &head(addressed, request))
}

/// Whether a body may be one half of a conversation, whose other half would have to come first: on HTTP/2, without a length.
fn is_conversation(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_2 && !request.headers().contains_key(CONTENT_LENGTH)
}

/// Sends the request on as it came, and the answer back as it comes.
async fn forward(
    proxy: &Arc<Proxy>,
    connection: &Connection,
    route: &Route,
    mut request: Request<Incoming>,
    mut ahead: Ahead,
    exchange: Exchange,
) -> Result<Response<ExchangeBody>, StreamReset> {
    let rewrite = match &route.real {
        Some(real) => match resign::resign(proxy, real, &mut request, &mut ahead).await {
            Ok(rewrite) => rewrite,
            Err(why) => return nowhere(proxy, &why, request, exchange).await,
        },
        None => None,
    };
    let (version, upgrade) = (request.version(), Wanted::take(&mut request));
    let mut request = outgoing(route, request, ahead, exchange.sent());
    request.body_mut().through(rewrite);
    match proxy.upstream.send(&route.to, &connection.streams, request).await {
        Ok(response) => {
            let came_early = response.body().came_early();
            let mut response = response.map(ResponseBody::Upstream);
            if came_early && version != Version::HTTP_2 {
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
            unread::settle(proxy, version, &head.headers, body, &mut answer).await;
            Ok(exchange.own_answer(answer))
        }
        Err(SendError::NoAnswer { target, source }) => {
            tracing::debug!("{target} broke off without an answer: {source}");
            Err(exchange.unanswered(&source).await)
        }
    }
}

/// The request as the far end gets it: without what was meant for the proxy.
fn outgoing(route: &Route, request: Request<Incoming>, ahead: Ahead, sent: Arc<Sent>) -> Request<RequestBody> {
    let (mut head, body) = request.into_parts();
    // HTTP/2 names scheme and authority in every request; elsewhere only a proxy is told them.
    if head.version != Version::HTTP_2 {
        translate::origin_form(&mut head.uri);
    }
    translate::retain(&mut head.headers, |name, _| !name.as_str().starts_with("proxy-"));
    if route.tls_ends_here {
        head.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    }
    let version = head.version;
    Request::from_parts(head, RequestBody::new(ahead.into_frames(), body, version, sent))
}

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
