//! `Content-Encoding: aws-chunked`, and the checksums AWS's clients send with bodies.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::upstream::Request;

/// An aws-chunked body taken apart.
pub(crate) struct Body<'a> {
    /// The last is empty.
    pub(crate) chunks: Vec<Chunk<'a>>,
    pub(crate) trailers: Vec<(&'a str, &'a str)>,
}

pub(crate) struct Chunk<'a> {
    pub(crate) signature: Option<&'a str>,
    pub(crate) data: &'a [u8],
}

impl<'a> Body<'a> {
    /// Takes it apart; the error says what is odd. HTTP's own chunks have the same form, so those of a message are read by it too.
    pub(crate) fn read(mut rest: &'a [u8]) -> Result<Self, String> {
        let mut chunks = Vec::new();
        loop {
            let end = rest.windows(2).position(|w| w == b"\r\n").ok_or("a chunk without a size")?;
            let line = text(&rest[..end])?;
            let (size, extension) = line.split_once(';').unwrap_or((line, ""));
            let size = usize::from_str_radix(size, 16).map_err(|e| format!("{line}: {e}"))?;
            let signature = extension.strip_prefix("chunk-signature=");
            rest = &rest[end + 2..];
            if size == 0 {
                chunks.push(Chunk { signature, data: &[] });
                break;
            }
            if rest.get(size..size + 2) != Some(b"\r\n") {
                return Err(format!("a chunk of {size} bytes does not end there"));
            }
            chunks.push(Chunk { signature, data: &rest[..size] });
            rest = &rest[size + 2..];
        }
        let trailers = text(rest)?.lines().filter_map(|line| line.split_once(':'));
        let trailers = trailers.map(|(name, value)| (name, value.trim())).collect();
        Ok(Self { chunks, trailers })
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.data).copied().collect()
    }
}

/// Length and checksums of a body, whether told in a field or in a trailer.
pub(crate) fn verify_checksums(request: &Request) -> Result<(), String> {
    let mut data = request.payload();
    let mut told = Vec::new();
    if request.field("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked")) {
        let payload = data;
        let body = Body::read(&payload)?;
        data = body.data();
        let length = request.field("x-amz-decoded-content-length").unwrap_or_default();
        if length != data.len().to_string() {
            return Err(format!("the decoded length is given as {length:?}, and is {}", data.len()));
        }
        if let Some(announced) = request.field("x-amz-trailer") {
            let trailer = body.trailers.iter().find(|(name, _)| *name == announced);
            let (name, value) = trailer.ok_or_else(|| format!("no {announced} in {:?}", body.trailers))?;
            told.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    let is_checksum = |name: &str| name.starts_with("x-amz-checksum-") && !is_about_checksums(name);
    told.extend(request.fields().map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).filter(|(n, _)| is_checksum(n)));
    for (name, value) in told {
        let computed = match name.as_str() {
            "x-amz-checksum-crc32" => BASE64_STANDARD.encode(crc32fast::hash(&data).to_be_bytes()),
            _ => return Err(format!("{name} is not a checksum known here")),
        };
        if value != computed {
            return Err(format!("{name} {value}, computed {computed}"));
        }
    }
    Ok(())
}

/// Answers are asked for with theirs, and a multipart upload is told the kind that its parts will have.
fn is_about_checksums(name: &str) -> bool {
    matches!(name, "x-amz-checksum-mode" | "x-amz-checksum-algorithm" | "x-amz-checksum-type")
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|e| e.to_string())
}
