//! Dates and request ids in the forms that AWS gives them.

use std::cell::RefCell;

use http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::Stamp;

impl Stamp {
    /// `Sun, 01 Jun 2025 12:00:00 GMT` (RFC 9110, IMF-fixdate). Written once for all answers of a second.
    pub(in crate::aws) fn http_date(&self) -> HeaderValue {
        let second = self.date.as_second();
        LAST_DATE.with_borrow_mut(|last| match last {
            Some((of, written)) if *of == second => written.clone(),
            _ => {
                let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.date).unwrap_or_default();
                let written = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
                last.insert((second, written)).1.clone()
            }
        })
    }

    /// A random UUID, the form of most services' request ids.
    pub(in crate::aws) fn uuid(&self) -> String {
        let mut id = (self.id & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let mut out = *b"........-....-....-....-............";
        for digit in out.iter_mut().rev().filter(|digit| **digit != b'-') {
            *digit = b"0123456789abcdef"[usize::from((id & 0xf).to_le_bytes()[0])];
            id >>= 4;
        }
        ascii(out.to_vec())
    }

    /// `length` characters of an alphabet whose length divides 256.
    pub(in crate::aws) fn text<const N: usize>(&self, alphabet: &[u8; N], length: usize) -> String {
        let mut out = vec![0; length.next_multiple_of(8)];
        for (eight, at) in out.chunks_exact_mut(8).zip(0..) {
            let letters = self.random(at).to_le_bytes().map(|byte| alphabet[usize::from(byte) % N]);
            eight.copy_from_slice(&letters);
        }
        out.truncate(length);
        ascii(out)
    }

    /// More random bits than the stamp has: splitmix64 over both of its halves.
    fn random(&self, at: u64) -> u64 {
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        let (low, high) = (half(self.id), half(self.id >> 64));
        let mut z = low.wrapping_add((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ high;
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

thread_local! {
    /// The second whose date was written last, and how it is written.
    static LAST_DATE: RefCell<Option<(i64, HeaderValue)>> = const { RefCell::new(None) };
}

fn ascii(letters: Vec<u8>) -> String {
    String::from_utf8(letters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        for (date, wanted) in [
            ("2025-06-01T09:05:03Z", "Sun, 01 Jun 2025 09:05:03 GMT"),
            ("2025-06-01T09:05:03.999Z", "Sun, 01 Jun 2025 09:05:03 GMT"),
            ("2025-06-01T09:05:04Z", "Sun, 01 Jun 2025 09:05:04 GMT"),
            ("2025-06-01T09:05:03Z", "Sun, 01 Jun 2025 09:05:03 GMT"),
        ] {
            let date: Timestamp = date.parse().unwrap();
            assert_eq!(Stamp { date, id: 0 }.http_date(), wanted);
        }
    }

    #[test]
    fn ids_differ_with_the_bits_and_only_with_them() {
        let stamp = |id| Stamp { date: Timestamp::UNIX_EPOCH, id };
        assert_eq!(stamp(0).uuid(), "00000000-0000-4000-8000-000000000000");
        assert_eq!(stamp(u128::MAX).uuid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(stamp(5).text(b"AB", 16), stamp(5).text(b"AB", 16));
        assert_ne!(stamp(5).text(b"ABCDEFGH", 52), stamp(6).text(b"ABCDEFGH", 52));
        assert_ne!(stamp(1 << 64).text(b"ABCDEFGH", 52), stamp(0).text(b"ABCDEFGH", 52));
    }
}
