//! `truncate`: an answer that ends too early, as if it were complete.

use std::fmt;

use super::{
    Breach, Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value, Way, Wire, wire,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Offset};

/// Ends the answer's body in good order, but too early.
pub(super) static TRUNCATE: FaultKind = FaultKind {
    name: "truncate",
    about: "Ends the answer's body early and in good order: the connection is closed, a stream of HTTP/2 finished.",
    details: "Exactly so much of the body gets through; a shorter one passes whole. A share of a body whose length is not told is taken of \
              the first piece of it that comes. The head still announces the whole length. Of a TCP connection so many bytes get through from when the rule strikes it, \
              and both its ends are then closed in good order; a share is taken of nothing there, and is refused.",
    settings: &[
        Setting::new("after", Value::Offset, "how much of the body gets through"),
        wire::one_direction("of a TCP connection alone: whose bytes are counted; without it those that come down"),
    ],
    short: Short::Value(Value::Offset),
    example: "fault: {truncate: {after: 50%}}",
    clients: "They miss bytes by Content-Length, over HTTP/2 too, and retry what they parse themselves; boto3, when its attempts are \
              used up on DynamoDB, hands on an empty answer and raises nothing. A streamed body (GetObject) ends with an error as \
              the program reads it. Where no length was announced, HTTP/1 still misses the last chunk, and a stream of HTTP/2 that \
              is finished early passes for whole.",
    read,
};

#[derive(Debug)]
struct Truncate {
    after: Offset,
    way: Option<Way>,
}

impl Fault for Truncate {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Down(Down::Cut(self.after, Breach::Finish))
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        wire::cut(self.after, self.way, Breach::Finish)
    }

    fn only_for_wires(&self) -> Option<&'static str> {
        self.way.map(|_| wire::DIRECTION)
    }
}

impl fmt::Display for Truncate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "truncation after {}", self.after)?;
        self.way.map_or(Ok(()), |way| write!(f, " {way}"))
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = TRUNCATE.required(name, settings, "a place", "truncate: {after: 50%}")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(Truncate { after: settings.parse("a place")?, way: None }));
    }
    let fields = TRUNCATE.fields(settings)?;
    Ok(Box::new(Truncate { after: fields.required("after")?.parse("a place")?, way: Way::read(&fields)? }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_cuts_in_good_order_after_a_share_or_a_size() {
        for (yaml, offset) in [("{truncate: {after: 50%}}", "50%"), ("{truncate: 64KB}", "64KB")] {
            assert_eq!(effect(yaml), Effect::Down(Down::Cut(offset.parse().unwrap(), Breach::Finish)), "{yaml}");
        }
        assert!(!parse("{truncate: 0B}").unwrap()[0].is_terminal());
        assert_eq!(parse("truncate").unwrap_err().message, "`truncate` needs a place");
        assert_eq!(parse("{truncate: {}}").unwrap_err().message, "`truncate` lacks the key `after`");
    }
}
