//! Bodies on their way through: counted, watched to their end, never collected.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::cut::{Broken, Cut, Ending, Near, StreamReset};
use super::expect::{Gate, Waiting};
use super::pool::Lease;

/// What a request's body can fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body: what was read of it in advance, then the rest as it comes.
#[derive(Debug)]
pub struct RequestBody {
    gate: Option<Waiting>,
    ahead: std::vec::IntoIter<Result<Frame<Bytes>, hyper::Error>>,
    rest: Option<Incoming>,
    http2: bool,
    sent: Arc<Sent>,
    length_hidden: bool,
    rewrite: Option<Box<dyn Rewrite>>,
}

/// Changes a request's body on its way out, piece by piece.
pub trait Rewrite: fmt::Debug + Send {
    /// Takes the next piece, and gives what can go out; that may be nothing yet.
    fn take(&mut self, data: &Bytes) -> Result<Bytes, BoxError>;
    /// The body has ended; an error breaks it off instead.
    fn end(&mut self) -> Result<(), BoxError>;
}

/// What became of a request's body so far.
#[derive(Debug, Default)]
pub struct Sent {
    bytes: AtomicU64,
    broken: AtomicBool,
}

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
    /// Our own words.
    Own(Option<Bytes>),
    /// The far end's.
    Upstream(UpstreamBody),
}

/// Watches a body: told of each piece and, exactly once, of its end.
pub trait Watch {
    /// Whom the body goes to.
    fn near(&self) -> &Near;
    /// So many bytes of data passed.
    fn passed(&mut self, bytes: usize);
    /// The body has ended, whole, or broken off by its sender, or left by its receiver.
    fn ended(&mut self, end: End<'_>);
}

/// How a body ended.
#[derive(Debug)]
pub enum End<'a> {
    /// Its sender failed in the middle of it.
    Broken(&'a Broken),
    /// It was cut.
    Cut,
    /// Its receiver wanted no more of it.
    Left,
    /// Completely.
    Whole,
}

/// Why an answer's body breaks off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It was to be cut.
    #[error(transparent)]
    Cut(#[from] StreamReset),
    /// Its sender failed, and nobody is there to be shown how.
    #[error(transparent)]
    Upstream(Broken),
}

/// A body with someone watching it.
#[derive(Debug)]
pub struct Watched<W: Watch> {
    body: ResponseBody,
    /// Kept for as long as the body: the exchange is open until then.
    watch: Option<W>,
    /// Whether the watch knows of its end.
    ended: bool,
    cut: Option<Box<Cut>>,
    /// Whether an empty body still says that something may come.
    coy: bool,
}

impl RequestBody {
    /// The body of a request of this version, of which `ahead` was read from `rest` already. `sent` is told what goes out.
    pub fn new(
        ahead: Vec<Result<Frame<Bytes>, hyper::Error>>,
        rest: Incoming,
        version: Version,
        sent: Arc<Sent>,
    ) -> Self {
        let ahead = ahead.into_iter();
        Self { ahead, rest: Some(rest), http2: version == Version::HTTP_2, sent, ..Self::none() }
    }

    /// Holds it back until the gate opens.
    pub fn behind(&mut self, gate: &Gate) {
        self.gate = Some(gate.wait());
    }

    /// Keeps its length to itself.
    pub fn hide_length(&mut self) {
        self.length_hidden = true;
    }

    /// Sends what this makes of it instead.
    pub fn through(&mut self, rewrite: Option<Box<dyn Rewrite>>) {
        self.rewrite = rewrite;
    }

    /// An empty body whose sending nobody counts: the second try of a request that had none.
    pub fn none() -> Self {
        Self {
            gate: None,
            ahead: Vec::new().into_iter(),
            rest: None,
            http2: false,
            sent: Arc::default(),
            length_hidden: false,
            rewrite: None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match (self.ahead.next(), self.rest.as_mut()) {
            (Some(frame), _) => Some(frame),
            (None, Some(rest)) => ready!(Pin::new(rest).poll_frame(cx)),
            (None, None) => None,
        };
        if frame.is_none() && self.http2 && !self.has_come() {
            // An RST_STREAM of NO_ERROR, for which hyper gives no error: half a body must not pass for a whole one.
            return Poll::Ready(Some(Err(StreamReset::from(Reason::CANCEL).into())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn poll_rewritten(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let frame = ready!(self.poll_next(cx)).transpose()?;
            let Some(rewrite) = &mut self.rewrite else { return Poll::Ready(frame.map(Ok)) };
            let Some(frame) = frame else {
                rewrite.end()?;
                self.rewrite = None;
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(data) => {
                    let data = rewrite.take(&data)?;
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    /// Whether all of it is here.
    fn has_come(&self) -> bool {
        self.ahead.as_slice().is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }
}

impl Sent {
    /// Bytes of it that went out.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether its client broke it off.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    fn passed(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.poll(cx))?;
            self.gate = None;
        }
        let frame = ready!(if self.rewrite.is_some() { self.poll_rewritten(cx) } else { self.poll_next(cx) });
        match &frame {
            Some(Ok(frame)) => self.sent.passed(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => self.sent.broken.store(true, Ordering::Release),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rewrite.is_none() && self.has_come()
    }

    fn size_hint(&self) -> SizeHint {
        if self.length_hidden || self.rewrite.is_some() {
            return SizeHint::default();
        }
        let data = self.ahead.as_slice().iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let ahead = data.map(|data| data.len() as u64).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|u| u.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
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
            Self::Own(bytes) => Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b)))),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}

impl<W: Watch> Watched<W> {
    /// `body`, watched to its end.
    pub fn new(body: ResponseBody, watch: W) -> Self {
        Self { body, watch: Some(watch), ended: false, cut: None, coy: false }
    }

    /// For an answer whose head says `Content-Length: 0`: hyper leaves that field where it stands only if the body does not say by
    /// itself that it is empty; else it drops the field and writes its own at the end.
    pub fn with_announced_length(mut self) -> Self {
        self.coy = true;
        self
    }

    /// Ends in this way after so many bytes, if it has as many.
    pub fn with_cut(mut self, after: u64, ending: Ending) -> Self {
        self.cut = self.watch.as_ref().map(|watch| Box::new(watch.near().cut(after, ending)));
        self
    }

    /// `body`, with nobody watching.
    pub fn unwatched(body: ResponseBody) -> Self {
        Self { body, watch: None, ended: false, cut: None, coy: false }
    }

    fn end(&mut self, end: End<'_>) {
        if let Some(watch) = self.watch.as_mut().filter(|_| !self.ended) {
            self.ended = true;
            watch.ended(end);
        }
    }

    /// What its sender did to us is done to its receiver, once that has all that came before.
    fn mirror(&mut self, broken: Broken) -> Result<(), BodyError> {
        let Some(near) = self.watch.as_ref().map(Watch::near) else { return Err(BodyError::Upstream(broken)) };
        self.cut = Some(Box::new(near.cut(0, broken.as_seen_in(near.version()))));
        self.end(End::Broken(&broken));
        Ok(())
    }

    fn is_cut_due(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.is_due())
    }
}

impl<W: Watch + Unpin> Body for Watched<W> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let me = &mut *self;
        me.coy = false;
        loop {
            if let Some(cut) = me.cut.as_mut().filter(|cut| cut.is_due()) {
                me.body = ResponseBody::Own(None);
                let frame = ready!(cut.poll_frame(cx));
                me.end(End::Cut);
                return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Cut)));
            }
            let frame = match ready!(Pin::new(&mut me.body).poll_frame(cx)) {
                Some(Err(e)) => {
                    me.mirror(e)?;
                    continue;
                }
                Some(Ok(frame)) => frame,
                None => {
                    me.end(End::Whole);
                    return Poll::Ready(None);
                }
            };
            let frame = match &mut me.cut {
                Some(cut) => frame.map_data(|data| cut.admit(data)),
                None => frame,
            };
            if let (Some(data), Some(watch)) = (frame.data_ref(), me.watch.as_mut()) {
                watch.passed(data.len());
            }
            if me.is_end_stream() {
                me.end(End::Whole);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.coy && !self.is_cut_due() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // A hint that differs from what comes makes hyper panic in debug builds, and what is cut comes short.
        if self.cut.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

impl<W: Watch> Drop for Watched<W> {
    fn drop(&mut self) {
        // hyper drops a body that has nothing (204, HEAD) without polling it.
        let end = match self.body.is_end_stream() {
            _ if self.is_cut_due() => End::Cut,
            true => End::Whole,
            false => End::Left,
        };
        self.end(end);
    }
}
