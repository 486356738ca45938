//! `duplicate`: one request, carried out several times.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Setting, Short, Up, Value,
    written::{Complaint, Content, Node},
};
use crate::aws::request::AwsRequest;

/// Sends the request several times; the client gets the first answer.
pub(super) static DUPLICATE: FaultKind = FaultKind {
    name: "duplicate",
    about: "Sends the request to the far end several times, one after the other; the client gets the first answer.",
    details: "The client's answer waits until the far end has answered all of them. A request whose body is larger than 1 MiB is sent \
              once, since its body would have to be kept: the rule is then not counted as fired, and the report says how often. Nor is a \
              stream of events sent again (Transcribe's), which goes on while the answer does. The signature is the same each time, which AWS accepts for five minutes. A client that waits for `100 Continue` is asked \
              for its body by Squall.",
    settings: &[Setting::or("times", Value::Count, "2", "how often it is sent in all; at most 10")],
    short: Short::BareOrValue(Value::Count),
    example: "fault: {duplicate: {times: 2}}",
    clients: "They see nothing of it. Whether the program does depends on the call: a message is there twice, a counter counts twice, an \
              item that is put twice is the same item.",
    read,
};

#[derive(Debug)]
struct Duplicate(u32);

impl Fault for Duplicate {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Up(Up::Send(self.0))
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        request.reading().and_then(|reading| reading.operation).is_none_or(|operation| !operation.converses())
    }

    fn on_real_aws(&self) -> Option<&'static str> {
        Some("what is sent again is carried out again, for good")
    }
}

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent {} times", self.0)
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let times = match settings {
        None => None,
        Some(node @ Node { content: Content::Word(_), .. }) => Some(node),
        Some(settings) => DUPLICATE.fields(settings)?.optional("times")?,
    };
    Ok(Box::new(Duplicate(times.map(read_times).transpose()?.unwrap_or(2))))
}

fn read_times(node: &Node) -> Result<u32, Complaint> {
    let word = node.word("a number")?;
    let times = word.parse().ok().filter(|times| (2..=MOST).contains(times));
    times.ok_or_else(|| Complaint::new(node.at, format!("`{word}` is not a number of times from 2 to {MOST}")))
}

/// More would be a load test.
const MOST: u32 = 10;

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse, request};
    use super::*;

    #[test]
    fn a_conversation_is_not_held_back_until_it_can_be_sent_again() {
        let fault = &parse("duplicate").unwrap()[0];
        assert!(!fault.suits(&request("transcribe-streaming", "StartStreamTranscription")));
        assert!(fault.suits(&request("bedrock-runtime", "ConverseStream")));
    }

    #[test]
    fn a_request_is_sent_twice_or_as_often_as_written() {
        for (yaml, times) in [("duplicate", 2), ("{duplicate: {times: 3}}", 3), ("{duplicate: 10}", 10)] {
            assert_eq!(effect(yaml), Effect::Up(Up::Send(times)), "{yaml}");
        }
        assert!(!parse("duplicate").unwrap()[0].is_terminal());
        for times in ["1", "11", "many"] {
            let message = parse(&format!("{{duplicate: {{times: {times}}}}}")).unwrap_err().message;
            assert_eq!(message, format!("`{times}` is not a number of times from 2 to 10"));
        }
    }
}
