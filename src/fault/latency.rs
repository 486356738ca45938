//! `latency`: an answer that comes late.

mod delay;

use std::{fmt, time::Duration};

use super::{
    Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value, Way, Ways, Wire,
    kind::one_of,
    wire,
    written::{Complaint, Content, Node},
};
use crate::aws::request::AwsRequest;
use delay::Delay;

/// Makes everything later, by a time that is always the same or is drawn anew for each request.
pub(super) static LATENCY: FaultKind = FaultKind {
    name: "latency",
    about: "Makes an answer late, by a fixed or a drawn time: before the request goes on, before the answer's first byte, or over its body.",
    details: "The time is fixed, or drawn for each request: evenly between `min` and `max`, from a normal distribution (never below \
              zero), from the lognormal distribution that has this median and 99th percentile (at most ten times `p99`), or by \
              quantiles, between which it rises evenly: from zero below the first, and never above the last. Latencies of several rules \
              add up. `at: request` holds back what is answered in another way too, a hang for example. Of a TCP connection each byte comes so much \
              later, in the direction that is given, and in order; a time that is drawn is drawn anew for each burst: whatever comes \
              while nothing is on its way.",
    settings: &[
        Setting::new("fixed", Value::Duration, "always as long"),
        Setting::new("min", Value::Duration, "the shortest, with `max`"),
        Setting::new("max", Value::Duration, "the longest, with `min`"),
        Setting::new("mean", Value::Duration, "the middle of a normal distribution, with `stddev`"),
        Setting::new("stddev", Value::Duration, "its standard deviation"),
        Setting::new("p50", Value::Duration, "the median of a lognormal distribution, with `p99`"),
        Setting::new("p99", Value::Duration, "what one request in a hundred exceeds"),
        Setting::new("quantiles", Value::Quantiles, "which share of the requests is at most as late"),
        Setting::or(
            "at",
            Value::Word(&["request", "first_byte", "body"]),
            "request",
            "`request`: before it goes on; `first_byte`: before the answer's head; `body`: spread over the answer's body, or before its \
             end where its length is not told",
        ),
        wire::direction("of a TCP connection alone: which bytes come later; without it those that come down"),
    ],
    short: Short::Value(Value::Duration),
    example: "fault: {latency: {p50: 20ms, p99: 2s}}",
    clients: "They wait, and give up after their read timeout (boto3: 60 s without a byte; JavaScript and Rust: none unless one is set), \
              which is then retried like a lost connection. A request that was held back `at: request` has not been carried out by then.",
    read,
};

#[derive(Debug)]
struct Latency {
    delay: Delay,
    at: Option<At>,
    ways: Option<Ways>,
}

/// Delays of a TCP connection's bursts, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Lag {
    delay: Delay,
    draw: Box<Draw>,
}

/// Where the delay lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Request,
    FirstByte,
    Body,
}

impl Lag {
    /// How late the next burst comes.
    pub fn draw(&mut self) -> Duration {
        self.delay.draw(&mut self.draw)
    }
}

impl Fault for Latency {
    fn effect(&self, _: &AwsRequest, draw: &mut Draw) -> Effect {
        let delay = self.delay.draw(draw);
        match self.at.unwrap_or(At::Request) {
            At::Request => Effect::Before(delay),
            At::FirstByte => Effect::Down(Down::FirstByte(delay)),
            At::Body => Effect::Down(Down::OverBody(delay)),
        }
    }

    fn wire(&self, draw: &mut Draw) -> Result<Wire, &'static str> {
        if self.at.is_some() {
            return Err("`at` is about requests, and its bytes have a `direction`");
        }
        let ways = self.ways.unwrap_or(Ways::Down);
        let (up, down) = (draw.apart(), draw.apart());
        let lag = |way, draw| ways.include(way).then(|| Lag { delay: self.delay.clone(), draw: Box::new(draw) });
        Ok(Wire::Delay { up: lag(Way::Up, up), down: lag(Way::Down, down) })
    }

    fn only_for_wires(&self) -> Option<&'static str> {
        self.ways.map(|_| wire::DIRECTION)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "latency of {}", self.delay)?;
        f.write_str(match self.at {
            None | Some(At::Request) => "",
            Some(At::FirstByte) => " before the first byte",
            Some(At::Body) => " over the body",
        })?;
        self.ways.map_or(Ok(()), |ways| write!(f, " {ways}"))
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = LATENCY.required(name, settings, "a length", "latency: 300ms")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(Latency { delay: Delay::Fixed(settings.parse("a duration")?), at: None, ways: None }));
    }
    let fields = LATENCY.fields(settings)?;
    let words = [("request", At::Request), ("first_byte", At::FirstByte), ("body", At::Body)];
    let at = fields.optional("at")?.map(|at| one_of(at, "a stage", &words)).transpose()?;
    let ways = Ways::read(&fields)?;
    if let (Some(node), Some(_)) = (fields.optional(wire::DIRECTION)?, at) {
        let complaint = Complaint::new(node.at, "`direction` is about TCP connections, and `at` about requests");
        return Err(complaint.help("give one of the two"));
    }
    Ok(Box::new(Latency { delay: Delay::read(settings, &fields)?, at, ways }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{parse, request};
    use super::*;

    fn effect(yaml: &str) -> Effect {
        parse(yaml).unwrap()[0].effect(&request("s3", "GetObject"), &mut Draw::new([7; 32]))
    }

    #[test]
    fn a_delay_lies_where_it_is_said_and_before_the_request_if_nothing_is() {
        let ms = Duration::from_millis(300);
        for (yaml, expected) in [
            ("{latency: 300ms}", Effect::Before(ms)),
            ("{latency: {fixed: 300ms}}", Effect::Before(ms)),
            ("{latency: {fixed: 300ms, at: request}}", Effect::Before(ms)),
            ("{latency: {fixed: 300ms, at: first_byte}}", Effect::Down(Down::FirstByte(ms))),
            ("{latency: {fixed: 300ms, at: body}}", Effect::Down(Down::OverBody(ms))),
        ] {
            assert_eq!(effect(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn latency_lets_the_request_go_on() {
        assert!(!parse("{latency: 300ms}").unwrap()[0].is_terminal());
    }

    #[test]
    fn a_latency_is_told_as_it_is_written() {
        for (yaml, words) in [
            ("{latency: 300ms}", "latency of 300ms"),
            ("{latency: {min: 1s, max: 2s, at: body}}", "latency of 1s to 2s over the body"),
            ("{latency: {mean: 100ms, stddev: 20ms}}", "latency of 100ms on average (standard deviation 20ms)"),
            (
                "{latency: {p50: 20ms, p99: 2s, at: first_byte}}",
                "latency of 20ms, in one of a hundred over 2s before the first byte",
            ),
            ("{latency: {quantiles: {0.5: 20ms, 99%: 2s}}}", "latency of at most 20ms in 50%, 2s in 99%"),
        ] {
            assert_eq!(parse(yaml).unwrap()[0].to_string(), words);
        }
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        let ways =
            "`latency` takes one of `fixed`, `min` and `max`, `mean` and `stddev`, `p50` and `p99`, or `quantiles`";
        for (yaml, message) in [
            ("latency", "`latency` needs a length"),
            ("{latency: }", "`latency` needs a length"),
            ("{latency: 300}", "`300` has no unit; write `300ms` or `300s`"),
            ("{latency: {min: 3s, max: 1s}}", "`max` (1s) is less than `min` (3s)"),
            ("{latency: {p50: 3s, p99: 1s}}", "`p99` (1s) is less than `p50` (3s)"),
            ("{latency: {p50: 0ms, p99: 1s}}", "a lognormal distribution has no median of 0"),
            ("{latency: {min: 3s}}", ways),
            ("{latency: {fixed: 1s, max: 2s}}", ways),
            ("{latency: {fixed: 1s, min: 1s, max: 2s}}", ways),
            ("{latency: {at: request}}", ways),
            ("{latency: {fixed: 1s, at: head}}", "`head` is not a stage"),
            ("{latency: {p90: 1s}}", "unknown key `p90` in `latency`"),
            (
                "{latency: {quantiles: {50%: 2s, 90%: 1s}}}",
                "the delay of quantile 90% (1s) is less than that of 50% (2s)",
            ),
            ("{latency: {quantiles: {90%: 1s, 50%: 2s}}}", "quantile 50% stands behind 90%; they must rise"),
            ("{latency: {quantiles: {}}}", "`quantiles` is empty"),
            ("{latency: [1s]}", "`latency` must be a map, found a list"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
