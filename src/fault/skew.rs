//! `skew`: the service's clock and the client's do not agree.

use std::fmt;

use jiff::SignedDuration;

use super::{
    Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Millis};

/// Puts the service's clock forward or back, as the client sees it.
pub(super) static SKEW: FaultKind = FaultKind {
    name: "skew",
    about: "Puts the service's clock off: what is signed by another time is refused, and every answer's `Date` tells the service's.",
    details: "As when the clock of the client is wrong by the same time the other way. Beyond 5 minutes (S3 and EC2: 15) the request is \
              refused in the service's own words: RequestTimeTooSkewed of S3, RequestExpired of EC2, InvalidSignatureException or \
              SignatureDoesNotMatch with `Signature expired` or `Signature not yet current` of others. A URL signed beforehand is good for as \
              long as it says. A request of a client that has corrected its clock passes, and so does one that is not signed; real AWS \
              then refuses what was signed by the wrong time, so beyond those minutes it needs an emulator. Where a rule before or after it answers, \
              that answer stands. Of several such rules the first sets the clock.",
    settings: &[Setting::new(
        "by",
        Value::Shift,
        "how far the service's clock is ahead of the client's; with `-`, behind it; at most a day",
    )],
    short: Short::Value(Value::Shift),
    example: "fault: {skew: {by: -10m}}",
    clients: "JavaScript and Rust take the time from the answer's `Date`, try again with it, and the client keeps to it for later calls. \
              boto3 does not: it fails at once, each time.",
    read,
};

#[derive(Debug)]
struct Skew(SignedDuration);

impl Fault for Skew {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Down(Down::Clock(self.0))
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.0.is_negative() { "behind" } else { "ahead" };
        write!(f, "service's clock {} {way}", Millis::from(self.0.unsigned_abs()))
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = SKEW.required(name, settings, "to know by how much", "skew: {by: -10m}")?;
    let by = match settings.content {
        Content::Word(_) => settings,
        _ => SKEW.fields(settings)?.required("by")?,
    };
    let by_how_much = read_shift(by)?;
    if by_how_much.is_zero() {
        return Err(Complaint::new(by.at, "a clock that is off by nothing is right"));
    }
    Ok(Box::new(Skew(by_how_much)))
}

/// A length of time with or without a sign.
pub(super) fn read_shift(by: &Node) -> Result<SignedDuration, Complaint> {
    let word = by.word("a duration")?.trim();
    let (sign, rest) = match (word.strip_prefix('-'), word.strip_prefix('+')) {
        (Some(rest), _) => (-1, rest),
        (_, Some(rest)) => (1, rest),
        _ => (1, word),
    };
    let length: Millis =
        rest.parse().map_err(|error: crate::units::UnitError| Complaint::new(by.at, error.to_string()))?;
    let length =
        SignedDuration::try_from(length.duration()).map_err(|error| Complaint::new(by.at, error.to_string()))?;
    Ok(length * sign)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn the_clock_is_ahead_or_behind() {
        for (yaml, minutes, words) in [
            ("{skew: {by: -10m}}", -10, "service's clock 10m behind"),
            ("{skew: {by: +20m}}", 20, "service's clock 20m ahead"),
            ("{skew: 1h}", 60, "service's clock 1h ahead"),
        ] {
            assert_eq!(effect(yaml), Effect::Down(Down::Clock(SignedDuration::from_mins(minutes))), "{yaml}");
            assert_eq!(parse(yaml).unwrap()[0].to_string(), words);
        }
        assert!(!parse("{skew: 1h}").unwrap()[0].is_terminal());
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("skew", "`skew` needs to know by how much"),
            ("{skew: {}}", "`skew` lacks the key `by`"),
            ("{skew: {by: -10}}", "`10` has no unit; write `10ms` or `10s`"),
            ("{skew: {by: 0s}}", "a clock that is off by nothing is right"),
            ("{skew: {by: 2 days}}", "`days` is not a unit of time; use `ms`, `s`, `m` or `h`"),
            ("{skew: 25h}", "`25h` is longer than a day"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
