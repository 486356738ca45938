//! Far ends that record the very bytes that reach them and answer with the very bytes they were given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use squall::net::authority::CertificateAuthority;
use squall::net::name::{HostName, Permitted};
use squall::net::rewind::Rewind;
use squall::net::target::{Scheme, Target};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{aws_chunked, recorder};

/// The name a TLS upstream has a certificate for.
pub(crate) const HOST: &str = "dynamodb.us-east-1.amazonaws.com";

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Start line and header section, to the empty line.
    pub(crate) head: String,
    /// Everything after it, framing included, to the end of the message.
    pub(crate) body: Vec<u8>,
    /// What HTTP/2 has in no head; none of it in HTTP/1.1.
    pub(crate) http2: Option<Http2>,
}

/// What a request over HTTP/2 says beside method, path, fields and body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Http2 {
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) trailers: Vec<String>,
}

impl Request {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// In order, names as they came.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name, value.trim()))
    }

    /// A field's values; the name in any case. `host` and `:authority` find either, as one becomes the other between versions.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let name = if name == ":authority" { "host" } else { name };
        let authority = self.http2.as_ref().filter(|_| name.eq_ignore_ascii_case("host"));
        let fields = self.fields().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        authority.map(|h2| h2.authority.as_str()).into_iter().chain(fields.map(|(_, value)| value)).collect()
    }

    /// The first of them.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    /// The body without HTTP's own framing.
    pub(crate) fn payload(&self) -> Vec<u8> {
        if self.field("transfer-encoding").is_none() {
            return self.body.clone();
        }
        aws_chunked::Body::read(&self.body).unwrap().data()
    }
}

/// A running upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    ended: Arc<Mutex<usize>>,
    root: Option<CertificateDer<'static>>,
}

pub(super) type Answer = Arc<dyn Fn(&Request) -> Vec<u8> + Send + Sync>;

impl Upstream {
    /// Speaks in the clear; always answers with these bytes.
    pub(crate) async fn plain(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(Arc::new(move |_| answer.clone()), None, false).await
    }

    /// Speaks in the clear; answers as `answer` says.
    pub(crate) async fn plain_with(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(answer), None, false).await
    }

    /// The same; HTTP/2 with clients that begin with it.
    pub(crate) async fn plain_http2(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(answer), None, true).await
    }

    /// Speaks TLS as [`HOST`] and as 127.0.0.1; answers as `answer` says.
    pub(crate) async fn tls(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let permitted = Permitted::with_loopback(["amazonaws.com", "test"]);
        Self::start(Arc::new(answer), Some(CertificateAuthority::create(permitted).unwrap()), false).await
    }

    /// The same; HTTP/2 with clients that offer it.
    pub(crate) async fn tls_http2(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let permitted = Permitted::with_loopback(["amazonaws.com", "test"]);
        let authority = CertificateAuthority::create(permitted).unwrap();
        Self::start(Arc::new(answer), Some(authority), true).await
    }

    /// In TLS on this socket.
    pub(crate) async fn tls_on(listener: std::net::TcpListener, answer: impl Into<Vec<u8>>) -> Self {
        let permitted = Permitted::with_loopback(["amazonaws.com", "test"]);
        let (authority, answer) = (CertificateAuthority::create(permitted).unwrap(), answer.into());
        Self::start_on(as_tokio(listener), Arc::new(move |_| answer.clone()), Some(authority), false).await
    }

    async fn start(answer: Answer, authority: Option<CertificateAuthority>, http2: bool) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer, authority, http2).await
    }

    async fn start_on(
        listener: TcpListener,
        answer: Answer,
        authority: Option<CertificateAuthority>,
        http2: bool,
    ) -> Self {
        let root = authority.as_ref().map(|a| CertificateDer::from_pem_slice(a.trust_anchor().as_bytes()).unwrap());
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            ended: Arc::default(),
            root,
        };
        let (requests, connections) = (Arc::clone(&upstream.requests), Arc::clone(&upstream.connections));
        let ended = Arc::clone(&upstream.ended);
        let authority = authority.map(Arc::new);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *connections.lock().unwrap() += 1;
                let (answer, requests, authority) = (Arc::clone(&answer), Arc::clone(&requests), authority.clone());
                let ended = Arc::clone(&ended);
                tokio::spawn(async move {
                    match authority {
                        None => serve(stream, &answer, &requests, http2).await,
                        Some(authority) => {
                            let handshake =
                                tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
                            let Ok(start) = handshake.await else { return };
                            let name = start.client_hello().server_name().unwrap_or("127.0.0.1").to_owned();
                            let config = authority.server_config(&HostName::parse(&name), http2).unwrap();
                            if let Ok(stream) = start.into_stream(config).await {
                                serve(stream, &answer, &requests, http2).await;
                            }
                        }
                    }
                    *ended.lock().unwrap() += 1;
                });
            }
        });
        upstream
    }

    /// As `--upstream` names it.
    pub(crate) fn target(&self) -> Target {
        match self.root {
            None => Target::new(Scheme::Http, "127.0.0.1", self.address.port()),
            Some(_) => {
                let mut target = Target::new(Scheme::Https, HOST, self.address.port());
                target.address = Some(self.address.ip());
                target
            }
        }
    }

    /// What must be trusted to speak to it.
    pub(crate) fn root(&self) -> Vec<CertificateDer<'static>> {
        self.root.iter().cloned().collect()
    }

    /// The same as a file for programs.
    pub(crate) fn root_pem(&self) -> String {
        pem::encode(&pem::Pem::new("CERTIFICATE", self.root.as_ref().unwrap().to_vec()))
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only_request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().unwrap()
    }

    /// How many connections have ended.
    pub(crate) fn ended(&self) -> usize {
        *self.ended.lock().unwrap()
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn as_tokio(listener: std::net::TcpListener) -> TcpListener {
    listener.set_nonblocking(true).unwrap();
    TcpListener::from_std(listener).unwrap()
}

async fn serve<S>(mut stream: S, answer: &Answer, requests: &Arc<Mutex<Vec<Request>>>, http2: bool)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut ahead = Vec::new();
    let first = read_until(&mut stream, &mut ahead, b"\r\n\r\n").await;
    let is_http2 = first.is_some() && ahead.starts_with(b"PRI * HTTP/2.0\r\n\r\n");
    if is_http2 && http2 {
        let stream = Rewind::new(ahead.into(), stream);
        return recorder::serve(stream, Arc::clone(answer), Arc::clone(requests)).await;
    }
    if is_http2 {
        // No request, and to a server of HTTP/1.1 no sense either.
        let _ = stream.write_all(b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\r\n").await;
        return drop(stream.shutdown().await);
    }
    while let Some(request) = read_request(&mut stream, &mut ahead).await {
        requests.lock().unwrap().push(request.clone());
        let answer = answer(&request);
        // No bytes at all: hang up instead of answering.
        if answer.is_empty() || stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if answer.windows(17).any(|w| w == b"Connection: close") {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_request<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, ahead: &mut Vec<u8>) -> Option<Request> {
    let head_end = read_until(stream, ahead, b"\r\n\r\n").await?;
    let rest = ahead.split_off(head_end);
    // Header bytes above ASCII are Latin-1 to nobody's harm: only compared.
    let head = std::mem::replace(ahead, rest).iter().map(|b| char::from(*b)).collect::<String>();
    let lower = head.to_ascii_lowercase();
    if lower.contains("expect: 100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
        stream.flush().await.ok()?;
    }
    let body_end = if lower.contains("\r\ntransfer-encoding: chunked\r\n") {
        chunked_end(stream, ahead).await?
    } else {
        let length = lower.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length = length.map_or(0, |n| n.parse().unwrap());
        while ahead.len() < length {
            read_more(stream, ahead).await?;
        }
        length
    };
    let rest = ahead.split_off(body_end);
    Some(Request { head, body: std::mem::replace(ahead, rest), http2: None })
}

/// Where the last chunk and its trailer section end.
async fn chunked_end<S: AsyncRead + Unpin>(stream: &mut S, ahead: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let line_end = loop {
            match ahead[at..].windows(2).position(|w| w == b"\r\n") {
                Some(found) => break at + found + 2,
                None => read_more(stream, ahead).await?,
            }
        };
        let size = std::str::from_utf8(&ahead[at..line_end - 2]).unwrap().split(';').next().unwrap().to_owned();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            loop {
                match ahead[line_end - 2..].windows(4).position(|w| w == b"\r\n\r\n") {
                    Some(found) => return Some(line_end - 2 + found + 4),
                    None => read_more(stream, ahead).await?,
                }
            }
        }
        at = line_end + size + 2;
        while ahead.len() < at {
            read_more(stream, ahead).await?;
        }
    }
}

async fn read_until<S: AsyncRead + Unpin>(stream: &mut S, ahead: &mut Vec<u8>, end: &[u8]) -> Option<usize> {
    loop {
        if let Some(found) = ahead.windows(end.len()).position(|w| w == end) {
            return Some(found + end.len());
        }
        read_more(stream, ahead).await?;
    }
}

async fn read_more<S: AsyncRead + Unpin>(stream: &mut S, ahead: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(ahead).await.ok()? > 0).then_some(())
}
