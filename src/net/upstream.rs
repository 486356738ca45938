//! The way to the far end, in the version of HTTP that the client speaks, where the far end speaks it too.
//!
//! [`Upstream::send`] sends one request and gives back the answer with its body still streaming. What could not be sent at all is an
//! [`SendError::Unreachable`]; what broke off without an answer is [`SendError::NoAnswer`], since the far end then did something that a
//! client must see as it was, not as an answer of ours.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};

use super::body::{RequestBody, UpstreamBody};
use super::connect::{Connector, Opened, Roots};
use super::cut::Broken;
use super::dial::Dialer;
use super::expect::Gate;
use super::pool::{Lease, Pool};
use super::spoken::Spoken;
use super::streams::Streams;
use super::target::{Scheme, Target};
use super::translate;

/// Sends requests to far ends.
pub struct Upstream {
    connector: Connector,
    pool: Arc<Pool>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection or stream ended before an answer had come; the request may have been carried out.
    #[error("{target} broke off without an answer: {source}")]
    NoAnswer {
        /// The far end.
        target: Arc<Target>,
        /// How.
        source: Broken,
    },
    /// Nothing was sent: no address, no connection, or no trust.
    #[error("cannot reach {target}: {reason}")]
    Unreachable {
        /// The far end.
        target: Arc<Target>,
        /// DNS, TCP or TLS in words.
        reason: String,
        /// What was to be sent.
        unsent: Box<Request<RequestBody>>,
    },
}

/// A connection that can take a request now.
enum Way {
    Http1(Lease),
    Http2 { sender: http2::SendRequest<RequestBody>, reused: bool },
}

/// What was not sent, and why nothing came back.
type Failed = (Option<Box<Request<RequestBody>>>, Broken);

impl Upstream {
    /// Dials with `dialer`, and believes what `roots` vouch for.
    pub fn new(dialer: Dialer, roots: Roots) -> Self {
        Self { connector: Connector::new(dialer, roots), pool: Arc::default() }
    }

    /// Reads the roots ahead of the first request.
    pub async fn warm(&self) {
        self.connector.warm().await;
    }

    /// How TCP connections are opened.
    pub fn dialer(&self) -> &Dialer {
        self.connector.dialer()
    }

    /// Whether a client that offers HTTP/2 should get it: whether the far end would speak it with that client. The connection that may
    /// have to be opened to ask is kept for the client's first request. In the clear nobody is asked ahead: a client over TLS that can
    /// speak HTTP/1.1 then does.
    pub async fn speaks_http2(&self, target: &Arc<Target>, streams: &Streams) -> bool {
        let knowledge = self.connector.knowledge();
        if knowledge.of(target).is_none() && target.scheme == Scheme::Https {
            match self.connector.open(target, true).await {
                Ok(Opened::Http1(sender)) => self.pool.adopt(target, sender).done(),
                Ok(Opened::Http2(sender)) => drop(streams.keep(target, sender)),
                Err(reason) => {
                    tracing::debug!("cannot ask {target} what it speaks: {reason}");
                    knowledge.learn(target, None);
                }
            }
        }
        matches!(knowledge.of(target), Some(Spoken::Http2 | Spoken::OnlyHttp2))
    }

    /// Sends `request` (framing headers as they are) and waits for the head of the answer. `streams` are those of the client's connection.
    ///
    /// A connection that served before may have been closed by the far end a moment ago. What hyper hands back unsent goes out again on
    /// another connection; a request that had left already is sent once more only if it is idempotent and has no body (RFC 9110 §9.2.2).
    pub async fn send(
        &self,
        target: &Arc<Target>,
        streams: &Streams,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let (mut request, mut fresh) = (request, false);
        loop {
            let way = match self.way(target, streams, request.version(), fresh).await {
                Ok(way) => way,
                Err(reason) => {
                    let (target, unsent) = (Arc::clone(target), Box::new(request));
                    return Err(SendError::Unreachable { target, reason, unsent });
                }
            };
            let reused = way.is_reused();
            let spare = if reused { repeatable(&request) } else { None };
            let answered = match way {
                Way::Http1(lease) => over_http1(lease, request).await,
                Way::Http2 { sender, .. } => Box::pin(over_http2(sender, target, request)).await,
            };
            request = match answered {
                Ok(response) => return Ok(response),
                Err((unsent, broken)) => match (unsent, spare) {
                    (Some(unsent), _) if reused => *unsent,
                    // Once, and not over another connection that may be as stale.
                    (None, Some(again)) if !broken.is_stream_reset() => {
                        fresh = true;
                        *again
                    }
                    _ => return Err(SendError::NoAnswer { target: Arc::clone(target), source: broken }),
                },
            };
        }
    }

    async fn way(&self, target: &Arc<Target>, streams: &Streams, version: Version, fresh: bool) -> Result<Way, String> {
        let is_http2 = version == Version::HTTP_2;
        // What stands is taken as it is; what is known of the far end matters only for what is opened.
        if !fresh && let Some(way) = self.standing(target, streams, is_http2).await {
            return Ok(way);
        }
        let wants_http2 = match self.connector.knowledge().of(target) {
            Some(Spoken::Http1) => false,
            Some(Spoken::OnlyHttp2) => true,
            Some(Spoken::Http2) | None => is_http2,
        };
        if !fresh
            && wants_http2 != is_http2
            && let Some(way) = self.standing(target, streams, wants_http2).await
        {
            return Ok(way);
        }
        // Boxed, as opening one takes far more room than sending, and a client's connection holds room for the largest.
        Ok(match Box::pin(self.connector.open(target, wants_http2)).await? {
            Opened::Http1(sender) => Way::Http1(self.pool.adopt(target, sender)),
            Opened::Http2(sender) => Way::Http2 { sender: streams.keep(target, sender), reused: false },
        })
    }

    /// A connection that stands already.
    async fn standing(&self, target: &Arc<Target>, streams: &Streams, http2: bool) -> Option<Way> {
        if http2 {
            return streams.live(target).map(|sender| Way::Http2 { sender, reused: true });
        }
        self.pool.take(target).await.map(Way::Http1)
    }
}

impl Way {
    fn is_reused(&self) -> bool {
        match self {
            Self::Http1(lease) => lease.reused,
            Self::Http2 { reused, .. } => *reused,
        }
    }
}

/// Sends it over a connection of HTTP/1. What is ready now is done before the first wait: a request is large, and each future that it
/// goes through would move it twice.
fn over_http1(
    mut lease: Lease,
    mut request: Request<RequestBody>,
) -> impl Future<Output = Result<Response<UpstreamBody>, Failed>> {
    if request.version() == Version::HTTP_2 {
        request = with_head(request, translate::request_to_http1);
    }
    let gate = if request.body().is_end_stream() { None } else { Gate::for_request(&mut request) };
    if let Some(gate) = &gate {
        request.body_mut().behind(gate);
    }
    let answering = lease.sender().try_send_request(request);
    async move {
        let response = answering.await.map_err(|e| failed(e, Broken::Http1))?;
        if let Some(gate) = gate.filter(Gate::answered) {
            return Ok(response.map(|incoming| UpstreamBody::without_request_body(incoming, lease, gate)));
        }
        // An upgraded connection is HTTP's no longer.
        let lease = (response.status() != StatusCode::SWITCHING_PROTOCOLS).then_some(lease);
        Ok(response.map(|incoming| UpstreamBody::http1(incoming, lease)))
    }
}

/// Sends it over a connection of HTTP/2.
async fn over_http2(
    mut sender: http2::SendRequest<RequestBody>,
    target: &Target,
    request: Request<RequestBody>,
) -> Result<Response<UpstreamBody>, Failed> {
    let mut request = with_head(request, |head| translate::request_to_http2(head, target));
    if !request.headers().contains_key(CONTENT_LENGTH) {
        // hyper would add the field, which the client did not send.
        request.body_mut().hide_length();
    }
    let response: Response<Incoming> = sender.try_send_request(request).await.map_err(|e| failed(e, Broken::Http2))?;
    Ok(response.map(UpstreamBody::http2))
}

fn failed(mut error: TrySendError<Request<RequestBody>>, broken: impl FnOnce(hyper::Error) -> Broken) -> Failed {
    (error.take_message().map(Box::new), broken(error.into_error()))
}

fn with_head<B>(request: Request<B>, change: impl FnOnce(&mut http::request::Parts)) -> Request<B> {
    let (mut head, body) = request.into_parts();
    change(&mut head);
    Request::from_parts(head, body)
}

/// The same request again, if sending it twice does no harm.
fn repeatable(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Box::new(Request::new(RequestBody::none()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone(); // hyper keeps the headers' case there
    Some(copy)
}
