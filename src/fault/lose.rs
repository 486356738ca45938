//! `lose`: carried out, and nobody hears of it.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Scope, Setting, Short, Stage, Value,
    written::{Complaint, Content, Node},
};
use crate::aws::request::AwsRequest;

/// Lets the far end carry the request out, throws its answer away, and gives the client something else.
pub(super) static LOSE: FaultKind = FaultKind {
    name: "lose",
    about: "Lets the far end carry the request out and throws its answer away; the client gets a reset, nothing, or an error instead.",
    details: "What the ambiguous failure in production is: the work is done, and the caller does not know. The client's retry then does \
              it a second time, unless the call is idempotent. The ledger tells what the far end had answered as `upstream_status`. A \
              request that does not reach the far end is not lost but failed, and told so.",
    settings: &[Setting::or(
        "then",
        Value::Fault,
        "reset",
        "what the client gets: `reset`, `hang`, `refuse`, `gateway`, or any fault that answers with an error",
    )],
    short: Short::Bare,
    example: "fault: {lose: {then: {error: {code: InternalServerError, status: 500}}}}",
    clients: "They retry as they do for what comes instead, and carry the same invocation id, which AWS does not look at: a PutItem \
              with a condition then fails over its own success, a SendMessage is there twice.",
    read,
};

struct Lose {
    then: Box<dyn Fault>,
}

impl Fault for Lose {
    fn effect(&self, request: &AwsRequest, draw: &mut Draw) -> Effect {
        match self.then.effect(request, draw) {
            Effect::Instead(lost @ Instead::Lost(_)) => Effect::Instead(lost),
            Effect::Instead(instead) => Effect::Instead(Instead::Lost(Box::new(instead))),
            // `read` lets nothing else in.
            _ => Effect::Instead(Instead::Lost(Box::new(Instead::Reset(Scope::Connection)))),
        }
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn on_real_aws(&self) -> Option<&'static str> {
        Some("requests are carried out there for good, and the program is told that they are not")
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        self.then.suits(request)
    }
}

impl fmt::Debug for Lose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lose {{ then: {:?} }}", self.then)
    }
}

impl fmt::Display for Lose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer lost, then {}", self.then)
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let then = match settings {
        None => None,
        Some(settings) => LOSE.fields(settings)?.optional("then")?,
    };
    let reset = Node { at: name.at, content: Content::Word("reset".to_owned()) };
    let node = then.unwrap_or(&reset);
    let mut faults = super::read(node)?;
    match (faults.pop(), faults.pop()) {
        (Some(then), None) if then.is_terminal() && is_of_requests(&*then) => Ok(Box::new(Lose { then })),
        _ => Err(Complaint::new(
            node.at,
            "after an answer is lost the client gets one thing: `reset`, `hang`, `refuse`, `gateway`, or an error",
        )
        .help("write `lose: {then: reset}`")),
    }
}

fn is_of_requests(fault: &dyn Fault) -> bool {
    matches!(fault.stage(), Stage::ConnectOrRequest | Stage::Request) && !fault.rewrites() && fault.lag().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn what_comes_then_is_any_fault_that_answers() {
        let lost = |instead| Effect::Instead(Instead::Lost(Box::new(instead)));
        let reset = Instead::Reset(Scope::Connection);
        for (yaml, then) in [
            ("lose", reset.clone()),
            ("{lose: {then: reset}}", reset),
            ("{lose: {then: {reset: {at: answer}}}}", Instead::Reset(Scope::Connection)),
            ("{lose: {then: hang}}", Instead::Hang(None)),
        ] {
            assert_eq!(effect(yaml), lost(then), "{yaml}");
        }
        let Effect::Instead(Instead::Lost(then)) = effect("{lose: {then: throttle}}") else { panic!() };
        assert!(matches!(*then, Instead::Error(error) if error.code == "SlowDown"));
        let told = parse("{lose: {then: {error: {code: X, status: 500}}}}").unwrap()[0].to_string();
        assert_eq!(told, "answer lost, then error X (500)");
    }

    #[test]
    fn it_takes_nothing_that_does_not_stand_for_an_answer() {
        for yaml in [
            "{lose: {then: {latency: 1s}}}",
            "{lose: {then: [reset, latency: 1s]}}",
            "{lose: {then: {reset: {at: connect}}}}",
            "{lose: {then: {reset: {at: 50%}}}}",
            "{lose: {then: {partial: {items: first 1}}}}",
        ] {
            let message = parse(yaml).unwrap_err().message;
            assert!(message.starts_with("after an answer is lost the client gets one thing"), "{yaml}: {message}");
        }
    }
}
