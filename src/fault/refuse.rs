//! `refuse`: a connection that is closed as soon as it is there.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Short, Stage, Wire,
    written::{Complaint, Node},
};
use crate::aws::request::AwsRequest;

/// Closes the connection without a word.
pub(super) static REFUSE: FaultKind = FaultKind {
    name: "refuse",
    about: "Closes the connection unanswered: before its first request, or, where the rule asks for more than the host, after a request's head.",
    details: "A rule that asks for nothing but service, region, host or client strikes when a connection is opened, as soon as its host is \
              known: at the CONNECT, at the TLS ClientHello, or else with its first request. It sees what the host's name says, nothing \
              of requests. A rule that asks for operation, resource, attempt and the like needs a request to go by: its head is read, and \
              the connection is then closed with nothing answered or forwarded. A TCP connection is reset as soon as it is there, and one \
              that is open when the rule's time comes is reset then; where a rule names a `tcp:` entry and strikes each of its connections, \
              nobody listens there meanwhile, and clients get a real connection refused.",
    settings: &[],
    short: Short::Bare,
    example: "fault: refuse",
    clients: "A connection error, which all three retry. boto3 calls it ConnectionClosedError where it comes at the CONNECT, and \
              ProxyConnectionError where it comes inside the tunnel; JavaScript calls it ECONNRESET.",
    read,
};

#[derive(Debug)]
struct Refuse;

impl Fault for Refuse {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Close)
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        Ok(Wire::Refuse)
    }

    fn stage(&self) -> Stage {
        Stage::ConnectOrRequest
    }
}

impl fmt::Display for Refuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refuse")
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    match settings {
        None => Ok(Box::new(Refuse)),
        Some(settings) => Err(Complaint::new(settings.at, "`refuse` takes no settings").help("write `fault: refuse`")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_closes_at_once_or_after_the_head() {
        assert_eq!(effect("refuse"), Effect::Instead(Instead::Close));
        assert_eq!(parse("refuse").unwrap()[0].stage(), Stage::ConnectOrRequest);
        assert_eq!(parse("{refuse: {at: request}}").unwrap_err().message, "`refuse` takes no settings");
    }
}
