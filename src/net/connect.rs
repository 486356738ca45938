//! Opening connections to far ends: TCP, verified TLS where the target wants it, and HTTP in a version both sides speak.

use std::io;
use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::AlertDescription;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::body::RequestBody;
use super::dial::{Dialer, Known};
use super::spoken::{self, Knowledge, Spoken};
use super::target::{Scheme, Target};
use super::tls;
use super::via::FarStream;

/// Whom far ends must be vouched for by.
#[derive(Clone, Debug)]
pub enum Roots {
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
    /// The system's, and these.
    SystemAnd(Vec<CertificateDer<'static>>),
}

/// Opens connections, and learns from them what far ends speak.
pub struct Connector {
    dialer: Dialer,
    roots: Roots,
    /// Made on first use or by [`Connector::warm`]: reading the system's roots takes milliseconds that a plain emulator never needs.
    tls: OnceCell<Handshakes>,
    knowledge: Knowledge,
}

/// An open connection's sending half.
pub enum Opened {
    /// For one exchange at a time.
    Http1(http1::SendRequest<RequestBody>),
    /// For many.
    Http2(http2::SendRequest<RequestBody>),
}

/// TLS with what is offered in it.
pub(super) struct Handshakes {
    http1: TlsConnector,
    http2: TlsConnector,
}

impl Connector {
    /// Dials with `dialer`, and believes what `roots` vouch for.
    pub fn new(dialer: Dialer, roots: Roots) -> Self {
        Self { dialer, roots, tls: OnceCell::new(), knowledge: Knowledge::default() }
    }

    /// How TCP connections are opened.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// What far ends are known to speak.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Reads the roots ahead of the first request, whose latency would else tell of it.
    pub async fn warm(&self) {
        if let Err(e) = self.handshakes().await {
            tracing::error!("no TLS upstream: {e}");
        }
    }

    /// A new connection: of HTTP/2 if that is wanted and spoken there, or if nothing else is. Or why there is none.
    pub async fn open(&self, target: &Arc<Target>, http2: bool) -> Result<Opened, String> {
        match target.scheme {
            Scheme::Http => self.open_plain(target, http2).await,
            Scheme::Https => self.open_tls(target, http2).await,
        }
    }

    async fn open_plain(&self, target: &Arc<Target>, http2: bool) -> Result<Opened, String> {
        let known = self.knowledge.of(target);
        let http2 = match known {
            Some(spoken) => http2 && spoken != Spoken::Http1,
            None => http2 && self.ask_plain(target).await?,
        };
        let (stream, known) = self.dial(target).await?;
        speak(stream, known, http2).await.map_err(|e| e.to_string())
    }

    async fn ask_plain(&self, target: &Arc<Target>) -> Result<bool, String> {
        let (stream, _known) = self.dial(target).await?;
        let http2 = spoken::is_http2(stream).await;
        self.knowledge.learn(target, Some(if http2 { Spoken::Http2 } else { Spoken::Http1 }));
        Ok(http2)
    }

    async fn open_tls(&self, target: &Arc<Target>, http2: bool) -> Result<Opened, String> {
        let mut spoken = if http2 { Spoken::Http2 } else { Spoken::Http1 };
        let (stream, known) = match self.secure(target, http2).await {
            Err(Failure::NothingInCommon) if !http2 => {
                spoken = Spoken::OnlyHttp2;
                self.secure(target, true).await
            }
            secured => secured,
        }
        .map_err(|e| e.to_string())?;
        let is_http2 = tls::is_http2(stream.get_ref().1);
        // A far end that was offered HTTP/1.1 alone has told nothing.
        if is_http2 || spoken != Spoken::Http1 {
            self.knowledge.learn(target, Some(if is_http2 { spoken } else { Spoken::Http1 }));
        }
        speak(stream, known, is_http2).await.map_err(|e| e.to_string())
    }

    async fn secure(&self, target: &Target, http2: bool) -> Result<(TlsStream<FarStream>, Known), Failure> {
        let (stream, known) = self.dial(target).await?;
        let handshakes = self.handshakes().await.map_err(|e| Failure::Other(e.to_string()))?;
        let connector = if http2 { &handshakes.http2 } else { &handshakes.http1 };
        let name = ServerName::try_from(target.host.to_string()).map_err(|e| Failure::Other(e.to_string()))?;
        let within = self.dialer.timeout();
        let late = |_| Failure::Other(format!("no TLS handshake within {within:?}"));
        let stream = tokio::time::timeout(within, connector.connect(name, stream)).await.map_err(late)??;
        Ok((stream, known))
    }

    async fn dial(&self, target: &Target) -> Result<(FarStream, Known), String> {
        self.dialer.dial(target).await.map_err(|e| e.to_string())
    }

    async fn handshakes(&self) -> Result<&Handshakes, tls::Error> {
        self.tls.get_or_try_init(|| Handshakes::new(self.roots.clone())).await
    }
}

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("TLS: it speaks none of the protocols that were offered")]
    NothingInCommon,
    #[error("{0}")]
    Other(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        let refused = e.get_ref().and_then(|inner| inner.downcast_ref());
        match refused {
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => Self::NothingInCommon,
            _ => Self::Other(format!("TLS: {e}")),
        }
    }
}

impl Handshakes {
    /// Believing what `roots` vouch for. Reads files.
    pub(super) async fn new(roots: Roots) -> Result<Self, tls::Error> {
        let load = move || match roots {
            Roots::Only(these) => these,
            Roots::SystemAnd(these) => tls::system_roots().into_iter().chain(these).collect(),
        };
        let loading = tokio::task::spawn_blocking(load).await;
        let roots = loading.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
        let http1 = tls::client_config(tls::root_store(roots))?;
        let http2 = tls::offer_http2(&http1);
        Ok(Self { http1: TlsConnector::from(Arc::new(http1)), http2: TlsConnector::from(Arc::new(http2)) })
    }

    /// With nothing but HTTP/1.1 on offer.
    pub(super) fn http1(&self) -> &TlsConnector {
        &self.http1
    }
}

async fn speak<T>(io: T, known: Known, http2: bool) -> hyper::Result<Opened>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Ok(if http2 { Opened::Http2(speak_http2(io, known).await?) } else { Opened::Http1(speak_http1(io, known).await?) })
}

async fn speak_http1<T>(io: T, known: Known) -> hyper::Result<http1::SendRequest<RequestBody>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.preserve_header_case(true).max_headers(super::MOST_HEADERS);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tokio::spawn(drive(connection.with_upgrades(), known));
    Ok(sender)
}

async fn speak_http2<T>(io: T, known: Known) -> hyper::Result<http2::SendRequest<RequestBody>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_header_list_size(super::LARGEST_FIELDS)
        .initial_stream_window_size(super::STREAM_WINDOW)
        .initial_connection_window_size(super::CONNECTION_WINDOW);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    tokio::spawn(drive(connection, known));
    Ok(sender)
}

async fn drive(connection: impl Future<Output = hyper::Result<()>>, _known: Known) {
    if let Err(e) = connection.await {
        tracing::debug!("an upstream connection ended: {e}");
    }
}
