//! Ending what is under way before its time, at an exact byte.
//!
//! An [`Ending`] says how a connection or a stream ends. Before an answer, [`Near::end_unanswered`] brings it about; inside one, a
//! [`Cut`] lets so many bytes of the body pass, waits until they have left every buffer above the socket, and then does it: HTTP and
//! TLS would else throw away what they have not written yet. What ends is never chosen here.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use h2::Reason;
use http::Version;
use http_body::Frame;

use super::control::ConnectionControl;

/// How something ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The whole connection, with every stream on it.
    Connection(ConnectionEnding),
    /// This stream alone. In HTTP/1 a stream is the connection: see [`Ending::on`].
    Stream(StreamEnding),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConnectionEnding {
    /// A TCP FIN; in TLS without a close_notify, which verifiers of lengths take for an attack.
    Close,
    /// A TCP RST.
    Reset,
    /// A TLS close_notify where there is TLS, then a TCP FIN.
    ShutDown,
    /// It stays open, and nothing is written any more.
    Silence,
}

/// How an HTTP/2 stream ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamEnding {
    /// END_STREAM, as if the body were complete.
    Finish,
    /// RST_STREAM with this error code (RFC 9113 §7).
    Reset(Reason),
    /// It stays open, and nothing is written to it any more.
    Silence,
}

/// How a far end broke off.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A connection of HTTP/1 ended.
    #[error("{0}")]
    Http1(#[source] hyper::Error),
    /// A stream of HTTP/2 ended, or its connection.
    #[error("{0}")]
    Http2(#[source] hyper::Error),
    /// A stream of HTTP/2 was reset with NO_ERROR inside its answer, which hyper takes for the end of it.
    #[error("the stream was reset with NO_ERROR")]
    Http2NoError,
}

/// The client's end of one exchange.
#[derive(Debug)]
pub struct Near {
    control: Arc<ConnectionControl>,
    version: Version,
}

/// Makes hyper end a stream with an RST_STREAM of this error code, which it finds among an error's sources.
#[derive(Debug, thiserror::Error)]
#[error("the stream is reset")]
pub struct StreamReset(#[source] h2::Error);

/// An ending inside a body.
#[derive(Debug)]
pub struct Cut {
    left: u64,
    ending: Ending,
    control: Arc<ConnectionControl>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Passing,
    /// Waits until what was passed has left the HTTP layer.
    Marked(Arc<Passage>),
    /// Waits until it has left the TLS layer too.
    Flushing(u64),
    Ended,
}

/// Goes through the HTTP layer behind a body's last bytes, and tells when it is let go.
#[derive(Debug)]
struct Mark(Arc<Passage>);

#[derive(Debug)]
struct Passage {
    control: Arc<ConnectionControl>,
    /// The flushes there had been when the mark was let go.
    through: AtomicU64,
    waker: AtomicWaker,
}

impl Ending {
    /// What it comes to in this version of HTTP.
    pub fn on(self, version: Version) -> Self {
        let Self::Stream(stream) = self else { return self };
        if version == Version::HTTP_2 {
            return self;
        }
        Self::Connection(match stream {
            StreamEnding::Finish => ConnectionEnding::ShutDown,
            StreamEnding::Reset(_) => ConnectionEnding::Reset,
            StreamEnding::Silence => ConnectionEnding::Silence,
        })
    }
}

impl Broken {
    /// The same, done to a client that speaks `version`. A far end of HTTP/2 has a connection for each of ours, so that its end is that of
    /// ours; one of HTTP/1 ends a stream at most.
    pub fn as_seen_in(&self, version: Version) -> Ending {
        let (error, http2) = match self {
            Self::Http2NoError => return Ending::Stream(StreamEnding::Reset(Reason::NO_ERROR)).on(version),
            Self::Http1(error) => (error, false),
            Self::Http2(error) => (error, true),
        };
        let h2 = find::<h2::Error>(error);
        if let Some(reason) = h2.filter(|e| is_reset_by_peer(e)).and_then(h2::Error::reason) {
            return Ending::Stream(StreamEnding::Reset(reason)).on(version);
        }
        if !http2 && version == Version::HTTP_2 {
            return Ending::Stream(StreamEnding::Reset(Reason::INTERNAL_ERROR));
        }
        let io = h2.and_then(h2::Error::get_io).or_else(|| find(error));
        let is_reset = io.is_some_and(|e| e.kind() == io::ErrorKind::ConnectionReset);
        Ending::Connection(if is_reset { ConnectionEnding::Reset } else { ConnectionEnding::Close })
    }

    /// Whether a far end of HTTP/2 ended this one stream with an RST_STREAM.
    pub fn is_stream_reset(&self) -> bool {
        match self {
            Self::Http2NoError => true,
            Self::Http1(error) | Self::Http2(error) => find(error).is_some_and(is_reset_by_peer),
        }
    }
}

impl Near {
    /// The end of an exchange that came in this version over the connection of `control`.
    pub fn new(control: Arc<ConnectionControl>, version: Version) -> Self {
        control.exchange_begins();
        Self { control, version }
    }

    /// The version of HTTP the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The handle on the client's connection.
    pub fn control(&self) -> &Arc<ConnectionControl> {
        &self.control
    }

    /// Ends the exchange before its answer.
    pub async fn end_unanswered(&self, ending: Ending) -> StreamReset {
        match ending.on(self.version) {
            Ending::Connection(ending) => {
                self.control.end(ending);
                // HTTP/1 polls us and the socket in one task, which has to come by the socket once more.
                tokio::task::yield_now().await;
                std::future::pending().await
            }
            Ending::Stream(StreamEnding::Reset(reason)) => reason.into(),
            // There is no answer to finish; no error is the nearest to that.
            Ending::Stream(StreamEnding::Finish) => Reason::NO_ERROR.into(),
            Ending::Stream(StreamEnding::Silence) => std::future::pending().await,
        }
    }

    /// Ends the exchange after so many bytes of its answer's body. A body that is shorter passes whole; an answer that has none
    /// (RFC 9110 §6.4.1) cannot be cut.
    pub fn cut(&self, after: u64, ending: Ending) -> Cut {
        Cut { left: after, ending: ending.on(self.version), control: Arc::clone(&self.control), stage: Stage::Passing }
    }
}

impl From<Reason> for StreamReset {
    fn from(reason: Reason) -> Self {
        Self(reason.into())
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.control.exchange_ends();
    }
}

impl Cut {
    /// Whether no more may pass.
    pub fn is_due(&self) -> bool {
        self.left == 0
    }

    /// As much of `data` as may pass.
    pub fn admit(&mut self, mut data: Bytes) -> Bytes {
        data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= data.len() as u64;
        data
    }

    /// What a body goes on with once the cut is due.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamReset>>> {
        loop {
            self.stage = match &self.stage {
                Stage::Passing => {
                    let passage = Arc::new(Passage::new(Arc::clone(&self.control)));
                    self.stage = Stage::Marked(Arc::clone(&passage));
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Mark(passage))))));
                }
                Stage::Marked(passage) => {
                    let flushes = ready!(passage.poll_through(cx));
                    match self.ending {
                        Ending::Connection(_) => Stage::Flushing(flushes),
                        Ending::Stream(ending) => {
                            self.stage = Stage::Ended;
                            return end_stream(ending);
                        }
                    }
                }
                Stage::Flushing(since) => {
                    ready!(self.control.poll_flushed(*since, cx));
                    if let Ending::Connection(ending) = self.ending {
                        self.control.end(ending);
                        cx.waker().wake_by_ref();
                    }
                    Stage::Ended
                }
                Stage::Ended => return Poll::Pending,
            };
        }
    }
}

fn end_stream(ending: StreamEnding) -> Poll<Option<Result<Frame<Bytes>, StreamReset>>> {
    match ending {
        StreamEnding::Finish => Poll::Ready(None),
        StreamEnding::Reset(reason) => Poll::Ready(Some(Err(reason.into()))),
        StreamEnding::Silence => Poll::Pending,
    }
}

impl Passage {
    fn new(control: Arc<ConnectionControl>) -> Self {
        control.want_flushes();
        Self { control, through: AtomicU64::new(UNDER_WAY), waker: AtomicWaker::new() }
    }

    /// Ready with the flushes there had been when the mark was let go.
    fn poll_through(&self, cx: &Context<'_>) -> Poll<u64> {
        self.waker.register(cx.waker());
        match self.through.load(Ordering::Acquire) {
            UNDER_WAY => Poll::Pending,
            flushes => Poll::Ready(flushes),
        }
    }
}

impl AsRef<[u8]> for Mark {
    fn as_ref(&self) -> &[u8] {
        &[]
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.through.store(self.0.control.flushes(), Ordering::Release);
        self.0.waker.wake();
    }
}

fn is_reset_by_peer(e: &h2::Error) -> bool {
    e.is_reset() && e.is_remote()
}

/// The first error of this type among `error` and its sources.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

const UNDER_WAY: u64 = u64::MAX;
