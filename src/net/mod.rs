//! Sockets: listeners, sniffing, TLS in both directions, the way upstream.
//!
//! Knows no AWS and no faults, and could serve any intercepting proxy. What is decided above arrives here as data: which names to
//! mint for ([`authority`]), where to dial ([`upstream`]), and commands to a live connection ([`io::ConnectionControl`]).

pub mod authority;
pub mod body;
pub mod dial;
pub mod expect;
pub mod io;
pub mod leaf;
pub mod listen;
pub mod name;
pub mod pool;
pub mod rewind;
pub mod sniff;
pub mod target;
pub mod tls;
pub mod tunnel;
pub mod upstream;

/// Header fields a message may have, on either side. hyper's own limit is 100, and a request with metadata can exceed it; beyond 100 it
/// allocates room for this many per message.
pub const MOST_HEADERS: usize = 256;
