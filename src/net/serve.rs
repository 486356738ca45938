//! HTTP towards a client, in the version it speaks.
//!
//! [`http1`] and [`http2`] serve one connection to its end: until the client leaves, until it has been idle or slow beyond its
//! [`Limits`], until a [`super::cut`] ends it, or until everything stops; then open exchanges are finished first. What a request means
//! is the service's business.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::control::ConnectionControl;
use super::cut::ConnectionEnding;
use super::limits::Limits;
use super::seldom::Seldom;
use crate::clock;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What hyper speaks on: it ends in the way of the layers below it when told to.
#[derive(Debug)]
pub struct Served<T> {
    inner: T,
    control: Arc<ConnectionControl>,
    /// Read while hyper would not, to learn whether the client is still there.
    ahead: BytesMut,
}

/// What serving needs beside the stream and the service.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The handle on the socket below the stream.
    pub control: Arc<ConnectionControl>,
    /// Its bounds.
    pub limits: Limits,
    /// Asks for the end.
    pub stop: CancellationToken,
}

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Overdue {
    Head,
    Idle,
}

/// Serves HTTP/1.0 and HTTP/1.1. Upgraded, the stream can be had back from hyper as a `TokioIo<Served<T>>`.
pub async fn http1<T, F, B, E>(io: T, terms: Terms, answer: impl Fn(Request<Incoming>) -> F) -> hyper::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.auto_date_header(false).preserve_header_case(true).max_headers(super::MOST_HEADERS);
    let io = TokioIo::new(Served::new(io, Arc::clone(&terms.control)));
    let serving = builder.serve_connection(io, service_fn(answer)).with_upgrades();
    tokio::pin!(serving);
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended,
        given_up = Seldom::new(terms.given_up(terms.overdue())) => {
            if let Some(overdue) = given_up {
                tracing::debug!("a client connection is given up: {overdue:?} timeout");
            }
            if given_up == Some(Overdue::Head) {
                terms.control.end(ConnectionEnding::ShutDown);
            }
        }
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

/// Serves HTTP/2.
pub async fn http2<T, S, B>(io: T, terms: Terms, service: S) -> hyper::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .auto_date_header(false)
        .max_header_list_size(super::LARGEST_FIELDS)
        .max_concurrent_streams(super::MOST_STREAMS)
        .initial_stream_window_size(super::STREAM_WINDOW)
        .initial_connection_window_size(super::CONNECTION_WINDOW);
    let io = TokioIo::new(Served::new(io, Arc::clone(&terms.control)));
    let serving = builder.serve_connection(io, service);
    tokio::pin!(serving);
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended,
        given_up = Seldom::new(terms.given_up(terms.idle_too_long())) => {
            serving.as_mut().graceful_shutdown();
            if given_up.is_none() {
                return serving.await;
            }
            tracing::debug!("a client connection is given up: idle timeout");
        }
    }
    // The client has to confirm the end; one that has been deaf for so long may not.
    if let Ok(ended) = tokio::time::timeout(terms.limits.head, serving.as_mut()).await {
        return ended;
    }
    terms.control.end(ConnectionEnding::ShutDown);
    serving.await
}

impl Terms {
    /// Ends when `too_long` does, with what that says, or when everything is to stop.
    async fn given_up<T>(&self, too_long: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            said = too_long => Some(said),
        }
    }

    /// Ends when the client has been idle, or at one request's head, for too long; a quarter of that late at most.
    async fn overdue(&self) -> Overdue {
        let look_every = self.limits.head.min(self.limits.idle) / 4;
        let (mut begun_before, mut since) = (0, clock::now());
        let mut head_since = None;
        loop {
            tokio::time::sleep(look_every.max(SHORTEST_LOOK)).await;
            let begun = self.control.exchanges_begun();
            if self.control.open_exchanges() > 0 || begun != begun_before {
                (begun_before, since, head_since) = (begun, clock::now(), None);
                self.control.look();
                tokio::task::yield_now().await;
                continue;
            }
            if self.control.hears_a_head() {
                let head_since = *head_since.get_or_insert(since);
                if clock::now().duration_since(head_since) >= self.limits.head {
                    return Overdue::Head;
                }
            } else if clock::now().duration_since(since) >= self.limits.idle {
                return Overdue::Idle;
            } else {
                // A head that begins will have begun after this.
                head_since = Some(clock::now());
            }
        }
    }

    /// HTTP/2 has frames that belong to no request, so that bytes do not tell a head.
    async fn idle_too_long(&self) {
        let (mut begun_before, mut since) = (0, clock::now());
        while clock::now().duration_since(since) < self.limits.idle {
            tokio::time::sleep((self.limits.idle / 4).max(SHORTEST_LOOK)).await;
            let begun = self.control.exchanges_begun();
            if self.control.open_exchanges() > 0 || begun != begun_before {
                (begun_before, since) = (begun, clock::now());
            }
        }
    }
}

impl<T> Served<T> {
    fn new(inner: T, control: Arc<ConnectionControl>) -> Self {
        Self { inner, control, ahead: BytesMut::new() }
    }

    /// The stream below, and what was read from it and not yet from here.
    pub fn into_parts(self) -> (T, Bytes) {
        (self.inner, self.ahead.freeze())
    }
}

impl<T: AsyncRead + Unpin> Served<T> {
    /// hyper reads no further while the next request of a client that does not wait for answers is at hand, and so would not see that
    /// client leave before it has answered.
    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.len() >= MOST_AHEAD {
            return Poll::Pending;
        }
        let mut scratch = [0; MOST_AHEAD];
        let mut buf = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
        if buf.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.ahead.extend_from_slice(buf.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Served<T> {
    /// Says goodbye in the way of the layers below, if that was asked for; the lowest then sees to the rest.
    fn poll_obey(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.control.command() == Some(ConnectionEnding::ShutDown) {
            let _gone_already = ready!(Pin::new(&mut self.inner).poll_shutdown(cx));
            self.control.end(ConnectionEnding::Close);
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Served<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_obey(cx));
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(n));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.control.heard(buf.filled().len() - before);
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Served<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_obey(cx));
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_obey(cx));
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_obey(cx));
        if self.control.must_look()
            && let Poll::Ready(Err(gone)) = self.poll_look(cx)
        {
            return Poll::Ready(Err(gone));
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The tail of a client's further requests may wait here.
const MOST_AHEAD: usize = 4096;
/// A limit of nothing must not make us spin.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
