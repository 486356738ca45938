//! Amounts of bytes: sizes, speeds, and places in a body.

use std::{fmt, str::FromStr};

use super::{Percent, UnitError, decimal};

/// So many bytes, written `64KB`, `1MiB` or `512B`; a terabyte at most.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Bytes(u64);

/// So many bytes in each second, written `64KB/s`; at least one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Speed(u64);

/// A place in a body: after a share of it, or after so many bytes. Written `50%` or `64KB`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Offset {
    /// After so many bytes.
    Bytes(Bytes),
    /// After this share of all.
    Share(Percent),
}

impl Bytes {
    /// The same as a number.
    pub fn count(self) -> u64 {
        self.0
    }
}

impl Speed {
    /// Bytes in each second; never 0.
    pub fn per_second(self) -> u64 {
        self.0
    }
}

impl Offset {
    /// The share, from 0 to 1, if it is one.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Bytes(_) => None,
            Self::Share(share) => Some(share.fraction()),
        }
    }

    /// The number of bytes; 0 if it is a share.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.count(),
            Self::Share(_) => 0,
        }
    }
}

impl From<u64> for Bytes {
    fn from(count: u64) -> Self {
        Self(count)
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie between 0 and a terabyte"
    )]
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number = decimal(number)
            .ok_or_else(|| UnitError(format!("`{text}` is not a size; write `512B`, `64KB` or `1MiB`")))?;
        let unit = unit.trim_start();
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(UnitError(match unit {
                "" => format!("`{text}` has no unit; write `{text}B` or `{text}KB`"),
                unit => format!("`{unit}` is not a unit of size; use `B`, `KB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`"),
            }));
        };
        let bytes = number * factor;
        if bytes <= TERABYTE {
            Ok(Self(bytes as u64))
        } else {
            Err(UnitError(format!("`{text}` is more than a terabyte")))
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in [
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("KB", 1000),
        ] {
            if self.0 >= factor && self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl FromStr for Speed {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some(size) = text.trim().strip_suffix("/s") else {
            return Err(UnitError(format!("`{text}` is not a speed; write `64KB/s`")));
        };
        match size.parse::<Bytes>()?.count() {
            0 => Err(UnitError(format!("`{text}` is no speed: nothing would ever arrive; `hang` does that"))),
            bytes => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Bytes(self.0))
    }
}

impl FromStr for Offset {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.trim().ends_with('%') { text.parse().map(Self::Share) } else { text.parse().map(Self::Bytes) }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

/// As in the International System of Units, and IEC 80000-13 for those with an `i`.
const UNITS: &[(&str, f64)] = &[
    ("B", 1.0),
    ("KB", 1e3),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];
const TERABYTE: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_decimal_and_binary_units() {
        for (text, count) in
            [("0B", 0), ("512B", 512), ("64KB", 64_000), ("1MiB", 1 << 20), ("1.5 KiB", 1536), ("2GB", 2_000_000_000)]
        {
            assert_eq!(text.parse::<Bytes>().unwrap().count(), count, "{text}");
        }
    }

    #[test]
    fn sizes_write_themselves_as_they_are_read() {
        for text in ["0B", "512B", "64KB", "1MiB", "3GB", "1001B"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        assert_eq!("64KB/s".parse::<Speed>().unwrap().to_string(), "64KB/s");
        for text in ["50%", "64KB"] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn wrong_sizes_and_speeds_say_how_to_write_them() {
        let size = |text: &str| text.parse::<Bytes>().unwrap_err().to_string();
        assert_eq!(size("64"), "`64` has no unit; write `64B` or `64KB`");
        assert_eq!(size("64KBit"), "`KBit` is not a unit of size; use `B`, `KB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`");
        assert_eq!(size("big"), "`big` is not a size; write `512B`, `64KB` or `1MiB`");
        assert_eq!(size("2000GB"), "`2000GB` is more than a terabyte");
        let speed = |text: &str| text.parse::<Speed>().unwrap_err().to_string();
        assert_eq!(speed("64KB"), "`64KB` is not a speed; write `64KB/s`");
        assert_eq!(speed("0B/s"), "`0B/s` is no speed: nothing would ever arrive; `hang` does that");
    }
}
