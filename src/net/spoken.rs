//! What far ends speak, learnt from what they answered.
//!
//! A client is offered what its far end speaks, and is spoken to in that: only where the two differ is anything translated. Over TLS,
//! ALPN tells; in the clear, an HTTP/2 far end answers the preface with a SETTINGS frame, and one of HTTP/1 with anything else. Nothing
//! learnt is taken for certain: the next connection tells anew.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::target::Target;
use super::via::FarStream;
use crate::clock;

/// What a far end speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spoken {
    /// HTTP/1.1, as far as we know.
    Http1,
    /// HTTP/2 where it is offered; HTTP/1.1 too, as far as we know.
    Http2,
    /// HTTP/2, and it refused HTTP/1.1.
    OnlyHttp2,
}

/// What is known of which far end.
#[derive(Debug)]
pub struct Knowledge(Mutex<LruCache<Arc<Target>, Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// `None`: it could not be asked.
    spoken: Option<Spoken>,
    since: Instant,
}

impl Knowledge {
    /// What this far end speaks. `None`: it must be asked.
    pub fn of(&self, target: &Arc<Target>) -> Option<Spoken> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(target)?;
        match known.spoken {
            None if known.since.elapsed() < ASK_AGAIN => Some(Spoken::Http1),
            spoken => spoken,
        }
    }

    /// It has answered, or cannot be asked.
    pub fn learn(&self, target: &Arc<Target>, spoken: Option<Spoken>) {
        let known = Known { spoken, since: clock::now() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(Arc::clone(target), known);
    }
}

impl Default for Knowledge {
    fn default() -> Self {
        Self(Mutex::new(LruCache::sparse(MOST_KNOWN)))
    }
}

/// Asks a far end in the clear whether it speaks HTTP/2, over a connection of its own: one that speaks HTTP/1 only closes it.
pub async fn is_http2(mut stream: FarStream) -> bool {
    let asking = async {
        stream.write_all(PREFACE_AND_SETTINGS).await?;
        let mut head = [0; FRAME_HEAD];
        stream.read_exact(&mut head).await?;
        std::io::Result::Ok(head[3] == SETTINGS && head[4] & ACK == 0 && head[5..] == [0; 4])
    };
    matches!(tokio::time::timeout(ANSWER, asking).await, Ok(Ok(true)))
}

/// RFC 9113 §3.4: the connection preface, then a SETTINGS frame, here an empty one.
const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// RFC 9113 §4.1: length, type, flags, stream.
const FRAME_HEAD: usize = 9;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const ANSWER: Duration = Duration::from_secs(2);
/// A far end that could not be reached is not asked for each connection, nor given up.
const ASK_AGAIN: Duration = Duration::from_secs(10);
const MOST_KNOWN: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn answers(answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let answering = tokio::spawn(async move {
            far.write_all(answer).await.unwrap();
            far.read_to_end(&mut Vec::new()).await
        });
        let is_http2 = is_http2(FarStream::Plain(stream)).await;
        let _reset = answering.await.unwrap();
        is_http2
    }

    #[tokio::test]
    async fn a_far_end_of_http2_is_told_by_its_settings() {
        assert!(answers(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64").await);
        assert!(!answers(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await);
        assert!(!answers(b"HTTP/1.1").await, "too short to tell, and silent after it");
    }
}
