//! What is no longer right in an answer: its fields at once, its body and trailers as they pass.

use base64::alphabet::STANDARD;
use http::header::{ETAG, HeaderName, HeaderValue, TRAILER};
use http::{HeaderMap, Response};
use http_body::Body as _;

use crate::fault::Corruption;
use crate::net::body::ResponseBody;
use crate::net::shaped::{Changes, Flip};

/// Corrupts the head, or lets the body's `changes` do it. Whether there was anything to corrupt.
pub(super) fn corrupt(what: Corruption, response: &mut Response<ResponseBody>, changes: &mut Changes) -> bool {
    let length = response.body().size_hint().exact();
    let is_empty = response.body().is_end_stream();
    match what {
        Corruption::Body { bytes, place } if !is_empty => {
            let at = length.map_or(0, |length| start(length.saturating_sub(bytes - 1), place));
            changes.flips.push(Flip { at, bytes, mask: ONE_BIT });
            true
        }
        Corruption::Syntax if !is_empty => {
            changes.flips.push(Flip { at: 0, bytes: 1, mask: ALL_BITS });
            true
        }
        Corruption::Body { .. } | Corruption::Syntax => false,
        Corruption::Checksum => {
            let announced = response
                .headers()
                .get_all(TRAILER)
                .iter()
                .any(|names| names.to_str().is_ok_and(|names| names.to_ascii_lowercase().contains(CHECKSUM)));
            if announced {
                changes.trailers = Some(change_checksums);
            }
            each_value(response.headers_mut(), |name| name.as_str().starts_with(CHECKSUM), other_base64) || announced
        }
        Corruption::Crc32 => each_value(response.headers_mut(), |name| *name == CRC32, other_number),
        Corruption::Etag => each_value(response.headers_mut(), |name| *name == ETAG, other_digit),
    }
}

/// Changes the checksums among trailers.
fn change_checksums(trailers: &mut HeaderMap) {
    each_value(trailers, |name| name.as_str().starts_with(CHECKSUM), other_base64);
}

/// Changes the values of these fields; whether there were any that could be changed.
fn each_value(
    headers: &mut HeaderMap,
    is_meant: impl Fn(&HeaderName) -> bool,
    change: impl Fn(&str) -> Option<String>,
) -> bool {
    let mut changed = false;
    for (name, value) in headers.iter_mut().filter(|(name, _)| is_meant(name)) {
        let other = value.to_str().ok().and_then(&change).and_then(|other| HeaderValue::from_str(&other).ok());
        if let Some(other) = other.filter(|_| *name != "x-amz-checksum-type") {
            *value = other;
            changed = true;
        }
    }
    changed
}

/// Another number, of as many bits.
fn other_number(value: &str) -> Option<String> {
    value.trim().parse::<u32>().ok().map(|number| (number ^ 1).to_string())
}

/// The same, but for its first character, which becomes its neighbour in the alphabet.
fn other_base64(value: &str) -> Option<String> {
    let alphabet = STANDARD.as_str();
    let position = alphabet.find(value.chars().next()?)?;
    let neighbour = alphabet.as_bytes().get(position ^ 1).copied()?;
    Some(format!("{}{}", char::from(neighbour), value.get(1..)?))
}

/// The same, but for its first hexadecimal digit.
fn other_digit(value: &str) -> Option<String> {
    let position = value.find(|c: char| c.is_ascii_hexdigit())?;
    let digit = u32::from_str_radix(value.get(position..=position)?, 16).ok()?;
    let other = char::from_digit(digit ^ 1, 16)?;
    Some(format!("{}{other}{}", value.get(..position)?, value.get(position + 1..)?))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a drawn place is rounded to a byte"
)]
fn start(within: u64, place: f64) -> u64 {
    (within as f64 * place) as u64
}

const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
const CHECKSUM: &str = "x-amz-checksum-";
/// Text stays text: what is noticed is noticed by a checksum, not by a parser.
const ONE_BIT: u8 = 1;
/// Neither JSON nor XML nor CBOR begins so.
const ALL_BITS: u8 = 0xff;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(fields: &[(&'static str, &'static str)], body: &'static str) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::Own(Some(Bytes::from_static(body.as_bytes()))));
        for (name, value) in fields {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        response
    }

    /// Whether anything was corrupted, the fields' values then, and the flips.
    fn corrupted(
        what: Corruption,
        fields: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> (bool, Vec<String>, Vec<Flip>) {
        let (mut response, mut changes) = (answer(fields, body), Changes::default());
        let done = corrupt(what, &mut response, &mut changes);
        let values = response.headers().values().map(|value| value.to_str().unwrap().to_owned()).collect();
        (done, values, changes.flips)
    }

    #[test]
    fn checksums_and_etags_become_others_of_the_same_form() {
        let value = |what, name, value| corrupted(what, &[(name, value)], "body").1.remove(0);
        assert_eq!(value(Corruption::Crc32, "x-amz-crc32", "2745614147"), "2745614146");
        assert_eq!(value(Corruption::Checksum, "x-amz-checksum-crc32", "AAAAAA=="), "BAAAAA==");
        assert_eq!(value(Corruption::Checksum, "x-amz-checksum-sha256", "/bc="), "+bc=");
        assert_eq!(value(Corruption::Checksum, "x-amz-checksum-type", "FULL_OBJECT"), "FULL_OBJECT");
        assert_eq!(value(Corruption::Etag, "etag", "\"9b2cf5\""), "\"8b2cf5\"");
        assert_eq!(value(Corruption::Etag, "etag", "W/\"0b\""), "W/\"1b\"");
    }

    #[test]
    fn an_answer_without_the_like_is_left_alone_and_said_so() {
        for what in [Corruption::Crc32, Corruption::Checksum, Corruption::Etag] {
            assert_eq!(
                corrupted(what, &[("x-other", "1")], "body"),
                (false, vec!["1".to_owned()], Vec::new()),
                "{what:?}"
            );
        }
        for what in [Corruption::Syntax, Corruption::Body { bytes: 1, place: 0.5 }] {
            assert_eq!(corrupted(what, &[], ""), (false, Vec::new(), Vec::new()), "{what:?}");
        }
    }

    #[test]
    fn bytes_of_the_body_lie_within_it_wherever_they_are_drawn() {
        for (place, at) in [(0.0, 0), (0.5, 4), (0.999, 7)] {
            let (done, _, flips) = corrupted(Corruption::Body { bytes: 3, place }, &[], "0123456789");
            assert_eq!((done, flips), (true, vec![Flip { at, bytes: 3, mask: ONE_BIT }]), "{place}");
        }
        let (_, _, flips) = corrupted(Corruption::Body { bytes: 30, place: 0.9 }, &[], "0123456789");
        assert_eq!(flips[0].at, 0);
    }
}
