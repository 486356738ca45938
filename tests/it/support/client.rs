//! A client that sends the bytes it is told and shows the bytes it gets.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, RootCertStore};
use squall::net::tls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::soon;

/// One answer as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A field's value; the name in any case.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// Opens a connection.
pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Opens a tunnel to `authority` and checks that it stands.
pub(crate) async fn tunnel(address: SocketAddr, authority: &str) -> TcpStream {
    let mut stream = connect(address).await;
    let answer = exchange(&mut stream, &format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    stream
}

/// Speaks TLS as a client of `name`, trusting `root` (PEM) alone.
pub(crate) async fn secure<S>(stream: S, name: &str, root: &str) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    secure_offering(stream, name, root, &["http/1.1"]).await
}

/// As [`secure`], with these protocols offered by ALPN.
pub(crate) async fn secure_offering<S>(
    stream: S,
    name: &str,
    root: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let mut config = tls::client_config(roots).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(server_name(name), stream).await
}

/// The ClientHello that a client of `name` begins with.
pub(crate) fn hello(name: &str) -> Vec<u8> {
    let config = tls::client_config(RootCertStore::empty()).unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), server_name(name)).unwrap().write_tls(&mut hello).unwrap();
    hello
}

fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

/// Sends `request` and reads one answer.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: impl AsRef<[u8]>) -> Answer {
    stream.write_all(request.as_ref()).await.unwrap();
    stream.flush().await.unwrap();
    answer(stream).await
}

/// Sends `request`; the answer, or nothing if the connection ends before one has come.
pub(crate) async fn exchange_or_end<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: impl AsRef<[u8]>,
) -> Option<Answer> {
    stream.write_all(request.as_ref()).await.unwrap();
    let first = stream.read_u8().await.ok()?;
    Some(read_answer(&mut [first].as_slice().chain(stream)).await)
}

/// Reads one answer: a head, and a body as its Content-Length says; `Answer::body` keeps chunked framing.
pub(crate) async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> Answer {
    soon("an answer", read_answer(stream)).await
}

async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(e) => panic!("the connection ended within a head: {e}; so far: {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let mut answer = Answer { head: String::from_utf8(head).unwrap(), body: Vec::new() };
    if let Some(length) = answer.field("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut answer.body).await.unwrap();
    } else if answer.field("transfer-encoding").is_some() {
        while !answer.body.ends_with(b"0\r\n\r\n") {
            answer.body.push(stream.read_u8().await.unwrap());
        }
    }
    answer
}

/// Everything until the other side ends the connection; an error if it was a reset.
pub(crate) async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    soon("the end of the connection", stream.read_to_end(&mut rest)).await?;
    Ok(rest)
}
