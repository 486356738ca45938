//! The way to the far end and back: the request as it came, and the answer as it comes.
//!
//! [`forward`] gives the answer with its body still streaming, or why there is none. A request that a rule has sent several times is
//! read whole first, within a bound, and goes out one time after the other; its client gets the first answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::Frame;
use hyper::body::Incoming;

use super::ahead::Ahead;
use super::exchange::Exchange;
use super::links::Links;
use super::past::UnderWay;
use super::route::{Connection, Route};
use super::upgrade::Wanted;
use super::{Proxy, inject, own, resign, unread};
use crate::net::body::{RequestBody, ResponseBody, Rewrite, Sent};
use crate::net::cut::Broken;
use crate::net::translate;
use crate::net::upstream::SendError;
use crate::profile::{RuleName, Verdict};

/// Why the far end gave no answer.
pub(super) enum NoAnswer {
    /// It broke off, and the client is to see the same.
    Broken(Broken),
    /// The request could not be carried there, which Squall says in its own name.
    Own(Box<Response<ResponseBody>>),
}

/// What is sent several times.
struct Copies {
    head: Parts,
    bodies: Vec<RequestBody>,
}

/// Sends the request on as it came, and gives the answer as it comes.
pub(super) async fn forward(
    proxy: &Arc<Proxy>,
    connection: &Connection,
    route: &Route,
    request: Request<Incoming>,
    ahead: Ahead,
    exchange: &mut Exchange,
    verdict: &Verdict,
) -> Result<Response<ResponseBody>, NoAnswer> {
    let (mut request, mut ahead) = (request, ahead);
    let rewrite = match &route.real {
        Some(real) => match resign::resign(proxy, real, &mut request, &mut ahead).await {
            Ok(rewrite) => rewrite,
            Err(why) => return Err(NoAnswer::Own(Box::new(own::no_route(proxy, &why, request).await))),
        },
        None => None,
    };
    let links = if route.leads_back { Links::of(&request, connection.secure) } else { None };
    let (version, upgrade) = (request.version(), Wanted::take(&mut request));
    let again = match verdict.shape.as_ref().and_then(|shape| shape.send.as_ref()) {
        Some((rule, times)) => Box::pin(whole(&mut request, &mut ahead, exchange, rule, *times)).await,
        None => None,
    };
    let mut request = outgoing(route, request, ahead, exchange.sent());
    let copies = again.map(|bodies| Copies::new(&request, rewrite.as_deref(), bodies));
    request.body_mut().through(rewrite);
    if let Some(pace) = inject::paced(verdict) {
        request.body_mut().paced(pace);
    }
    let under_way = UnderWay::begin(proxy, verdict);
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
            if let Some(links) = links {
                response = Box::pin(links.lead(&route.to, response)).await.map_err(NoAnswer::Broken)?;
            }
            if let Some(copies) = copies {
                exchange.was_sent_again(Box::pin(copies.send(proxy, connection, route)).await);
            }
            Ok(match under_way {
                Some(under_way) => under_way.answered(response),
                None => response,
            })
        }
        Err(SendError::Unreachable { target, reason, unsent }) => {
            under_way.into_iter().for_each(UnderWay::not_sent);
            let text = format!("cannot reach {target}: {reason}");
            tracing::warn!("{text}");
            let (head, body) = unsent.into_parts();
            let mut answer = own::answer(own::Reason::UpstreamUnreachable, &text);
            unread::settle(proxy, version, &head.headers, body, &mut answer).await;
            Err(NoAnswer::Own(Box::new(answer)))
        }
        Err(SendError::NoAnswer { target, source }) => {
            tracing::debug!("{target} broke off without an answer: {source}");
            Err(NoAnswer::Broken(source))
        }
    }
}

/// Takes an answer from the far end that nobody will get: whole, where that is quick, so that the connection can serve again.
pub(super) async fn throw_away(answer: Response<ResponseBody>) {
    let mut body = answer.into_body();
    let _broken = tokio::time::timeout(THROWING, unread::drain(&mut body, LARGEST_KEPT as u64)).await;
}

/// For a rule that has the request sent several times: its body for all times but the first, for which it is left in `ahead`.
async fn whole(
    request: &mut Request<Incoming>,
    ahead: &mut Ahead,
    exchange: &mut Exchange,
    rule: &RuleName,
    times: u32,
) -> Option<Vec<Vec<Frame<Bytes>>>> {
    if ahead.read_whole(request, LARGEST_KEPT).await {
        return Some((1..times).map(|_| ahead.copy()).collect());
    }
    exchange.is_too_large(rule);
    None
}

impl Copies {
    fn new<B>(request: &Request<B>, rewrite: Option<&dyn Rewrite>, bodies: Vec<Vec<Frame<Bytes>>>) -> Self {
        let again = |frames| {
            let mut body = RequestBody::again(frames);
            body.through(rewrite.map(Rewrite::once_more));
            body
        };
        Self { head: head_of(request), bodies: bodies.into_iter().map(again).collect() }
    }

    /// Sends them one after the other; how many were answered.
    async fn send(self, proxy: &Proxy, connection: &Connection, route: &Route) -> u32 {
        let mut answered = 0;
        for body in self.bodies {
            let request = Request::from_parts(self.head.clone(), body);
            match proxy.upstream.send(&route.to, &connection.streams, request).await {
                Ok(response) => {
                    answered += 1;
                    throw_away(response.map(ResponseBody::Upstream)).await;
                }
                Err(e) => tracing::warn!("a request that was to be sent once more was not answered: {e}"),
            }
        }
        answered
    }
}

fn head_of<B>(request: &Request<B>) -> Parts {
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone(); // hyper keeps the headers' case there
    copy.into_parts().0
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
/// Of a request's body that is to be sent again, and of an answer's that nobody gets.
const LARGEST_KEPT: usize = 1 << 20;
const THROWING: Duration = Duration::from_secs(5);
