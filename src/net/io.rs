//! The client's socket, with a handle to end it from elsewhere.
//!
//! HTTP and TLS layers own the stream they speak on, and neither lets anyone close it in a chosen way. So one [`ClientIo`] lies
//! under all of them and shares a [`ConnectionControl`] with whoever must end the connection, or know how many bytes went over it.
//! What the layers above have written before the command still goes out, and nothing after it. It is not a codec and buffers nothing.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use super::control::ConnectionControl;
use super::cut::ConnectionEnding;

/// A client's TCP connection that can be ended through its [`ConnectionControl`].
#[derive(Debug)]
pub struct ClientIo {
    stream: TcpStream,
    control: Arc<ConnectionControl>,
    ending: Option<Box<Ending>>,
    /// Whom a command wakes, until one comes.
    task: Waker,
    /// Its place among the connections that may be open at once.
    _place: Option<OwnedSemaphorePermit>,
}

/// What an ending still waits for.
#[derive(Debug)]
struct Ending {
    /// A pause before the next look at the send queue, or the patience with a peer that goes on sending.
    pause: Pin<Box<Sleep>>,
    /// No more of them: a peer that reads nothing must not hold us for ever.
    looks_left: u32,
}

impl ClientIo {
    /// Takes over an accepted stream.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, control: Arc::default(), ending: None, task: Waker::noop().clone(), _place: None }
    }

    /// Holds this place until it ends.
    pub fn holding(mut self, place: Option<OwnedSemaphorePermit>) -> Self {
        self._place = place;
        self
    }

    /// The handle on this connection.
    pub fn control(&self) -> &Arc<ConnectionControl> {
        &self.control
    }

    /// Obeys a command, if one was given; the error ends whatever layer polls us.
    fn poll_obey(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.control.command() {
            None | Some(ConnectionEnding::ShutDown) => Poll::Ready(Ok(())),
            Some(ConnectionEnding::Close) => self.poll_close(cx).map(Err),
            Some(ConnectionEnding::Reset) => self.poll_reset(cx).map(Err),
            Some(ConnectionEnding::Silence) => self.poll_silence(cx).map(Err),
        }
    }

    /// A reset throws away what the kernel has not sent yet, so it waits for that.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.ending.is_none() {
            // From now on the socket counts as writable only when all of it is on its way.
            let _unsupported = socket2::SockRef::from(&self.stream).set_tcp_notsent_lowat(1);
        }
        while !self.is_all_sent() {
            let ending = self.ending.get_or_insert_with(|| Box::new(Ending::new(BETWEEN_LOOKS, MOST_LOOKS)));
            if ending.looks_left == 0 {
                break;
            }
            ready!(ending.pause.as_mut().poll(cx));
            ending.look_again(BETWEEN_LOOKS);
        }
        if let Err(e) = self.stream.set_zero_linger() {
            return Poll::Ready(e);
        }
        Poll::Ready(io::Error::new(io::ErrorKind::ConnectionReset, "reset on command"))
    }

    fn is_all_sent(&self) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
        let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        polled.is_err() || !fds[0].revents().is_empty()
    }

    /// Closing over unread bytes would be a reset: they are read away for as long as a peer may take to notice the end.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.ending.is_none() {
            let _gone_already = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
            self.ending = Some(Box::new(Ending::new(LINGER, 0)));
        }
        let read_away = self.poll_silence(cx).is_ready();
        let waited = self.ending.as_mut().is_none_or(|ending| ending.pause.as_mut().poll(cx).is_ready());
        if !read_away && !waited {
            return Poll::Pending;
        }
        Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, "closed on command"))
    }

    /// Reads to nowhere until the peer leaves.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.control.await_command(cx);
        let mut scratch = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if buf.filled().is_empty() => return Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
                Ok(()) => {}
                Err(e) => return Poll::Ready(e),
            }
        }
    }

    /// Passes a result on, or leaves the waker and looks once more for a command that came meanwhile.
    fn settle<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        // Most looks at a socket find nothing, and the task is the same as at the last one.
        if polled.is_pending() && (self.control.command().is_some() || !self.task.will_wake(cx.waker())) {
            self.control.await_command(cx);
            self.task.clone_from(cx.waker());
            ready!(self.poll_obey(cx))?;
        }
        polled
    }
}

impl Ending {
    fn new(pause: Duration, looks_left: u32) -> Self {
        Self { pause: Box::pin(tokio::time::sleep(pause)), looks_left }
    }

    fn look_again(&mut self, after: Duration) {
        self.looks_left -= 1;
        self.pause = Box::pin(tokio::time::sleep(after));
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_obey(cx))?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.control.has_read(buf.filled().len() - before);
        self.settle(cx, polled)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_obey(cx))?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.control.has_written(&polled);
        self.settle(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The kernel takes one piece by `send` with less ado than by `writev`, and TLS nearly always has one.
        if let [piece] = bufs {
            return self.poll_write(cx, piece);
        }
        ready!(self.poll_obey(cx))?;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.control.has_written(&polled);
        self.settle(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_obey(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.control.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_obey(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        // Nobody polled us since the command.
        if self.control.command() == Some(ConnectionEnding::Reset) {
            let _gone_already = self.stream.set_zero_linger();
        }
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
/// A minute in all, for a peer that reads slowly.
const MOST_LOOKS: u32 = 30_000;
const LINGER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (ClientIo, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ClientIo::new(listener.accept().await.unwrap().0), far)
    }

    #[tokio::test]
    async fn a_reset_reaches_the_peer_as_a_connection_reset() {
        let (mut near, mut far) = pair().await;
        let control = Arc::clone(near.control());
        let reading = tokio::spawn(async move { near.read_u8().await.unwrap_err().kind() });
        control.end(ConnectionEnding::Reset);
        assert_eq!(reading.await.unwrap(), io::ErrorKind::ConnectionReset);
        assert_eq!(far.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_close_reaches_the_peer_as_the_end_of_the_stream() {
        let (mut near, mut far) = pair().await;
        let control = Arc::clone(near.control());
        far.write_all(b"unread").await.unwrap();
        control.end(ConnectionEnding::Close);
        let reading = tokio::spawn(async move { near.read_u8().await.unwrap_err().kind() });
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "and not a reset, though something was left unread");
        drop(far);
        assert_eq!(reading.await.unwrap(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn bytes_are_counted_in_both_directions() {
        let (mut near, mut far) = pair().await;
        far.write_all(b"12345").await.unwrap();
        near.read_exact(&mut [0; 5]).await.unwrap();
        near.write_all(b"123").await.unwrap();
        assert_eq!((near.control().bytes_read(), near.control().bytes_written()), (5, 3));
    }

    #[tokio::test]
    async fn a_reset_waits_until_a_slow_reader_has_room_for_what_was_written() {
        let (mut near, mut far) = pair().await;
        let control = Arc::clone(near.control());
        let mut written = 0;
        // Fills both kernels' buffers.
        while let Ok(wrote) = tokio::time::timeout(Duration::from_millis(50), near.write(&[7; 65536])).await {
            written += wrote.unwrap();
        }
        control.end(ConnectionEnding::Reset);
        let ending = tokio::spawn(async move { near.read_u8().await.unwrap_err().kind() });
        let (mut read, mut buf) = (0, vec![0; 65536]);
        let end = loop {
            match far.read(&mut buf).await {
                Ok(n) => read += n,
                Err(e) => break e.kind(),
            }
        };
        assert_eq!((read, end), (written, io::ErrorKind::ConnectionReset));
        assert_eq!(ending.await.unwrap(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn silence_lasts_until_the_peer_leaves() {
        let (mut near, mut far) = pair().await;
        near.control().end(ConnectionEnding::Silence);
        far.write_all(&[0; 100_000]).await.unwrap();
        let writing = tokio::spawn(async move { near.write_u8(1).await.unwrap_err().kind() });
        far.shutdown().await.unwrap();
        assert_eq!(writing.await.unwrap(), io::ErrorKind::UnexpectedEof);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "nothing was written");
    }
}
