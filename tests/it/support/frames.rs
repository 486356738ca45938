//! HTTP/2 as bytes: a client that writes frames by hand and shows those it gets.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::soon;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
/// What a client says first: RFC 9113 §3.4.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame: RFC 9113 §4.1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection whose preface is sent.
pub(crate) struct Frames<S> {
    pub(crate) stream: S,
    /// A socket tells of a reset once: to whoever writes, if that comes first.
    reset: bool,
}

/// What came on one stream until it ended, or everything did.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The HEADERS frames, undecoded.
    pub(crate) heads: Vec<Vec<u8>>,
    /// The payload of all DATA frames.
    pub(crate) data: Vec<u8>,
    /// Whether END_STREAM came.
    pub(crate) finished: bool,
    /// The error code of an RST_STREAM.
    pub(crate) reset: Option<u32>,
    /// How the connection ended, if it did.
    pub(crate) closed: Option<io::ErrorKind>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes(), &self.payload].concat()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Sends the preface and empty SETTINGS.
    pub(crate) async fn open(mut stream: S) -> Self {
        stream.write_all(PREFACE).await.unwrap();
        let mut frames = Self { stream, reset: false };
        frames.send(&Frame::new(SETTINGS, 0, 0, [])).await;
        frames
    }

    /// The far side of it: takes the preface, and sends empty SETTINGS too.
    pub(crate) async fn accept(mut stream: S) -> io::Result<Self> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        let mut frames = Self { stream, reset: false };
        frames.try_send(&Frame::new(SETTINGS, 0, 0, [])).await?;
        Ok(frames)
    }

    pub(crate) async fn send(&mut self, frame: &Frame) {
        self.try_send(frame).await.unwrap();
    }

    async fn try_send(&mut self, frame: &Frame) -> io::Result<()> {
        self.stream.write_all(&frame.encode()).await?;
        self.stream.flush().await
    }

    /// The other side may have gone; what it has sent is still to be read.
    async fn reply(&mut self, frame: &Frame) {
        let sent = self.try_send(frame).await;
        self.reset |= sent.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionReset);
    }

    /// A GET without a body.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        let head = head(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", path)]);
        self.send(&Frame::new(HEADERS, END_STREAM | END_HEADERS, stream, head)).await;
    }

    /// Lets the other side send so much more, on the stream and on the connection.
    pub(crate) async fn allow(&mut self, stream: u32, bytes: u32) {
        for stream in [0, stream] {
            self.reply(&Frame::new(WINDOW_UPDATE, 0, stream, bytes.to_be_bytes())).await;
        }
    }

    /// The next frame; settings and pings are answered on the way.
    pub(crate) async fn next(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        let read = self.stream.read_exact(&mut head).await;
        read.map_err(|e| if self.reset { io::ErrorKind::ConnectionReset.into() } else { e })?;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
        self.stream.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let echo = if frame.kind == PING { frame.payload.clone() } else { Vec::new() };
            self.reply(&Frame::new(frame.kind, ACK, 0, echo)).await;
        }
        Ok(frame)
    }

    /// Everything on this stream, until it or the connection ends.
    pub(crate) async fn all_of(&mut self, stream: u32) -> Seen {
        let mut seen = Seen::default();
        while !seen.finished && seen.reset.is_none() {
            match soon("a frame", self.next()).await {
                Ok(frame) if frame.stream == stream => seen.note(frame),
                Ok(_) => {}
                Err(e) => {
                    seen.closed = Some(e.kind());
                    break;
                }
            }
        }
        seen
    }
}

impl Seen {
    pub(crate) fn note(&mut self, frame: Frame) {
        match frame.kind {
            DATA => self.data.extend(frame.payload),
            HEADERS => self.heads.push(frame.payload),
            RST_STREAM => self.reset = Some(u32::from_be_bytes(frame.payload.try_into().unwrap())),
            _ => return,
        }
        self.finished = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
    }
}

/// A header block of literals, none of them indexed or Huffman-coded: RFC 7541 §6.2.2.
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.extend(length(text.len()));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits: RFC 7541 §5.1.
fn length(n: usize) -> Vec<u8> {
    if n < 127 {
        return vec![u8::try_from(n).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![127], n - 127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}
