//! An answer's body with someone watching it: counted, cut where it is to be cut, and told of at its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::ResponseBody;
use crate::net::cut::{Broken, Cut, Ending, Near, StreamReset};

/// Watches a body: told of each piece and, exactly once, of its end.
pub trait Watch {
    /// Whom the body goes to.
    fn near(&self) -> &Near;
    /// So many bytes of data passed.
    fn passed(&mut self, bytes: usize);
    /// The body has ended, whole, or broken off by its sender, or left by its receiver.
    fn ended(&mut self, end: End<'_>);
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// After so many bytes.
    Bytes(u64),
    /// After this share of all, from 0 to 1.
    Share(f64),
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
    watch: Option<Box<W>>,
    /// Whether the watch knows of its end.
    ended: bool,
    cut: Option<Box<Cut>>,
    /// Cuts whose place depends on what comes.
    unresolved: Vec<(Place, Ending)>,
    /// Whether an empty body still says that something may come.
    coy: bool,
}

impl Place {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a body is rounded to a byte"
    )]
    fn within(self, whole: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share(share) => (whole as f64 * share) as u64,
        }
    }
}

impl<W: Watch> Watched<W> {
    /// `body`, watched to its end.
    pub fn new(body: ResponseBody, watch: impl Into<Box<W>>) -> Self {
        Self { body, watch: Some(watch.into()), ended: false, cut: None, unresolved: Vec::new(), coy: false }
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

    /// Ends at the first of these places, if it reaches any. Where its length is not known, a share is taken of its first piece.
    pub fn with_cuts(mut self, cuts: Vec<(Place, Ending)>) -> Self {
        if self.body.is_end_stream() {
            return self;
        }
        match self.body.size_hint().exact() {
            Some(length) => self.resolve(&cuts, length, length),
            None => self.unresolved = cuts,
        }
        self
    }

    /// Takes the first of `cuts`, shares being taken of `whole`, if it lies before `end`.
    fn resolve(&mut self, cuts: &[(Place, Ending)], whole: u64, end: u64) {
        let first = cuts.iter().map(|(place, ending)| (place.within(whole), *ending)).min_by_key(|(after, _)| *after);
        if let (Some((after, ending)), Some(watch)) = (first.filter(|(after, _)| *after < end), &self.watch) {
            self.cut = Some(Box::new(watch.near().cut(after, ending)));
        }
    }

    /// `body`, with nobody watching.
    pub fn unwatched(body: ResponseBody) -> Self {
        Self { body, watch: None, ended: false, cut: None, unresolved: Vec::new(), coy: false }
    }

    fn end(&mut self, end: End<'_>) {
        if let Some(watch) = self.watch.as_mut().filter(|_| !self.ended) {
            self.ended = true;
            watch.ended(end);
        }
    }

    /// What its sender did to us is done to its receiver, once that has all that came before.
    fn mirror(&mut self, broken: Broken) -> Result<(), BodyError> {
        let Some(near) = self.watch.as_ref().map(|watch| watch.near()) else { return Err(BodyError::Upstream(broken)) };
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
            if let Some(data) = frame.data_ref().filter(|data| !data.is_empty() && !me.unresolved.is_empty()) {
                let (cuts, length) = (std::mem::take(&mut me.unresolved), data.len() as u64);
                me.resolve(&cuts, length, u64::MAX);
            }
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
        if self.cut.is_some() || !self.unresolved.is_empty() { SizeHint::default() } else { self.body.size_hint() }
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
