//! A connection that was led here on its way elsewhere, whose client knows nothing of Squall.
//!
//! Its original destination is known, and what it is for is told by its first bytes: the name in a TLS ClientHello, the Host of a
//! request in the clear. What is AWS's (or listed) is terminated and looked into, and goes to the very address that the client had
//! found; `--resolve` and `--upstream` alone lead it elsewhere. All else is carried through as it came: other names, TLS without a
//! name (whose it is cannot be told, unless its address is listed), requests to other proxies, other protocols, and those in which the
//! server speaks first. The first request in the clear decides for its whole connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use compact_str::{CompactString, ToCompactString as _};
use tokio::io::AsyncReadExt as _;

use super::carry::{self, Far};
use super::connection::{self, GivenUp};
use super::route::{self, Connection};
use super::tcp::Passage;
use super::{Proxy, Sightings};
use crate::ledger::Mode;
use crate::net::cut::ConnectionEnding;
use crate::net::dial::{self, Dialer};
use crate::net::io::ClientIo;
use crate::net::name::HostName;
use crate::net::rewind::Rewind;
use crate::net::sniff::{self, Speech};
use crate::net::target::{Scheme, Target};

/// Serves a connection that was meant for `original`; `apart` as in [`crate::net::listen::Arrival`].
pub(super) async fn serve(
    proxy: Arc<Proxy>,
    mut connection: Connection,
    io: ClientIo,
    original: SocketAddr,
    name: Option<CompactString>,
    apart: bool,
) {
    connection.mode = Mode::Transparent;
    let mut led = Led { proxy, connection, io, seen: BytesMut::new(), original, name };
    if !apart && led.proxy.upstream.dialer().is_ours(led.connection.client, original) {
        tracing::warn!(
            "refused a connection of Squall's own to {original}, which a rule has led back to it; let Squall's own traffic pass, \
             as the rules do that `squall iptables` prints"
        );
        return led.reset().await;
    }
    if NO_HTTP.contains(&original.port()) || led.is_named_otherwise() {
        return led.carry(None, None).await;
    }
    let (first, far) = Box::pin(led.first_word()).await;
    match first {
        First::Broken => led.reset().await,
        First::Nothing => {}
        First::Far => led.carry(None, far).await,
        First::Client(Speech::Http1) => led.http1(far).await,
        First::Client(Speech::Http2) => led.http2(far).await,
        First::Client(Speech::Other) => led.carry(None, far).await,
        First::Client(Speech::Tls) => led.tls(far).await,
    }
}

/// A connection on its way elsewhere.
struct Led {
    proxy: Arc<Proxy>,
    connection: Connection,
    io: ClientIo,
    /// What was read of it so far.
    seen: BytesMut,
    original: SocketAddr,
    /// The name that the client found it by.
    name: Option<CompactString>,
}

/// Who spoke first.
enum First {
    /// The far end broke off.
    Broken,
    Client(Speech),
    Far,
    /// Nobody, and the client has left or Squall is to stop.
    Nothing,
}

impl Led {
    /// Whether the name alone says that it is not AWS's.
    fn is_named_otherwise(&self) -> bool {
        self.name.as_ref().is_some_and(|name| !self.proxy.intercepts(name))
    }

    /// Waits until one of both ends has spoken. A client that is silent for a moment may wait for a server that speaks first; so the far
    /// end is then connected to as well.
    async fn first_word(&mut self) -> (First, Option<Far>) {
        let (mut far, speech) = (None, sniff::sniff(&mut self.io, &mut self.seen));
        let speech = match connection::waited(&self.proxy, SILENCE, speech).await {
            Err(GivenUp::Late(_)) => {
                let idle = self.proxy.limits.idle;
                let target = self.target(Scheme::Http, None);
                let both = async {
                    tokio::select! {
                        biased;
                        heard = heard(self.proxy.upstream.dialer(), &target) => { far = heard.ok(); None }
                        speech = sniff::sniff(&mut self.io, &mut self.seen) => Some(speech),
                    }
                };
                match connection::waited(&self.proxy, idle, both).await {
                    Ok(Some(speech)) => Ok(speech),
                    Ok(None) => return (if far.is_some() { First::Far } else { First::Broken }, far),
                    Err(why) => Err(why),
                }
            }
            told => told,
        };
        let first = match speech {
            Ok(Ok(Some(speech))) => First::Client(speech),
            // It may still listen.
            Ok(Ok(None)) => First::Client(Speech::Other),
            Ok(Err(_)) | Err(_) => First::Nothing,
        };
        (first, far)
    }

    async fn tls(mut self, far: Option<Far>) {
        let patience = self.proxy.limits.head;
        let hello = Box::pin(sniff::client_hello(&mut self.io, &mut self.seen));
        let hello = match connection::waited(&self.proxy, patience, hello).await {
            Ok(Ok(hello)) => hello,
            Err(GivenUp::Stopping) => return,
            // Of a kind that nobody here understands; the far end may.
            Ok(Err(_)) | Err(GivenUp::Late(_)) => return self.carry(None, far).await,
        };
        let name = match hello.server_name.as_deref().or(self.name.as_deref()) {
            Some(name) => Some(name).filter(|name| self.proxy.intercepts(name)).map(HostName::parse),
            None => Some(HostName::Ip(self.original.ip().to_canonical())).filter(|ip| self.proxy.intercept.allows(ip)),
        };
        let Some(name) = name else { return self.carry(hello.server_name.as_deref(), far).await };
        drop(far);
        self.connection.target = Some(Arc::new(self.target(Scheme::Https, Some(&name.to_string()))));
        let stream = Rewind::new(self.seen.freeze(), self.io);
        connection::terminate(self.proxy, self.connection, stream, &name, &hello).await;
    }

    async fn http1(mut self, far: Option<Far>) {
        let host = match connection::waited(&self.proxy, MIDWAY, sniff::host(&mut self.io, &mut self.seen)).await {
            Ok(Ok(host)) => host,
            Err(GivenUp::Stopping) => return,
            Ok(Err(_)) | Err(GivenUp::Late(_)) => None,
        };
        self.http(host.as_deref(), false, far).await;
    }

    async fn http2(self, far: Option<Far>) {
        self.http(None, true, far).await;
    }

    /// A request in the clear that names this host.
    async fn http(mut self, host: Option<&str>, http2: bool, far: Option<Far>) {
        let asked_for = self.name.clone();
        let host = host.map(route::bare_host).or(asked_for.as_deref());
        let is_listed = self.proxy.intercept.allows(&HostName::Ip(self.original.ip().to_canonical()));
        if !is_listed && !host.is_some_and(|host| self.proxy.intercepts(host)) {
            return self.carry(host, far).await;
        }
        drop(far);
        self.connection.target = Some(Arc::new(self.target(Scheme::Http, host)));
        let stream = Rewind::new(self.seen.freeze(), self.io);
        connection::speak_origin(self.proxy, self.connection, stream, http2).await;
    }

    /// Carries it through to where it was meant to go, under this name if it gave one and was not found by another.
    async fn carry(self, name: Option<&str>, far: Option<Far>) {
        let scheme = if self.original.port() == 443 { Scheme::Https } else { Scheme::Http };
        let target = Arc::new(self.target(scheme, self.name.as_deref().or(name)));
        Sightings::count(&self.proxy.sightings.tunnels);
        let stream = Rewind::new(self.seen.freeze(), self.io);
        Box::pin(Passage::open(&self.proxy, &self.connection, &target, None).carry(stream, far)).await;
    }

    /// The far end that the client means, at the address it had found; where it was led there by a name, wherever that leads us.
    fn target(&self, scheme: Scheme, name: Option<&str>) -> Target {
        let ip: IpAddr = self.original.ip().to_canonical();
        let host = name.or(self.name.as_deref()).map_or_else(|| ip.to_compact_string(), Into::into);
        let address = self.name.is_none().then_some(ip);
        Target { scheme, host, port: self.original.port(), address }
    }

    /// The client sees that there is nobody, as far as it can still be told.
    async fn reset(mut self) {
        self.connection.control.end(ConnectionEnding::Reset);
        // Whoever reads next brings it about.
        let _reset = tokio::io::copy(&mut self.io, &mut tokio::io::sink()).await;
    }
}

/// The far end once it has spoken, or closed; an error once it has broken off. If it cannot be reached, the client may still say
/// something that goes elsewhere.
async fn heard(dialer: &Dialer, target: &Target) -> io::Result<Far> {
    let mut far = match carry::reach(dialer, target).await {
        Ok(far) => far,
        Err(e) if dial::has_broken_off(&e) => return Err(e),
        Err(e) => {
            tracing::debug!("cannot reach {target}: {e}");
            std::future::pending().await
        }
    };
    let mut first = BytesMut::with_capacity(FIRST_READ);
    far.stream.read_buf(&mut first).await?;
    Ok(far.heard(first.freeze()))
}

/// After this, a silent client is taken to wait perhaps for the server to speak first.
const SILENCE: Duration = Duration::from_millis(200);
/// What looks like the head of a request and does not go on for so long is none.
const MIDWAY: Duration = Duration::from_secs(2);
const FIRST_READ: usize = 2048;

/// Ports of protocols that are no HTTP, and in most of which the server speaks first: FTP, SSH, Telnet, SMTP, POP3, IMAP, submission,
/// SQL Server, Oracle, MySQL, PostgreSQL, AMQP, Redis, MongoDB, Kafka, memcached, NATS, ZooKeeper.
const NO_HTTP: [u16; 19] =
    [21, 22, 23, 25, 110, 143, 587, 1433, 1521, 2181, 3306, 4222, 5432, 5672, 6379, 9092, 11211, 27017, 33060];

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_far_end_that_breaks_off_at_once_is_heard_and_one_that_is_not_there_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
        let dialer = Dialer::default();
        let resetting = async {
            let (stream, _) = listener.accept().unwrap();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        };
        // One thread: it is reset between its beginning and the first look at it.
        let heard_it = async { tokio::time::timeout(Duration::from_secs(20), heard(&dialer, &target)).await };
        let (broken, ()) = tokio::join!(biased; heard_it, resetting);
        assert!(broken.unwrap().is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset));
        drop(listener);
        assert!(tokio::time::timeout(SILENCE, heard(&dialer, &target)).await.is_err(), "the client may still speak");
    }
}
