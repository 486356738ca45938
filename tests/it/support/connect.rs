//! A proxy that does nothing: what a client sends through it is what the client sends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use squall::net::authority::CertificateAuthority;
use squall::net::name::{HostName, Permitted};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Grants every CONNECT, dials `upstream` whatever was asked for, and copies bytes. Gives its own address.
pub(crate) async fn proxy(upstream: SocketAddr) -> SocketAddr {
    recording(upstream).await.0
}

/// The same, and what was asked for.
pub(crate) async fn recording(upstream: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let recorded = Arc::clone(&asked);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(carry(stream, upstream, Arc::clone(&recorded)));
        }
    });
    (address, asked)
}

async fn carry(mut client: TcpStream, upstream: SocketAddr, asked: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    if !head.starts_with(b"CONNECT ") {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").await;
    }
    let authority = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(authority);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut upstream = TcpStream::connect(upstream).await?;
    copy_bidirectional(&mut client, &mut upstream).await.map(drop)
}

/// TLS in front of `inside`, and what vouches for it.
pub(crate) async fn secured(inside: SocketAddr) -> (SocketAddr, CertificateDer<'static>) {
    let authority = CertificateAuthority::create(Permitted::with_loopback(["test"])).unwrap();
    let root = CertificateDer::from_pem_slice(authority.trust_anchor().as_bytes()).unwrap();
    let config = authority.server_config(&HostName::parse("127.0.0.1"), false).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(inside).await?;
                copy_bidirectional(&mut stream, &mut inside).await
            });
        }
    });
    (address, root)
}
