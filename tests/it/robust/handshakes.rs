//! What clients do in and around a TLS handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::{ANSWERED, Attack, Door, NOBODY, attack, leftover, request, reset, survive_all};
use crate::support::client;
use crate::support::upstream::HOST;

pub(super) fn attacks() -> Vec<Attack> {
    vec![
        attack("garbage after CONNECT", NOBODY, garbage_after_connect),
        attack("garbage instead of a ClientHello", NOBODY, garbage_instead_of_a_hello),
        attack("a ClientHello in one-byte pieces", ANSWERED, a_hello_in_pieces),
        attack("a truncated ClientHello", NOBODY, a_truncated_hello),
        attack("a ClientHello that never ends", NOBODY, an_endless_hello),
        attack("alerts", NOBODY, alerts),
        attack("a client that trusts nobody", NOBODY, no_trust),
        attack("garbage behind the ClientHello", NOBODY, garbage_behind_the_hello),
        attack("garbage after the handshake", ANSWERED, garbage_after_the_handshake),
        attack("close within the handshake", NOBODY, close_within_the_handshake),
        attack("reset within the handshake", NOBODY, reset_within_the_handshake),
        attack("TLS without CONNECT for all sorts of names", NOBODY, names),
    ]
}

/// Passes on a byte at a time.
struct Trickle(TcpStream);

impl AsyncRead for Trickle {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Both places where a ClientHello is waited for.
async fn doors(door: &Door) -> [TcpStream; 2] {
    [door.plain().await, door.tunnel().await]
}

async fn garbage_after_connect(door: Door) {
    for garbage in [
        &b"\0\0\0\0"[..],
        b"\xff\xfe\xfd\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = door.tunnel().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        leftover(&mut stream).await;
    }
}

async fn garbage_instead_of_a_hello(door: Door) {
    for garbage in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x00",
    ] {
        for mut stream in doors(&door).await {
            stream.write_all(garbage).await.unwrap();
            stream.write_all(&[0; 256]).await.unwrap();
            stream.shutdown().await.unwrap();
            leftover(&mut stream).await;
        }
    }
}

async fn a_hello_in_pieces(door: Door) {
    let mut stream = client::secure(Trickle(door.tunnel().await), HOST, &door.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, request("/")).await.text(), "hi");
}

async fn a_truncated_hello(door: Door) {
    let hello = client::hello(HOST);
    for length in [1, 2, 3, 5, 6, 43, hello.len() / 2, hello.len() - 1] {
        for mut stream in doors(&door).await {
            stream.write_all(&hello[..length]).await.unwrap();
        }
    }
}

/// A handshake message of 16 MB announced, in records of 16 KB.
async fn an_endless_hello(door: Door) {
    for mut stream in doors(&door).await {
        let record = [b"\x16\x03\x01\x40\x00".as_slice(), b"\x01\xff\xff\xff", &[0; (16 << 10) - 4]].concat();
        let more = [b"\x16\x03\x01\x40\x00".as_slice(), &[0; 16 << 10]].concat();
        let mut sent = stream.write_all(&record).await;
        for _ in 0..64 {
            sent = sent.and(stream.write_all(&more).await);
        }
        leftover(&mut stream).await;
    }
}

async fn alerts(door: Door) {
    let alerts = [b"\x15\x03\x03\x00\x02\x02\x28", b"\x15\x03\x01\x00\x02\x01\x00", b"\x15\x03\x03\x00\x02\x02\x30"];
    for alert in alerts {
        for mut stream in doors(&door).await {
            stream.write_all(&[client::hello(HOST).as_slice(), alert].concat()).await.unwrap();
            leftover(&mut stream).await;
        }
        let mut stream = door.plain().await;
        stream.write_all(alert).await.unwrap();
        assert_eq!(leftover(&mut stream).await, "");
    }
}

async fn no_trust(door: Door) {
    let other = ::squall::net::authority::CertificateAuthority::create(::squall::settings::permitted(&[])).unwrap();
    for stream in doors(&door).await {
        assert!(client::secure(stream, HOST, other.trust_anchor()).await.is_err());
    }
}

async fn garbage_behind_the_hello(door: Door) {
    for mut stream in doors(&door).await {
        stream.write_all(&client::hello(HOST)).await.unwrap();
        stream.write_all(&[0xaa; 1024]).await.unwrap();
        leftover(&mut stream).await;
    }
}

async fn garbage_after_the_handshake(door: Door) {
    let mut stream = door.secure().await;
    assert_eq!(client::exchange(&mut stream, request("/kept")).await.text(), "hi");
    // Below TLS, not within it.
    stream.get_mut().0.write_all(&[0xaa; 1024]).await.unwrap();
    leftover(&mut stream).await;
}

async fn close_within_the_handshake(door: Door) {
    for mut stream in doors(&door).await {
        stream.write_all(&client::hello(HOST)).await.unwrap();
        stream.read_u8().await.unwrap();
        stream.shutdown().await.unwrap();
        leftover(&mut stream).await;
    }
}

async fn reset_within_the_handshake(door: Door) {
    for mut stream in doors(&door).await {
        stream.write_all(&client::hello(HOST)).await.unwrap();
        stream.read_u8().await.unwrap();
        reset(&stream);
    }
}

async fn names(door: Door) {
    for name in ["www.example.com", "xn--mnchen-3ya.de", "a", "192.0.2.1", &format!("{}.com", "a".repeat(63))] {
        let stream = door.plain().await;
        assert!(client::secure(stream, name, &door.trust_anchor).await.is_err(), "{name}");
    }
}

#[test]
fn squall_survives_what_clients_do_around_a_tls_handshake() {
    survive_all(attacks());
}
