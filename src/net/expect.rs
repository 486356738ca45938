//! `Expect: 100-continue`, relayed: a request's body is not asked for before the far end has asked for it.
//!
//! Asking a client's body for its first piece makes hyper send that client the `100 Continue`. So the body waits behind a [`Gate`]
//! until the far end's own 100 has come, or for a second, as RFC 9110 §10.1.1 advises where it does not come. A final answer instead
//! leaves the body unsent: the gate then stays closed until that answer has passed, and breaks the body off after it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use http::header::EXPECT;
use http::{Request, StatusCode};
use tokio::time::Sleep;

/// Whether a request's body may go; shared by the body and whoever hears from the far end.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU8,
    waker: AtomicWaker,
}

/// A body's wait at its gate.
#[derive(Debug)]
pub struct Waiting {
    gate: Gate,
    patience: Pin<Box<Sleep>>,
}

/// The far end gave its answer without the body.
#[derive(Debug, thiserror::Error)]
#[error("the request was answered before its body was asked for")]
pub struct NotWanted;

impl Gate {
    /// A gate for this request's body, if the request waits for a 100.
    pub fn for_request<B>(request: &mut Request<B>) -> Option<Self> {
        let waits = request.headers().get(EXPECT).is_some_and(|e| e.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if !waits {
            return None;
        }
        let gate = Self::default();
        let heard = gate.clone();
        hyper::ext::on_informational(request, move |interim| {
            if interim.status() == StatusCode::CONTINUE {
                heard.change(WAITING, OPEN);
            }
        });
        Some(gate)
    }

    /// The body's side.
    pub fn wait(&self) -> Waiting {
        Waiting { gate: self.clone(), patience: Box::pin(tokio::time::sleep(PATIENCE)) }
    }

    /// The final answer has begun. Whether it came in place of a 100.
    pub fn answered(&self) -> bool {
        self.change(WAITING, ANSWERED);
        self.0.state.load(Ordering::Acquire) == ANSWERED
    }

    /// The final answer has ended.
    pub fn shut(&self) {
        self.change(ANSWERED, SHUT);
    }

    fn change(&self, from: u8, to: u8) {
        if self.0.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.0.waker.wake();
        }
    }
}

impl Waiting {
    /// Ready when the body may go, or when it never will.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotWanted>> {
        self.gate.0.waker.register(cx.waker());
        if self.gate.0.state.load(Ordering::Acquire) == WAITING && self.patience.as_mut().poll(cx).is_ready() {
            self.gate.change(WAITING, OPEN);
        }
        match self.gate.0.state.load(Ordering::Acquire) {
            OPEN => Poll::Ready(Ok(())),
            SHUT => Poll::Ready(Err(NotWanted)),
            _ => Poll::Pending,
        }
    }
}

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const ANSWERED: u8 = 2;
const SHUT: u8 = 3;
/// botocore and curl wait for a 100 about as long.
const PATIENCE: Duration = Duration::from_secs(1);
