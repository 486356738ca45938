//! `latency`: an answer that comes late.

use std::{fmt, time::Duration};

use super::{
    Draw, Effect, Fault, FaultKind,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Millis};

/// Waits before the request goes on, always as long, or uniformly between two lengths. It also delays answers that are injected.
pub(super) const LATENCY: FaultKind = FaultKind {
    name: "latency",
    about: "Holds the request back for a fixed or a uniformly drawn time, injected answers too.",
    example: "fault: {latency: {min: 100ms, max: 300ms}}",
    read,
};

#[derive(Debug)]
struct Latency {
    min: Millis,
    max: Millis,
}

impl Fault for Latency {
    fn effect(&self, _: &AwsRequest, draw: &mut Draw) -> Effect {
        let (min, max) = (self.min.duration(), self.max.duration());
        match max.saturating_sub(min) {
            Duration::ZERO => Effect::Delay(min),
            width => Effect::Delay(min + width.mul_f64(draw.uniform())),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "latency of {}", self.min)
        } else {
            write!(f, "latency of {} to {}", self.min, self.max)
        }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings =
        settings.ok_or_else(|| Complaint::new(name.at, "`latency` needs a length").help("write `latency: 300ms`"))?;
    if let Content::Word(_) = settings.content {
        let fixed = settings.parse("a duration")?;
        return Ok(Box::new(Latency { min: fixed, max: fixed }));
    }
    let fields = settings.fields("`latency`", &["fixed", "min", "max", "at"])?;
    if let Some(at) = fields.optional("at")? {
        stage(at)?;
    }
    let length = |key| fields.optional(key)?.map(|node: &Node| Ok((node, node.parse("a duration")?))).transpose();
    let (fixed, min, max) = (length("fixed")?, length("min")?, length("max")?);
    match (fixed, min, max) {
        (Some((_, fixed)), None, None) => Ok(Box::new(Latency { min: fixed, max: fixed })),
        (None, Some((_, min)), Some((_, max))) if min <= max => Ok(Box::new(Latency { min, max })),
        (None, Some((_, min)), Some((node, max))) => {
            Err(Complaint::new(node.at, format!("`max` ({max}) is less than `min` ({min})")))
        }
        _ => Err(Complaint::new(settings.at, "`latency` takes either `fixed`, or `min` and `max`")
            .help("write `{fixed: 300ms}` or `{min: 100ms, max: 300ms}`")),
    }
}

/// Where the delay lies. Requests can be held back; answers cannot be yet.
fn stage(at: &Node) -> Result<(), Complaint> {
    match at.word("a stage")? {
        "request" => Ok(()),
        other => {
            Err(Complaint::new(at.at, format!("`at: {other}` is not known; latency can be given `at: request` only")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parse, request};
    use super::*;

    fn delay(yaml: &str, seed: u8) -> Duration {
        let effect = parse(yaml).unwrap()[0].effect(&request("s3", "GetObject"), &mut Draw::new([seed; 32]));
        let Effect::Delay(delay) = effect else { panic!("{effect:?}") };
        delay
    }

    #[test]
    fn a_fixed_latency_is_the_same_for_every_request() {
        for yaml in ["{latency: 300ms}", "{latency: {fixed: 300ms}}", "{latency: {fixed: 300ms, at: request}}"] {
            for seed in 0..5 {
                assert_eq!(delay(yaml, seed), Duration::from_millis(300), "{yaml}");
            }
        }
    }

    #[test]
    fn a_uniform_latency_fills_its_range() {
        let drawn: Vec<Duration> = (0..=255).map(|seed| delay("{latency: {min: 100ms, max: 300ms}}", seed)).collect();
        let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*least >= Duration::from_millis(100) && *least < Duration::from_millis(110), "{least:?}");
        assert!(*most < Duration::from_millis(300) && *most > Duration::from_millis(290), "{most:?}");
    }

    #[test]
    fn latency_lets_the_request_go_on() {
        assert!(!parse("{latency: 300ms}").unwrap()[0].is_terminal());
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("latency", "`latency` needs a length"),
            ("{latency: }", "`latency` needs a length"),
            ("{latency: 300}", "`300` has no unit; write `300ms` or `300s`"),
            ("{latency: {min: 3s, max: 1s}}", "`max` (1s) is less than `min` (3s)"),
            ("{latency: {min: 3s}}", "`latency` takes either `fixed`, or `min` and `max`"),
            ("{latency: {fixed: 1s, max: 2s}}", "`latency` takes either `fixed`, or `min` and `max`"),
            ("{latency: {at: request}}", "`latency` takes either `fixed`, or `min` and `max`"),
            ("{latency: {fixed: 1s, at: body}}", "`at: body` is not known; latency can be given `at: request` only"),
            ("{latency: {p50: 1s}}", "unknown key `p50` in `latency`"),
            ("{latency: [1s]}", "`latency` must be a map, found a list"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
