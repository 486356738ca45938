//! Types that parse themselves from what people write, with errors for people.
//!
//! A profile or a flag says `30%`, `300ms` or `1..2`; each type here reads its own words with [`FromStr`] and writes them back with
//! [`fmt::Display`], so that `check` and the documentation say what was written. The errors are whole sentences that name the right
//! way to write it; where in a file the words stood is added by whoever read the file.
//!
//! Not here: sums, schedules and dice. A unit knows its own limits and nothing else.

mod bytes;
pub mod wildcard;

use std::{fmt, str::FromStr, time::Duration};

pub use bytes::{Bytes, Offset, Speed};

/// Why a value is not what it should be, and how to write it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// A chance between 0 and 1, written `30%` or `0.3`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// It happens each time.
    pub const ALWAYS: Self = Self(1.0);

    /// The chance as a fraction of 1.
    pub fn fraction(self) -> f64 {
        self.0
    }

    /// So much of the way from this chance to another; never beyond it.
    pub fn toward(self, other: Self, share: f64) -> Self {
        Self(self.0 + (other.0 - self.0) * share.clamp(0.0, 1.0))
    }

    /// Whether a uniform number from `[0, 1)` falls within the chance.
    pub fn holds(self, uniform: f64) -> bool {
        uniform < self.0
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, whole) = match text.trim().strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let number = decimal(number.trim())
            .ok_or_else(|| UnitError(format!("`{text}` is not a chance; write `30%` or `0.3`")))?;
        if (0.0..=whole).contains(&number) {
            return Ok(Self(number / whole));
        }
        let forgotten_sign = whole < 100.0 && (0.0..=100.0).contains(&number);
        Err(UnitError(if forgotten_sign {
            format!("`{text}` is more than certain; write `{text}%` or a fraction up to 1")
        } else {
            format!("`{text}` is not a chance; it must lie between 0% and 100%")
        }))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded at the ninth place: 0.07 * 100 is 7.000000000000001 in binary.
        write!(f, "{}%", (self.0 * 1e11).round() / 1e9)
    }
}

/// A length of time, written `250ms`, `1.5s`, `3m` or `1h`; a day at most.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Millis(Duration);

impl Millis {
    /// The same, for arithmetic and timers.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Millis {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number = decimal(number)
            .ok_or_else(|| UnitError(format!("`{text}` is not a duration; write `250ms`, `30s` or `3m`")))?;
        let seconds = match unit.trim_start() {
            "ms" => number / 1e3,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            "" => return Err(UnitError(format!("`{text}` has no unit; write `{text}ms` or `{text}s`"))),
            unit => return Err(UnitError(format!("`{unit}` is not a unit of time; use `ms`, `s`, `m` or `h`"))),
        };
        if seconds <= DAY {
            Ok(Self(Duration::from_secs_f64(seconds)))
        } else {
            Err(UnitError(format!("`{text}` is longer than a day")))
        }
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        match seconds {
            s if s < 1.0 => write!(f, "{}ms", (s * 1e6).round() / 1e3),
            s if s >= 3600.0 && s % 3600.0 == 0.0 => write!(f, "{}h", s / 3600.0),
            s if s >= 60.0 && s % 60.0 == 0.0 => write!(f, "{}m", s / 60.0),
            s => write!(f, "{s}s"),
        }
    }
}

/// A stretch of time, its beginning included and its end not: `30s..3m`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    from: Millis,
    until: Millis,
}

impl Window {
    /// Whether a moment lies in it.
    pub fn contains(self, moment: Duration) -> bool {
        (self.from.0..self.until.0).contains(&moment)
    }

    /// Its beginning.
    pub fn from(self) -> Duration {
        self.from.0
    }

    /// The first moment behind it.
    pub fn until(self) -> Duration {
        self.until.0
    }
}

impl FromStr for Window {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (from, until) = text
            .split_once("..")
            .ok_or_else(|| UnitError(format!("`{text}` is not a stretch of time; write `30s..3m`")))?;
        let (from, until): (Millis, Millis) = (moment(from)?, moment(until)?);
        if from < until {
            return Ok(Self { from, until });
        }
        Err(UnitError(if from == until {
            format!("`{text}` is empty: it ends where it begins")
        } else {
            format!("`{text}` ends before it begins; write `{until}..{from}`")
        }))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.until)
    }
}

/// One end of a stretch. Its beginning may be a bare 0.
fn moment(text: &str) -> Result<Millis, UnitError> {
    if text.trim() == "0" { Ok(Millis::default()) } else { text.parse() }
}

/// A run of ordinal numbers, counted from 1, both ends included: `3..7`, or `2` for one alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ordinals {
    first: u64,
    last: u64,
}

impl Ordinals {
    /// From 1 up to `last`.
    pub fn up_to(last: u64) -> Self {
        Self { first: 1, last }
    }

    /// Whether the n-th is in it.
    pub fn contains(self, ordinal: u64) -> bool {
        (self.first..=self.last).contains(&ordinal)
    }

    /// The first and the last ordinal in it.
    pub fn ends(self) -> (u64, u64) {
        (self.first, self.last)
    }
}

impl FromStr for Ordinals {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let parse = |end: &str| end.trim().parse::<u64>().ok();
        let (Some(first), Some(last)) = (parse(first), parse(last)) else {
            return Err(UnitError(format!("`{text}` is not a range; write `3..7`, or one number")));
        };
        match (first, last) {
            (0, _) | (_, 0) => Err(UnitError(format!("`{text}` begins at 0; counting starts at 1"))),
            (first, last) if last < first => {
                Err(UnitError(format!("`{text}` ends before it begins; write `{last}..{first}`")))
            }
            (first, last) => Ok(Self { first, last }),
        }
    }
}

impl fmt::Display for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}..{}", self.first, self.last) }
    }
}

/// A finite decimal number without exponent, infinities or other surprises of `f64`'s own parser.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

const DAY: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Result<f64, String> {
        text.parse::<Percent>().map(Percent::fraction).map_err(|error| error.to_string())
    }

    fn millis(text: &str) -> Result<u128, String> {
        text.parse::<Millis>().map(|millis| millis.duration().as_micros()).map_err(|error| error.to_string())
    }

    fn ordinals(text: &str) -> Result<(u64, u64), String> {
        text.parse::<Ordinals>().map(Ordinals::ends).map_err(|error| error.to_string())
    }

    #[test]
    fn chances_are_percentages_or_fractions() {
        for (text, fraction) in [("30%", 0.3), ("0.3", 0.3), ("100%", 1.0), ("0%", 0.0), ("1", 1.0), ("0.5 %", 0.005)] {
            assert!((percent(text).unwrap() - fraction).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn a_number_above_one_is_taken_for_a_forgotten_percent_sign() {
        assert_eq!(percent("30").unwrap_err(), "`30` is more than certain; write `30%` or a fraction up to 1");
    }

    #[test]
    fn impossible_chances_are_refused() {
        for text in ["130%", "-1%", "-0.1", "300"] {
            assert_eq!(
                percent(text).unwrap_err(),
                format!("`{text}` is not a chance; it must lie between 0% and 100%")
            );
        }
        for text in ["", "%", "half", "NaN", "inf", "1e-3", "--1"] {
            assert_eq!(percent(text).unwrap_err(), format!("`{text}` is not a chance; write `30%` or `0.3`"));
        }
    }

    #[test]
    fn the_certain_chance_holds_for_every_draw_and_the_impossible_for_none() {
        assert!(Percent::ALWAYS.holds(1.0 - f64::EPSILON));
        assert!(!"0%".parse::<Percent>().unwrap().holds(0.0));
    }

    #[test]
    fn durations_take_four_units() {
        for (text, micros) in [
            ("300ms", 300_000),
            ("1.5s", 1_500_000),
            ("3m", 180_000_000),
            ("1h", 3_600_000_000),
            ("0.25ms", 250),
            ("0s", 0),
            ("2 s", 2_000_000),
        ] {
            assert_eq!(millis(text), Ok(micros), "{text}");
        }
    }

    #[test]
    fn wrong_durations_say_how_to_write_them() {
        for (text, message) in [
            ("300", "`300` has no unit; write `300ms` or `300s`"),
            ("3min", "`min` is not a unit of time; use `ms`, `s`, `m` or `h`"),
            ("soon", "`soon` is not a duration; write `250ms`, `30s` or `3m`"),
            ("-1s", "`-1s` is not a duration; write `250ms`, `30s` or `3m`"),
            ("1.2.3s", "`1.2.3s` is not a duration; write `250ms`, `30s` or `3m`"),
            ("25h", "`25h` is longer than a day"),
            ("99999999999999999999999999s", "`99999999999999999999999999s` is longer than a day"),
        ] {
            assert_eq!(millis(text).unwrap_err(), message);
        }
    }

    #[test]
    fn stretches_of_time_include_their_beginning_and_not_their_end() {
        let window: Window = "30s..3m".parse().unwrap();
        let at = |millis| window.contains(Duration::from_millis(millis));
        assert_eq!([29_999, 30_000, 179_999, 180_000].map(at), [false, true, true, false]);
        assert_eq!(window.to_string(), "30s..3m");
        assert!("0..1ms".parse::<Window>().unwrap().contains(Duration::ZERO));
    }

    #[test]
    fn wrong_stretches_say_how_to_write_them() {
        for (text, message) in [
            ("30s", "`30s` is not a stretch of time; write `30s..3m`"),
            ("3m..30s", "`3m..30s` ends before it begins; write `30s..3m`"),
            ("30s..30s", "`30s..30s` is empty: it ends where it begins"),
            ("30..60", "`30` has no unit; write `30ms` or `30s`"),
            ("30s..", "`` is not a duration; write `250ms`, `30s` or `3m`"),
        ] {
            assert_eq!(text.parse::<Window>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn ranges_include_both_ends() {
        assert_eq!(ordinals("3..7"), Ok((3, 7)));
        assert_eq!(ordinals("2"), Ok((2, 2)));
        let range: Ordinals = "3..7".parse().unwrap();
        assert_eq!([2, 3, 7, 8].map(|n| range.contains(n)), [false, true, true, false]);
    }

    #[test]
    fn wrong_ranges_say_how_to_write_them() {
        for (text, message) in [
            ("7..3", "`7..3` ends before it begins; write `3..7`"),
            ("0..2", "`0..2` begins at 0; counting starts at 1"),
            ("0", "`0` begins at 0; counting starts at 1"),
            ("3..", "`3..` is not a range; write `3..7`, or one number"),
            ("a..b", "`a..b` is not a range; write `3..7`, or one number"),
            ("-1", "`-1` is not a range; write `3..7`, or one number"),
        ] {
            assert_eq!(ordinals(text).unwrap_err(), message);
        }
    }

    #[test]
    fn units_write_themselves_as_they_are_read() {
        for text in ["30%", "0.5%", "7%", "100%", "33.3%"] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), text);
        }
        for text in ["300ms", "1.5s", "90s", "3m", "1h", "0.25ms", "0ms"] {
            assert_eq!(text.parse::<Millis>().unwrap().to_string(), text);
        }
        for text in ["3..7", "2"] {
            assert_eq!(text.parse::<Ordinals>().unwrap().to_string(), text);
        }
    }
}
