//! `dribble`: an answer that comes drop by drop.

use std::fmt;

use super::{
    Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value, Ways, Wire, effect, wire,
    written::{Complaint, Node},
};
use crate::{
    aws::request::AwsRequest,
    units::{Bytes, Millis},
};

/// Hands on an answer's body in small pieces, with pauses between them.
pub(super) static DRIBBLE: FaultKind = FaultKind {
    name: "dribble",
    about: "Hands on the answer's body in small pieces, with a pause between each two.",
    details: "The first piece comes at once. Of several rules the smallest piece and the longest pause hold. Unlike `bandwidth` it shows \
              whether a client reads what is there or waits for full buffers, and whether a byte now and then keeps its timeouts from \
              striking. Of a TCP connection all bytes come so, in the direction that is given.",
    settings: &[
        Setting::or("chunk", Value::Size, "1KB", "how large a piece is"),
        Setting::or("every", Value::Duration, "100ms", "how long it is from one to the next"),
        wire::direction("of a TCP connection alone: which bytes; without it those that come down"),
    ],
    short: Short::Bare,
    example: "fault: {dribble: {chunk: 1KB, every: 100ms}}",
    clients: "They read on: each piece begins their read timeout anew, so that an answer can take hours. Only a limit on the whole call \
              (Rust's operation timeout, a deadline of the program's own) ends it.",
    read,
};

#[derive(Debug)]
struct Dribble {
    pieces: effect::Dribble,
    ways: Option<Ways>,
}

impl Fault for Dribble {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Down(Down::Dribble(self.pieces))
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        Ok(Wire::Dribble(self.ways.unwrap_or(Ways::Down), self.pieces))
    }

    fn only_for_wires(&self) -> Option<&'static str> {
        self.ways.map(|_| wire::DIRECTION)
    }
}

impl fmt::Display for Dribble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} every {}", self.pieces.chunk, Millis::from(self.pieces.every))?;
        self.ways.map_or(Ok(()), |ways| write!(f, " {ways}"))
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let (mut chunk, mut every) = (Bytes::from(1000), std::time::Duration::from_millis(100));
    let mut ways = None;
    if let Some(settings) = settings {
        let fields = DRIBBLE.fields(settings)?;
        if let Some(node) = fields.optional("chunk")? {
            chunk = node.parse("a size")?;
            if chunk.count() == 0 {
                return Err(Complaint::new(node.at, "pieces of nothing never make a body").help("`hang` sends nothing"));
            }
        }
        if let Some(node) = fields.optional("every")? {
            every = node.parse::<Millis>("a duration")?.duration();
        }
        ways = Ways::read(&fields)?;
    }
    Ok(Box::new(Dribble { pieces: effect::Dribble { chunk, every }, ways }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn pieces_and_pauses_are_as_written_or_a_kilobyte_each_tenth_of_a_second() {
        let expected = |chunk: u64, ms| {
            Effect::Down(Down::Dribble(crate::fault::Dribble { chunk: chunk.into(), every: Duration::from_millis(ms) }))
        };
        assert_eq!(effect("dribble"), expected(1000, 100));
        assert_eq!(effect("{dribble: {chunk: 16B, every: 1s}}"), expected(16, 1000));
        assert_eq!(parse("dribble").unwrap()[0].to_string(), "1KB every 100ms");
    }

    #[test]
    fn pieces_of_nothing_are_refused() {
        let complaint = parse("{dribble: {chunk: 0B}}").unwrap_err();
        assert_eq!(complaint.message, "pieces of nothing never make a body");
    }
}
