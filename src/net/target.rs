//! Where a request goes: the authority a client named, or the one it is sent to instead.

use std::fmt;
use std::net::IpAddr;

use compact_str::CompactString;
use http::uri::Authority;

/// How the far end is spoken to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// A far end: where the client thinks it goes, or an emulator in its place.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// Spoken in the clear or over TLS.
    pub scheme: Scheme,
    /// The host as written, without port and brackets; also the name its certificate must carry.
    pub host: CompactString,
    /// TCP port.
    pub port: u16,
    /// The address the client had already resolved `host` to, where it told us.
    pub address: Option<IpAddr>,
}

/// Text that names no host and port.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct ParseError {
    text: String,
    wanted: &'static str,
}

impl Scheme {
    /// The port meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Target {
    /// A host and port spoken to in this scheme.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Self { scheme, host: bare.into(), port, address: None }
    }

    /// From an authority; without a port in it, the scheme's own.
    pub fn from_authority(scheme: Scheme, authority: &Authority) -> Self {
        Self::new(scheme, authority.host(), authority.port_u16().unwrap_or_else(|| scheme.default_port()))
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn host_and_port(&self) -> impl fmt::Display {
        let (host, port) = (&self.host, self.port);
        fmt::from_fn(
            move |f| if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") },
        )
    }

    /// From `http://host[:port]` or `https://host[:port]`, as `--upstream` takes it.
    pub fn from_url(url: &str) -> Result<Self, ParseError> {
        let wanted = "a URL of the form http://HOST[:PORT] or https://HOST[:PORT]";
        let error = || ParseError { text: url.to_owned(), wanted };
        let uri: http::Uri = url.parse().map_err(|_| error())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(error()),
        };
        let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|a| plain && !a.host().is_empty() && !a.as_str().contains('@'));
        authority.map(|authority| Self::from_authority(scheme, authority)).ok_or_else(error)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host_and_port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_url_is_scheme_host_and_port_and_nothing_else() {
        let target = Target::from_url("http://localhost:4566").unwrap();
        assert_eq!((target.scheme, target.host.as_str(), target.port), (Scheme::Http, "localhost", 4566));
        assert_eq!(Target::from_url("https://[::1]/").unwrap().to_string(), "https://[::1]:443");
        for wrong in ["localhost:4566", "http://", "ftp://a", "http://a/path", "http://u:p@a", "http://a?x=1", ""] {
            assert!(Target::from_url(wrong).is_err(), "{wrong}");
        }
    }
}
