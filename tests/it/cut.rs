//! Every way of ending a connection or a stream, at an exact byte, seen by a client that counts bytes and frames.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::squall::aws::request::{self, Head};
use ::squall::ledger::{Mode, Run};
use ::squall::net::authority::CertificateAuthority;
use ::squall::net::body::ResponseBody;
use ::squall::net::cut::{ConnectionEnding, Ending, StreamEnding, StreamReset};
use ::squall::net::io::ClientIo;
use ::squall::net::limits::Limits;
use ::squall::net::name::{HostName, Permitted};
use ::squall::net::serve::{self, Terms};
use ::squall::proxy::Proxy;
use ::squall::proxy::exchange::{Exchange, ExchangeBody};
use ::squall::proxy::route::Connection;
use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::frames::{Frames, Seen};
use crate::support::squall::Squall;
use crate::support::{client, soon, squall};

/// A body that is longer than any window, so that a cut lies between what a client has asked for.
const WHOLE: usize = 200_000;
/// What every request is taken to be for, so that the ledger counts it.
const S3: &str = "s3.us-east-1.amazonaws.com";

/// A server of one connection, whose every answer ends as it is told.
struct Server {
    address: SocketAddr,
    trust_anchor: Option<String>,
    /// Ends with the connection.
    serving: JoinHandle<hyper::Result<()>>,
    /// Keeps the ledger.
    squall: Squall,
}

/// When answers end, and how.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Before they begin.
    Unanswered(Ending),
    /// After so many bytes of the body.
    After(u64, Ending),
}

/// Ends as `when` says, but leaves `/whole` whole.
async fn answer(
    proxy: Arc<Proxy>,
    connection: Connection,
    request: Request<Incoming>,
    when: When,
) -> Result<Response<ExchangeBody>, StreamReset> {
    let mut exchange = Exchange::open(&proxy, &connection, &request);
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    let aws = request::decode(&Head { method, host: S3, path, query: None, headers }, b"");
    exchange.understood(Mode::Endpoint, S3.into(), &aws);
    let body = ResponseBody::Own(Some(Bytes::from(vec![b'x'; WHOLE])));
    let response = Response::builder().header("content-length", WHOLE).body(body).unwrap();
    match when {
        _ if request.uri().path() == "/whole" => Ok(exchange.answered(response)),
        When::Unanswered(ending) => Err(exchange.ended(ending).await),
        When::After(bytes, ending) => Ok(exchange.answered(response).map(|body| body.with_cut(bytes, ending))),
    }
}

impl Server {
    async fn start(http2: bool, secure: bool, when: When) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let authority = secure.then(|| CertificateAuthority::create(Permitted::with_loopback(["test"])).unwrap());
        let trust_anchor = authority.as_ref().map(|authority| authority.trust_anchor().to_owned());
        let squall = squall::calm().run();
        let proxy = Arc::clone(squall.proxy());
        let serving = tokio::spawn(async move {
            let (stream, client) = listener.accept().await.unwrap();
            let io = ClientIo::new(stream);
            let connection = Connection {
                client,
                control: Arc::clone(io.control()),
                secure,
                target: None,
                mode: Mode::Endpoint,
                streams: Arc::default(),
                progress: Arc::default(),
            };
            match authority {
                None => serve(io, proxy, connection, http2, when).await,
                Some(authority) => {
                    let config = authority.server_config(&HostName::parse("127.0.0.1"), http2).unwrap();
                    let stream = tokio_rustls::TlsAcceptor::from(config).accept(io).await.unwrap();
                    serve(stream, proxy, connection, http2, when).await
                }
            }
        });
        Self { address, trust_anchor, serving, squall }
    }

    /// What the ledger counts: injected, answered, and all.
    async fn accounts(self) -> (u64, u64, u64) {
        let _broken = soon("the end of the connection", self.serving).await.unwrap();
        let total = self.squall.finish().await.proxy.ledger.summary(Run::default()).aws;
        (total.injected, total.answered, total.attempts)
    }

    async fn connect(&self) -> Box<dyn Stream> {
        let stream = client::connect(self.address).await;
        match &self.trust_anchor {
            None => Box::new(stream),
            Some(root) => Box::new(client::secure(stream, "127.0.0.1", root).await.unwrap()),
        }
    }
}

async fn serve<T>(io: T, proxy: Arc<Proxy>, connection: Connection, http2: bool, when: When) -> hyper::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let terms = Terms {
        control: Arc::clone(&connection.control),
        limits: Limits::default(),
        stop: tokio_util::sync::CancellationToken::new(),
    };
    let service = move |request| answer(Arc::clone(&proxy), connection.clone(), request, when);
    if http2 { serve::http2(io, terms, service_fn(service)).await } else { serve::http1(io, terms, service).await }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

const ENDINGS: [ConnectionEnding; 3] = [ConnectionEnding::Close, ConnectionEnding::Reset, ConnectionEnding::ShutDown];

/// How a client sees a connection end: in TLS a missing close_notify is an error.
fn seen_as(ending: ConnectionEnding, secure: bool) -> Option<io::ErrorKind> {
    match ending {
        ConnectionEnding::Reset => Some(io::ErrorKind::ConnectionReset),
        ConnectionEnding::Close if secure => Some(io::ErrorKind::UnexpectedEof),
        _ => None,
    }
}

/// All bytes until the end, and how that came.
async fn read_out(stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, Option<io::ErrorKind>) {
    let (mut all, mut some) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        match soon("the end", stream.read(&mut some)).await {
            Ok(0) => return (all, None),
            Ok(n) => all.extend_from_slice(&some[..n]),
            Err(e) => return (all, Some(e.kind())),
        }
    }
}

#[tokio::test]
async fn http1_answers_end_after_just_so_many_bytes_in_each_way() {
    for (ending, secure, bytes) in cases(ENDINGS) {
        let server = Server::start(false, secure, When::After(bytes, Ending::Connection(ending))).await;
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let (seen, end) = read_out(&mut stream).await;
        let head_end = seen.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let body = u64::try_from(seen.len() - head_end).unwrap();
        assert_eq!((body, end), (bytes, seen_as(ending, secure)), "{ending:?}, TLS {secure}");
        drop(stream);
        assert_eq!(server.accounts().await, (1, 0, 1), "{ending:?}");
    }
}

#[tokio::test]
async fn http1_requests_end_unanswered_in_each_way() {
    for (ending, secure, _) in cases(ENDINGS) {
        let server = Server::start(false, secure, When::Unanswered(Ending::Connection(ending))).await;
        let mut stream = server.connect().await;
        stream.write_all(b"PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 900000\r\n\r\nunread").await.unwrap();
        assert_eq!(read_out(&mut stream).await, (Vec::new(), seen_as(ending, secure)), "{ending:?}, TLS {secure}");
    }
}

#[tokio::test]
async fn http2_connections_end_after_just_so_many_bytes_in_each_way() {
    for (ending, secure, bytes) in cases(ENDINGS) {
        let server = Server::start(true, secure, When::After(bytes, Ending::Connection(ending))).await;
        let mut frames = Frames::open(server.connect().await).await;
        frames.get(1, "/").await;
        frames.allow(1, 1 << 20).await;
        let seen = frames.all_of(1).await;
        let end = if ending == ConnectionEnding::Reset {
            io::ErrorKind::ConnectionReset
        } else {
            io::ErrorKind::UnexpectedEof
        };
        assert_cut(&seen, bytes, &format!("{ending:?}, TLS {secure}"));
        assert_eq!((seen.reset, seen.closed), (None, Some(end)), "{ending:?}, TLS {secure}");
    }
}

#[tokio::test]
async fn http2_streams_end_after_just_so_many_bytes_in_each_way_and_others_go_on() {
    let resets =
        [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM];
    let endings = resets.map(StreamEnding::Reset).into_iter().chain([StreamEnding::Finish]);
    for (ending, secure, bytes) in cases(endings) {
        let server = Server::start(true, secure, When::After(bytes, Ending::Stream(ending))).await;
        let mut frames = Frames::open(server.connect().await).await;
        frames.get(1, "/").await;
        frames.allow(1, 1 << 20).await;
        let seen = frames.all_of(1).await;
        assert_cut(&seen, bytes, &format!("{ending:?}, TLS {secure}"));
        let code = if let StreamEnding::Reset(reason) = ending { Some(u32::from(reason)) } else { None };
        assert_eq!((seen.reset, seen.finished, seen.closed), (code, code.is_none(), None), "{ending:?}");
        frames.get(3, "/whole").await;
        frames.allow(3, 1 << 20).await;
        let other = frames.all_of(3).await;
        assert_eq!((other.data.len(), other.finished), (WHOLE, true), "another stream after {ending:?}");
        drop(frames);
        assert_eq!(server.accounts().await, (1, 1, 2), "{ending:?}");
    }
}

#[tokio::test]
async fn http2_requests_end_unanswered_in_each_way() {
    let streams = [Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR].map(|r| Ending::Stream(StreamEnding::Reset(r)));
    for ending in ENDINGS.map(Ending::Connection).into_iter().chain(streams) {
        let server = Server::start(true, false, When::Unanswered(ending)).await;
        let mut frames = Frames::open(server.connect().await).await;
        frames.get(1, "/").await;
        let seen = frames.all_of(1).await;
        assert!(seen.heads.is_empty() && seen.data.is_empty(), "{ending:?}: {seen:?}");
        let (reset, closed) = match ending {
            Ending::Stream(StreamEnding::Reset(reason)) => (Some(u32::from(reason)), None),
            Ending::Connection(ConnectionEnding::Reset) => (None, Some(io::ErrorKind::ConnectionReset)),
            _ => (None, Some(io::ErrorKind::UnexpectedEof)),
        };
        assert_eq!((seen.reset, seen.closed), (reset, closed), "{ending:?}");
        drop(frames);
        assert_eq!(server.accounts().await, (1, 0, 1), "{ending:?}");
    }
}

/// The window of a stream is 65,535 bytes unless the client says otherwise: what lies beyond comes when it lets it come, and the end
/// after that.
#[tokio::test]
async fn a_cut_waits_for_a_client_that_lets_nothing_more_come() {
    let window = 65_535;
    for ending in [
        Ending::Stream(StreamEnding::Reset(Reason::CANCEL)),
        Ending::Connection(ConnectionEnding::Reset),
        Ending::Connection(ConnectionEnding::ShutDown),
    ] {
        let server = Server::start(true, false, When::After(150_000, ending)).await;
        let mut frames = Frames::open(server.connect().await).await;
        frames.get(1, "/").await;
        let mut seen = Seen::default();
        while seen.data.len() < window {
            seen.note(soon("a window's worth", frames.next()).await.unwrap());
        }
        let early = tokio::time::timeout(Duration::from_millis(100), frames.next()).await;
        assert!(early.is_err(), "{ending:?} before its byte: {early:?}");
        frames.allow(1, 1 << 20).await;
        let rest = frames.all_of(1).await;
        assert_eq!(seen.data.len() + rest.data.len(), 150_000, "{ending:?}");
        assert_eq!(rest.reset.is_some(), matches!(ending, Ending::Stream(_)), "{ending:?}");
    }
}

#[tokio::test]
async fn silence_says_nothing_more_and_ends_when_the_client_leaves() {
    let connection = Ending::Connection(ConnectionEnding::Silence);
    for (http2, when) in [
        (false, When::Unanswered(connection)),
        (false, When::After(1000, connection)),
        (true, When::Unanswered(connection)),
        (true, When::After(1000, connection)),
        (true, When::Unanswered(Ending::Stream(StreamEnding::Silence))),
        (true, When::After(1000, Ending::Stream(StreamEnding::Silence))),
    ] {
        let server = Server::start(http2, true, when).await;
        let mut stream = server.connect().await;
        let request: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
        if http2 {
            let mut frames = Frames::open(stream).await;
            frames.get(1, "/").await;
            stream = frames.stream;
        } else {
            stream.write_all(request).await.unwrap();
        }
        // Whatever comes has come once nothing does for a while; that nothing else comes is the claim.
        let mut seen = Vec::new();
        while let Ok(more) = tokio::time::timeout(Duration::from_millis(200), stream.read_u8()).await {
            seen.push(more.unwrap());
        }
        let body = seen.iter().filter(|b| **b == b'x').count();
        let expected = if matches!(when, When::After(..)) { 1000 } else { 0 };
        assert!((expected..expected + 20).contains(&body), "{when:?} on http2 {http2}: {body} bytes of body");
        drop(stream);
        let _broken = soon("the end of the connection", server.serving).await.unwrap();
    }
}

/// Every ending, in the clear and over TLS, before the first byte of the body, after one, and far into it.
fn cases<T: Copy>(endings: impl IntoIterator<Item = T>) -> impl Iterator<Item = (T, bool, u64)> {
    let grid = [false, true].into_iter().flat_map(|secure| [0, 1, 70_000].map(|bytes| (secure, bytes)));
    endings.into_iter().flat_map(move |ending| grid.clone().map(move |(secure, bytes)| (ending, secure, bytes)))
}

fn assert_cut(seen: &Seen, bytes: u64, case: &str) {
    assert_eq!((seen.heads.len(), u64::try_from(seen.data.len()).unwrap()), (1, bytes), "{case}");
}
