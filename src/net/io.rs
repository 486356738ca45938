//! The client's socket, with a handle to end it from elsewhere.
//!
//! HTTP and TLS layers own the stream they speak on, and neither lets anyone close it in a chosen way. So one [`ClientIo`] lies
//! under all of them and shares a [`ConnectionControl`] with whoever must reset or close the connection, or know how many bytes
//! went over it. It is not a codec and buffers nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A client's TCP connection that can be ended through its [`ConnectionControl`].
#[derive(Debug)]
pub struct ClientIo {
    stream: TcpStream,
    control: Arc<ConnectionControl>,
}

/// The handle on a live [`ClientIo`]: ends it, and counts its bytes.
#[derive(Debug, Default)]
pub struct ConnectionControl {
    command: AtomicU8,
    waker: AtomicWaker,
    read: AtomicU64,
    written: AtomicU64,
}

impl ClientIo {
    /// Takes over an accepted stream.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, control: Arc::default() }
    }

    /// The handle on this connection.
    pub fn control(&self) -> &Arc<ConnectionControl> {
        &self.control
    }

    /// Obeys a command, if one was given: the error ends whatever layer polls us.
    fn obey(&self) -> io::Result<()> {
        match self.control.command.load(Ordering::Acquire) {
            RESET => {
                self.stream.set_zero_linger()?;
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "reset on command"))
            }
            CLOSE => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed on command")),
            _ => Ok(()),
        }
    }

    /// Passes a result on, or leaves the waker and looks once more for a command that came meanwhile.
    fn settle<T>(&self, cx: &Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            self.control.waker.register(cx.waker());
            self.obey()?;
        }
        polled
    }
}

impl ConnectionControl {
    /// Ends the connection with a TCP RST: what was written and not yet sent is lost.
    pub fn reset(&self) {
        self.tell(RESET);
    }

    /// Ends the connection with a FIN, without a word of the layers above (no TLS close_notify).
    pub fn close(&self) {
        self.tell(CLOSE);
    }

    /// Bytes read from the client so far, TLS included.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes handed to the kernel for the client so far, TLS included.
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn tell(&self, command: u8) {
        self.command.store(command, Ordering::Release);
        self.waker.wake();
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.obey()?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.control.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        self.settle(cx, polled)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.obey()?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        count(&self.control.written, &polled);
        self.settle(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.obey()?;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        count(&self.control.written, &polled);
        self.settle(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn count(counter: &AtomicU64, polled: &Poll<io::Result<usize>>) {
    if let Poll::Ready(Ok(n)) = polled {
        counter.fetch_add(*n as u64, Ordering::Relaxed);
    }
}

const RESET: u8 = 1;
const CLOSE: u8 = 2;

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
        control.reset();
        assert_eq!(reading.await.unwrap(), io::ErrorKind::ConnectionReset);
        assert_eq!(far.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_close_reaches_the_peer_as_the_end_of_the_stream() {
        let (mut near, mut far) = pair().await;
        let control = Arc::clone(near.control());
        let reading = tokio::spawn(async move { near.read_u8().await.unwrap_err().kind() });
        control.close();
        assert_eq!(reading.await.unwrap(), io::ErrorKind::ConnectionAborted);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn bytes_are_counted_in_both_directions() {
        let (mut near, mut far) = pair().await;
        far.write_all(b"12345").await.unwrap();
        near.read_exact(&mut [0; 5]).await.unwrap();
        near.write_all(b"123").await.unwrap();
        assert_eq!((near.control().bytes_read(), near.control().bytes_written()), (5, 3));
    }
}
