//! A body of which a copy is kept while it passes, within a bound; nothing is held back for that.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::body::ResponseBody;
use super::cut::Broken;

/// What is done with the copy of a body that has passed whole; `None` if it was larger than the bound.
pub type Keep = Box<dyn FnOnce(Option<Bytes>) + Send>;

/// A body and the copy of what has passed of it.
pub struct Kept {
    inner: ResponseBody,
    copy: BytesMut,
    most: usize,
    /// Taken when the body has ended, or will not be kept.
    keep: Option<Keep>,
}

impl Kept {
    /// `body`, a copy of which is given to `keep` if it has no more than `most` bytes. One that breaks off, is left, or has trailers is
    /// not kept.
    pub fn new(body: ResponseBody, most: usize, keep: Keep) -> Self {
        let mut kept = Self { inner: body, copy: BytesMut::new(), most, keep: Some(keep) };
        if kept.inner.size_hint().lower() > most as u64 {
            kept.give_up();
        }
        kept.look_for_end();
        kept
    }

    fn look_for_end(&mut self) {
        if self.inner.is_end_stream()
            && let Some(keep) = self.keep.take()
        {
            keep(Some(std::mem::take(&mut self.copy).freeze()));
        }
    }

    fn give_up(&mut self) {
        self.copy = BytesMut::new();
        if let Some(keep) = self.keep.take() {
            keep(None);
        }
    }

    fn passed(&mut self, data: &Bytes) {
        if self.keep.is_none() {
            return;
        }
        if self.copy.len() + data.len() > self.most {
            self.give_up();
        } else {
            self.copy.extend_from_slice(data);
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("inner", &self.inner).field("copied", &self.copy.len()).finish_non_exhaustive()
    }
}

impl Body for Kept {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let me = &mut *self;
        let frame = ready!(Pin::new(&mut me.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => {
                    me.passed(data);
                    me.look_for_end();
                }
                None => me.keep = None,
            },
            Some(Err(_)) => me.keep = None,
            None => {
                if let Some(keep) = me.keep.take() {
                    keep(Some(std::mem::take(&mut me.copy).freeze()));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use http_body_util::BodyExt as _;

    use super::*;

    fn kept(body: &'static str, most: usize) -> (Kept, Receiver<Option<Bytes>>) {
        let (sender, receiver) = channel();
        let body = ResponseBody::Own(Some(Bytes::from_static(body.as_bytes())));
        (Kept::new(body, most, Box::new(move |copy| sender.send(copy).unwrap())), receiver)
    }

    #[tokio::test]
    async fn a_copy_is_given_once_when_the_body_has_passed_whole() {
        let (body, copy) = kept("0123456789", 10);
        assert_eq!(body.size_hint().exact(), Some(10));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "0123456789");
        assert_eq!(copy.iter().collect::<Vec<_>>(), [Some(Bytes::from_static(b"0123456789"))]);
        let (_body, copy) = kept("", 10);
        assert_eq!(copy.try_recv(), Ok(Some(Bytes::new())));
    }

    #[tokio::test]
    async fn what_is_too_large_passes_all_the_same() {
        let (body, copy) = kept("0123456789", 9);
        assert_eq!(copy.try_recv(), Ok(None));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "0123456789");
    }

    #[tokio::test]
    async fn what_is_left_is_not_kept() {
        let (body, copy) = kept("0123456789", 10);
        drop(body);
        assert!(copy.recv().is_err());
    }
}
