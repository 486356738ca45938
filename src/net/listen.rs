//! Listening sockets: each yields [`Arrival`]s, whatever way the client comes in.

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
    /// Its place among the connections that may be open at once, where there is a bound.
    pub place: Option<OwnedSemaphorePermit>,
}

/// A socket that clients reach us on.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds and listens; port 0 takes any free one. An IPv6 socket takes IPv6 only.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Linux hands the option down to accepted sockets; without it new connections stall for 40 ms.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let inner = TcpListener::from_std(socket.into())?;
        let address = inner.local_addr()?;
        Ok(Self { inner, address })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. Running out of descriptors is waited out, as accepting again at once would only spin.
    pub async fn accept(&self) -> Arrival {
        loop {
            match self.inner.accept().await {
                Ok((stream, client)) => match arrive(stream, client) {
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

fn arrive(stream: TcpStream, client: SocketAddr) -> io::Result<Arrival> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    Ok(Arrival { stream, client, local, place: None })
}

/// The kernel cuts it down to net.core.somaxconn.
const BACKLOG: i32 = 4096;
const BREATH: Duration = Duration::from_millis(10);
