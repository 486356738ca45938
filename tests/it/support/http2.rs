//! HTTP/2 peers for tests: a far end that answers each stream as it is told, and a client of streams.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use squall::net::authority::CertificateAuthority;
use squall::net::control::ConnectionControl;
use squall::net::io::ClientIo;
use squall::net::name::{HostName, Permitted};
use squall::net::target::{Scheme, Target};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::soon;
use super::upstream::HOST;

/// A far end that speaks HTTP/2 and nothing else.
#[derive(Clone)]
pub(crate) struct Http2Upstream {
    pub(crate) address: SocketAddr,
    root: Option<CertificateDer<'static>>,
    heads: Arc<Mutex<Vec<Head>>>,
    connections: Arc<Mutex<usize>>,
}

/// A request's head as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    /// Method and absolute URI, which scheme, authority and path make.
    pub(crate) line: String,
    /// The fields in their order.
    pub(crate) fields: Vec<String>,
}

/// What a far end does with one stream.
pub(crate) struct Exchange {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
    /// Ends the connection under everything.
    pub(crate) connection: Arc<ConnectionControl>,
}

impl Http2Upstream {
    /// In the clear, with prior knowledge.
    pub(crate) async fn plain<F>(answer: impl Fn(Exchange) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(None, answer).await
    }

    /// Over TLS, as [`HOST`], by ALPN.
    pub(crate) async fn tls<F>(answer: impl Fn(Exchange) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let permitted = Permitted::with_loopback(["amazonaws.com"]);
        Self::start(Some(CertificateAuthority::create(permitted).unwrap()), answer).await
    }

    async fn start<F>(
        authority: Option<CertificateAuthority>,
        answer: impl Fn(Exchange) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = authority.as_ref().map(|a| CertificateDer::from_pem_slice(a.trust_anchor().as_bytes()).unwrap());
        let upstream =
            Self { address: listener.local_addr().unwrap(), root, heads: Arc::default(), connections: Arc::default() };
        let config = authority.map(|authority| {
            let mut config = (*authority.server_config(&HostName::parse(HOST), true).unwrap()).clone();
            config.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(config)
        });
        let here = upstream.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *here.connections.lock().unwrap() += 1;
                tokio::spawn(here.clone().accept(stream, config.clone(), answer.clone()));
            }
        });
        upstream
    }

    async fn accept<F>(
        self,
        stream: TcpStream,
        config: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(Exchange) -> F + Clone,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let io = ClientIo::new(stream);
        let control = Arc::clone(io.control());
        match config {
            None => self.serve(io, control, answer).await,
            Some(config) => {
                let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(io).await else { return };
                self.serve(stream, control, answer).await;
            }
        }
    }

    async fn serve<F>(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        control: Arc<ConnectionControl>,
        answer: impl Fn(Exchange) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut builder = h2::server::Builder::new();
        builder.max_header_list_size(1 << 20);
        let Ok(mut connection) = builder.handshake(stream).await else { return };
        while let Some(Ok((request, respond))) = connection.accept().await {
            self.heads.lock().unwrap().push(Head::of(&request));
            tokio::spawn(answer(Exchange { request, respond, connection: Arc::clone(&control) }));
        }
    }

    /// As `--upstream` names it.
    pub(crate) fn target(&self) -> Target {
        match self.root {
            None => Target::new(Scheme::Http, "127.0.0.1", self.address.port()),
            Some(_) => {
                let address = Some(self.address.ip());
                Target { address, ..Target::new(Scheme::Https, HOST, self.address.port()) }
            }
        }
    }

    /// What must be trusted to speak to it.
    pub(crate) fn root(&self) -> Vec<CertificateDer<'static>> {
        self.root.iter().cloned().collect()
    }

    /// All requests so far.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only_head(&self) -> Head {
        let heads = self.heads.lock().unwrap();
        assert_eq!(heads.len(), 1, "{heads:?}");
        heads[0].clone()
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Head {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let line = format!("{} {}", request.method(), request.uri());
        Self { line, fields: fields(request.headers()) }
    }
}

impl Exchange {
    /// Reads the request, then answers with this.
    pub(crate) async fn answer(mut self, response: Response<()>, body: &'static str) {
        read(self.request.body_mut()).await.unwrap();
        let mut sending = self.respond.send_response(response, body.is_empty()).unwrap();
        if !body.is_empty() {
            sending.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
        }
    }
}

/// Fields as text, in their order.
pub(crate) fn fields(headers: &HeaderMap) -> Vec<String> {
    headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect()
}

/// A body to its end, and its trailers.
pub(crate) async fn read(body: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = soon("a piece of a body", body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok((all, body.trailers().await?))
}

/// Speaks HTTP/2 as a client.
pub(crate) async fn connect<S>(stream: S) -> SendRequest<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::client::Builder::new();
    builder.max_header_list_size(1 << 20);
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Begins a request without ending it.
pub(crate) async fn begin(
    client: &SendRequest<Bytes>,
    request: Request<()>,
) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    client.clone().ready().await.unwrap().send_request(request, false).unwrap()
}

/// One whole exchange: the answer's head, its body and its trailers.
pub(crate) async fn exchange(
    client: &SendRequest<Bytes>,
    request: Request<&'static str>,
) -> Result<(Response<()>, Vec<u8>, Option<HeaderMap>), h2::Error> {
    let (head, body) = request.into_parts();
    let mut ready = client.clone().ready().await?;
    let (answering, mut sending) = ready.send_request(Request::from_parts(head, ()), body.is_empty())?;
    if !body.is_empty() {
        sending.send_data(Bytes::from_static(body.as_bytes()), true)?;
    }
    let (head, mut body) = soon("an answer", answering).await?.into_parts();
    let (all, trailers) = read(&mut body).await?;
    Ok((Response::from_parts(head, ()), all, trailers))
}
