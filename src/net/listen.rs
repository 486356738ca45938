//! Listening sockets: each yields [`Arrival`]s, whatever way the client comes in.
//!
//! A client may have been led here on its way elsewhere: by a REDIRECT rule of the kernel's, or through a transparent socket (TPROXY,
//! a namespace whose only way out it is). Where it meant to go is then [`Arrival::original`], and [`Meant`] says how a listener finds
//! that.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use compact_str::CompactString;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

/// One accepted connection.
#[derive(Debug)]
pub struct Arrival {
    /// The stream, with TCP_NODELAY set.
    pub stream: TcpStream,
    /// The client's end.
    pub client: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Where the client meant to go, if that is not where we listen.
    pub original: Option<SocketAddr>,
    /// The name of that place, where the client is known to have asked for it by name. Its address then means nothing.
    pub name: Option<CompactString>,
    /// Whether it comes out of a network of its own: none of ours begins there, whatever its addresses look like.
    pub apart: bool,
    /// Its place among the connections that may be open at once, where there is a bound.
    pub place: Option<OwnedSemaphorePermit>,
}

/// How a listener's connections tell where their clients meant to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Meant {
    /// Here: nothing leads clients to this socket that do not name it.
    Here,
    /// Where our end of the connection is: the socket is transparent, and takes connections to any address.
    OurEnd,
    /// Where connection tracking says: a REDIRECT rule has led them here. Whoever comes by himself is not served.
    Redirected,
    /// Where connection tracking says, if a REDIRECT rule led them here; else here.
    Tracked,
}

/// `[MODE:]ADDR`: an address to listen on, and how clients come there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Door {
    /// Port 0 takes any free one.
    pub address: SocketAddr,
    /// Without a mode, in all ways but through a transparent socket.
    pub meant: Meant,
}

/// A socket that clients reach us on.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
    meant: Meant,
}

/// A port that is ours and on which nobody listens.
#[derive(Debug)]
pub struct Held {
    socket: Socket,
    meant: Meant,
}

impl Held {
    /// Takes a port for clients that name the address alone.
    pub fn bind_here(address: SocketAddr) -> io::Result<Self> {
        Self::bind(Door { address, meant: Meant::Here })
    }

    fn bind(door: Door) -> io::Result<Self> {
        let Door { address, meant } = door;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        // Linux hands the option down to accepted sockets; without it new connections stall for 40 ms.
        socket.set_tcp_nodelay(true)?;
        if meant == Meant::OurEnd {
            make_transparent(&socket, address)?;
        }
        socket.bind(&address.into())?;
        Ok(Self { socket, meant })
    }

    /// The address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Listens, again or for the first time.
    pub fn listen(self) -> io::Result<Listener> {
        self.socket.listen(BACKLOG)?;
        Listener::from_std(self.socket.into(), self.meant)
    }
}

impl Listener {
    /// Binds and listens, for clients of all ways; port 0 takes any free one. An IPv6 socket takes IPv6 only.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::open(address.into())
    }

    /// The same, for clients that come as the door says.
    pub fn open(door: Door) -> io::Result<Self> {
        Held::bind(door)?.listen()
    }

    /// Stops listening and keeps the port: from now on connections to it are refused.
    pub fn shut(self) -> io::Result<Held> {
        let Self { inner, address, meant } = self;
        drop(inner);
        Held::bind(Door { address, meant })
    }

    /// From a socket that is bound and listens already.
    pub fn from_std(socket: std::net::TcpListener, meant: Meant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let inner = TcpListener::from_std(socket)?;
        let address = inner.local_addr()?;
        Ok(Self { inner, address, meant })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether clients that name its address are served.
    pub fn is_direct(&self) -> bool {
        matches!(self.meant, Meant::Here | Meant::Tracked)
    }

    /// The next connection. Running out of descriptors is waited out, as accepting again at once would only spin.
    pub async fn accept(&self) -> Arrival {
        loop {
            match self.inner.accept().await {
                Ok((stream, client)) => match arrive(stream, client, self.meant) {
                    Ok(arrival) => return arrival,
                    Err(e) => tracing::debug!("{client} left at once: {e}"),
                },
                Err(e) => {
                    tracing::warn!("a connection could not be accepted: {e}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

impl Door {
    fn mode(self) -> &'static str {
        match self.meant {
            Meant::Here | Meant::Tracked => "",
            Meant::OurEnd => TPROXY,
            Meant::Redirected => TRANSPARENT,
        }
    }
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        Self { address, meant: Meant::Tracked }
    }
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (meant, address) = if let Some(address) = text.strip_prefix(TRANSPARENT) {
            (Meant::Redirected, address)
        } else if let Some(address) = text.strip_prefix(TPROXY) {
            (Meant::OurEnd, address)
        } else {
            (Meant::Tracked, text)
        };
        let address = address.parse().map_err(|_| {
            "write IP:PORT or [IPv6]:PORT; in front of it `transparent:` for clients that a REDIRECT rule leads here and no others, or \
             `tproxy:` for those that a TPROXY rule does"
        })?;
        Ok(Self { address, meant })
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.mode(), self.address)
    }
}

fn arrive(stream: TcpStream, client: SocketAddr, meant: Meant) -> io::Result<Arrival> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let original = match meant {
        Meant::Here => None,
        Meant::OurEnd => Some(local),
        Meant::Redirected => {
            let original = tracked(&stream, local).filter(|original| *original != local);
            Some(original.ok_or_else(|| io::Error::other("no rule had redirected it, and only such are served here"))?)
        }
        Meant::Tracked => tracked(&stream, local).filter(|original| *original != local),
    };
    Ok(Arrival { stream, client, local, original, name: None, apart: false, place: None })
}

#[cfg(target_os = "linux")]
fn make_transparent(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_ip_transparent_v6(true) } else { socket.set_ip_transparent_v4(true) }
}

#[cfg(not(target_os = "linux"))]
fn make_transparent(_socket: &Socket, _address: SocketAddr) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has transparent sockets"))
}

/// SO_ORIGINAL_DST; an error means that nothing was tracked.
#[cfg(target_os = "linux")]
fn tracked(stream: &TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    let socket = socket2::SockRef::from(stream);
    let original = if local.is_ipv6() { socket.original_dst_v6() } else { socket.original_dst_v4() };
    original.ok()?.as_socket()
}

#[cfg(not(target_os = "linux"))]
fn tracked(_stream: &TcpStream, _local: SocketAddr) -> Option<SocketAddr> {
    None
}

const TRANSPARENT: &str = "transparent:";
const TPROXY: &str = "tproxy:";
/// The kernel cuts it down to net.core.somaxconn.
const BACKLOG: i32 = 4096;
const BREATH: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    async fn original(meant: Meant) -> Option<SocketAddr> {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Listener::from_std(socket, meant).unwrap();
        let (_client, arrival) = tokio::join!(TcpStream::connect(listener.address()), listener.accept());
        assert_eq!(arrival.local, listener.address());
        arrival.original
    }

    #[tokio::test]
    async fn a_client_that_names_our_address_means_us_unless_the_socket_is_transparent() {
        assert_eq!(original(Meant::Here).await, None);
        assert_eq!(original(Meant::Tracked).await, None);
        assert!(original(Meant::OurEnd).await.is_some());
    }

    #[tokio::test]
    async fn who_comes_to_a_place_for_the_redirected_without_having_been_is_not_served() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Listener::from_std(socket, Meant::Redirected).unwrap();
        let mut client = TcpStream::connect(listener.address()).await.unwrap();
        let served = async {
            tokio::select! {
                arrival = listener.accept() => panic!("{arrival:?}"),
                read = tokio::io::AsyncReadExt::read_u8(&mut client) => read,
            }
        };
        assert!(served.await.is_err());
    }

    #[test]
    fn a_place_reads_as_it_is_written() {
        for text in ["127.0.0.1:4577", "transparent:0.0.0.0:1", "tproxy:[::]:15001"] {
            assert_eq!(text.parse::<Door>().unwrap().to_string(), text);
        }
        assert!("redirect:127.0.0.1:1".parse::<Door>().unwrap_err().contains("`transparent:`"));
    }
}
