//! The machine's own resolver: whether a name exists there, and what its name servers say of anything else.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::clock;
use crate::isolate::DNS_PORT;

/// The resolver of the machine that the program runs on.
#[derive(Debug)]
pub struct Machine {
    /// Addresses that are the machine's own.
    own: Vec<IpAddr>,
    servers: Vec<SocketAddr>,
    asked: Mutex<HashMap<Box<str>, LookUp>>,
}

/// One that was asked for, and is answered once for all who ask meanwhile.
#[derive(Debug)]
struct LookUp {
    since: Instant,
    found: Arc<OnceCell<Found>>,
}

/// What a look-up found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// A name for another machine.
    Elsewhere,
    /// A name for this machine, by these addresses.
    Here(Vec<IpAddr>),
    /// A name that has no address.
    NoAddress,
    /// No such name.
    NoName,
    /// It cannot be told now.
    Unknown,
}

impl Machine {
    /// The one we run on, which has these addresses of its own.
    pub fn new(own: Vec<IpAddr>) -> Self {
        let servers = name_servers(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
        Self { own, servers, asked: Mutex::default() }
    }

    /// Looks a name up as any program here would. Questions about one name that come together are asked once.
    pub async fn look_up(&self, name: &str) -> Found {
        let cell = self.cell(name);
        let found = cell.get_or_init(|| async {
            let name = name.to_owned();
            let looked_up = tokio::task::spawn_blocking(move || addresses(&name)).await;
            let addresses = looked_up.unwrap_or(Err(LookupErrorKind::Again));
            self.found(addresses)
        });
        found.await.clone()
    }

    /// Sends a question on as it is and gives back the answer, if one of the machine's name servers gives one.
    pub async fn pass_on(&self, question: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        for server in &self.servers {
            let answer =
                async { if over_tcp { ask_over_tcp(*server, question).await } else { ask(*server, question).await } };
            match timeout(PATIENCE, answer).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(e)) => tracing::debug!("the name server {server} gives no answer: {e}"),
                Err(_) => tracing::debug!("the name server {server} gives no answer within {PATIENCE:?}"),
            }
        }
        None
    }

    fn cell(&self, name: &str) -> Arc<OnceCell<Found>> {
        let now = clock::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= MOST_KEPT {
            asked.retain(|_, look_up| now.duration_since(look_up.since) < KEPT);
        }
        let fresh = || LookUp { since: now, found: Arc::default() };
        let look_up = asked.entry(name.into()).or_insert_with(fresh);
        if now.duration_since(look_up.since) >= KEPT && look_up.found.initialized() {
            *look_up = fresh();
        }
        Arc::clone(&look_up.found)
    }

    fn found(&self, addresses: Result<Vec<IpAddr>, LookupErrorKind>) -> Found {
        let is_here = |address: &IpAddr| address.to_canonical().is_loopback() || self.own.contains(address);
        match addresses {
            Ok(addresses) if addresses.is_empty() => Found::NoAddress,
            Ok(addresses) if addresses.iter().all(is_here) => Found::Here(addresses),
            Ok(_) => Found::Elsewhere,
            Err(LookupErrorKind::NoName) => Found::NoName,
            Err(LookupErrorKind::NoData) => Found::NoAddress,
            Err(_) => Found::Unknown,
        }
    }
}

fn addresses(name: &str) -> Result<Vec<IpAddr>, LookupErrorKind> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|e| e.kind())?;
    let mut addresses: Vec<_> = found.filter_map(Result::ok).map(|found| found.sockaddr.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        // An answer begins with the number of its question.
        if answer[..length].starts_with(&question[..2]) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn ask_over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// The name servers in a resolv.conf; without any, this machine's own.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim();
        // A scope is no part of what the standard library reads as an address.
        address.split('%').next()?.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT))
    };
    let servers: Vec<_> = text.lines().filter_map(server).collect();
    if servers.is_empty() { vec![([127, 0, 0, 1], DNS_PORT).into()] } else { servers }
}

/// What the machine's name servers are named in.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// As long as resolvers wait before they ask the next.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a look-up counts: questions for A, AAAA and HTTPS come together.
const KEPT: Duration = Duration::from_secs(1);
const MOST_KEPT: usize = 1024;
const LARGEST: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_from_a_resolv_conf() {
        let text = "# x\nsearch a b\nnameserver 10.0.0.2\n nameserver\tfe80::1%eth0\nnameserver nonsense\n";
        assert_eq!(name_servers(text), ["10.0.0.2:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()]);
        assert_eq!(name_servers("options x\n"), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[tokio::test]
    async fn this_machines_names_are_told_from_others() {
        let machine = Machine::new(vec!["192.0.2.7".parse().unwrap()]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let here = vec![ip("127.0.0.1"), ip("192.0.2.7")];
        assert_eq!(machine.found(Ok(here.clone())), Found::Here(here));
        assert_eq!(machine.found(Ok(vec![ip("127.0.0.1"), ip("192.0.2.8")])), Found::Elsewhere);
        assert_eq!(machine.found(Err(LookupErrorKind::NoName)), Found::NoName);
        assert_eq!(machine.found(Err(LookupErrorKind::Again)), Found::Unknown);
        assert!(matches!(machine.look_up("127.0.0.1").await, Found::Here(_)));
    }

    #[tokio::test]
    async fn a_question_is_passed_on_as_it_is_over_udp_and_tcp() {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = udp.local_addr().unwrap();
        let tcp = tokio::net::TcpListener::bind(server).await.unwrap();
        let answering = tokio::spawn(async move {
            let mut question = [0; 64];
            let (length, from) = udp.recv_from(&mut question).await.unwrap();
            udp.send_to(b"nonsense", from).await.unwrap();
            udp.send_to(&[&question[..length], b" answered"].concat(), from).await.unwrap();
            let (mut stream, _) = tcp.accept().await.unwrap();
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await.unwrap();
            stream.write_all(&[&[0, 2], &question[..2]].concat()).await.unwrap();
        });
        let machine = Machine { own: Vec::new(), servers: vec![server], asked: Mutex::default() };
        assert_eq!(machine.pass_on(b"id question", false).await.unwrap(), b"id question answered");
        assert_eq!(machine.pass_on(b"id question", true).await.unwrap(), b"id");
        answering.await.unwrap();
    }
}
