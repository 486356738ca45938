//! What goes out and comes back, for the rules that answer out of the past.
//!
//! [`UnderWay::begin`] with a request that goes to the far end, and it is told what became of it: of a write that it was carried out, of a
//! read what was answered, of which a copy is kept while it passes. A request that is dropped on its way may have been carried out.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Proxy;
use crate::aws::recorded::Recorded;
use crate::net::body::ResponseBody;
use crate::net::kept::{Keep, Kept};
use crate::profile::{Done, Pending, Verdict};

/// A request that is on its way to the far end.
pub(super) struct UnderWay {
    proxy: Arc<Proxy>,
    /// Taken when it is told.
    pending: Option<Pending>,
}

impl UnderWay {
    /// It goes out now; `None` if no rule remembers it.
    pub(super) fn begin(proxy: &Arc<Proxy>, verdict: &Verdict) -> Option<Self> {
        let pending = verdict.memo.as_ref()?.begin(proxy.live.now());
        Some(Self { proxy: Arc::clone(proxy), pending: Some(pending) })
    }

    /// There is an answer to it.
    pub(super) fn answered(mut self, response: Response<ResponseBody>) -> Response<ResponseBody> {
        let (now, status) = (self.proxy.live.now(), response.status());
        let Some(pending) = self.pending.take() else { return response };
        if !pending.is_read() {
            pending.ended(now, done(status));
            if !pending.is_named_in_answer() || !status.is_success() {
                return response;
            }
            let keep = move |body: Option<Bytes>| body.into_iter().for_each(|body| pending.named(&body));
            return keeping(response, Box::new(keep));
        }
        if status == StatusCode::SWITCHING_PROTOCOLS || status.is_server_error() {
            return response;
        }
        let (head, body) = response.into_parts();
        let copy = head.clone();
        let keep = move |body: Option<Bytes>| match body {
            Some(body) => {
                if let Some(recorded) = Recorded::keep(&copy, body) {
                    pending.keep(recorded, now);
                }
            }
            None => pending.is_too_large(),
        };
        keeping(Response::from_parts(head, body), Box::new(keep))
    }

    /// It never got there.
    pub(super) fn not_sent(mut self) {
        self.end(Done::No);
    }

    fn end(&mut self, done: Done) {
        if let Some(pending) = self.pending.take() {
            pending.ended(self.proxy.live.now(), done);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.end(Done::Perhaps);
    }
}

fn keeping(response: Response<ResponseBody>, keep: Keep) -> Response<ResponseBody> {
    response.map(|body| ResponseBody::Kept(Box::new(Kept::new(body, LARGEST, keep))))
}

fn done(status: StatusCode) -> Done {
    match status {
        _ if status.is_server_error() => Done::Perhaps,
        _ if status.is_client_error() => Done::No,
        _ => Done::Yes,
    }
}

/// Of an answer that is kept.
const LARGEST: usize = 2 << 20;
