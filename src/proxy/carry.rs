//! Far ends of what is not looked into: [`super::tcp`] carries its bytes.

use std::io;

use bytes::Bytes;

use crate::net::dial::{Dialer, Known};
use crate::net::rewind::Rewind;
use crate::net::target::Target;
use crate::net::via::FarStream;

/// A connection to a far end, with what was heard of it put back.
pub(super) struct Far {
    pub(super) stream: Rewind<FarStream>,
    pub(super) known: Known,
}

/// Connects to a far end whose connection with a client is to be carried.
pub(super) async fn reach(dialer: &Dialer, target: &Target) -> io::Result<Far> {
    let (stream, known) = dialer.dial(target).await?;
    Ok(Far { stream: Rewind::new(Bytes::new(), stream), known })
}

impl Far {
    /// With what it has said already put back.
    pub(super) fn heard(self, said: Bytes) -> Self {
        Self { stream: Rewind::new(said, self.stream.into_inner()), ..self }
    }
}
