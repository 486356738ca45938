//! What a connection speaks, told from its first bytes.
//!
//! [`sniff`] reads until it knows, [`client_hello`] reads on to the end of a TLS ClientHello. What was read stays in the caller's
//! buffer, to be put back with [`super::rewind::Rewind`]. They read, never `peek`: a peek that finds too few bytes can only be
//! repeated at once, which spins.

use std::io;

use bytes::BytesMut;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::tls;

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
    /// Whether HTTP/2 is among the protocols it offers.
    pub offers_http2: bool,
}

/// Reads into `seen` until the protocol is told; `None`: the peer closed without a word. May be dropped and called again.
pub async fn sniff<T: AsyncRead + Unpin>(stream: &mut T, seen: &mut BytesMut) -> io::Result<Option<Speech>> {
    loop {
        if let Some(speech) = tell(seen) {
            return Ok(Some(speech));
        }
        seen.reserve(FIRST_READ);
        if stream.read_buf(seen).await? == 0 {
            return Ok(if seen.is_empty() { None } else { Some(Speech::Other) });
        }
    }
}

/// Reads on into `seen` to the end of the ClientHello that begins there. An error means that it is not one, or not one that rustls
/// understands.
pub async fn client_hello<T: AsyncRead + Unpin>(stream: &mut T, seen: &mut BytesMut) -> io::Result<Hello> {
    let mut acceptor = Acceptor::default();
    let mut fed = 0;
    loop {
        while fed < seen.len() {
            fed += acceptor.read_tls(&mut &seen[fed..])?;
        }
        let accepted = acceptor.accept().map_err(|(e, _)| io::Error::new(io::ErrorKind::InvalidData, e))?;
        if let Some(accepted) = accepted {
            let hello = accepted.client_hello();
            let offers_http2 = hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == tls::HTTP2));
            return Ok(Hello { server_name: hello.server_name().map(str::to_owned), offers_http2 });
        }
        seen.reserve(FIRST_READ);
        if seen.len() > LARGEST_HELLO || stream.read_buf(seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads on into `seen` to the end of the HTTP/1 request head that begins there, and gives its Host, if it is a request to the host
/// itself that names one: a request to a proxy says more of where it goes. An error means that it is no such head.
pub async fn host<T: AsyncRead + Unpin>(stream: &mut T, seen: &mut BytesMut) -> io::Result<Option<String>> {
    loop {
        if let Some(host) = host_in(seen)? {
            return Ok(host);
        }
        seen.reserve(FIRST_READ);
        if seen.len() > LARGEST_HEAD || stream.read_buf(seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The Host of the head that begins here; `None`: more must come.
fn host_in(seen: &[u8]) -> io::Result<Option<Option<String>>> {
    let mut fields = [httparse::EMPTY_HEADER; super::MOST_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(seen).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    if parsed.is_partial() {
        return Ok(None);
    }
    let to_host = request.path.is_some_and(|target| target.starts_with('/') || target == "*");
    let field = request.headers.iter().find(|field| to_host && field.name.eq_ignore_ascii_case("host"));
    Ok(Some(field.and_then(|field| str::from_utf8(field.value).ok()).map(str::to_owned)))
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

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longer than any registered method; what is longer is not HTTP.
const LONGEST_METHOD: usize = 24;
/// A whole ClientHello or request head usually comes with the first read.
const FIRST_READ: usize = 2048;
/// Four full TLS records: post-quantum key shares need more than one packet, nothing honest needs more than this.
const LARGEST_HELLO: usize = 64 << 10;
/// Session tokens take kilobytes; what is much longer is no head.
const LARGEST_HEAD: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    async fn told(mut bytes: &[u8]) -> Option<Speech> {
        sniff(&mut bytes, &mut BytesMut::new()).await.unwrap()
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
    async fn bytes_that_come_one_by_one_are_waited_for_and_kept() {
        let (mut far, mut near) = duplex(64);
        let writing = tokio::spawn(async move {
            for b in b"GET / HTTP/1.1\r\n\r\n" {
                far.write_all(&[*b]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut seen = BytesMut::new();
        let sniffing = tokio::time::timeout(Duration::from_secs(5), sniff(&mut near, &mut seen));
        assert_eq!(sniffing.await.unwrap().unwrap(), Some(Speech::Http1));
        writing.await.unwrap();
        near.read_to_end(&mut seen.clone().to_vec()).await.unwrap();
        assert!(b"GET / HTTP/1.1\r\n\r\n".starts_with(&seen));
    }

    #[tokio::test]
    async fn a_request_head_tells_its_host_unless_it_is_for_a_proxy() {
        for (head, wanted) in [
            ("GET / HTTP/1.1\r\nA: b\r\nhOST: a.b:80\r\n\r\nbody", Ok(Some("a.b:80"))),
            ("OPTIONS * HTTP/1.0\r\nHost: a\r\n\r\n", Ok(Some("a"))),
            ("GET / HTTP/1.0\r\n\r\n", Ok(None)),
            ("GET http://a.b/ HTTP/1.1\r\nHost: a.b\r\n\r\n", Ok(None)),
            ("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n", Ok(None)),
            ("SET key value\r\n", Err(())),
            ("SSH-2.0-OpenSSH_9.2p1 Debian\r\n", Err(())),
            ("GET / HTTP/1.1\r\nHost: a", Err(())),
        ] {
            let mut seen = BytesMut::new();
            let told = host(&mut head.as_bytes(), &mut seen).await;
            assert_eq!(told.as_ref().map(|host| host.as_deref()).map_err(|_| ()), wanted, "{head}");
            assert!(head.as_bytes().starts_with(&seen) && !seen.is_empty());
        }
    }

    #[tokio::test]
    async fn what_only_looks_like_tls_is_an_error_and_not_a_panic() {
        for mut bytes in [&b"\x16\x03\x01\x00\x05hello"[..], &b"\x16\x03"[..]] {
            assert!(client_hello(&mut bytes, &mut BytesMut::new()).await.is_err());
        }
    }
}
