//! Connecting to a far end, and knowing our own connections when they come back to us.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
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
    mark: Option<u32>,
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
        Self { resolve, timeout: Limits::default().connect, via: None, mark: None, live: Arc::default() }
    }

    /// Giving up after so long.
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Going through this proxy where it serves.
    pub fn through(self, via: Option<Via>) -> Self {
        Self { via, ..self }
    }

    /// With this mark (SO_MARK) on all it opens, for rules of the kernel's to know it by; or why this process may not set one.
    pub fn marking(self, mark: Option<u32>) -> io::Result<Self> {
        let dialer = Self { mark, ..self };
        dialer.socket(Ipv4Addr::LOCALHOST.into())?;
        Ok(dialer)
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
        let (stream, known) = match via {
            Some(via) => self
                .connect(via.proxy())
                .await
                .map_err(|e| io::Error::new(e.kind(), format!("the proxy {} is not reached: {e}", via.proxy())))?,
            None => self.connect(target).await?,
        };
        stream.set_nodelay(true)?;
        Ok(match via {
            Some(via) => (Box::pin(via.tunnel(stream, target)).await?, known),
            None => (FarStream::Plain(stream), known),
        })
    }

    /// Whether the connection from `peer` that was meant for `local` is one of our own: it would loop for ever. Reliable from its first
    /// moment on, since we note a connection in the same moment as we open it.
    pub fn is_ours(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        self.live.with(|set| set.contains(&Ends { local: peer, far: local }))
    }

    /// What was said to be the address goes before what the client found out.
    async fn connect(&self, target: &Target) -> io::Result<(TcpStream, Known)> {
        let resolved = target.address.map(|ip| SocketAddr::new(ip, target.port));
        if let Some(address) = self.fixed(target).or(resolved) {
            return self.connect_to(address).await;
        }
        let mut failed = None;
        for address in tokio::net::lookup_host((target.host.as_str(), target.port)).await? {
            match self.connect_to(address).await {
                Ok(connected) => return Ok(connected),
                Err(e) => failed = Some(e),
            }
        }
        Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<(TcpStream, Known)> {
        let (socket, known) = self.begin(as_seen(address))?;
        let stream = TcpStream::from_std(socket.into())?;
        stream.writable().await?;
        match stream.take_error()? {
            Some(e) => Err(e),
            None => Ok((stream, known)),
        }
    }

    /// Begins to connect. Nobody can ask whose the connection is between its beginning and its being known.
    fn begin(&self, far: SocketAddr) -> io::Result<(Socket, Known)> {
        let socket = self.socket(far.ip())?;
        let ends = self.live.with(|set| {
            match socket.connect(&far.into()) {
                Err(e) if e.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(e),
                _ => {}
            }
            let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            let ends = Ends { local, far };
            set.insert(ends);
            Ok(ends)
        })?;
        Ok((socket, Known { ends, live: Arc::clone(&self.live) }))
    }

    fn socket(&self, far: IpAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address((far, 0).into()), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(mark) = self.mark {
            set_mark(&socket, mark)?;
        }
        Ok(socket)
    }

    /// Whether an address was fixed in advance for this host, on any port.
    pub fn resolves(&self, host: &str) -> bool {
        self.resolve.keys().any(|(known, _)| known.eq_ignore_ascii_case(host) || known == "*")
    }

    fn fixed(&self, target: &Target) -> Option<SocketAddr> {
        if self.resolve.is_empty() {
            return None;
        }
        let of = |host: String| self.resolve.get(&(host, target.port)).copied();
        of(target.host.as_str().to_ascii_lowercase()).or_else(|| of("*".to_owned()))
    }
}

#[cfg(target_os = "linux")]
fn set_mark(socket: &Socket, mark: u32) -> io::Result<()> {
    socket.set_mark(mark)
}

#[cfg(not(target_os = "linux"))]
fn set_mark(_socket: &Socket, _mark: u32) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux marks sockets"))
}

/// Whether this is the error of a far end that was there and broke off, be it before connecting to it had come back: one that is not there
/// refuses, or does not answer at all.
pub fn has_broken_off(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// The address as whoever is there sees it.
fn as_seen(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip if ip == address.ip() => return address,
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
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

    #[tokio::test]
    async fn a_far_end_that_breaks_off_at_once_is_told_from_one_that_is_not_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target =
            Target::new(super::super::target::Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
        let dialer = Dialer::default();
        let resetting = async {
            let (stream, _) = listener.accept().unwrap();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        };
        // One thread: it is reset between its beginning and the first look at it.
        let (dialled, ()) = tokio::join!(biased; dialer.dial(&target), resetting);
        let error = dialled.unwrap_err();
        assert!(has_broken_off(&error), "{error:?}");
        drop(listener);
        let error = dialer.dial(&target).await.unwrap_err();
        assert!(!has_broken_off(&error), "{error:?}");
    }

    #[tokio::test]
    async fn a_fixed_address_goes_before_the_one_that_the_client_found() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialer = Dialer::new([format!("a.invalid:{port}:127.0.0.1").parse::<Resolve>().unwrap()]);
        let mut target = Target::new(super::super::target::Scheme::Http, "a.invalid", port);
        target.address = Some([192, 0, 2, 1].into());
        assert!(dialer.dial(&target).await.is_ok());
    }

    #[test]
    fn an_address_that_is_any_is_seen_as_loopback() {
        for (given, seen) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("[::ffff:10.0.0.1]:1", "10.0.0.1:1")]
        {
            assert_eq!(as_seen(given.parse().unwrap()), seen.parse().unwrap(), "{given}");
        }
    }
}
