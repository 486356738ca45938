//! Copying bytes between a client and a far end, without looking at them.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};

/// Bytes that went through a tunnel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// From the client to the far end.
    pub up: u64,
    /// From the far end to the client.
    pub down: u64,
}

/// Copies both ways until both have ended; either side may close its half first.
pub async fn tunnel<C, U>(client: &mut C, upstream: &mut U) -> io::Result<Carried>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (up, down) = copy_bidirectional_with_sizes(client, upstream, BUFFER, BUFFER).await?;
    Ok(Carried { up, down })
}

/// Enough for a TLS record; a tunnel holds two of these as long as it lives.
const BUFFER: usize = 16 << 10;
