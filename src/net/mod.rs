//! Sockets: listeners, sniffing, TLS in both directions, the way upstream.
//!
//! Knows no AWS and no faults, and could serve any intercepting proxy. What is decided above arrives here as data: which names to
//! mint for ([`authority`]), where to dial ([`upstream`]) and through which proxy ([`via`]), and commands to a live connection ([`control::ConnectionControl`]).

pub mod authority;
pub mod body;
pub mod connect;
pub mod control;
pub mod cut;
pub mod dial;
pub mod expect;
pub mod io;
pub mod kept;
pub mod leaf;
pub mod limits;
pub mod listen;
pub mod name;
pub mod pace;
pub mod pool;
pub mod relay;
pub mod rewind;
pub mod seldom;
pub mod serve;
pub mod shaped;
pub mod sniff;
pub mod spoken;
pub mod streams;
pub mod target;
pub mod tls;
pub mod translate;
pub mod tunnel;
pub mod upstream;
pub mod via;

/// Header fields a message may have, on either side. hyper's own limit is 100, and a request with metadata can exceed it; beyond 100 it
/// allocates room for this many per message.
pub const MOST_HEADERS: usize = 256;

/// HTTP/2's SETTINGS_MAX_HEADER_LIST_SIZE, on either side: session tokens alone take kilobytes, and hyper's 16 KB refuses what HTTP/1.1
/// would have carried.
pub const LARGEST_FIELDS: u32 = 256 << 10;
/// HTTP/2 streams at once on a client's connection.
pub const MOST_STREAMS: u32 = 256;
/// HTTP/2's flow-control windows, on either side: what a sender may have sent that its receiver has not taken yet, and so what we hold
/// of one body at most.
pub const STREAM_WINDOW: u32 = 1 << 20;
/// As [`STREAM_WINDOW`], for all streams of a connection together: seven that nobody reads leave the others going.
pub const CONNECTION_WINDOW: u32 = 8 << 20;
