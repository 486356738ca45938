//! A stream that gives back bytes already read from it, then goes on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `inner`, with `prefix` put back in front of what is still to be read.
#[derive(Debug)]
pub struct Rewind<T> {
    prefix: Bytes,
    inner: T,
}

impl<T> Rewind<T> {
    /// Reads `prefix` first, then `inner`.
    pub fn new(prefix: Bytes, inner: T) -> Self {
        let mut stream = Self { prefix, inner };
        stream.let_go();
        stream
    }

    /// Puts back what was read last; it comes before what is still to be read.
    pub fn put_back(&mut self, read: Bytes) {
        self.prefix =
            if self.prefix.is_empty() { read } else { [read, std::mem::take(&mut self.prefix)].concat().into() };
        self.let_go();
    }

    /// Nothing left of the prefix may still be a hold on kilobytes, and a connection may live for hours.
    fn let_go(&mut self) {
        if self.prefix.is_empty() {
            self.prefix = Bytes::new();
        }
    }

    /// The stream below.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The stream below, without what was still to be read before it.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewind<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let n = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..n]);
        self.prefix.advance(n);
        self.let_go();
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewind<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn bytes_put_back_come_first_even_through_a_small_buffer() {
        let mut stream = Rewind::new(Bytes::from_static(b"abc"), &b"def"[..]);
        let (mut two, mut all) = ([0; 2], Vec::new());
        stream.read_exact(&mut two).await.unwrap();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!((&two, all.as_slice()), (b"ab", &b"cdef"[..]));
    }

    #[tokio::test]
    async fn what_is_put_back_twice_comes_in_the_order_in_which_it_was_read() {
        let mut stream = Rewind::new(Bytes::from_static(b"abc"), &b"def"[..]);
        let (mut two, mut all) = ([0; 2], Vec::new());
        stream.read_exact(&mut two).await.unwrap();
        stream.put_back(Bytes::copy_from_slice(&two));
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abcdef");
        stream.put_back(all.into());
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
    }
}
