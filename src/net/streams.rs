//! HTTP/2 connections to far ends on behalf of one client connection.
//!
//! Each client connection has its own: a far end that ends one then ends just what the client sees end, and a client that leaves its
//! streams unread holds up nobody else's. They close with the client's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::client::conn::http2::SendRequest;

use super::body::RequestBody;
use super::target::Target;

/// A client connection's HTTP/2 connections, by where they lead.
#[derive(Debug, Default)]
pub struct Streams(Mutex<HashMap<Arc<Target>, SendRequest<RequestBody>>>);

impl Streams {
    /// The connection to `target`, if there is one and it is open.
    pub fn live(&self, target: &Arc<Target>) -> Option<SendRequest<RequestBody>> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = streams.get(target)?;
        if sender.is_closed() {
            streams.remove(target);
            return None;
        }
        Some(sender.clone())
    }

    /// Keeps a new connection. Of two that were opened at the same time, the first stays.
    pub fn keep(&self, target: &Arc<Target>, sender: SendRequest<RequestBody>) -> SendRequest<RequestBody> {
        if let Some(live) = self.live(target) {
            return live;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(target), sender.clone());
        sender
    }
}
