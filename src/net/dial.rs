//! Connecting to a far end, and knowing our own connections when they come back to us.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use super::limits::Limits;
use super::target::Target;
use super::via::{FarStream, Via};

/// Opens TCP connections to targets.
#[derive(Debug)]
pub struct Dialer {
    resolve: HashMap<(String, u16), SocketAddr>,
    timeout: Duration,
    via: Option<Via>,
    live: Arc<LiveSockets>,
}

/// Our open connections to far ends, by both their ends: a local address alone may be another process's too, towards elsewhere.
#[derive(Debug, Default)]
pub struct LiveSockets(Mutex<HashSet<Ends>>);

/// Our end of a connection, and the far one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Ends {
    local: SocketAddr,
    far: SocketAddr,
}

/// `HOST:PORT:IP` or `HOST:PORT:IP:PORT`: this host and port is at this address, whatever DNS says. `*` is each host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolve {
    host: String,
    port: u16,
    address: SocketAddr,
}

/// Makes a connection known to [`LiveSockets`]; to be kept as long as the connection is spoken on.
#[derive(Debug)]
pub struct Known {
    ends: Ends,
    live: Arc<LiveSockets>,
}

impl Dialer {
    /// With these addresses fixed in advance.
    pub fn new(resolve: impl IntoIterator<Item = Resolve>) -> Self {
        let resolve = resolve.into_iter().map(|r| ((r.host.to_ascii_lowercase(), r.port), r.address)).collect();
        Self { resolve, timeout: Limits::default().connect, via: None, live: Arc::default() }
    }

    /// Giving up after so long.
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Going through this proxy where it serves.
    pub fn through(self, via: Option<Via>) -> Self {
        Self { via, ..self }
    }

    /// The proxy on the way, if there is one.
    pub fn via(&self) -> Option<&Via> {
        self.via.as_ref()
    }

    /// How long opening a connection may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Connects, trying each address the name has, within [`Dialer::timeout`] in all.
    pub async fn dial(&self, target: &Target) -> io::Result<(FarStream, Known)> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {:?}", self.timeout));
        tokio::time::timeout(self.timeout, self.open(target)).await.map_err(late)?
    }

    async fn open(&self, target: &Target) -> io::Result<(FarStream, Known)> {
        let fixed = self.fixed(target).is_some();
        let via = self.via.as_ref().filter(|via| !fixed && via.serves(target));
        let stream = match via {
            Some(via) => self
                .connect(via.proxy())
                .await
                .map_err(|e| io::Error::new(e.kind(), format!("the proxy {} is not reached: {e}", via.proxy())))?,
            None => self.connect(target).await?,
        };
        stream.set_nodelay(true)?;
        let ends = Ends { local: stream.local_addr()?, far: stream.peer_addr()? };
        self.live.with(|set| set.insert(ends));
        let known = Known { ends, live: Arc::clone(&self.live) };
        Ok(match via {
            Some(via) => (Box::pin(via.tunnel(stream, target)).await?, known),
            None => (FarStream::Plain(stream), known),
        })
    }

    /// Whether the connection accepted at `local` from `peer` is one of our own: it would loop for ever. Reliable once bytes have come
    /// over it, since we note a connection before we write to it.
    pub fn is_ours(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        self.live.with(|set| set.contains(&Ends { local: peer, far: local }))
    }

    async fn connect(&self, target: &Target) -> io::Result<TcpStream> {
        let resolved = target.address.map(|ip| SocketAddr::new(ip, target.port));
        if let Some(address) = resolved.or_else(|| self.fixed(target)) {
            return TcpStream::connect(address).await;
        }
        TcpStream::connect((target.host.as_str(), target.port)).await
    }

    fn fixed(&self, target: &Target) -> Option<SocketAddr> {
        if self.resolve.is_empty() {
            return None;
        }
        let of = |host: String| self.resolve.get(&(host, target.port)).copied();
        of(target.host.as_str().to_ascii_lowercase()).or_else(|| of("*".to_owned()))
    }
}

impl Default for Dialer {
    fn default() -> Self {
        Self::new([])
    }
}

impl LiveSockets {
    fn with<R>(&self, act: impl FnOnce(&mut HashSet<Ends>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (host, rest) = text.split_once(':')?;
            let (port, address) = rest.split_once(':')?;
            let port = port.parse().ok()?;
            let address = address.parse().ok().or_else(|| {
                let ip = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
                Some(SocketAddr::new(ip, port))
            })?;
            (!host.is_empty()).then(|| Self { host: host.to_owned(), port, address })
        };
        parse().ok_or_else(|| {
            "write HOST:PORT:IP or HOST:PORT:IP:PORT, such as s3.us-east-1.amazonaws.com:443:127.0.0.1".to_owned()
        })
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.live.with(|set| set.remove(&self.ends));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolve_override_is_host_port_and_address() {
        let at =
            |host: &str, address: &str| Resolve { host: host.into(), port: 443, address: address.parse().unwrap() };
        assert_eq!("s3.amazonaws.com:443:127.0.0.1".parse(), Ok(at("s3.amazonaws.com", "127.0.0.1:443")));
        assert_eq!("*:443:127.0.0.1:8443".parse(), Ok(at("*", "127.0.0.1:8443")));
        assert_eq!("a:443:[::1]".parse(), Ok(at("a", "[::1]:443")));
        assert_eq!("a:443:[::1]:8443".parse(), Ok(at("a", "[::1]:8443")));
        for wrong in ["a:443", "a:b:127.0.0.1", ":443:127.0.0.1", "a:443:localhost"] {
            assert!(wrong.parse::<Resolve>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn our_own_connections_are_known_while_they_live() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialer = Dialer::new(["nowhere.invalid:1:127.0.0.1".parse::<Resolve>().unwrap()]);
        let (_stream, known) =
            dialer.dial(&Target::new(super::super::target::Scheme::Http, "127.0.0.1", port)).await.unwrap();
        let (far, peer) = listener.accept().await.unwrap();
        let here = far.local_addr().unwrap();
        assert!(dialer.is_ours(peer, here));
        let elsewhere = SocketAddr::new(here.ip(), here.port() ^ 1);
        assert!(!dialer.is_ours(peer, elsewhere), "the same port of somebody else's");
        drop(known);
        assert!(!dialer.is_ours(peer, here));
    }
}
