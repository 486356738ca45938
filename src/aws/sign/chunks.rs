//! A body that signs each of its chunks, signed anew chunk by chunk as it passes.
//!
//! `Content-Encoding: aws-chunked` with `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: every chunk's signature covers the one before it, the
//! first the request's own; with `-TRAILER` the trailer is signed as well. A chunk goes out when it has come whole, as its signature
//! stands before its data. Lengths stay as they were.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::http::Headers;
use bytes::{Buf as _, Bytes, BytesMut};

/// Signs chunks anew.
#[derive(Clone)]
pub struct Chunks {
    identity: Identity,
    region: String,
    service: String,
    time: SystemTime,
    last: String,
    expects: Expects,
    /// The size of the chunk to come, as it was written: zeros in front of it count for the length of the whole.
    size: String,
    seen: BytesMut,
    trailer: Headers,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expects {
    Size,
    /// So many bytes, and the end of their line.
    Data(usize),
    Trailer,
    Nothing,
}

/// Why a body cannot be signed anew: it then ends here.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// It ends in the middle.
    #[error("the signed chunks of a body end too early")]
    CutShort,
    /// It is not what the request says it is.
    #[error("a body that says it signs its chunks does not: {0}")]
    Malformed(&'static str),
    /// It would have to be held in memory.
    #[error("a body signs a chunk of {0} bytes; up to {MOST} can be signed anew")]
    TooLarge(usize),
}

impl Chunks {
    pub(super) fn new(
        credentials: Credentials,
        region: String,
        service: String,
        time: SystemTime,
        seed: String,
    ) -> Self {
        let (size, seen, trailer) = (String::new(), BytesMut::new(), Headers::new());
        let (identity, expects) = (credentials.into(), Expects::Size);
        Self { identity, region, service, time, last: seed, expects, size, seen, trailer }
    }

    /// Takes the next piece of the body, and gives what can go out.
    pub fn take(&mut self, piece: &[u8]) -> Result<Bytes, ChunkError> {
        self.seen.extend_from_slice(piece);
        let mut out = BytesMut::new();
        while self.step(&mut out)? {}
        Ok(out.freeze())
    }

    /// The body has ended. Whether it was whole.
    pub fn end(&self) -> Result<(), ChunkError> {
        if self.expects == Expects::Nothing && self.seen.is_empty() { Ok(()) } else { Err(ChunkError::CutShort) }
    }

    fn step(&mut self, out: &mut BytesMut) -> Result<bool, ChunkError> {
        match self.expects {
            Expects::Size => self.size(out),
            Expects::Data(size) => self.data(size, out),
            Expects::Trailer => self.field(out),
            Expects::Nothing if self.seen.is_empty() => Ok(false),
            Expects::Nothing => Err(ChunkError::Malformed("bytes follow its end")),
        }
    }

    fn size(&mut self, out: &mut BytesMut) -> Result<bool, ChunkError> {
        let Some(line) = self.line()? else { return Ok(false) };
        let text = std::str::from_utf8(&line).map_err(|_| ChunkError::Malformed("a size that is no text"))?;
        text.split(';').next().unwrap_or_default().trim().clone_into(&mut self.size);
        let size =
            usize::from_str_radix(&self.size, 16).map_err(|_| ChunkError::Malformed("a size that is no number"))?;
        if size > MOST {
            return Err(ChunkError::TooLarge(size));
        }
        self.expects = Expects::Data(size);
        if size == 0 {
            self.sign(&Bytes::new(), out)?;
            self.expects = Expects::Trailer;
        }
        Ok(true)
    }

    fn data(&mut self, size: usize, out: &mut BytesMut) -> Result<bool, ChunkError> {
        if self.seen.len() < size + 2 {
            return Ok(false);
        }
        let data = self.seen.split_to(size).freeze();
        if self.seen.get(..2) != Some(b"\r\n") {
            return Err(ChunkError::Malformed("a chunk that does not end where it says"));
        }
        self.seen.advance(2);
        self.sign(&data, out)?;
        out.extend_from_slice(&data);
        out.extend_from_slice(b"\r\n");
        self.expects = Expects::Size;
        Ok(true)
    }

    fn sign(&mut self, data: &Bytes, out: &mut BytesMut) -> Result<(), ChunkError> {
        let signed = self.params().and_then(|params| v4::sign_chunk(data, &self.last, &params).ok());
        let signed = signed.ok_or(ChunkError::Malformed("it cannot be signed"))?;
        signed.signature().clone_into(&mut self.last);
        out.extend_from_slice(format!("{};chunk-signature={}\r\n", self.size, self.last).as_bytes());
        Ok(())
    }

    /// A line of the trailer, or the empty one after it.
    fn field(&mut self, out: &mut BytesMut) -> Result<bool, ChunkError> {
        let Some(line) = self.line()? else { return Ok(false) };
        if line.is_empty() {
            self.expects = Expects::Nothing;
            out.extend_from_slice(b"\r\n");
            return Ok(true);
        }
        let text = std::str::from_utf8(&line).map_err(|_| ChunkError::Malformed("a trailer that is no text"))?;
        let (name, value) = text.split_once(':').ok_or(ChunkError::Malformed("a trailer without a value"))?;
        if name.eq_ignore_ascii_case(TRAILER_SIGNATURE) {
            let signed = self.params().and_then(|params| v4::sign_trailer(&self.trailer, &self.last, &params).ok());
            let signed = signed.ok_or(ChunkError::Malformed("its trailer cannot be signed"))?;
            out.extend_from_slice(format!("{name}:{}\r\n", signed.signature()).as_bytes());
            return Ok(true);
        }
        let added = self.trailer.try_append(name.to_ascii_lowercase(), value.trim().to_owned());
        added.map_err(|_| ChunkError::Malformed("a trailer that is no field"))?;
        out.extend_from_slice(&line);
        out.extend_from_slice(b"\r\n");
        Ok(true)
    }

    fn params(&self) -> Option<v4::SigningParams<'_, ()>> {
        let builder = v4::SigningParams::builder().identity(&self.identity).region(&self.region).name(&self.service);
        builder.time(self.time).settings(()).build().ok()
    }

    /// A line without its end; `None`: not all of it has come.
    fn line(&mut self) -> Result<Option<Bytes>, ChunkError> {
        let Some(end) = self.seen.iter().position(|byte| *byte == b'\n') else {
            return if self.seen.len() > LONGEST_LINE {
                Err(ChunkError::Malformed("an endless line"))
            } else {
                Ok(None)
            };
        };
        let mut line = self.seen.split_to(end + 1).freeze();
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        Ok(Some(line))
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("expects", &self.expects).finish_non_exhaustive()
    }
}

/// Of a chunk. SDKs write 64 KiB to 1 MiB.
const MOST: usize = 16 << 20;
const LONGEST_LINE: usize = 16 << 10;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of "Transferring Payload in Multiple Chunks with Trailing Headers" in Amazon's S3 API Reference, its signatures gone.
    fn example(signature: [&str; 4]) -> String {
        let a = |n: usize| "a".repeat(n);
        let [first, second, third, trailer] = signature;
        format!(
            "10000;chunk-signature={first}\r\n{}\r\n400;chunk-signature={second}\r\n{}\r\n0;chunk-signature={third}\r\n\
             x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{trailer}\r\n\r\n",
            a(65536),
            a(1024)
        )
    }

    fn chunks() -> Chunks {
        let credentials =
            Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
        let time = SystemTime::from("2013-05-24T00:00:00Z".parse::<jiff::Timestamp>().unwrap());
        let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
        Chunks::new(credentials, "us-east-1".to_owned(), "s3".to_owned(), time, seed.to_owned())
    }

    #[test]
    fn chunks_and_trailer_get_the_signatures_of_awss_own_example_whatever_the_pieces() {
        let wanted = example([
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
        ]);
        let given = example([&"0".repeat(64), &"1".repeat(64), &"2".repeat(64), &"3".repeat(64)]);
        for size in [1, 7, 65536, 1 << 20] {
            let mut chunks = chunks();
            let out: Vec<u8> = given.as_bytes().chunks(size).flat_map(|piece| chunks.take(piece).unwrap()).collect();
            chunks.end().unwrap();
            assert!(out == wanted.as_bytes(), "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_chunk_or_ends_early_is_an_error() {
        for wrong in ["xyz\r\n", "1;\r\nabc", "fffffffff\r\n", "0;\r\nnocolon\r\n", "0;\r\n\r\nmore"] {
            assert!(chunks().take(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        for short in ["", "5;", "5;\r\nhel", "0;\r\n"] {
            let mut chunks = chunks();
            chunks.take(short.as_bytes()).unwrap();
            assert!(chunks.end().is_err(), "{short:?}");
        }
    }
}
