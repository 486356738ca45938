//! The ports of `tcp:` entries: open, or shut while a rule has nobody listen.
//!
//! [`Ports`] follows the plan: [`Ports::make_room`] binds what another plan asks for beside what is open, before that plan takes the
//! place of the old one, so that a plan whose ports are taken is refused; [`Ports::settle`] then closes what no entry needs any more.
//! A port is told from others by where it listens, so that renaming an entry, or leading it elsewhere, closes nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use compact_str::ToCompactString as _;
use http::{HeaderMap, Method};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::Passage;
use crate::aws::request::{AwsRequest, Head};
use crate::clock;
use crate::ledger::{Carried, Entry, Mode, Outcome, Side};
use crate::net::io::ClientIo;
use crate::net::listen::{Arrival, Held, Listener};
use crate::net::target::{Scheme, Target};
use crate::profile::tcp::FarEnd;
use crate::profile::{Plan, RuleName, Ruling, Seen, TcpEntry};
use crate::proxy::Proxy;
use crate::proxy::route::Connection;

/// All ports that are open for entries.
#[derive(Debug, Default)]
pub struct Ports {
    open: Mutex<Vec<Port>>,
    /// Places for connections, shared with all other ways in.
    room: OnceLock<Arc<Semaphore>>,
}

/// Why a plan's ports cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the `tcp` entry `{name}` cannot listen on {listen}: {error}; choose another port, or end what listens there")]
pub struct PortTaken {
    name: String,
    listen: SocketAddr,
    #[source]
    error: io::Error,
}

#[derive(Debug)]
struct Port {
    key: Key,
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

/// What tells ports apart: where they listen, and where that is any free port, whose they are.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Key {
    listen: SocketAddr,
    name: Option<String>,
}

impl Key {
    fn of(entry: &TcpEntry) -> Self {
        Self { listen: entry.listen, name: (entry.listen.port() == 0).then(|| entry.name.clone()) }
    }
}

impl Ports {
    /// Connections take their places here from now on.
    pub fn share(&self, room: Arc<Semaphore>) {
        let _once = self.room.set(room);
    }

    /// Opens the ports that this plan asks for and that are not open yet. Inside a tokio runtime.
    pub fn make_room(&self, proxy: &Arc<Proxy>, plan: &Plan) -> Result<(), PortTaken> {
        let mut open = self.open();
        let missing = plan.tcp().iter().filter(|entry| open.iter().all(|port| port.key != Key::of(entry)));
        let taken = |entry: &TcpEntry, error| PortTaken { name: entry.name.clone(), listen: entry.listen, error };
        let bound: Result<Vec<_>, _> = missing
            .map(|entry| {
                let door = Door::first(proxy, plan, entry).map_err(|e| taken(entry, e))?;
                let address = door.address().map_err(|e| taken(entry, e))?;
                Ok((Key::of(entry), door, address))
            })
            .collect();
        let room = self.room.get_or_init(|| Arc::new(Semaphore::new(proxy.limits.connections)));
        for (key, door, address) in bound? {
            if !address.ip().to_canonical().is_loopback() {
                tracing::warn!(
                    "{address} can be reached from other machines: whoever reaches it is led to its far end"
                );
            }
            let serving = serve_port(Arc::clone(proxy), key.clone(), door, Arc::clone(room));
            let serving = AbortOnDropHandle::new(tokio::spawn(serving));
            open.push(Port { key, address, _serving: serving });
        }
        Ok(())
    }

    /// Closes what no entry of this plan needs. Connections that came through it go on.
    pub fn settle(&self, plan: &Plan) {
        self.open().retain(|port| plan.tcp().iter().any(|entry| port.key == Key::of(entry)));
    }

    /// Closes all.
    pub fn close(&self) {
        self.open().clear();
    }

    /// Where an entry listens.
    pub fn address(&self, entry: &TcpEntry) -> Option<SocketAddr> {
        self.open().iter().find(|port| port.key == Key::of(entry)).map(|port| port.address)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Port>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody listens.
enum Door {
    /// Nobody has so far, as a rule is about to forbid it.
    New(Held),
    Open(Listener),
    /// By this rule nobody does, since then.
    Shut(Held, Box<Shut>),
}

/// A rule's having nobody listen, which is told when it is over.
struct Shut {
    proxy: Arc<Proxy>,
    entry: TcpEntry,
    rule: RuleName,
    since: Instant,
    line: Option<Entry>,
}

impl Door {
    /// Nobody is let in whom a rule of this plan refuses from its beginning.
    fn first(proxy: &Proxy, plan: &Plan, entry: &TcpEntry) -> io::Result<Self> {
        let held = Held::bind_here(entry.listen)?;
        let is_shut = !proxy.lets_all_pass() && shut(plan, entry, proxy.live.now()).0.is_some();
        if is_shut { Ok(Self::New(held)) } else { held.listen().map(Self::Open) }
    }

    /// From now on nobody listens, by this rule.
    fn shut(held: Held, proxy: &Arc<Proxy>, ruling: &Ruling, entry: &TcpEntry, rule: RuleName) -> Self {
        tracing::info!("nobody listens for `{}` by the rule `{rule}`", entry.name);
        ruling.states.count_shut(&ruling.plan, &rule);
        Self::Shut(held, Box::new(Shut::begin(proxy, entry, rule)))
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Open(listener) => Ok(listener.address()),
            Self::New(held) | Self::Shut(held, _) => held.address(),
        }
    }
}

async fn serve_port(proxy: Arc<Proxy>, key: Key, mut door: Door, room: Arc<Semaphore>) {
    let mut changes = proxy.changes.subscribe();
    loop {
        changes.mark_unchanged();
        let plan = proxy.live.load();
        let entry = plan.plan.tcp().iter().find(|entry| Key::of(entry) == key);
        let now = proxy.live.now();
        let (rule, next) = match entry.filter(|_| !proxy.lets_all_pass()) {
            Some(entry) => shut(&plan.plan, entry, now),
            None => (None, None),
        };
        let turned = match (door, rule, entry) {
            (Door::New(held), Some(rule), Some(entry)) => Ok(Door::shut(held, &proxy, &plan, entry, rule)),
            (Door::Open(listener), Some(rule), Some(entry)) => {
                listener.shut().map(|held| Door::shut(held, &proxy, &plan, entry, rule))
            }
            (Door::New(held), None, _) => held.listen().map(Door::Open),
            (Door::Shut(held, shut), None, _) => {
                drop(shut);
                held.listen().map(Door::Open)
            }
            (door, ..) => Ok(door),
        };
        door = match turned {
            Ok(door) => door,
            Err(e) => return tracing::error!("the port of a `tcp` entry is lost: {e}"),
        };
        let until = super::until(next, now);
        let accept = async {
            match &door {
                Door::Open(listener) => listener.accept().await,
                Door::New(_) | Door::Shut(..) => std::future::pending().await,
            }
        };
        tokio::select! {
            arrival = accept => admit(&proxy, &key, arrival, &room).await,
            _ = changes.changed() => {}
            () = until => {}
        }
    }
}

/// The rule by which nobody listens for an entry now, and when that may be otherwise.
fn shut(plan: &Plan, entry: &TcpEntry, now: std::time::Duration) -> (Option<RuleName>, Option<std::time::Duration>) {
    let FarEnd { host, port } = &entry.upstream;
    let (request, headers) = (AwsRequest::of_host(host), HeaderMap::new());
    let head = Head { method: &Method::CONNECT, host, path: "", query: None, headers: &headers };
    let seen = Seen { port: Some(*port), tcp: Some(&entry.name), ..Seen::new(&request, head) };
    let (rule, next) = plan.shut(entry, &seen, now);
    (rule.map(|rule| rule.name().clone()), next)
}

/// Leads a connection to where the plan says now.
async fn admit(proxy: &Arc<Proxy>, key: &Key, arrival: Arrival, room: &Arc<Semaphore>) {
    // An error means that it was closed, which it never is.
    let place = Arc::clone(room).acquire_owned().await.ok();
    let ruling = proxy.live.load();
    let Some(entry) = ruling.plan.tcp().iter().find(|entry| Key::of(entry) == *key) else { return };
    let target = Arc::new(Target::new(Scheme::Http, &entry.upstream.host, entry.upstream.port));
    let io = ClientIo::new(arrival.stream).holding(place);
    let connection = Connection {
        client: arrival.client,
        control: Arc::clone(io.control()),
        secure: false,
        target: Some(Arc::clone(&target)),
        mode: Mode::Tcp,
        streams: Arc::default(),
        progress: Arc::default(),
    };
    let passage = Passage::open(proxy, &connection, &target, Some(entry.name.to_compact_string()));
    proxy.spawn(passage.carry(io, None));
}

impl Shut {
    fn begin(proxy: &Arc<Proxy>, entry: &TcpEntry, rule: RuleName) -> Self {
        let line = Entry::open(proxy.ledger.next_seq(), clock::wall(), Mode::Tcp);
        Self { proxy: Arc::clone(proxy), entry: entry.clone(), rule, since: clock::now(), line: Some(line) }
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        line.host = self.entry.upstream.host.as_str().into();
        let carried = Carried {
            name: Some(self.entry.name.as_str().into()),
            client: None,
            upstream: self.entry.upstream.to_compact_string(),
        };
        line.connection = Some(Box::new(carried));
        (line.outcome, line.side) = (Outcome::Injected, Some(Side::Injected));
        line.rules.push(self.rule.clone());
        line.total_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(target: "squall::exchange", "{line}");
        self.proxy.ledger.record(line);
    }
}
