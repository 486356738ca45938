//! The handle on a client's connection: ends it from elsewhere, and knows what went over it.
//!
//! Shared between the socket ([`super::io::ClientIo`]), HTTP above it ([`super::serve`]) and whoever must end the connection
//! ([`super::cut`]). It holds no socket itself: a command is obeyed when the connection's task next looks, which is at once.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use atomic_waker::AtomicWaker;

use super::cut::ConnectionEnding;

/// The handle on a live [`ClientIo`](super::io::ClientIo): ends it, and counts its bytes.
#[derive(Debug, Default)]
pub struct ConnectionControl {
    command: AtomicU8,
    waker: AtomicWaker,
    read: AtomicU64,
    written: AtomicU64,
    flush: Flush,
    exchanges: Exchanges,
    look: AtomicBool,
}

/// The exchanges on a connection, for whoever must tell an idle client from a slow one.
#[derive(Debug, Default)]
struct Exchanges {
    open: AtomicU32,
    begun: AtomicU64,
    /// Bytes of HTTP read from the client.
    heard: AtomicU64,
    /// The same when the last one had ended.
    heard_before: AtomicU64,
}

/// Tells when everything written above has reached the kernel: every layer flushes the one below it last of all.
#[derive(Debug, Default)]
struct Flush {
    wanted: AtomicBool,
    count: AtomicU64,
    waker: AtomicWaker,
}

impl ConnectionControl {
    /// Ends the connection in this way, once what was written is on its way. Of several commands the harshest stands.
    /// [`ConnectionEnding::ShutDown`] is obeyed where HTTP is spoken, by [`super::serve`]; below, it would find no TLS to say goodbye.
    pub fn end(&self, ending: ConnectionEnding) {
        let command = match ending {
            ConnectionEnding::Close => CLOSE,
            ConnectionEnding::Reset => RESET,
            ConnectionEnding::ShutDown => SHUT_DOWN,
            ConnectionEnding::Silence => SILENCE,
        };
        self.command.fetch_max(command, Ordering::AcqRel);
        self.waker.wake();
    }

    /// The same after so long, and not before what was written by now is on its way.
    pub async fn end_after(&self, delay: Duration, ending: ConnectionEnding) {
        self.want_flushes();
        let since = self.flushes();
        tokio::time::sleep(delay).await;
        let flushed = std::future::poll_fn(|cx| self.poll_flushed(since, cx));
        // A client that reads nothing for so long has its end all the same.
        let _flushed = tokio::time::timeout(MOST_FLUSHING, flushed).await;
        self.end(ending);
    }

    /// Exchanges open now.
    pub fn open_exchanges(&self) -> u32 {
        self.exchanges.open.load(Ordering::Relaxed)
    }

    /// Exchanges begun so far.
    pub(super) fn exchanges_begun(&self) -> u64 {
        self.exchanges.begun.load(Ordering::Relaxed)
    }

    /// Whether, no exchange being open, the next has begun to come.
    pub(super) fn hears_a_head(&self) -> bool {
        self.exchanges.heard.load(Ordering::Relaxed) > self.exchanges.heard_before.load(Ordering::Relaxed)
    }

    /// So many bytes of HTTP were read.
    pub(super) fn heard(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.exchanges.heard.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Asks whoever serves the connection to look whether its client is still there.
    pub(super) fn look(&self) {
        self.look.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked, once.
    pub(super) fn must_look(&self) -> bool {
        self.look.load(Ordering::Relaxed) && self.look.swap(false, Ordering::Relaxed)
    }

    /// An exchange has come.
    pub(super) fn exchange_begins(&self) {
        self.exchanges.begun.fetch_add(1, Ordering::Relaxed);
        self.exchanges.open.fetch_add(1, Ordering::Relaxed);
    }

    /// An exchange is over.
    pub(super) fn exchange_ends(&self) {
        self.exchanges.heard_before.store(self.exchanges.heard.load(Ordering::Relaxed), Ordering::Relaxed);
        self.exchanges.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bytes read from the client so far, TLS included.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes handed to the kernel for the client so far, TLS included.
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How it is to end, if it is.
    pub(super) fn command(&self) -> Option<ConnectionEnding> {
        match self.command.load(Ordering::Acquire) {
            CLOSE => Some(ConnectionEnding::Close),
            RESET => Some(ConnectionEnding::Reset),
            SHUT_DOWN => Some(ConnectionEnding::ShutDown),
            SILENCE => Some(ConnectionEnding::Silence),
            _ => None,
        }
    }

    /// Wakes this task when a command comes.
    pub(super) fn await_command(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// So many bytes came from the client.
    pub(super) fn has_read(&self, bytes: usize) {
        // Most looks at a socket find nothing, and an atomic addition costs as much as dozens of other instructions.
        if bytes == 0 {
            return;
        }
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So many bytes went to it, if any.
    pub(super) fn has_written(&self, polled: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
    }

    /// From now on flushes are counted.
    pub(super) fn want_flushes(&self) {
        self.flush.wanted.store(true, Ordering::Release);
    }

    /// The flushes counted so far.
    pub(super) fn flushes(&self) -> u64 {
        self.flush.count.load(Ordering::Acquire)
    }

    /// Ready when there have been more flushes than this.
    pub(super) fn poll_flushed(&self, than: u64, cx: &Context<'_>) -> Poll<()> {
        self.flush.waker.register(cx.waker());
        if self.flush.count.load(Ordering::Acquire) <= than {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Everything written above has come through.
    pub(super) fn flushed(&self) {
        if self.flush.wanted.load(Ordering::Acquire) {
            self.flush.count.fetch_add(1, Ordering::AcqRel);
            self.flush.waker.wake();
        }
    }
}

const MOST_FLUSHING: Duration = Duration::from_secs(60);
// The harsher, the higher; 0 is none.
const SILENCE: u8 = 1;
const SHUT_DOWN: u8 = 2;
const CLOSE: u8 = 3;
const RESET: u8 = 4;
