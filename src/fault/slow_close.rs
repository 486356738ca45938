//! `slow_close`: a connection whose end comes late.

use std::{fmt, time::Duration};

use super::{
    Draw, Effect, Fault, FaultKind, Setting, Short, Value, Ways, Wire, wire,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Millis};

/// Keeps an answer's end back, and closes the connection with it.
pub(super) static SLOW_CLOSE: FaultKind = FaultKind {
    name: "slow_close",
    about: "Holds the end of the answer back, and closes the connection with it.",
    details: "All bytes of the body come; what ends it (the last chunk, END_STREAM of HTTP/2) comes only after the delay, and over HTTP/1 \
              the connection is closed then. An answer with Content-Length ends for the client by its length: there the connection stays \
              open for the delay, takes the next request without a word, and is closed over it, as by a server that has gone away. Where the far end of a TCP connection closes it, the client \
              learns of it after the delay.",
    settings: &[
        Setting::new("delay", Value::Duration, "how much later the end comes"),
        wire::direction("of a TCP connection alone: `down`, as without it: the far end's end; `up`: the client's"),
    ],
    short: Short::Value(Value::Duration),
    example: "fault: {slow_close: {delay: 2s}}",
    clients: "An answer with Content-Length is complete at once. The next call over the same connection then meets a close without an \
              answer, and is retried over a new one.",
    read,
};

#[derive(Debug)]
struct SlowClose {
    delay: Duration,
    ways: Option<Ways>,
}

impl Fault for SlowClose {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::After(self.delay)
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        Ok(Wire::LateEnd(self.ways.unwrap_or(Ways::Down), self.delay))
    }

    fn only_for_wires(&self) -> Option<&'static str> {
        self.ways.map(|_| wire::DIRECTION)
    }
}

impl fmt::Display for SlowClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close after {}", Millis::from(self.delay))?;
        self.ways.map_or(Ok(()), |ways| write!(f, " {ways}"))
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = SLOW_CLOSE.required(name, settings, "a delay", "slow_close: {delay: 2s}")?;
    let (delay, ways): (Millis, _) = match settings.content {
        Content::Word(_) => (settings.parse("a duration")?, None),
        _ => {
            let fields = SLOW_CLOSE.fields(settings)?;
            (fields.required("delay")?.parse("a duration")?, Ways::read(&fields)?)
        }
    };
    Ok(Box::new(SlowClose { delay: delay.duration(), ways }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_comes_after_the_answer() {
        for yaml in ["{slow_close: 2s}", "{slow_close: {delay: 2s}}"] {
            assert_eq!(effect(yaml), Effect::After(Duration::from_secs(2)), "{yaml}");
        }
        assert!(!parse("{slow_close: 2s}").unwrap()[0].is_terminal());
        assert_eq!(parse("slow_close").unwrap_err().message, "`slow_close` needs a delay");
    }
}
