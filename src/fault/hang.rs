//! `hang`: no answer at all.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    written::{Complaint, Node},
};
use crate::{aws::request::AwsRequest, units::Millis};

/// Takes the request, and then nothing happens.
pub(super) static HANG: FaultKind = FaultKind {
    name: "hang",
    about: "Takes the whole request and never answers: for a while, or until the client gives up.",
    details: "Nothing is forwarded. After `for` the connection is closed unanswered; over HTTP/2 the stream is reset. A request whose body \
              waits for `100 Continue` does not get that either.",
    settings: &[Setting::new("for", Value::Duration, "how long; without it until the client gives up")],
    short: Short::Bare,
    example: "fault: {hang: {for: 30s}}",
    clients: "They wait for their read timeout (boto3: 60 s; JavaScript and Rust: none unless one is set) and retry after it. \
              Whether the request was carried out they cannot know: here it was not. Where the stream of HTTP/2 is reset in the end, \
              Rust does not retry.",
    read,
};

#[derive(Debug)]
struct Hang(Option<Millis>);

impl Fault for Hang {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Hang(self.0.map(Millis::duration)))
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hang")?;
        self.0.map_or(Ok(()), |time| write!(f, " for {time}"))
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let Some(settings) = settings else { return Ok(Box::new(Hang(None))) };
    let time = HANG.fields(settings)?.optional("for")?.map(|node| node.parse("a duration")).transpose()?;
    Ok(Box::new(Hang(time)))
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
