//! `reset`: a connection that breaks.

use std::fmt;

use super::{
    Breach, Down, Draw, Effect, Fault, FaultKind, Instead, Scope, Setting, Short, Stage, Value, Way, Wire,
    kind::one_of,
    wire,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Offset};

/// Breaks the connection, or the one stream of HTTP/2, with an error.
pub(super) static RESET: FaultKind = FaultKind {
    name: "reset",
    about: "Breaks the connection with a TCP RST, or one stream of HTTP/2 with RST_STREAM: at its beginning, before the answer, or within it.",
    details: "`connect` strikes when a connection is opened, as soon as its host is known; `handshake` at the TLS ClientHello, and so never \
              where there is no TLS. Both see host, port and client only, so a rule with operation, resource or attempt cannot have them. \
              `request`: the head is read and nothing is forwarded. `answer`: the far end has carried the request out, and not one byte of \
              its answer gets through. A share or a size: the answer breaks off after so much of its body, to the byte; a shorter body \
              passes whole. A share of a body whose length is not told is taken of the first piece of it that comes. Of several rules that \
              break off one answer, `truncate` among them, the smallest offset wins. `scope: stream` ends one stream of HTTP/2 with \
              INTERNAL_ERROR; over HTTP/1 a stream is the connection. A TCP connection is reset at once, when it is opened or the rule's \
              time comes, unless `at` says otherwise: `request` and `answer` are the next bytes of the client and of the far end, a size is \
              counted from when the rule strikes it.",
    settings: &[
        Setting::or(
            "at",
            Value::WordOrOffset(&["connect", "handshake", "request", "answer"]),
            "request",
            "when: one of the words, or so far into the answer's body",
        ),
        Setting::or("scope", Value::Word(&["connection", "stream"]), "connection", "what is reset, over HTTP/2"),
        wire::one_direction(
            "of a TCP connection alone, with a size: whose bytes are counted; without it those that come down",
        ),
    ],
    short: Short::Bare,
    example: "fault: {reset: {at: 50%, scope: connection}}",
    clients: "All retry a TCP reset before the answer; the SDK for Rust does not retry a stream of HTTP/2 that is reset there. \
              Within an answer that the SDK parses itself, all retry; but boto3, when its attempts are used up on DynamoDB, hands on \
              an empty answer and raises nothing. Within a streamed one (GetObject) the program meets the error as it reads, and \
              nobody retries for it.",
    read,
};

#[derive(Debug)]
struct Reset {
    at: Option<At>,
    scope: Scope,
    way: Option<Way>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Answer,
    Connect,
    Handshake,
    Offset(Offset),
    Request,
}

const WORDS: [(&str, At); 4] =
    [("connect", At::Connect), ("handshake", At::Handshake), ("request", At::Request), ("answer", At::Answer)];

impl Reset {
    /// When a request is reset.
    fn at(&self) -> At {
        self.at.unwrap_or(At::Request)
    }
}

impl Fault for Reset {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        let reset = Instead::Reset(self.scope);
        match self.at() {
            At::Offset(offset) => Effect::Down(Down::Cut(offset, Breach::Reset(self.scope))),
            At::Answer => Effect::Instead(Instead::Lost(Box::new(reset))),
            At::Connect | At::Handshake | At::Request => Effect::Instead(reset),
        }
    }

    fn is_terminal(&self) -> bool {
        !matches!(self.at(), At::Offset(_))
    }

    fn stage(&self) -> Stage {
        match self.at() {
            At::Connect => Stage::Connect,
            At::Handshake => Stage::Handshake,
            At::Answer | At::Offset(_) | At::Request => Stage::Request,
        }
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        let breach = Breach::Reset(Scope::Connection);
        match self.at {
            _ if self.scope == Scope::Stream => Err("it has no streams, so leave `scope` out"),
            None | Some(At::Connect) => Ok(Wire::Reset),
            Some(At::Answer) => Ok(Wire::Cut { way: Way::Down, after: 0, breach }),
            Some(At::Handshake) => Err("nobody reads its handshakes there, so write `at: connect`"),
            Some(At::Offset(offset)) => wire::cut(offset, self.way, breach),
            Some(At::Request) => Ok(Wire::Cut { way: Way::Up, after: 0, breach }),
        }
    }

    fn only_for_wires(&self) -> Option<&'static str> {
        self.way.map(|_| wire::DIRECTION)
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.scope == Scope::Stream { "reset of the stream " } else { "reset " })?;
        match self.at() {
            At::Answer => f.write_str("instead of the answer"),
            At::Connect => f.write_str("at connect"),
            At::Handshake => f.write_str("at the handshake"),
            At::Offset(offset) => match self.way {
                None => write!(f, "after {offset} of the answer"),
                Some(way) => write!(f, "after {offset} {way}"),
            },
            At::Request => f.write_str("at the request"),
        }
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let Some(settings) = settings else {
        return Ok(Box::new(Reset { at: None, scope: Scope::Connection, way: None }));
    };
    let fields = RESET.fields(settings)?;
    let at = fields.optional("at")?.map(read_at).transpose()?;
    let words = [("connection", Scope::Connection), ("stream", Scope::Stream)];
    let scope_node = fields.optional("scope")?;
    let scope = scope_node.map(|node| one_of(node, "a scope", &words)).transpose()?.unwrap_or_default();
    if let (Some(node), Scope::Stream, At::Connect | At::Handshake) = (scope_node, scope, at.unwrap_or(At::Request)) {
        return Err(Complaint::new(node.at, "there is no stream yet when a connection is opened")
            .help("leave `scope` out, or write `at: request`"));
    }
    let way = Way::read(&fields)?;
    if let (Some(node), false) = (fields.optional(wire::DIRECTION)?, matches!(at, Some(At::Offset(_)))) {
        let complaint = Complaint::new(node.at, "`direction` says whose bytes `at` counts, and here it counts none");
        return Err(complaint.help("leave it out, or give a size: `at: 64KB`"));
    }
    Ok(Box::new(Reset { at, scope, way }))
}

fn read_at(node: &Node) -> Result<At, Complaint> {
    match &node.content {
        Content::Word(word) if word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') => {
            node.parse("a place").map(At::Offset)
        }
        _ => one_of(node, "a place to reset at", &WORDS).map_err(|complaint| {
            if complaint.help.is_some() { complaint } else { complaint.help("write `50%` or `64KB` as well") }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn before_the_answer_it_stands_instead_and_within_it_cuts() {
        let reset = |scope| Instead::Reset(scope);
        let cut = |offset: &str, scope| Effect::Down(Down::Cut(offset.parse().unwrap(), Breach::Reset(scope)));
        for (yaml, expected) in [
            ("reset", Effect::Instead(reset(Scope::Connection))),
            ("{reset: {at: request, scope: stream}}", Effect::Instead(reset(Scope::Stream))),
            ("{reset: {at: answer}}", Effect::Instead(Instead::Lost(Box::new(reset(Scope::Connection))))),
            ("{reset: {at: 50%}}", cut("50%", Scope::Connection)),
            ("{reset: {at: 64KB, scope: stream}}", cut("64KB", Scope::Stream)),
        ] {
            assert_eq!(effect(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn only_what_stands_instead_of_an_answer_is_terminal() {
        let terminal = |yaml| parse(yaml).unwrap()[0].is_terminal();
        assert!(terminal("reset") && terminal("{reset: {at: answer}}") && terminal("{reset: {at: connect}}"));
        assert!(!terminal("{reset: {at: 0B}}"));
    }

    #[test]
    fn connections_are_reset_before_there_is_a_request() {
        let stage = |yaml| parse(yaml).unwrap()[0].stage();
        assert_eq!(stage("{reset: {at: connect}}"), Stage::Connect);
        assert_eq!(stage("{reset: {at: handshake}}"), Stage::Handshake);
        assert_eq!(stage("reset"), Stage::Request);
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("{reset: {at: conect}}", "`conect` is not a place to reset at"),
            ("{reset: {at: 64}}", "`64` has no unit; write `64B` or `64KB`"),
            ("{reset: {at: 130%}}", "`130%` is not a chance; it must lie between 0% and 100%"),
            ("{reset: {scope: frame}}", "`frame` is not a scope"),
            ("{reset: {at: connect, scope: stream}}", "there is no stream yet when a connection is opened"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
