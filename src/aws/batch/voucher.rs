//! What vouches for a body, made anew where it was rewritten: lengths and checksums, as far as there were any.

use std::borrow::Cow;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_64_NVME, Crc, Table};
use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::aws::field;

/// Makes the fields of a request fit its new body, and asks for an answer that can be read.
pub fn vouch(headers: &mut HeaderMap, body: &[u8]) {
    renew(headers, body);
    if headers.contains_key(ACCEPT_ENCODING) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let is_hash = |value: &HeaderValue| value.len() == 64 && value.as_bytes().iter().all(u8::is_ascii_hexdigit);
    if headers.get(CONTENT_SHA256).is_some_and(is_hash) {
        let hex: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Ok(value) = HeaderValue::from_str(&hex) {
            headers.insert(CONTENT_SHA256, value);
        }
    }
}

/// Makes the fields of an answer fit its new body, which is in no content coding.
pub fn vouch_for_answer(headers: &mut HeaderMap, body: &[u8]) {
    headers.remove(CONTENT_ENCODING);
    renew(headers, body);
    if headers.contains_key(field::AMZ_CRC32) {
        headers.insert(field::AMZ_CRC32, HeaderValue::from(crc32fast::hash(body)));
    }
}

/// A body as it was before its content coding; nothing if it cannot be read.
pub fn plain<'a>(headers: &HeaderMap, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let coding = headers.get(CONTENT_ENCODING).map(|coding| coding.as_bytes().trim_ascii().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some(b"identity") => Some(Cow::Borrowed(body)),
        Some(b"gzip") => {
            let mut inflated = Vec::new();
            let read = GzDecoder::new(body).take(MOST_INFLATED).read_to_end(&mut inflated).ok()?;
            ((read as u64) < MOST_INFLATED).then_some(Cow::Owned(inflated))
        }
        Some(_) => None,
    }
}

fn renew(headers: &mut HeaderMap, body: &[u8]) {
    headers.remove(TRANSFER_ENCODING);
    headers.remove(TRAILER);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if headers.contains_key(CONTENT_MD5)
        && let Ok(value) = HeaderValue::from_str(&STANDARD.encode(Md5::digest(body)))
    {
        headers.insert(CONTENT_MD5, value);
    }
    for (name, value) in headers.iter_mut() {
        if let Some(renewed) = name.as_str().strip_prefix(CHECKSUM).and_then(|name| checksum(name, body)) {
            *value = renewed;
        }
    }
}

/// By the name that ends its field; of others, as `x-amz-checksum-type`, nothing.
fn checksum(algorithm: &str, body: &[u8]) -> Option<HeaderValue> {
    let value = match algorithm {
        "crc32" => STANDARD.encode(crc32fast::hash(body).to_be_bytes()),
        "crc32c" => STANDARD.encode(CRC32C.checksum(body).to_be_bytes()),
        "crc64nvme" => STANDARD.encode(CRC64NVME.checksum(body).to_be_bytes()),
        "sha1" => STANDARD.encode(Sha1::digest(body)),
        "sha256" => STANDARD.encode(Sha256::digest(body)),
        _ => return None,
    };
    HeaderValue::try_from(value).ok()
}

static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64NVME: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);
/// Twice what the largest answer to a batch has.
const MOST_INFLATED: u64 = 32 << 20;
const CHECKSUM: &str = "x-amz-checksum-";
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

#[cfg(test)]
mod tests {
    use super::*;

    fn renewed(vouch: fn(&mut HeaderMap, &[u8]), fields: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        vouch(&mut headers, b"123456789");
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn checksums_that_were_there_are_made_anew_and_no_others() {
        let fields = [
            ("content-length", "5"),
            ("content-md5", "x"),
            ("x-amz-checksum-crc32", "x"),
            ("x-amz-checksum-crc32c", "x"),
            ("x-amz-checksum-crc64nvme", "x"),
            ("x-amz-checksum-sha1", "x"),
            ("x-amz-checksum-sha256", "x"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("accept-encoding", "gzip"),
        ];
        let renewed = renewed(vouch, &fields);
        let value = |name: &str| renewed.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap();
        assert_eq!(renewed.len(), fields.len());
        assert_eq!((value("content-length"), value("accept-encoding")), ("9", "identity"));
        // The check values of each algorithm's definition.
        assert_eq!(value("content-md5"), "JfnnlDI7RTiF9RgfG2JNCw==");
        assert_eq!(value("x-amz-checksum-crc32"), "y/Q5Jg==");
        assert_eq!(value("x-amz-checksum-crc32c"), "4waSgw==");
        assert_eq!(value("x-amz-checksum-crc64nvme"), "rosUhgp5mIg=");
        assert_eq!(value("x-amz-checksum-sha1"), "98O8HYCOBHMq32eZZczDTKeuNEE=");
        assert_eq!(value("x-amz-checksum-sha256"), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        assert_eq!(value("x-amz-content-sha256"), "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    }

    #[test]
    fn an_unsigned_payload_stays_unsigned_and_nothing_else_appears() {
        let renewed = renewed(vouch, &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("transfer-encoding", "chunked")]);
        let unsigned = ("x-amz-content-sha256".to_owned(), "UNSIGNED-PAYLOAD".to_owned());
        assert_eq!(renewed, [unsigned, ("content-length".to_owned(), "9".to_owned())]);
    }

    #[test]
    fn a_compressed_answer_is_inflated_and_its_coding_is_told_no_more() {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"text").unwrap();
        let gzip = encoder.finish().unwrap();
        let headers = |coding| HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        assert_eq!(plain(&headers("gzip"), &gzip).as_deref(), Some(&b"text"[..]));
        assert_eq!(plain(&HeaderMap::new(), b"text").as_deref(), Some(&b"text"[..]));
        assert_eq!((plain(&headers("gzip"), b"text"), plain(&headers("br"), b"text")), (None, None));
        assert!(
            !renewed(vouch_for_answer, &[("content-encoding", "gzip")])
                .iter()
                .any(|(name, _)| name == "content-encoding")
        );
    }

    #[test]
    fn dynamodbs_checksum_is_that_of_the_new_body() {
        let renewed = renewed(vouch_for_answer, &[("x-amz-crc32", "1")]);
        assert!(renewed.contains(&("x-amz-crc32".to_owned(), 0xcbf4_3926_u32.to_string())), "{renewed:?}");
    }
}
