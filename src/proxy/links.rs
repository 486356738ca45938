//! URLs in an emulator's answer that lead past Squall, led back to it.
//!
//! AWS tells the URL of a queue under the very host that it was asked by. Emulators may tell their own instead, or forget that the
//! client spoke TLS; and clients that follow such a URL (JavaScript's) would meet no fault from then on. So where an answer tells URLs,
//! those at the emulator itself get scheme and host of the request. Only such answers are looked at, and only if they are small.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue};
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt as _;

use crate::aws::host;
use crate::net::body::ResponseBody;
use crate::net::cut::Broken;
use crate::net::name::HostName;
use crate::net::target::Target;

/// What URLs in an answer must say to lead here.
#[derive(Debug)]
pub(super) struct Links {
    /// `https://sqs.us-east-1.amazonaws.com`
    here: String,
}

impl Links {
    /// As the client wrote it, over TLS or not.
    pub(super) fn of<B>(request: &Request<B>, secure: bool) -> Option<Self> {
        let authority = match request.uri().authority().filter(|_| request.version() == Version::HTTP_2) {
            Some(authority) => authority.as_str(),
            None => request.headers().get(HOST)?.to_str().ok()?,
        };
        Some(Self { here: format!("http{}://{authority}", if secure { "s" } else { "" }) })
    }

    /// Leads the URLs of an answer from `emulator` here.
    pub(super) async fn lead(
        &self,
        emulator: &Target,
        answer: Response<ResponseBody>,
    ) -> Result<Response<ResponseBody>, Broken> {
        if !is_small_text(answer.headers()) {
            return Ok(answer);
        }
        let (mut head, body) = answer.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let bytes = self.led(emulator, &bytes).unwrap_or(bytes);
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Ok(Response::from_parts(head, ResponseBody::Own(Some(bytes))))
    }

    /// The text with other URLs in it, if there are any to be led.
    fn led(&self, emulator: &Target, text: &[u8]) -> Option<Bytes> {
        let (mut out, mut done, mut at) = (BytesMut::new(), 0, 0);
        while let Some(found) = find(text.get(at..)?) {
            let start = at + found;
            let rest = text.get(start..)?;
            let scheme = if rest.starts_with(b"https") { b"https://".len() } else { b"http://".len() };
            let length = rest.get(scheme..)?.iter().take_while(|byte| is_of_authority(**byte)).count();
            at = start + scheme + length;
            let Ok(url) = std::str::from_utf8(rest.get(..scheme + length)?) else { continue };
            if url != self.here && self.is_led(emulator, url) {
                out.extend_from_slice(text.get(done..start)?);
                out.extend_from_slice(self.here.as_bytes());
                done = at;
            }
        }
        if done == 0 {
            return None;
        }
        out.extend_from_slice(text.get(done..)?);
        Some(out.freeze())
    }

    /// Whether this is the emulator's own address, by any of its names, or ours under another scheme.
    fn is_led(&self, emulator: &Target, url: &str) -> bool {
        let authority = |url: &str| url.split_once("://").map(|(_, authority)| authority.to_owned());
        if authority(url) == authority(&self.here) {
            return true;
        }
        let Ok(target) = Target::from_url(url) else { return false };
        let is_here = |target: &Target| match HostName::parse(&target.host) {
            HostName::Ip(ip) => ip.to_canonical().is_loopback(),
            HostName::Dns(name) => host::is_local(&name),
        };
        let same = target.host.eq_ignore_ascii_case(&emulator.host) || (is_here(&target) && is_here(emulator));
        target.port == emulator.port && same
    }
}

fn find(text: &[u8]) -> Option<usize> {
    text.windows(8).position(|window| window.starts_with(b"http://") || window == b"https://")
}

fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}

fn is_small_text(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| (1..=MOST).contains(&length)) && !headers.contains_key(CONTENT_ENCODING)
}

/// A thousand queues, of a hundred bytes each.
const MOST: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::target::Scheme;

    fn led(here: &str, text: &str) -> String {
        let emulator = Target::new(Scheme::Http, "localhost", 4566);
        let led = Links { here: here.to_owned() }.led(&emulator, text.as_bytes());
        led.map_or_else(|| text.to_owned(), |led| String::from_utf8(led.to_vec()).unwrap())
    }

    #[test]
    fn urls_of_the_emulator_lead_here_by_whichever_name_and_others_stay() {
        let here = "https://sqs.us-east-1.amazonaws.com";
        for (told, wanted) in [
            (
                r#"{"QueueUrl":"http://localhost:4566/0/q"}"#,
                r#"{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/0/q"}"#,
            ),
            (
                "<QueueUrl>http://127.0.0.1:4566/0/q</QueueUrl>",
                "<QueueUrl>https://sqs.us-east-1.amazonaws.com/0/q</QueueUrl>",
            ),
            ("http://sqs.us-east-1.localhost.localstack.cloud:4566/0/q", "https://sqs.us-east-1.amazonaws.com/0/q"),
            ("http://sqs.us-east-1.amazonaws.com/0/q", "https://sqs.us-east-1.amazonaws.com/0/q"),
            (
                "http://localhost:4566/a http://localhost:4566/b",
                "https://sqs.us-east-1.amazonaws.com/a https://sqs.us-east-1.amazonaws.com/b",
            ),
            ("http://localhost:9000/x", "http://localhost:9000/x"),
            ("http://example.com:4566/x", "http://example.com:4566/x"),
            ("https://sqs.us-east-1.amazonaws.com/0/q", "https://sqs.us-east-1.amazonaws.com/0/q"),
            ("http:// https:// http", "http:// https:// http"),
            ("", ""),
        ] {
            assert_eq!(led(here, told), wanted, "{told}");
        }
        assert_eq!(led("http://127.0.0.1:4577", "http://localhost:4566/0/q"), "http://127.0.0.1:4577/0/q");
    }
}
