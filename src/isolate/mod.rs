//! A program in a network of its own, all of whose connections arrive here with the address they were meant for.
//!
//! The program's process makes itself user, network and mount namespaces before it becomes the program ([`enter`]). In them every address
//! is local, a few rules bring each TCP connection to two listening sockets ([`netlink::nftables`]), and these sockets are handed to Squall
//! outside ([`handover`]), which accepts on them as if they were its own: the address a connection was meant for is the accepted socket's own. Names are
//! answered with synthetic addresses ([`dns`]), so that each connection has a name again. [`host`] keeps the rules true to what listens on the machine's loopback.
//!
//! No privileges are needed where user namespaces are allowed, and no other program; what fails is told by its step ([`failure`]). Nothing
//! outside the namespaces changes, and they end with the last process in them and Squall's sockets.

pub mod dns;
pub mod enter;
pub mod failure;
pub mod handover;
pub mod host;
pub mod netlink;

use std::net::Ipv4Addr;

/// The program's own address: one that is no loopback, or `getaddrinfo` would ask for no addresses of IPv4.
pub const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 254);
/// Where its name server is said to be. Any other address is answered as well.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// DNS.
pub const DNS_PORT: u16 = 53;
