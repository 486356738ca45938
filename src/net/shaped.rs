//! An answer's body, changed on its way: bytes flipped, trailers rewritten, its pace set, its end held back.
//!
//! Everything is done to what passes, and nothing is collected; the length stays as it was.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::body::ResponseBody;
use super::cut::Broken;
use super::pace::{Pace, Terms};

/// Changes what passes by what it says, and may end it. Its length is then no longer known.
pub trait Recast: fmt::Debug + Send {
    /// Takes the next piece; what passes in its place, and whether the body ends with that.
    fn take(&mut self, data: Bytes) -> (Bytes, bool);
}

/// What is to be done to a body.
#[derive(Debug, Default)]
pub struct Changes {
    /// Bytes to change.
    pub flips: Vec<Flip>,
    /// What it goes through first.
    pub recast: Option<Box<dyn Recast>>,
    /// What is to be done to trailers.
    pub trailers: Option<fn(&mut HeaderMap)>,
    /// Its pace.
    pub pace: Terms,
    /// Its end comes so much later than its last byte.
    pub late_end: Duration,
}

/// Some bytes of a body in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flip {
    /// The first of them, counted from 0.
    pub at: u64,
    /// How many.
    pub bytes: u64,
    /// The bits that change.
    pub mask: u8,
}

/// A body and what is done to it.
#[derive(Debug)]
pub struct Shaped {
    inner: ResponseBody,
    recast: Option<Box<dyn Recast>>,
    flips: Vec<Flip>,
    trailers: Option<fn(&mut HeaderMap)>,
    pace: Pace,
    /// Trailers that came, and wait for the end.
    last: Option<HeaderMap>,
    passed: u64,
    late_end: Duration,
    waits: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Changes {
    /// Whether there is anything to do.
    pub fn is_none(&self) -> bool {
        self.flips.is_empty()
            && self.recast.is_none()
            && self.trailers.is_none()
            && self.pace.is_none()
            && self.late_end.is_zero()
    }
}

impl Shaped {
    /// `body` with these changes.
    pub fn new(body: ResponseBody, changes: Changes) -> Self {
        let Changes { flips, recast, trailers, pace, late_end } = changes;
        let pace = Pace::new(pace, body.size_hint().exact().filter(|_| recast.is_none()));
        Self { inner: body, recast, flips, trailers, pace, last: None, passed: 0, late_end, waits: None, ended: false }
    }

    fn recast(&mut self, data: Bytes) -> Bytes {
        let Some(recast) = &mut self.recast else { return data };
        let (data, ended) = recast.take(data);
        if ended {
            self.inner = ResponseBody::Own(None);
        }
        data
    }

    fn change(&mut self, data: Bytes) -> Bytes {
        let (start, end) = (self.passed, self.passed + data.len() as u64);
        self.passed = end;
        if self.flips.iter().all(|flip| flip.at >= end || flip.at + flip.bytes <= start) {
            return data;
        }
        let mut data = BytesMut::from(data);
        for flip in &self.flips {
            let (from, to) = (flip.at.max(start), (flip.at + flip.bytes).min(end));
            for at in from..to {
                if let Some(byte) = usize::try_from(at - start).ok().and_then(|at| data.get_mut(at)) {
                    *byte ^= flip.mask;
                }
            }
        }
        data.freeze()
    }

    /// The end, once it may come: trailers if there are any, then nothing more.
    fn poll_last(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        ready!(self.pace.poll_end(cx));
        if !self.late_end.is_zero() {
            let late_end = self.late_end;
            ready!(self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(late_end))).as_mut().poll(cx));
        }
        if self.last.is_none() {
            self.ended = true;
        }
        Poll::Ready(self.last.take().map(Frame::trailers))
    }

    /// Whether something is still to come after the last of the body's data.
    fn end_is_held_back(&self) -> bool {
        !self.ended && (!self.late_end.is_zero() || self.last.is_some())
    }
}

impl Body for Shaped {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let me = &mut *self;
        loop {
            if let Some(piece) = ready!(me.pace.poll_piece(cx)) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if me.last.is_some() || me.inner.is_end_stream() {
                return me.poll_last(cx).map(|frame| frame.map(Ok));
            }
            match ready!(Pin::new(&mut me.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let data = me.recast(data);
                        let data = me.change(data);
                        me.pace.hold(data);
                    }
                    Err(frame) => {
                        let mut trailers = frame.into_trailers().unwrap_or_default();
                        me.trailers.inspect(|change| change(&mut trailers));
                        me.last = Some(trailers);
                    }
                },
                Some(Err(e)) => return Poll::Ready(Some(Err(e))),
                None => return me.poll_last(cx).map(|frame| frame.map(Ok)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pace.held() == 0 && !self.end_is_held_back() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.recast.is_some() {
            return SizeHint::default();
        }
        let (inner, held) = (self.inner.size_hint(), self.pace.held());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(held));
        if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn collected(changes: Changes) -> Vec<u8> {
        let body = ResponseBody::Own(Some(Bytes::from_static(b"0123456789")));
        let shaped = Shaped::new(body, changes);
        assert_eq!(shaped.size_hint().exact(), Some(10));
        shaped.collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn only_the_bytes_that_are_meant_change() {
        let flip = |at, bytes| Flip { at, bytes, mask: 1 };
        let seen = collected(Changes { flips: vec![flip(0, 1), flip(4, 2)], ..Changes::default() }).await;
        assert_eq!(seen, b"1123546789");
        let beyond = collected(Changes { flips: vec![flip(10, 5)], ..Changes::default() }).await;
        assert_eq!(beyond, b"0123456789");
    }

    #[tokio::test]
    async fn flips_meet_their_bytes_however_the_body_comes() {
        let flips = vec![Flip { at: 3, bytes: 4, mask: 0xff }];
        let pace = Terms { pieces: Some((1, Duration::ZERO)), ..Terms::default() };
        let whole = collected(Changes { flips: flips.clone(), ..Changes::default() }).await;
        assert_eq!(collected(Changes { flips, pace, ..Changes::default() }).await, whole);
        assert_eq!(whole.iter().filter(|byte| !byte.is_ascii()).count(), 4);
    }

    #[tokio::test]
    async fn an_end_that_is_held_back_comes_after_the_last_byte() {
        let body = ResponseBody::Own(Some(Bytes::from_static(b"hi")));
        let late_end = Duration::from_millis(30);
        let mut shaped = Shaped::new(body, Changes { late_end, ..Changes::default() });
        assert_eq!(shaped.frame().await.unwrap().unwrap().into_data().unwrap(), "hi");
        assert!(!shaped.is_end_stream());
        let since = crate::clock::now();
        assert!(shaped.frame().await.is_none());
        assert!(since.elapsed() >= late_end && shaped.is_end_stream());
    }
}
