//! The beginning of a request's body, read before the request goes on: as little as it takes to understand the request.

use std::borrow::Cow;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// What was read of a body ahead of time, piece by piece as it came, so that it goes out the same way.
#[derive(Debug, Default)]
pub(super) struct Ahead(Vec<Result<Frame<Bytes>, hyper::Error>>);

impl Ahead {
    /// Reads on until so many bytes are there, or the body ends. Nothing of a body that its client holds back until it is asked for:
    /// asking is the far end's affair.
    pub(super) async fn read(&mut self, request: &mut Request<Incoming>, most: usize) {
        if !request.headers().contains_key(EXPECT) {
            self.read_until(request, most).await;
        }
    }

    /// Reads on to the end of the body, if it has no more than `most` bytes; whether it is here whole. A client that waits to be asked for
    /// its body is asked.
    pub(super) async fn read_whole(&mut self, request: &mut Request<Incoming>, most: usize) -> bool {
        let left = most.saturating_sub(self.len());
        if request.body().size_hint().lower() > left as u64 {
            return false;
        }
        self.read_until(request, most.saturating_add(1)).await;
        // A stream of HTTP/2 that was reset has no frame to show for it.
        self.len() <= most && request.body().is_end_stream() && self.0.iter().all(Result::is_ok)
    }

    async fn read_until(&mut self, request: &mut Request<Incoming>, most: usize) {
        let mut bytes = self.len();
        let mut broken = self.0.last().is_some_and(Result::is_err);
        while !broken && bytes < most && !request.body().is_end_stream() {
            let Some(frame) = request.body_mut().frame().await else { break };
            bytes += frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
            broken = frame.is_err();
            self.0.push(frame);
        }
    }

    /// What was read, once more; the bytes themselves are shared.
    pub(super) fn copy(&self) -> Vec<Frame<Bytes>> {
        let frames = self.0.iter().filter_map(|frame| frame.as_ref().ok());
        frames
            .filter_map(|frame| {
                let data = frame.data_ref().map(|data| Frame::data(data.clone()));
                data.or_else(|| frame.trailers_ref().map(|trailers| Frame::trailers(trailers.clone())))
            })
            .collect()
    }

    /// Another body in its place.
    pub(super) fn replace(&mut self, body: Bytes) {
        self.0 = vec![Ok(Frame::data(body))];
    }

    /// Whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body's bytes as far as they were read.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        let mut pieces = self.pieces();
        match (pieces.next(), pieces.next()) {
            (first, None) => Cow::Borrowed(first.map(AsRef::as_ref).unwrap_or_default()),
            (first, second) => Cow::Owned(first.into_iter().chain(second).chain(pieces).flatten().copied().collect()),
        }
    }

    fn len(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref())
    }

    /// Everything that was read, for sending it on.
    pub(super) fn into_frames(self) -> Vec<Result<Frame<Bytes>, hyper::Error>> {
        self.0
    }
}
