//! What is not looked into: bytes are copied between a client and a far end as they come.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::route::Connection;
use super::{Proxy, Sightings};
use crate::net::cut::ConnectionEnding;
use crate::net::dial::Known;
use crate::net::rewind::Rewind;
use crate::net::target::Target;
use crate::net::tunnel;
use crate::net::via::FarStream;

/// A connection to a far end, with what was heard of it put back.
pub(super) struct Far {
    pub(super) stream: Rewind<FarStream>,
    pub(super) known: Known,
}

/// Connects to a far end whose connection with a client is to be carried.
pub(super) async fn reach(proxy: &Proxy, target: &Target) -> io::Result<Far> {
    let (stream, known) = proxy.upstream.dialer().dial(target).await?;
    Ok(Far { stream: Rewind::new(Bytes::new(), stream), known })
}

impl Far {
    /// With what it has said already put back.
    pub(super) fn heard(self, said: Bytes) -> Self {
        Self { stream: Rewind::new(said, self.stream.into_inner()), ..self }
    }
}

/// Copies bytes both ways, undecrypted.
pub(super) async fn carry<S>(proxy: &Arc<Proxy>, connection: &Connection, target: &Target, mut stream: S, far: Far)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Sightings::count(&proxy.sightings.tunnels);
    let Far { stream: mut far, known: _known } = far;
    let copying = tunnel::tunnel(&mut stream, &mut far);
    tokio::select! {
        ended = copying => match ended {
            Ok(carried) => tracing::debug!(
                "tunnel of {} to {target} closed: {} bytes up, {} down", connection.client, carried.up, carried.down
            ),
            Err(e) => {
                // What the far end did to us is done to the client.
                if e.kind() == io::ErrorKind::ConnectionReset {
                    connection.control.end(ConnectionEnding::Reset);
                }
                tracing::debug!("tunnel of {} to {target} broke: {e}", connection.client);
            }
        },
        () = proxy.stop.cancelled() => {}
    }
}
