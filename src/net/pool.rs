//! Idle upstream connections, kept for a few seconds.
//!
//! A connection is handed out to one exchange at a time as a [`Lease`] and comes back when the answer's body has ended. Keeping them
//! is worth a TLS handshake per request; keeping them long is not, since a far end that closed one meanwhile costs us a failed send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hyper::client::conn::http1::SendRequest;

use super::body::RequestBody;
use super::target::Target;
use crate::clock;

/// Idle connections by where they lead.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Mutex<HashMap<Arc<Target>, Vec<Idle>, RandomState>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use. Dropped before [`Lease::done`], it is closed.
#[derive(Debug)]
pub struct Lease {
    sender: SendRequest<RequestBody>,
    target: Arc<Target>,
    pool: Arc<Pool>,
    /// Whether it served an exchange before.
    pub reused: bool,
}

impl Pool {
    /// An idle connection that can take a request now, the youngest first.
    pub async fn take(self: &Arc<Self>, target: &Arc<Target>) -> Option<Lease> {
        while let Some(mut sender) = self.pop(target) {
            if sender.is_ready() || becomes_ready(&mut sender).await {
                return Some(Lease { sender, target: Arc::clone(target), pool: Arc::clone(self), reused: true });
            }
        }
        None
    }

    /// A fresh connection, to be kept here once its exchange is over.
    pub fn adopt(self: &Arc<Self>, target: &Arc<Target>, sender: SendRequest<RequestBody>) -> Lease {
        Lease { sender, target: Arc::clone(target), pool: Arc::clone(self), reused: false }
    }

    fn pop(&self, target: &Arc<Target>) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.get_mut(target)?.pop()?;
        (found.since.elapsed() < IDLE).then_some(found.sender)
    }

    fn put(self: &Arc<Self>, target: Arc<Target>, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.is_empty() {
            tokio::spawn(sweep(Arc::clone(self)));
        }
        let here = idle.entry(target).or_default();
        if here.len() < MOST_IDLE {
            here.push(Idle { sender, since: clock::now() });
        }
    }

    /// Closes what has been idle too long; whether anything is left.
    fn expire(&self) -> bool {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for connections in idle.values_mut() {
            connections.retain(|c| c.since.elapsed() < IDLE && !c.sender.is_closed());
        }
        idle.retain(|_, connections| !connections.is_empty());
        !idle.is_empty()
    }
}

impl Lease {
    /// The connection's sending half.
    pub fn sender(&mut self) -> &mut SendRequest<RequestBody> {
        &mut self.sender
    }

    /// The exchange is over: the connection may serve the next.
    pub fn done(self) {
        if !self.sender.is_closed() {
            self.pool.put(self.target, self.sender);
        }
    }
}

/// Runs while there is anything idle, so that nothing wakes an idle process.
async fn sweep(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        if !pool.expire() {
            return;
        }
    }
}

/// The connection's task may not have noticed yet that the last answer has ended.
async fn becomes_ready(sender: &mut SendRequest<RequestBody>) -> bool {
    matches!(tokio::time::timeout(NOTICE, sender.ready()).await, Ok(Ok(())))
}

/// Shorter than the idle timeout of any AWS endpoint known to us (S3 and DynamoDB: several seconds at least).
const IDLE: Duration = Duration::from_secs(4);
const SWEEP: Duration = Duration::from_secs(1);
const NOTICE: Duration = Duration::from_millis(5);
/// Per target.
const MOST_IDLE: usize = 512;
