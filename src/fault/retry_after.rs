//! `retry_after`: an error that says when to come back.

use std::{fmt, time::Duration};

use super::{
    Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Millis};

/// Tells clients, on injected answers, how long to wait, and counts those that do not.
pub(super) static RETRY_AFTER: FaultKind = FaultKind {
    name: "retry_after",
    about: "Adds `x-amz-retry-after` and `Retry-After` to the injected answer, and counts the clients that come back too early.",
    details: "It shapes the errors and pages that this or another rule injects for the same request; by itself it injects nothing. \
              `x-amz-retry-after` is in milliseconds, `Retry-After` in whole seconds, rounded up. Of several rules the longest time \
              holds. The next attempt of the same call (by its invocation id) that comes before the time is over counts as too early: \
              its ledger line has `early_us`, the report tells how many there were.",
    settings: &[Setting::new("ms", Value::Count, "how many milliseconds to wait")],
    short: Short::Value(Value::Duration),
    example: "fault: [throttle, retry_after: {ms: 1000}]",
    clients: "boto3 (standard mode), JavaScript and Rust wait for `x-amz-retry-after`, within bounds of their own.",
    read,
};

#[derive(Debug)]
struct RetryAfter(Duration);

impl Fault for RetryAfter {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Down(Down::RetryAfter(self.0))
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to be retried after {}", Millis::from(self.0))
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = RETRY_AFTER.required(name, settings, "a time", "retry_after: {ms: 1000}")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(RetryAfter(settings.parse::<Millis>("a duration")?.duration())));
    }
    let node = RETRY_AFTER.fields(settings)?.required("ms")?;
    let word = node.word("a number of milliseconds")?;
    let ms = word.parse().ok().filter(|ms| (1..=DAY_MS).contains(ms));
    let ms = ms.ok_or_else(|| {
        Complaint::new(node.at, format!("`{word}` is not a number of milliseconds from 1 to {DAY_MS}"))
            .help("write `ms: 1000`")
    })?;
    Ok(Box::new(RetryAfter(Duration::from_millis(ms))))
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_asks_for_so_many_milliseconds() {
        for yaml in ["{retry_after: {ms: 1500}}", "{retry_after: 1.5s}"] {
            assert_eq!(effect(yaml), Effect::Down(Down::RetryAfter(Duration::from_millis(1500))), "{yaml}");
        }
        let message = parse("{retry_after: {ms: 1s}}").unwrap_err().message;
        assert_eq!(message, "`1s` is not a number of milliseconds from 1 to 86400000");
    }
}
