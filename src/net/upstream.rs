//! The way to the far end: a pooled HTTP/1.1 connection, over verified TLS where the target wants it.
//!
//! [`Upstream::send`] sends one request and gives back the answer with its body still streaming. What could not be sent at all is an
//! [`SendError::Unreachable`]; what broke off without an answer is [`SendError::NoAnswer`], since the far end then did something that a
//! client must see as it was, not as an answer of ours.

use std::io;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::body::{RequestBody, UpstreamBody};
use super::dial::{Dialer, Known};
use super::expect::Gate;
use super::pool::{Lease, Pool};
use super::target::{Scheme, Target};
use super::tls;

/// Sends requests to far ends.
pub struct Upstream {
    dialer: Dialer,
    pool: Arc<Pool>,
    roots: Roots,
    /// Made on first use or by [`Upstream::warm`]: reading the system's roots takes milliseconds that a plain emulator never needs.
    connector: OnceCell<TlsConnector>,
}

/// Whom far ends must be vouched for by.
#[derive(Clone, Debug)]
pub enum Roots {
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
    /// The system's, and these.
    SystemAnd(Vec<CertificateDer<'static>>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection ended before an answer had come; the request may have been carried out.
    #[error("{target} closed the connection without an answer: {source}")]
    NoAnswer {
        /// The far end.
        target: Arc<Target>,
        /// What hyper saw.
        source: hyper::Error,
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

impl SendError {
    /// Whether the far end ended the connection with a TCP reset.
    pub fn is_reset(&self) -> bool {
        let Self::NoAnswer { source, .. } = self else { return false };
        let mut cause = std::error::Error::source(source);
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionReset) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl Upstream {
    /// Dials with `dialer`, and believes what `roots` vouch for.
    pub fn new(dialer: Dialer, roots: Roots) -> Self {
        Self { dialer, pool: Arc::default(), roots, connector: OnceCell::new() }
    }

    /// Reads the roots ahead of the first request, whose latency would else tell of it.
    pub async fn warm(&self) {
        if let Err(e) = self.connector().await {
            tracing::error!("no TLS upstream: {e}");
        }
    }

    /// How connections are opened.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Sends `request` (origin form, framing headers as they are) and waits for the head of the answer.
    ///
    /// A pooled connection may have been closed by the far end a moment ago. What hyper hands back unsent goes out again on another
    /// connection; a request that had left already is sent once more only if it is idempotent and has no body (RFC 9110 §9.2.2).
    pub async fn send(
        &self,
        target: &Arc<Target>,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let mut request = request;
        while let Some(lease) = self.pool.take(target).await {
            let spare = repeatable(&request);
            match exchange(lease, request).await {
                Ok(response) => return Ok(response),
                Err(mut failed) => match (failed.take_message(), spare) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(again)) => {
                        // Once, and not over another connection that may be as stale.
                        request = again;
                        break;
                    }
                    (None, None) => return Err(no_answer(target, failed)),
                },
            }
        }
        let lease = match self.connect(target).await {
            Ok(lease) => lease,
            Err(reason) => {
                let (target, unsent) = (Arc::clone(target), Box::new(request));
                return Err(SendError::Unreachable { target, reason, unsent });
            }
        };
        exchange(lease, request).await.map_err(|failed| no_answer(target, failed))
    }

    /// A new connection, or why not.
    async fn connect(&self, target: &Arc<Target>) -> Result<Lease, String> {
        let (stream, known) = self.dialer.dial(target).await.map_err(|e| e.to_string())?;
        let sender = match target.scheme {
            Scheme::Http => handshake(stream, known).await,
            Scheme::Https => handshake(self.secure(target, stream).await?, known).await,
        };
        Ok(self.pool.adopt(target, sender.map_err(|e| e.to_string())?))
    }

    async fn secure(&self, target: &Target, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let connector = self.connector().await.map_err(|e| e.to_string())?;
        let name = ServerName::try_from(target.host.to_string()).map_err(|e| e.to_string())?;
        let handshaking = tokio::time::timeout(super::dial::CONNECT_TIMEOUT, connector.connect(name, stream));
        handshaking.await.map_err(|_| "no TLS handshake within 10 s".to_owned())?.map_err(|e| format!("TLS: {e}"))
    }

    async fn connector(&self) -> Result<&TlsConnector, tls::Error> {
        self.connector.get_or_try_init(|| connector(self.roots.clone())).await
    }
}

async fn connector(roots: Roots) -> Result<TlsConnector, tls::Error> {
    let load = move || match roots {
        Roots::Only(these) => these,
        Roots::SystemAnd(these) => tls::system_roots().into_iter().chain(these).collect(),
    };
    let roots = tokio::task::spawn_blocking(load).await.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
    Ok(TlsConnector::from(Arc::new(tls::client_config(tls::root_store(roots))?)))
}

async fn exchange(
    mut lease: Lease,
    mut request: Request<RequestBody>,
) -> Result<Response<UpstreamBody>, Box<TrySendError<Request<RequestBody>>>> {
    let gate = if request.body().is_end_stream() { None } else { Gate::for_request(&mut request) };
    if let Some(gate) = &gate {
        request.body_mut().behind(gate);
    }
    let response = lease.sender().try_send_request(request).await.map_err(Box::new)?;
    if let Some(gate) = gate.filter(Gate::answered) {
        return Ok(response.map(|incoming| UpstreamBody::without_request_body(incoming, lease, gate)));
    }
    // An upgraded connection is HTTP's no longer.
    let lease = (response.status() != StatusCode::SWITCHING_PROTOCOLS).then_some(lease);
    Ok(response.map(|incoming| UpstreamBody::new(incoming, lease)))
}

fn no_answer(target: &Arc<Target>, failed: Box<TrySendError<Request<RequestBody>>>) -> SendError {
    SendError::NoAnswer { target: Arc::clone(target), source: failed.into_error() }
}

/// The same request again, if sending it twice does no harm.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(RequestBody::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone(); // hyper keeps the headers' case there
    Some(copy)
}

async fn handshake<T>(io: T, known: Known) -> hyper::Result<http1::SendRequest<RequestBody>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(true).max_headers(super::MOST_HEADERS);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tokio::spawn(async move {
        let _known = known;
        if let Err(e) = connection.with_upgrades().await {
            tracing::debug!("an upstream connection ended: {e}");
        }
    });
    Ok(sender)
}
