//! What a connection speaks, told from its first bytes.
//!
//! [`sniff`] reads until it knows, [`client_hello`] reads on to the end of a TLS ClientHello; both put back what they read. They
//! read, never `peek`: a peek that finds too few bytes can only be repeated at once, which spins.

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::rewind::Rewind;

/// A protocol told by its first bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speech {
    /// A method token: HTTP/1.
    Http1,
    /// The HTTP/2 preface, in the clear.
    Http2,
    /// Nothing we know.
    Other,
    /// A TLS record with a handshake in it.
    Tls,
}

/// What a ClientHello says about where it wants to go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hello {
    /// The server name, if it was sent.
    pub server_name: Option<String>,
}

/// Reads until the protocol is told, and puts the bytes back. `None`: the peer closed without a word.
pub async fn sniff<T: AsyncRead + Unpin>(mut stream: T) -> io::Result<Option<(Speech, Rewind<T>)>> {
    let mut seen = BytesMut::with_capacity(FIRST_READ);
    loop {
        if stream.read_buf(&mut seen).await? == 0 {
            let speech = if seen.is_empty() { return Ok(None) } else { Speech::Other };
            return Ok(Some((speech, Rewind::new(seen.freeze(), stream))));
        }
        if let Some(speech) = tell(&seen) {
            return Ok(Some((speech, Rewind::new(seen.freeze(), stream))));
        }
    }
}

/// Reads a whole ClientHello and puts it back. An error means that it is not one, or not one that rustls understands.
pub async fn client_hello<T: AsyncRead + Unpin>(mut stream: T) -> io::Result<(Hello, Rewind<T>)> {
    let mut seen = BytesMut::with_capacity(FIRST_READ);
    let mut acceptor = Acceptor::default();
    loop {
        let already = seen.len();
        if already > LARGEST_HELLO || stream.read_buf(&mut seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut fresh = &seen[already..];
        while !fresh.is_empty() {
            acceptor.read_tls(&mut fresh)?;
        }
        let accepted = acceptor.accept().map_err(|(e, _)| io::Error::new(io::ErrorKind::InvalidData, e))?;
        if let Some(accepted) = accepted {
            let server_name = accepted.client_hello().server_name().map(str::to_owned);
            return Ok((Hello { server_name }, Rewind::new(seen.freeze(), stream)));
        }
    }
}

/// The protocol these first bytes belong to; `None`: too few to tell.
fn tell(seen: &[u8]) -> Option<Speech> {
    match seen {
        [0x16] => None,
        [0x16, 0x03, ..] => Some(Speech::Tls),
        _ if seen.starts_with(H2_PREFACE) => Some(Speech::Http2),
        _ if H2_PREFACE.starts_with(seen) => None,
        _ => tell_http1(seen),
    }
}

/// A method is a token (RFC 9110 §9.1) followed by a space.
fn tell_http1(seen: &[u8]) -> Option<Speech> {
    let token = seen.iter().take(LONGEST_METHOD).take_while(|b| is_token_byte(**b)).count();
    match seen.get(token) {
        Some(b' ') if token > 0 => Some(Speech::Http1),
        None => None,
        Some(_) => Some(Speech::Other),
    }
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// An empty prefix in front of a stream, where one code path serves both.
pub fn unread<T>(stream: T) -> Rewind<T> {
    Rewind::new(Bytes::new(), stream)
}

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longer than any registered method; what is longer is not HTTP.
const LONGEST_METHOD: usize = 24;
/// A whole ClientHello or request head usually comes with the first read.
const FIRST_READ: usize = 2048;
/// Four full TLS records: post-quantum key shares need more than one packet, nothing honest needs more than this.
const LARGEST_HELLO: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    async fn told(bytes: &[u8]) -> Option<Speech> {
        sniff(bytes).await.unwrap().map(|(speech, _)| speech)
    }

    #[tokio::test]
    async fn protocols_are_told_by_their_first_bytes() {
        assert_eq!(told(b"GET / HTTP/1.1\r\n").await, Some(Speech::Http1));
        assert_eq!(told(b"CONNECT a:443 HTTP/1.0\r\n\r\n").await, Some(Speech::Http1));
        assert_eq!(told(b"PRI * HTTP/1.1\r\n").await, Some(Speech::Http1));
        assert_eq!(told(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n....").await, Some(Speech::Http2));
        assert_eq!(told(b"\x16\x03\x01\x02\x00").await, Some(Speech::Tls));
        assert_eq!(told(b"\x05\x01\x00").await, Some(Speech::Other));
        assert_eq!(told(b" GET").await, Some(Speech::Other));
        assert_eq!(told(b"AVERYLONGMETHODTHATNOBODYEVERREGISTERED / HTTP/1.1").await, Some(Speech::Other));
        assert_eq!(told(b"").await, None);
    }

    #[tokio::test]
    async fn bytes_that_come_one_by_one_are_waited_for_and_put_back() {
        let (mut far, near) = duplex(64);
        let writing = tokio::spawn(async move {
            for b in b"GET / HTTP/1.1\r\n\r\n" {
                far.write_all(&[*b]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let (speech, mut stream) =
            tokio::time::timeout(Duration::from_secs(5), sniff(near)).await.unwrap().unwrap().unwrap();
        writing.await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert_eq!((speech, all.as_str()), (Speech::Http1, "GET / HTTP/1.1\r\n\r\n"));
    }

    #[tokio::test]
    async fn what_only_looks_like_tls_is_an_error_and_not_a_panic() {
        assert!(client_hello(&b"\x16\x03\x01\x00\x05hello"[..]).await.is_err());
        assert!(client_hello(&b"\x16\x03"[..]).await.is_err());
    }
}
