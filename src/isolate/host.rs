//! The machine around the program, as its rules must know it: open ports of its loopback, its own addresses.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::netlink::Socket;
use super::netlink::listening;
use super::netlink::nftables::{self, Key, Set};

/// Keeps [`Set::Host`] as the machine's loopback is. A server that starts there is reachable a moment later, and what is closed refuses
/// connections at once, as programs that wait for a server of their own must see it.
#[derive(Debug)]
pub struct Loopback {
    asked: Socket,
    known: BTreeSet<u16>,
}

impl Loopback {
    /// Not looked at yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self { asked: listening::socket()?, known: BTreeSet::new() })
    }

    /// Brings the set up to date.
    pub fn refresh(&mut self, rules: &Socket) -> io::Result<()> {
        let now = listening::loopback_ports(&self.asked)?;
        let keys = |ports: Vec<&u16>| ports.into_iter().map(|port| Key::port(*port)).collect::<Vec<_>>();
        nftables::add(rules, Set::Host, &keys(now.difference(&self.known).collect()))?;
        nftables::remove(rules, Set::Host, &keys(self.known.difference(&now).collect()))?;
        self.known = now;
        Ok(())
    }
}

/// The addresses of the machine, but for loopback's.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let all = nix::ifaddrs::getifaddrs()?.filter_map(|interface| interface.address);
    let addresses = all.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    let mut addresses: Vec<_> = addresses.filter(|address| !address.is_loopback()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Tells the rules these addresses.
pub fn tell_own(rules: &Socket, addresses: &[IpAddr]) -> io::Result<()> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(IpAddr::is_ipv4);
    let keys = |addresses: Vec<IpAddr>| addresses.into_iter().map(Key::address).collect::<Vec<_>>();
    nftables::add(rules, Set::Own, &keys(v4))?;
    nftables::add(rules, Set::Own6, &keys(v6))
}

/// How often the machine is looked at; it takes some 0.1 ms.
pub const REFRESH: Duration = Duration::from_millis(100);
