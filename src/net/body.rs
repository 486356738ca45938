//! Bodies on their way through: counted, watched to their end, never collected.

mod request;
mod watched;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

pub use request::{BoxError, RequestBody, Rewrite, Sent};
pub use watched::{BodyError, End, Place, Watch, Watched};

use super::cut::Broken;
use super::expect::Gate;
use super::kept::Kept;
use super::pool::Lease;
use super::shaped::Shaped;

/// An answer's body from the far end; gives its connection back when it has ended.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    http2: bool,
    lease: Option<Lease>,
    /// Of a request that was answered before its body was asked for.
    shut: Option<Gate>,
}

/// The body of an answer to a client.
#[derive(Debug)]
pub enum ResponseBody {
    /// Another of these, of which a copy is kept.
    Kept(Box<Kept>),
    /// Our own words.
    Own(Option<Bytes>),
    /// Either of these, changed on its way.
    Shaped(Box<Shaped>),
    /// The far end's.
    Upstream(UpstreamBody),
}

impl UpstreamBody {
    /// The body of an answer that came over `lease`; without one, the connection serves no other exchange.
    pub fn http1(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self { incoming, http2: false, lease, shut: None };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    /// The body of an answer that came on a stream of HTTP/2.
    pub fn http2(incoming: Incoming) -> Self {
        Self { incoming, http2: true, lease: None, shut: None }
    }

    /// For the answer to a request whose body was not asked for: its connection ends with it, and the body's wait too.
    pub fn without_request_body(incoming: Incoming, lease: Lease, gate: Gate) -> Self {
        Self { incoming, http2: false, lease: Some(lease), shut: Some(gate) }
    }

    /// Whether it answers a request whose body was not asked for.
    pub fn came_early(&self) -> bool {
        self.shut.is_some()
    }

    fn release(&mut self) {
        if self.shut.is_some() {
            return;
        }
        if let Some(lease) = self.lease.take() {
            lease.done();
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if let Some(gate) = &self.shut {
            gate.shut();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if frame.is_none() && self.http2 && !self.incoming.is_end_stream() {
            return Poll::Ready(Some(Err(Broken::Http2NoError)));
        }
        if frame.is_none() || (matches!(frame, Some(Ok(_))) && self.incoming.is_end_stream()) {
            self.release();
        }
        let broken = if self.http2 { Broken::Http2 } else { Broken::Http1 };
        Poll::Ready(frame.map(|frame| frame.map_err(broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Kept(body) => Pin::new(&mut **body).poll_frame(cx),
            Self::Own(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Self::Shaped(body) => Pin::new(&mut **body).poll_frame(cx),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Kept(body) => body.is_end_stream(),
            Self::Own(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Shaped(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Kept(body) => body.size_hint(),
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Shaped(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}
