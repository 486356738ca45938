//! A request's body on its way up.

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

use crate::net::cut::StreamReset;
use crate::net::expect::{Gate, Waiting};
use crate::net::pace::{self, Pace};

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
    pace: Option<Box<Pace>>,
}

/// Changes a request's body on its way out, piece by piece.
pub trait Rewrite: fmt::Debug + Send {
    /// Takes the next piece, and gives what can go out; that may be nothing yet.
    fn take(&mut self, data: &Bytes) -> Result<Bytes, BoxError>;
    /// The body has ended; an error breaks it off instead.
    fn end(&mut self) -> Result<(), BoxError>;
    /// The same as it is now, for the body that is sent once more.
    fn once_more(&self) -> Box<dyn Rewrite>;
}

/// What became of a request's body so far.
#[derive(Debug, Default)]
pub struct Sent {
    bytes: AtomicU64,
    broken: AtomicBool,
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

    /// A body that has come whole, to be sent once more; nobody counts it.
    pub fn again(frames: Vec<Frame<Bytes>>) -> Self {
        Self { ahead: frames.into_iter().map(Ok).collect::<Vec<_>>().into_iter(), ..Self::none() }
    }

    /// Sends it at this pace.
    pub fn paced(&mut self, terms: pace::Terms) {
        self.pace = Some(Box::new(Pace::new(terms, self.size_hint().exact())));
    }

    /// Sends what this makes of it instead.
    pub fn through(&mut self, rewrite: Option<Box<dyn Rewrite>>) {
        self.rewrite = rewrite;
    }

    /// Holds it back until the gate opens.
    pub fn behind(&mut self, gate: &Gate) {
        self.gate = Some(gate.wait());
    }

    /// Keeps its length to itself.
    pub fn hide_length(&mut self) {
        self.length_hidden = true;
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
            pace: None,
        }
    }

    /// The next piece as it came.
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

    /// The next piece as it is to be.
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

    /// The next piece when it is due.
    fn poll_paced(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(pace) = &mut self.pace
                && let Some(piece) = ready!(pace.poll_piece(cx))
            {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let next = ready!(self.poll_rewritten(cx));
            match (&mut self.pace, next) {
                (Some(pace), Some(Ok(frame))) if frame.is_data() => {
                    pace.hold(frame.into_data().unwrap_or_default());
                }
                (_, next) => return Poll::Ready(next),
            }
        }
    }

    /// Whether all of it is here.
    fn has_come(&self) -> bool {
        self.ahead.as_slice().is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn held(&self) -> u64 {
        self.pace.as_ref().map_or(0, |pace| pace.held())
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
        let frame = ready!(self.poll_paced(cx));
        match &frame {
            Some(Ok(frame)) => self.sent.passed(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => self.sent.broken.store(true, Ordering::Release),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.held() == 0 && self.rewrite.is_none() && self.has_come()
    }

    fn size_hint(&self) -> SizeHint {
        if self.length_hidden || self.rewrite.is_some() {
            return SizeHint::default();
        }
        let data = self.ahead.as_slice().iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let ahead = self.held() + data.map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|u| u.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
}
