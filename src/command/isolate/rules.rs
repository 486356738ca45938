//! The rules of the program's network, kept true while it runs: to the machine's loopback, and to the plan.
//!
//! A connection that arrives here has been accepted by the kernel already, so nothing that is done to it looks like a port that is closed.
//! Where the plan refuses every connection to a host at this moment, its address is put among those that the kernel itself refuses; what it
//! refused is counted as if it had come.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use crate::aws::request::{AwsRequest, Head};
use crate::isolate::OWN_ADDRESS;
use crate::isolate::host::Loopback;
use crate::isolate::netlink::Socket;
use crate::isolate::netlink::nftables::{self, Key, Set};
use crate::profile::{Ruling, Seen};
use crate::proxy::{Proxy, approach};

/// The rules, and what they were told.
pub(super) struct Rules {
    socket: Socket,
    loopback: Loopback,
    proxy: Arc<Proxy>,
    /// Hosts that rules of the plan may be about, by their synthetic addresses.
    hosts: Vec<(Ipv4Addr, Arc<str>)>,
    /// What the kernel refuses now: the host, and how often that was counted.
    refused: BTreeMap<SocketAddrV4, (Arc<str>, u64)>,
    /// For which moment that was decided.
    decided: Duration,
}

impl Rules {
    pub(super) fn new(socket: Socket, loopback: Loopback, proxy: Arc<Proxy>) -> Self {
        let (hosts, refused) = (Vec::new(), BTreeMap::new());
        Self { socket, loopback, proxy, hosts, refused, decided: Duration::ZERO }
    }

    /// Brings everything up to date.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        self.loopback.refresh(&self.socket)?;
        self.count_refused()?;
        let wanted = self.wanted(&self.hosts);
        let gone: Vec<_> = self.refused.keys().filter(|address| !wanted.contains_key(address)).copied().collect();
        let keys: Vec<_> = gone.iter().copied().map(Key::socket).collect();
        nftables::remove(&self.socket, Set::Refused, &keys)?;
        gone.iter().for_each(|address| drop(self.refused.remove(address)));
        self.refuse(wanted)?;
        self.decided = self.proxy.live.now();
        Ok(())
    }

    /// A host has been given an address, to which it may be refused from its first connection on.
    pub(super) fn add_host(&mut self, host: &str, address: Ipv4Addr) -> io::Result<()> {
        if !self.proxy.intercepts(host) {
            return Ok(());
        }
        let host = (address, host.into());
        let wanted = self.wanted(std::slice::from_ref(&host));
        self.hosts.push(host);
        self.refuse(wanted)
    }

    /// What of these hosts is to be refused now.
    fn wanted(&self, hosts: &[(Ipv4Addr, Arc<str>)]) -> BTreeMap<SocketAddrV4, Arc<str>> {
        let ruling = self.proxy.live.load();
        if !ruling.plan.has_refusals() || self.proxy.lets_all_pass() {
            return BTreeMap::new();
        }
        let now = self.proxy.live.now();
        let all =
            hosts.iter().flat_map(|(ip, host)| PORTS.map(|port| (SocketAddrV4::new(*ip, port), Arc::clone(host))));
        all.filter(|(address, host)| refuses(&ruling, host, address.port(), now)).collect()
    }

    fn refuse(&mut self, wanted: BTreeMap<SocketAddrV4, Arc<str>>) -> io::Result<()> {
        let new: Vec<_> = wanted.into_iter().filter(|(address, _)| !self.refused.contains_key(address)).collect();
        let keys: Vec<_> = new.iter().map(|(address, _)| Key::socket(*address)).collect();
        nftables::add(&self.socket, Set::Refused, &keys)?;
        self.refused.extend(new.into_iter().map(|(address, host)| (address, (host, 0))));
        Ok(())
    }

    /// Tells the ledger what the kernel has refused since it was asked last.
    pub(super) fn count_refused(&mut self) -> io::Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        for (address, packets) in nftables::refusals(&self.socket)? {
            let Some((host, counted)) = self.refused.get_mut(&address) else { continue };
            for _ in *counted..packets {
                approach::refused(&self.proxy, host, address.port(), IpAddr::V4(OWN_ADDRESS), self.decided);
            }
            *counted = packets;
        }
        Ok(())
    }
}

fn refuses(ruling: &Ruling, host: &str, port: u16, now: Duration) -> bool {
    let (request, headers) = (AwsRequest::of_host(host), HeaderMap::new());
    let head = Head { method: &Method::CONNECT, host, path: "", query: None, headers: &headers };
    let seen = Seen { peer: Some(IpAddr::V4(OWN_ADDRESS)), port: Some(port), ..Seen::new(&request, head) };
    ruling.plan.refuses(&seen, now)
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("refused", &self.refused).finish_non_exhaustive()
    }
}

/// On which AWS's hosts are spoken to.
const PORTS: [u16; 2] = [443, 80];
