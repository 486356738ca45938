//! `windows`: trouble that comes back, `every 10m for 30s`.

use std::{fmt, str::FromStr, time::Duration};

use crate::units::Millis;

/// Stretches of time that begin at regular distances, the first at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Windows {
    every: Millis,
    length: Millis,
}

impl Windows {
    /// Whether a moment lies in one of them.
    pub fn contain(self, moment: Duration) -> bool {
        moment.as_nanos() % self.every.duration().as_nanos() < self.length.duration().as_nanos()
    }
}

impl Windows {
    /// The first moment behind this one at which one of them begins or ends.
    pub(in crate::profile) fn next_change(self, moment: Duration) -> Duration {
        let (every, length) = (self.every.duration(), self.length.duration());
        let passed = moment.as_nanos() % every.as_nanos();
        let passed = Duration::from_nanos(u64::try_from(passed).unwrap_or(u64::MAX));
        let begun = moment.saturating_sub(passed);
        begun + if passed < length { length } else { every }
    }
}

impl FromStr for Windows {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` does not say when; write `every 10m for 30s`");
        let (every, length) =
            text.strip_prefix("every ").and_then(|rest| rest.split_once(" for ")).ok_or_else(wrong)?;
        let duration = |text: &str| text.parse::<Millis>().map_err(|error| error.to_string());
        let (every, length) = (duration(every)?, duration(length)?);
        if length == Millis::default() {
            return Err(format!("`{text}` lasts no time"));
        }
        if length < every {
            return Ok(Self { every, length });
        }
        Err(format!("`{text}` never ends: each window must be shorter than the time from one to the next"))
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every {} for {}", self.every, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_come_back_and_do_not_include_their_ends() {
        let windows: Windows = "every 10m for 30s".parse().unwrap();
        let at = [0, 29_999, 30_000, 599_999, 600_000, 629_999, 630_000];
        let inside = at.map(|millis| windows.contain(Duration::from_millis(millis)));
        assert_eq!(inside, [true, true, false, false, true, true, false]);
        assert_eq!(windows.to_string(), "every 10m for 30s");
    }

    #[test]
    fn wrong_windows_say_how_to_write_them() {
        for (text, message) in [
            ("10m", "`10m` does not say when; write `every 10m for 30s`"),
            ("every 10m", "`every 10m` does not say when; write `every 10m for 30s`"),
            ("every 10 for 5s", "`10` has no unit; write `10ms` or `10s`"),
            ("every 10m for 0s", "`every 10m for 0s` lasts no time"),
            ("every 0s for 0s", "`every 0s for 0s` lasts no time"),
            (
                "every 30s for 30s",
                "`every 30s for 30s` never ends: each window must be shorter than the time from one to the next",
            ),
        ] {
            assert_eq!(text.parse::<Windows>().unwrap_err(), message);
        }
    }
}
