//! Dates and request ids in the forms that AWS gives them.

use jiff::fmt::rfc2822::DateTimePrinter;

use super::Stamp;

impl Stamp {
    /// `Sun, 01 Jun 2025 12:00:00 GMT` (RFC 9110, IMF-fixdate).
    pub(in crate::aws) fn http_date(&self) -> String {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.date).unwrap_or_default()
    }

    /// A random UUID, the form of most services' request ids.
    pub(in crate::aws) fn uuid(&self) -> String {
        let id = (self.id & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let mut out = String::with_capacity(36);
        for (at, byte) in id.to_be_bytes().into_iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            for digit in [byte >> 4, byte & 0xf] {
                out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        out
    }

    /// `length` characters of an alphabet whose length divides 256.
    pub(in crate::aws) fn text(&self, alphabet: &[u8], length: usize) -> String {
        let mut out = String::with_capacity(length);
        let bytes = (0..).flat_map(|at| self.random(at).to_le_bytes());
        out.extend(bytes.take(length).map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()])));
        out
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        let date: Timestamp = "2025-06-01T09:05:03Z".parse().unwrap();
        assert_eq!(Stamp { date, id: 0 }.http_date(), "Sun, 01 Jun 2025 09:05:03 GMT");
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
