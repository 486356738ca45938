//! Bytes between a client and a far end, under terms that may change while they flow.
//!
//! A [`Relay`] carries both directions of a connection, each a lane of its own: it reads from one side, holds what it read as long as
//! the lane's [`Terms`] say, in order, and writes it to the other side at the pace they say. What it may hold is bounded; beyond that it
//! reads no more, so that a slow or silent line reaches back to whoever sends. [`Relay::set`] changes the terms of what is under way:
//! bytes that were held back for a delay that is no more go at once.
//!
//! [`Relay::run`] may be dropped and called again: nothing is lost. It looks at no byte, and ends nothing by itself: why it came to an
//! end is told as a [`RelayEnd`].

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::pace::{self, Pace};
use super::tunnel::Carried;
use crate::clock;

/// What happens to the bytes of one direction. The default is: nothing.
#[derive(Debug, Default)]
pub struct Terms {
    /// How late they come: the sum of these, each under a number by which it is known again.
    pub lags: Vec<(u64, Box<dyn Lag>)>,
    /// The pace they come at.
    pub pace: pace::Terms,
    /// Whether nothing comes through at all.
    pub stalled: bool,
    /// Whether that is for good: once the client has ended, nobody is left to wait for.
    pub for_good: bool,
    /// So many more bytes get through from when a number is first seen, then the relay ends; after 0 it ends when the next would come.
    pub cuts: Vec<(u64, u64)>,
    /// How much later their end comes.
    pub late_end: Duration,
}

/// How late bytes come. It is asked for each burst: whatever comes while nothing is on its way.
pub trait Lag: fmt::Debug + Send {
    /// How late the next burst comes.
    fn next(&mut self) -> Duration;
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Relay {
    up: Lane,
    down: Lane,
}

/// Why a relay came to its end.
#[derive(Debug)]
pub enum RelayEnd {
    /// A cut of this number is due.
    Cut(u64),
    /// Both sides have ended.
    Done,
    /// The client has ended while bytes are stalled for good.
    GivenUp,
    /// One side broke off.
    Broken {
        /// Whether it was the client's.
        by_client: bool,
        /// How.
        error: io::Error,
    },
}

/// Why a lane ends the whole relay.
#[derive(Debug)]
enum Ended {
    Reading(io::Error),
    Writing(io::Error),
    Cut(u64),
}

/// One direction.
#[derive(Debug)]
struct Lane {
    terms: Terms,
    pace: Pace,
    /// What was read and is not due yet, with when it is.
    held: VecDeque<(Option<Instant>, BytesMut)>,
    held_bytes: usize,
    /// How late the burst on its way comes.
    burst: Duration,
    /// Waits until the first that is held is due.
    due: Option<Pin<Box<Sleep>>>,
    /// What goes next.
    out: Bytes,
    scratch: BytesMut,
    /// Numbers of cuts with what each still lets through, and whether it has let any.
    cuts: Vec<(u64, u64, bool)>,
    read_to_end: bool,
    end: Option<Pin<Box<Sleep>>>,
    shut: bool,
    passed: u64,
    needs_flush: bool,
}

impl Relay {
    /// Before a byte has flown.
    pub fn new() -> Self {
        Self { up: Lane::new(), down: Lane::new() }
    }

    /// From now on these terms hold.
    pub fn set(&mut self, up: Terms, down: Terms) {
        self.up.set(up);
        self.down.set(down);
    }

    /// Bytes that have come through so far.
    pub fn carried(&self) -> Carried {
        Carried { up: self.up.passed, down: self.down.passed }
    }

    /// Carries bytes until the end.
    pub async fn run<C, F>(&mut self, client: &mut C, far: &mut F) -> RelayEnd
    where
        C: AsyncRead + AsyncWrite + Unpin,
        F: AsyncRead + AsyncWrite + Unpin,
    {
        std::future::poll_fn(|cx| self.poll(client, far, cx)).await
    }

    fn poll<C, F>(&mut self, client: &mut C, far: &mut F, cx: &mut Context<'_>) -> Poll<RelayEnd>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        F: AsyncRead + AsyncWrite + Unpin,
    {
        let up = self.up.poll(Pin::new(client), Pin::new(far), cx);
        if let Poll::Ready(Err(ended)) = up {
            return Poll::Ready(ended.of(true));
        }
        let down = self.down.poll(Pin::new(far), Pin::new(client), cx);
        if let Poll::Ready(Err(ended)) = down {
            return Poll::Ready(ended.of(false));
        }
        if up.is_ready() && down.is_ready() {
            return Poll::Ready(RelayEnd::Done);
        }
        let is_stalled = |terms: &Terms| terms.stalled && terms.for_good;
        if self.up.read_to_end && (is_stalled(&self.up.terms) || is_stalled(&self.down.terms)) {
            return Poll::Ready(RelayEnd::GivenUp);
        }
        Poll::Pending
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

impl Ended {
    /// As the end of a relay, by which side it came from: `up` reads from the client.
    fn of(self, up: bool) -> RelayEnd {
        match self {
            Self::Cut(number) => RelayEnd::Cut(number),
            Self::Reading(error) => RelayEnd::Broken { by_client: up, error },
            Self::Writing(error) => RelayEnd::Broken { by_client: !up, error },
        }
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            terms: Terms::default(),
            pace: Pace::new(pace::Terms::default(), None),
            held: VecDeque::new(),
            held_bytes: 0,
            burst: Duration::ZERO,
            due: None,
            out: Bytes::new(),
            scratch: BytesMut::new(),
            cuts: Vec::new(),
            read_to_end: false,
            end: None,
            shut: false,
            passed: 0,
            needs_flush: false,
        }
    }

    fn set(&mut self, mut terms: Terms) {
        // Those that go on go on with what they would have drawn next.
        let mut before = std::mem::take(&mut self.terms.lags);
        for (number, lag) in &mut terms.lags {
            if let Some(at) = before.iter().position(|(other, _)| other == number) {
                *lag = before.swap_remove(at).1;
            }
        }
        if terms.lags.is_empty() {
            self.held.iter_mut().for_each(|(due, _)| *due = None);
            self.due = None;
        }
        let cut = |(number, after): &(u64, u64)| {
            let known = self.cuts.iter().find(|(other, ..)| other == number);
            known.copied().unwrap_or((*number, *after, false))
        };
        self.cuts = terms.cuts.iter().map(cut).collect();
        if terms.pace != self.terms.pace {
            self.pace.change(terms.pace);
        }
        if terms.late_end != self.terms.late_end {
            self.end = None;
        }
        self.terms = terms;
    }

    /// Ready when the end has come through; an error ends the whole relay.
    fn poll<R: AsyncRead, W: AsyncWrite>(
        &mut self,
        mut from: Pin<&mut R>,
        mut to: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ended>> {
        if self.shut {
            return Poll::Ready(Ok(()));
        }
        loop {
            let reading = self.poll_read(from.as_mut(), cx).map_err(Ended::Reading)?;
            let writing = self.poll_write(to.as_mut(), cx)?;
            if self.shut {
                return Poll::Ready(Ok(()));
            }
            if reading.is_pending() && writing.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Ready when it has read something; pending too where nothing more may be held, or will come.
    fn poll_read<R: AsyncRead>(&mut self, from: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let most = if self.terms.lags.is_empty() { BUFFER } else { LINE };
        if self.read_to_end || self.held_bytes >= most {
            return Poll::Pending;
        }
        if self.scratch.capacity() < LEAST {
            self.scratch.reserve(BUFFER);
        }
        let read = match poll_read_buf(from, cx, &mut self.scratch) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                if self.held_bytes == 0 {
                    // A connection may be idle for hours.
                    self.scratch = BytesMut::new();
                }
                return Poll::Pending;
            }
        };
        if read == 0 {
            self.read_to_end = true;
            self.scratch = BytesMut::new();
        } else {
            self.hold(read);
        }
        Poll::Ready(Ok(()))
    }

    /// Holds what was read. What is due at nearly the same time lies together, so that many small pieces cost no more than few large ones.
    fn hold(&mut self, read: usize) {
        let (due, data) = (self.due_of_next(), self.scratch.split());
        self.held_bytes += read;
        match (self.held.back_mut(), due) {
            (Some((Some(last), before)), Some(due)) if due - *last < TICK && before.len() < LEAST => {
                before.unsplit(data)
            }
            _ => self.held.push_back((due, data)),
        }
    }

    /// When what comes now is due.
    fn due_of_next(&mut self) -> Option<Instant> {
        if self.terms.lags.is_empty() {
            return None;
        }
        if self.held.is_empty() {
            self.burst = self.terms.lags.iter_mut().map(|(_, lag)| lag.next()).sum();
        }
        let due = clock::now() + self.burst;
        let last = self.held.back().and_then(|(due, _)| *due);
        Some(last.map_or(due, |last| last.max(due)))
    }

    /// Ready when it has got on.
    fn poll_write<W: AsyncWrite>(&mut self, mut to: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        if self.terms.stalled {
            return Poll::Pending;
        }
        self.look_for_cut(0)?;
        if !self.out.is_empty() {
            let allowed = self.cuts.iter().map(|(_, left, _)| *left).min().unwrap_or(u64::MAX);
            let allowed = usize::try_from(allowed).unwrap_or(usize::MAX).min(self.out.len());
            let mut part = self.out.slice(..allowed);
            let wrote = ready!(poll_write_buf(to.as_mut(), cx, &mut part)).map_err(Ended::Writing)?;
            if wrote == 0 {
                return Poll::Ready(Err(Ended::Writing(io::ErrorKind::WriteZero.into())));
            }
            drop(self.out.split_to(wrote));
            self.held_bytes -= wrote;
            self.passed += wrote as u64;
            self.needs_flush = true;
            return Poll::Ready(self.look_for_cut(wrote as u64));
        }
        match self.poll_next(cx) {
            Poll::Ready(Some(out)) => {
                self.out = out;
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(None) => {}
            Poll::Pending => {
                ready!(self.poll_flush(to, cx)).map_err(Ended::Writing)?;
                return Poll::Pending;
            }
        }
        ready!(self.poll_flush(to.as_mut(), cx)).map_err(Ended::Writing)?;
        if !self.read_to_end {
            return Poll::Pending;
        }
        if !self.terms.late_end.is_zero() {
            let late_end = self.terms.late_end;
            ready!(self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(late_end))).as_mut().poll(cx));
        }
        ready!(to.poll_shutdown(cx)).map_err(Ended::Writing)?;
        self.shut = true;
        Poll::Ready(Ok(()))
    }

    /// What goes next, once it may; nothing when nothing is held.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.pace.held() > 0
                && let Some(piece) = ready!(self.pace.poll_piece(cx))
            {
                return Poll::Ready(Some(piece));
            }
            let Some((due, _)) = self.held.front() else { return Poll::Ready(None) };
            if let Some(due) = *due {
                let sleep = self.due.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
                ready!(sleep.as_mut().poll(cx));
            }
            self.due = None;
            let Some((_, data)) = self.held.pop_front() else { return Poll::Ready(None) };
            if self.terms.pace.is_none() {
                return Poll::Ready(Some(data.freeze()));
            }
            self.pace.hold(data.freeze());
        }
    }

    fn poll_flush<W: AsyncWrite>(&mut self, to: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.needs_flush {
            ready!(to.poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// So many bytes went through: is a cut due?
    fn look_for_cut(&mut self, wrote: u64) -> Result<(), Ended> {
        let waits = !self.out.is_empty();
        for (number, left, begun) in &mut self.cuts {
            *left = left.saturating_sub(wrote);
            *begun |= wrote > 0;
            if *left == 0 && (*begun || waits) {
                return Err(Ended::Cut(*number));
            }
        }
        Ok(())
    }
}

/// Enough for a TLS record. Without a delay a lane holds at most twice as much.
const BUFFER: usize = 16 << 10;
/// As much is on a line that delays, as in the window of a TCP connection over a long one.
const LINE: usize = 1 << 20;
/// Less room than this is not read into.
const LEAST: usize = 2 << 10;
/// What timers can tell apart.
const TICK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
