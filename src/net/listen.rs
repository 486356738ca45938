//! Listening sockets: each yields [`Arrival`]s, whatever way the client comes in.
//!
//! A client may have been led here on its way elsewhere: by a REDIRECT rule of the kernel's, or through a transparent socket (TPROXY,
//! a namespace whose only way out it is). Where it meant to go is then [`Arrival::original`], and [`Meant`] says how a listener finds
//! that.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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
    /// Where connection tracking says, if a REDIRECT rule led them here; else here.
    Tracked,
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
    fn bind(address: SocketAddr, meant: Meant) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        // Linux hands the option down to accepted sockets; without it new connections stall for 40 ms.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        Ok(Self { socket, meant })
    }

    /// Listens, again or for the first time.
    pub fn listen(self) -> io::Result<Listener> {
        self.socket.listen(BACKLOG)?;
        Listener::from_std(self.socket.into(), self.meant)
    }
}

impl Listener {
    /// Binds and listens, for clients that name the address and for those that a REDIRECT rule leads to it; port 0 takes any free one.
    /// An IPv6 socket takes IPv6 only.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Held::bind(address, Meant::Tracked)?.listen()
    }

    /// The same for clients that name the address alone.
    pub fn bind_here(address: SocketAddr) -> io::Result<Self> {
        Held::bind(address, Meant::Here)?.listen()
    }

    /// Stops listening and keeps the port: from now on connections to it are refused.
    pub fn shut(self) -> io::Result<Held> {
        let Self { inner, address, meant } = self;
        drop(inner);
        Held::bind(address, meant)
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

fn arrive(stream: TcpStream, client: SocketAddr, meant: Meant) -> io::Result<Arrival> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let original = match meant {
        Meant::Here => None,
        Meant::OurEnd => Some(local),
        Meant::Tracked => tracked(&stream, local).filter(|original| *original != local),
    };
    Ok(Arrival { stream, client, local, original, place: None })
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
}
