//! How long Squall waits for whom, and how much it holds at once.

use std::time::Duration;

/// Bounds on connections. Nothing bounds how long a far end may take to answer: that is the client's own patience, under test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// DNS, TCP and TLS towards a far end, together.
    pub connect: Duration,
    /// A client's TLS handshake, and a request's head once it has begun.
    pub head: Duration,
    /// A client connection without a request.
    pub idle: Duration,
    /// Client connections open at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Open exchanges may go on for so long after the end was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // The SDKs' own connect timeouts lie between 1 s and 60 s.
            connect: Duration::from_secs(10),
            head: Duration::from_secs(30),
            // Longer than any SDK keeps an idle connection, so that it is the client that closes it.
            idle: Duration::from_secs(600),
            connections: 20_000,
            drain: Duration::from_secs(5),
        }
    }
}
