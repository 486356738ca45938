//! What rules say of a connection, as terms that a relay carries it by; and a far end that may not be there yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fault::{Lag, Way};
use crate::net::dial::Known;
use crate::net::pace;
use crate::net::relay::{self, Terms};
use crate::net::rewind::Rewind;
use crate::net::via::FarStream;
use crate::profile::course::Lane;
use crate::profile::{Line, Stop};
use crate::proxy::carry;

/// The terms of one direction.
pub(super) fn terms(line: &Line, way: Way) -> Terms {
    let lane: &Lane = if way == Way::Up { &line.up } else { &line.down };
    let lag = |(number, lag): &(u64, Lag)| (*number, Box::new(Drawn(lag.clone())) as Box<dyn relay::Lag>);
    Terms {
        lags: lane.lags.iter().map(lag).collect(),
        pace: pace::Terms {
            speed: lane.speed.map(|speed| speed.per_second()),
            pieces: lane.dribble.map(|dribble| (dribble.chunk.count(), dribble.every)),
            over: Duration::ZERO,
        },
        stalled: stalls(line, way),
        for_good: line.next.is_none(),
        cuts: lane.cuts.iter().map(|cut| (cut.number, cut.after)).collect(),
        late_end: lane.late_end,
    }
}

/// Whether nothing comes through this way.
pub(super) fn stalls(line: &Line, way: Way) -> bool {
    matches!(line.stop, Some((_, Stop::Hang(ways))) if ways.include(way))
}

#[derive(Debug)]
struct Drawn(Lag);

impl relay::Lag for Drawn {
    fn next(&mut self) -> Duration {
        self.0.draw()
    }
}

/// The far end of a connection.
#[derive(Debug)]
pub(super) enum Far {
    /// It will be dialled once something may come through.
    Later,
    /// It is there.
    Open(Rewind<FarStream>, #[expect(dead_code, reason = "kept as long as the stream")] Known),
}

impl From<carry::Far> for Far {
    fn from(far: carry::Far) -> Self {
        Self::Open(far.stream, far.known)
    }
}

impl Far {
    /// Ends it with an error, as soon as it is dropped.
    pub(super) fn reset(&self) {
        if let Self::Open(stream, _) = self {
            stream.inner().reset();
        }
    }
}

impl AsyncRead for Far {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Later => Poll::Pending,
            Self::Open(stream, _) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Far {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Later => Poll::Pending,
            Self::Open(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Later => Poll::Ready(Ok(())),
            Self::Open(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Later => Poll::Pending,
            Self::Open(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
