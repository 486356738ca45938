//! The beginning of a request's body as it was before its content coding.
//!
//! SDKs compress requests with gzip (the `requestcompression` trait; CloudWatch's clients do it beyond ten kilobytes) and with nothing
//! else. [`Plain::of`] is what decoding reads of a body; what is sent on stays as it came.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::field::Field;
use super::request::{Head, MOST_OF_BODY};

/// The beginning of a body, inflated where it was compressed.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Whether it is all of the body.
    pub(super) is_whole: bool,
}

impl<'a> Plain<'a> {
    /// What `prefix`, a body's beginning as it came, says. Of bytes that are not gzip though they should be, nothing. At most
    /// [`MOST_OF_BODY`] bytes are inflated, whatever goes in.
    pub(super) fn of(head: &Head<'_>, prefix: &'a [u8]) -> Self {
        let field = |name| Field::of(head.headers, name);
        Self::coded(field(&CONTENT_LENGTH), field(&CONTENT_ENCODING), prefix)
    }

    /// The same of a body whose Content-Length and Content-Encoding are these.
    pub(super) fn coded(length: Field<'_>, coding: Field<'_>, prefix: &'a [u8]) -> Self {
        let length = length.text().and_then(|length| length.parse().ok());
        let is_whole = length.map_or(prefix.len() < MOST_OF_BODY, |length: u64| length <= prefix.len() as u64);
        if prefix.is_empty() || !coding.bytes().is_some_and(is_gzip) {
            return Self { bytes: Cow::Borrowed(prefix), is_whole };
        }
        let mut inflated = Vec::with_capacity(MOST_OF_BODY);
        // A prefix breaks off somewhere: what came out until then is what was asked for.
        let ended = GzDecoder::new(prefix).take(MOST_OF_BODY as u64).read_to_end(&mut inflated).is_ok();
        Self { is_whole: is_whole && ended && inflated.len() < MOST_OF_BODY, bytes: Cow::Owned(inflated) }
    }
}

impl Plain<'_> {
    /// A form without its last pair, where that may be cut off.
    pub(super) fn whole_pairs(&self) -> &[u8] {
        if self.is_whole {
            return &self.bytes;
        }
        let end = self.bytes.iter().rposition(|byte| *byte == b'&').unwrap_or(0);
        self.bytes.get(..end).unwrap_or_default()
    }
}

/// Whether a body can be read: it is in no coding, or in gzip.
pub(super) fn is_readable(head: &Head<'_>) -> bool {
    Field::of(head.headers, &CONTENT_ENCODING).bytes().is_none_or(is_gzip)
}

fn is_gzip(coding: &[u8]) -> bool {
    coding.trim_ascii().eq_ignore_ascii_case(b"gzip")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(fields: &[(HeaderName, &str)], prefix: &[u8]) -> (Vec<u8>, bool) {
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
        let plain = Plain::of(&head, prefix);
        (plain.bytes.into_owned(), plain.is_whole)
    }

    #[test]
    fn a_body_is_whole_where_nothing_of_it_is_missing() {
        assert_eq!(plain(&[(CONTENT_LENGTH, "3")], b"abc"), (b"abc".to_vec(), true));
        assert_eq!(plain(&[(CONTENT_LENGTH, "4")], b"abc"), (b"abc".to_vec(), false));
        assert_eq!(plain(&[], b"abc"), (b"abc".to_vec(), true));
        assert!(!plain(&[], &vec![b'a'; MOST_OF_BODY]).1);
    }

    #[test]
    fn gzip_is_inflated_as_far_as_it_goes() {
        let coded = (CONTENT_ENCODING, "gzip");
        let packed = gzip(b"Action=GetRole");
        assert_eq!(plain(std::slice::from_ref(&coded), &packed), (b"Action=GetRole".to_vec(), true));
        let long = gzip(&vec![b'a'; 1 << 20]);
        let length = long.len().to_string();
        let (bytes, is_whole) = plain(&[coded.clone(), (CONTENT_LENGTH, &length)], &long);
        assert_eq!((bytes.len(), is_whole), (MOST_OF_BODY, false));
        assert!(!plain(&[coded.clone(), (CONTENT_LENGTH, "1000")], &packed[..packed.len() - 8]).1);
        assert_eq!(plain(&[coded], b"no gzip at all").0, b"");
    }

    #[test]
    fn other_codings_cannot_be_read() {
        for (coding, readable) in [("gzip", true), (" GZIP", true), ("br", false), ("aws-chunked", false)] {
            let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap())]);
            let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
            assert_eq!(is_readable(&head), readable, "{coding}");
        }
    }
}
