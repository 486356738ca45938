//! `hang`: no answer at all.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value, Ways, Wire, wire,
    written::{Complaint, Node},
};
use crate::{aws::request::AwsRequest, units::Millis};

/// Takes the request, and then nothing happens.
pub(super) static HANG: FaultKind = FaultKind {
    name: "hang",
    about: "Takes the whole request and never answers: for a while, or until the client gives up.",
    details: "Nothing is forwarded. After `for` the connection is closed unanswered; over HTTP/2 the stream is reset. A request whose body \
              waits for `100 Continue` does not get that either. On a TCP connection nothing comes through while the rule holds: one that is opened stays \
              silent and the far end hears nothing of it, one that is open stalls. What was sent meanwhile, as much as buffers hold, goes \
              on when the rule lets go; after `for` the connection is closed.",
    settings: &[
        Setting::new("for", Value::Duration, "how long; without it until the client gives up"),
        wire::direction("of a TCP connection alone: which bytes stall; without it both ways do"),
    ],
    short: Short::Bare,
    example: "fault: {hang: {for: 30s}}",
    clients: "They wait for their read timeout (boto3: 60 s; JavaScript and Rust: none unless one is set) and retry after it. \
              Whether the request was carried out they cannot know: here it was not. Where the stream of HTTP/2 is reset in the end, \
              Rust does not retry.",
    read,
};

#[derive(Debug)]
struct Hang {
    time: Option<Millis>,
    ways: Option<Ways>,
}

impl Fault for Hang {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Hang(self.time.map(Millis::duration)))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        Ok(Wire::Hang(self.ways.unwrap_or(Ways::Both), self.time.map(Millis::duration)))
    }

    fn only_for_wires(&self) -> Option<&'static str> {
        self.ways.map(|_| wire::DIRECTION)
    }
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hang")?;
        self.ways.map_or(Ok(()), |ways| write!(f, " {ways}"))?;
        self.time.map_or(Ok(()), |time| write!(f, " for {time}"))
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let Some(settings) = settings else { return Ok(Box::new(Hang { time: None, ways: None })) };
    let fields = HANG.fields(settings)?;
    let time = fields.optional("for")?.map(|node| node.parse("a duration")).transpose()?;
    Ok(Box::new(Hang { time, ways: Ways::read(&fields)? }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_lasts_as_long_as_written_or_as_the_client_does() {
        assert_eq!(effect("hang"), Effect::Instead(Instead::Hang(None)));
        assert_eq!(effect("{hang: {for: 30s}}"), Effect::Instead(Instead::Hang(Some(Duration::from_secs(30)))));
        assert_eq!(parse("{hang: {for: 30s}}").unwrap()[0].to_string(), "hang for 30s");
        assert!(parse("hang").unwrap()[0].is_terminal());
    }
}
