//! The way out through another proxy, as companies have them: CONNECT, with credentials where it asks for them.
//!
//! A [`Via`] is given outright ([`Via::parse`]) or found in the environment ([`Via::from_environment`]: HTTPS_PROXY with its exceptions
//! in NO_PROXY). A connection through it is a tunnel: what is spoken inside, TLS with the far end included, that proxy does not see.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use compact_str::CompactString;
use http::Uri;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::{Handshakes, Roots};
use super::target::{Scheme, Target};

/// A proxy between us and far ends.
#[derive(Clone)]
pub struct Via {
    proxy: Target,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
    exceptions: Vec<Exception>,
    /// Whether it serves far ends that speak TLS alone, as HTTPS_PROXY does.
    only_https: bool,
    /// To speak TLS to the proxy itself.
    roots: Roots,
    handshakes: Arc<OnceCell<Handshakes>>,
}

/// Far ends that are reached without it.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Exception {
    All,
    Block(IpAddr, u8),
    /// A name and all below it, on one port or any.
    Name(String, Option<u16>),
}

/// A stream to a far end, straight or through a proxy that is spoken to in TLS.
#[derive(Debug)]
pub enum FarStream {
    /// Straight, or through a tunnel.
    Plain(TcpStream),
    /// Through a tunnel inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A URL that names no proxy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("write http://[USER:PASSWORD@]HOST:PORT, or https:// if the proxy itself is spoken to in TLS")]
pub struct ParseError;

impl Via {
    /// From the proxy's URL. Far ends on this machine are reached without it.
    pub fn parse(url: &str, roots: Roots) -> Result<Self, ParseError> {
        // Environments hold `proxy:3128` too.
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = with_scheme.parse().map_err(|_| ParseError)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(ParseError),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or(ParseError)?;
        let authorization = authority.as_str().rsplit_once('@').map(|(user, _)| basic(user));
        let proxy = Target::from_authority(scheme, authority);
        Ok(Self { proxy, authorization, exceptions: Vec::new(), only_https: false, roots, handshakes: Arc::default() })
    }

    /// As the environment says: HTTPS_PROXY in either case, and NO_PROXY.
    pub fn from_environment(value: impl Fn(&str) -> Option<String>, roots: Roots) -> Result<Option<Self>, ParseError> {
        let either = |upper: &str| value(upper).or_else(|| value(&upper.to_ascii_lowercase()));
        let Some(url) = either("HTTPS_PROXY").filter(|url| !url.is_empty()) else { return Ok(None) };
        let via = Self { only_https: true, ..Self::parse(&url, roots)? };
        Ok(Some(via.except(&either("NO_PROXY").unwrap_or_default())))
    }

    /// Reaches these without it: a list as NO_PROXY has it.
    pub fn except(mut self, list: &str) -> Self {
        let entries = list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        self.exceptions.extend(entries.map(Exception::read));
        self
    }

    /// The proxy itself.
    pub fn proxy(&self) -> &Target {
        &self.proxy
    }

    /// Whether this far end is reached through it.
    pub fn serves(&self, target: &Target) -> bool {
        let ip = target.host.parse().ok().map(|ip: IpAddr| ip.to_canonical());
        let is_near = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
        };
        let is_here = ip.is_some_and(is_near) || target.host == "localhost" || target.host.ends_with(".localhost");
        let wanted = !self.only_https || target.scheme == Scheme::Https;
        wanted && !is_here && !self.exceptions.iter().any(|exception| exception.covers(target, ip))
    }

    /// Opens a tunnel to `target` over a connection to the proxy.
    pub(super) async fn tunnel(&self, stream: TcpStream, target: &Target) -> io::Result<FarStream> {
        let mut stream = match self.proxy.scheme {
            Scheme::Http => FarStream::Plain(stream),
            Scheme::Https => FarStream::Tls(Box::new(self.secure(stream).await?)),
        };
        stream.write_all(self.request(target).as_bytes()).await?;
        stream.flush().await?;
        let answer = answer(&mut stream).await?;
        match answer.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(stream),
            Some("407") => {
                Err(self.failed("wants other credentials (407)", "write them as http://USER:PASSWORD@HOST:PORT"))
            }
            _ => Err(self.failed(
                &format!("does not open a tunnel to {target}: {answer}"),
                "ask whoever runs it, or name an exception in NO_PROXY",
            )),
        }
    }

    fn request(&self, target: &Target) -> String {
        let authority = target.host_and_port();
        let credentials = self.authorization.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n"));
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n", credentials.unwrap_or_default())
    }

    async fn secure(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshakes = self.handshakes.get_or_try_init(|| Handshakes::new(self.roots.clone()));
        let connector: TlsConnector = handshakes.await.map_err(io::Error::other)?.http1().clone();
        let name = ServerName::try_from(self.proxy.host.to_string()).map_err(io::Error::other)?;
        connector.connect(name, stream).await
    }

    fn failed(&self, what: &str, advice: &str) -> io::Error {
        io::Error::other(format!("the proxy {} {what}; {advice}", self.proxy))
    }
}

impl std::fmt::Debug for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Via({})", self.proxy)
    }
}

impl Exception {
    fn read(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Ok(ip) = entry.trim_start_matches('[').trim_end_matches(']').parse() {
            return Self::Block(ip, u8::MAX);
        }
        if let Some((Ok(ip), Ok(bits))) = entry.split_once('/').map(|(ip, bits)| (ip.parse(), bits.parse())) {
            return Self::Block(ip, bits);
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok()),
            None => (entry, None),
        };
        Self::Name(name.trim_start_matches(['*', '.']).to_ascii_lowercase(), port)
    }

    fn covers(&self, target: &Target, ip: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Block(block, bits) => ip.is_some_and(|ip| {
                super::name::is_in_block(ip, *block, (*bits).min(if ip.is_ipv4() { 32 } else { 128 }))
            }),
            Self::Name(name, port) => {
                let host: CompactString = target.host.to_ascii_lowercase();
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && port.is_none_or(|port| port == target.port)
            }
        }
    }
}

fn basic(user: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(user).collect();
    format!("Basic {}", BASE64_STANDARD.encode(plain))
}

/// The status line, once the whole head has come. Byte by byte: what follows it belongs to the far end.
async fn answer(stream: &mut FarStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LARGEST_ANSWER {
            return Err(io::Error::other("a proxy's answer to CONNECT has no end"));
        }
        head.push(stream.read_u8().await?);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

impl FarStream {
    /// From now on, dropping it resets the connection.
    pub fn reset(&self) {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        let _gone_already = stream.set_zero_linger();
    }
}

impl AsyncRead for FarStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for FarStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

const LARGEST_ANSWER: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn via(variables: &[(&str, &str)]) -> Option<Via> {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Via::from_environment(value, Roots::Only(Vec::new())).unwrap()
    }

    fn serves(via: &Via, url: &str) -> bool {
        via.serves(&Target::from_url(url).unwrap())
    }

    #[test]
    fn credentials_in_the_url_are_decoded_and_never_shown() {
        let via = Via::parse("http://me%40corp:p%3Aw@proxy.corp:3128", Roots::Only(Vec::new())).unwrap();
        let request = via.request(&Target::new(Scheme::Https, "sts.amazonaws.com", 443));
        let credentials = BASE64_STANDARD.encode("me@corp:p:w");
        assert_eq!(
            request,
            format!(
                "CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: sts.amazonaws.com:443\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
            )
        );
        assert_eq!(format!("{via:?}"), "Via(http://proxy.corp:3128)");
        for wrong in ["ftp://a", "http://", "socks5://a:1", ""] {
            assert!(Via::parse(wrong, Roots::Only(Vec::new())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_environment_names_a_proxy_for_tls_and_its_exceptions() {
        assert!(via(&[]).is_none());
        let via =
            via(&[("https_proxy", "proxy:3128"), ("NO_PROXY", ".internal.example, 10.0.0.0/8 sts.amazonaws.com:443")])
                .unwrap();
        for url in ["https://s3.amazonaws.com", "https://sts.amazonaws.com:8443", "https://11.0.0.1"] {
            assert!(serves(&via, url), "{url}");
        }
        for url in [
            "http://s3.amazonaws.com",
            "https://a.internal.example",
            "https://10.1.2.3",
            "https://sts.amazonaws.com",
            "https://127.0.0.1",
            "https://b.localhost",
            "https://[::1]",
        ] {
            assert!(!serves(&via, url), "{url}");
        }
    }

    #[test]
    fn a_proxy_given_outright_serves_everything_but_this_machine() {
        let via = Via::parse("http://proxy:3128", Roots::Only(Vec::new())).unwrap();
        assert!(serves(&via, "http://emulator.corp:4566") && serves(&via, "https://s3.amazonaws.com"));
        assert!(
            !serves(&via, "http://169.254.169.254")
                && !serves(&via, "http://localhost:4566")
                && !serves(&via.clone().except("*"), "https://s3.amazonaws.com")
        );
    }
}
