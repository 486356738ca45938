//! `event_stream`: an answer that is a stream of events, and breaks off among them.

use std::fmt;

use super::{
    Down, Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    written::{Complaint, Content, Node},
};
use crate::aws::{
    catalog::Operation,
    protocol::{AwsError, event_stream::Break},
    request::AwsRequest,
};

/// Breaks an event stream off after some of its events.
pub(super) static EVENT_STREAM: FaultKind = FaultKind {
    name: "event_stream",
    about: "Breaks an event stream off after some events: with an exception in it, within a frame, or by a wrong checksum.",
    details: "For the operations whose answer is an event stream (Bedrock's ConverseStream and InvokeModelWithResponseStream, Kinesis' \
              SubscribeToShard, S3's SelectObjectContent, Transcribe's StartStreamTranscription …). The events before it are the far end's \
              own; what the client sends meanwhile goes on while it sends it. `exception` names an exception of the \
              stream as AWS's model has it, or any other code, which then comes as an unmodeled error; the stream ends in good order \
              behind it. `cut` ends the stream in good order too, but within a frame. `bad_crc` spoils the checksum of one frame and \
              lets all others pass. A stream with fewer events passes whole. `after: 0` answers without asking the far end.",
    settings: &[
        Setting::or("after", Value::Number, "0", "how many events pass first"),
        Setting::new("then", Value::StreamBreak, "what happens to the stream"),
    ],
    short: Short::No,
    example: "fault: {event_stream: {after: 3, then: {exception: throttlingException}}}",
    clients: "Once an event has come nobody retries: the program meets the exception while it reads (boto3: EventStreamError; \
              JavaScript and Rust: the typed exception), a wrong checksum as an error of its own, and so JavaScript a cut; boto3 takes a \
              stream that is cut within a frame for one that has ended. JavaScript retries a throttle of Bedrock's that is the first frame.",
    read,
};

#[derive(Debug)]
struct EventStream {
    after: u64,
    then: Break,
}

impl Fault for EventStream {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        match self.after {
            0 => Effect::Instead(Instead::BrokenStream(self.then.clone())),
            after => Effect::Down(Down::Interrupt(after, self.then.clone())),
        }
    }

    fn is_terminal(&self) -> bool {
        self.after == 0
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        request.reading().and_then(|reading| reading.operation).is_some_and(Operation::streams)
    }
}

impl fmt::Display for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.then {
            Break::BadCrc => f.write_str("bad checksum in the event stream")?,
            Break::Cut => f.write_str("event stream cut")?,
            Break::Exception(error) => write!(f, "{} in the event stream", error.code)?,
        }
        write!(f, " after {} event{}", self.after, if self.after == 1 { "" } else { "s" })
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let how = "event_stream: {after: 3, then: cut}";
    let settings = EVENT_STREAM.required(name, settings, "to be told what happens", how)?;
    let fields = EVENT_STREAM.fields(settings)?;
    let after = match fields.optional("after")? {
        Some(node) => {
            let word = node.word("a number of events")?;
            word.parse().map_err(|_| Complaint::new(node.at, format!("`{word}` is not a number of events")))?
        }
        None => 0,
    };
    Ok(Box::new(EventStream { after, then: read_break(fields.required("then")?)? }))
}

fn read_break(node: &Node) -> Result<Break, Complaint> {
    let known = "`cut`, `bad_crc` or `{exception: throttlingException}`";
    match &node.content {
        Content::Word(word) if word == "cut" => Ok(Break::Cut),
        Content::Word(word) if word == "bad_crc" => Ok(Break::BadCrc),
        Content::Map(_) => {
            let fields = node.fields("`then`", &["exception", "message"])?;
            let code = super::error::read_code(fields.required("exception")?)?;
            let message = fields.optional("message")?.map(|node| node.word("a text")).transpose()?;
            Ok(Break::Exception(AwsError { code, status: None, message: message.map(Into::into), members: Vec::new() }))
        }
        other => Err(Complaint::new(node.at, format!("{other} is nothing that happens to an event stream"))
            .help(format!("write {known}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse, request};
    use super::*;

    #[test]
    fn after_some_events_it_strikes_what_passes_and_before_the_first_it_answers() {
        assert_eq!(effect("{event_stream: {after: 3, then: cut}}"), Effect::Down(Down::Interrupt(3, Break::Cut)));
        assert_eq!(effect("{event_stream: {then: bad_crc}}"), Effect::Instead(Instead::BrokenStream(Break::BadCrc)));
        let Effect::Down(Down::Interrupt(1, Break::Exception(error))) =
            effect("{event_stream: {after: 1, then: {exception: throttlingException, message: too fast}}}")
        else {
            panic!()
        };
        assert_eq!((&*error.code, error.message.as_deref()), ("throttlingException", Some("too fast")));
    }

    #[test]
    fn it_suits_operations_that_stream() {
        let fault = &parse("{event_stream: {then: cut}}").unwrap()[0];
        assert!(fault.suits(&request("bedrock-runtime", "ConverseStream")));
        assert!(!fault.suits(&request("bedrock-runtime", "Converse")));
    }

    #[test]
    fn it_is_told_in_words() {
        for (yaml, words) in [
            ("{event_stream: {after: 1, then: cut}}", "event stream cut after 1 event"),
            ("{event_stream: {then: {exception: X}}}", "X in the event stream after 0 events"),
        ] {
            assert_eq!(parse(yaml).unwrap()[0].to_string(), words);
        }
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("event_stream", "`event_stream` needs to be told what happens"),
            ("{event_stream: {after: 3}}", "`event_stream` lacks the key `then`"),
            ("{event_stream: {after: x, then: cut}}", "`x` is not a number of events"),
            ("{event_stream: {then: stop}}", "`stop` is nothing that happens to an event stream"),
            ("{event_stream: {then: {error: X}}}", "unknown key `error` in `then`"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
