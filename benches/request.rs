//! What one small request costs over loopback: client, Squall and far end together, one request after the other.
//!
//! `cargo bench --bench request`. The figures hold two (without Squall) or four (with it) passages through the kernel's loopback and
//! as many wake-ups, so that they tell of changes in Squall, not of its share; `docs/performance.md` has that. Twenty rules are loaded,
//! as there.

#![expect(clippy::unwrap_used, reason = "a bench whose requests fail ends")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use squall::command::launch::{self, Running};
use squall::net::authority::CertificateAuthority;
use squall::net::name::{HostName, Permitted};
use squall::net::target::{Scheme, Target};
use squall::net::tls;
use squall::profile::load::{self, Source};
use squall::settings::Settings;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn exchanging(criterion: &mut Criterion) {
    let runtime = launch::runtime().unwrap();
    let far_ends = CertificateAuthority::create(Permitted::with_loopback(["amazonaws.com"])).unwrap();
    let root = CertificateDer::from_pem_slice(far_ends.trust_anchor().as_bytes()).unwrap();
    let plain = runtime.block_on(far_end(None));
    let secure = runtime.block_on(far_end(Some(acceptor(&far_ends))));
    let emulator = |scheme, address: SocketAddr| Target::new(scheme, &address.ip().to_string(), address.port());
    let before_plain = squall(&runtime, emulator(Scheme::Http, plain), Vec::new(), "");
    let before_secure = squall(&runtime, emulator(Scheme::Https, secure), vec![root.clone()], "");
    let by_table = squall(&runtime, emulator(Scheme::Https, secure), vec![root], BY_TABLE);

    let mut client = runtime.block_on(connect(plain));
    timed(criterion, &runtime, "in the clear, without Squall", &mut client, "GetItem");
    let mut client = runtime.block_on(connect(before_plain.address));
    timed(criterion, &runtime, "in the clear, to an emulator in the clear", &mut client, "GetItem");
    let mut client = runtime.block_on(tunnel(&before_secure));
    timed(criterion, &runtime, "over TLS, to a far end over TLS", &mut client, "GetItem");
    timed(criterion, &runtime, "over TLS, answered by a rule", &mut client, "PutItem");
    let mut client = runtime.block_on(tunnel(&by_table));
    timed(criterion, &runtime, "over TLS, matched by its table", &mut client, "GetItem");
}

fn timed<S>(criterion: &mut Criterion, runtime: &Runtime, what: &str, client: &mut S, operation: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(operation);
    criterion.bench_function(what, |bencher| {
        bencher.iter(|| runtime.block_on(exchange(client, &request)));
    });
}

/// A Squall in this process.
struct Squall {
    address: SocketAddr,
    trust_anchor: String,
    _running: Running,
}

fn squall(runtime: &Runtime, emulator: Target, roots: Vec<CertificateDer<'static>>, more_rules: &str) -> Squall {
    let source = Source { name: "rules.yaml".to_owned(), text: format!("{RULES}{more_rules}") };
    let plan = load::load(&[source], Some(42)).unwrap().plan;
    let settings = Settings::for_emulator(plan, emulator, roots).unwrap();
    let trust_anchor = settings.authority.trust_anchor().to_owned();
    let _inside = runtime.enter();
    let running = Running::start(settings).unwrap();
    Squall { address: running.addresses()[0], trust_anchor, _running: running }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// As an SDK goes through a proxy: CONNECT, then TLS.
async fn tunnel(squall: &Squall) -> TlsStream<TcpStream> {
    let mut stream = connect(squall.address).await;
    let connect = format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n");
    stream.write_all(connect.as_bytes()).await.unwrap();
    let answer = read_head(&mut stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let root = CertificateDer::from_pem_slice(squall.trust_anchor.as_bytes()).unwrap();
    let config = Arc::new(tls::client_config(tls::root_store(vec![root])).unwrap());
    let name = ServerName::try_from(HOST).unwrap();
    TlsConnector::from(config).connect(name, stream).await.unwrap()
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &[u8]) {
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 4096];
    let mut read = 0;
    // An answer ends with the end of its JSON, and fits the buffer.
    while !answer[..read].ends_with(b"}") {
        let more = stream.read(&mut answer[read..]).await.unwrap();
        assert!(more > 0, "closed within an answer: {}", String::from_utf8_lossy(&answer[..read]));
        read += more;
    }
}

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    head
}

/// Answers each request, which comes in one piece, with one item.
async fn far_end(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            match tls.clone() {
                Some(tls) => drop(tokio::spawn(async move { answer(tls.accept(stream).await.unwrap()).await })),
                None => drop(tokio::spawn(answer(stream))),
            }
        }
    });
    address
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut request = [0; 4096];
    let mut read = 0;
    loop {
        match stream.read(&mut request[read..]).await {
            Ok(0) | Err(_) => return,
            Ok(more) => read += more,
        }
        if request[..read].ends_with(b"}") {
            read = 0;
            if stream.write_all(ANSWER.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn acceptor(authority: &CertificateAuthority) -> TlsAcceptor {
    authority.server_config(&HostName::parse("127.0.0.1"), false).unwrap().into()
}

fn request(operation: &str) -> Vec<u8> {
    let body = r#"{"TableName":"users","Key":{"pk":{"S":"user#0000001"}}}"#;
    format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: aws-sdk-rust/1.3.3 os/linux lang/rust/1.95.0\r\n\
         X-Amz-Date: 20250601T120000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20250601/us-east-1/\
         dynamodb/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0123456789abcdef\r\n\
         amz-sdk-invocation-id: 1e7f0c1a-8d5e-4a6b-9f3c-2d4b6a8c0e1f\r\namz-sdk-request: attempt=1; max=3\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

criterion_group!(benches, exchanging);
criterion_main!(benches);

const HOST: &str = "dynamodb.us-east-1.amazonaws.com";
const RULES: &str = include_str!("rules.yaml");
/// Makes every request's body be looked at.
const BY_TABLE: &str = "  - {name: by-table, match: {service: dynamodb, resource: \"orders-*\"}, fault: throttle}\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 50\r\n\
                      x-amz-crc32: 2745614147\r\n\r\n{\"Item\":{\"pk\":{\"S\":\"user#0000001\"},\"n\":{\"N\":\"1\"}}}";
