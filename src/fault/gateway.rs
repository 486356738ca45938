//! `gateway`: the error page of a load balancer, which is none of the service's own errors.

use std::fmt;

use http::StatusCode;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    written::{Complaint, Content, Node},
};
use crate::aws::{gateway, request::AwsRequest};

/// Answers with the bare HTML of an Application Load Balancer.
pub(super) static GATEWAY: FaultKind = FaultKind {
    name: "gateway",
    about: "Answers with the bare HTML page of a load balancer: 502 Bad Gateway, 503 Service Temporarily Unavailable or 504 Gateway Time-out.",
    details: "It has no error code and no request id, and is in no protocol that the SDK expects: just what an Application Load Balancer \
              sends when the service behind it does not answer. Nothing is forwarded.",
    settings: &[Setting::or("status", Value::Word(&["502", "503", "504"]), "503", "which of its pages")],
    short: Short::BareOrValue(Value::Status),
    example: "fault: {gateway: {status: 504}}",
    clients: "All retry by the status. At last boto3 raises a ClientError whose code is the status; JavaScript raises a SyntaxError \
              where it expects JSON, and an error named Unknown from S3; Rust has a service error without a code.",
    read,
};

#[derive(Debug)]
struct Gateway(StatusCode);

impl Fault for Gateway {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Gateway(self.0))
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gateway {}", self.0.as_u16())
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let status = match settings {
        None => None,
        Some(node @ Node { content: Content::Word(_), .. }) => Some(node),
        Some(settings) => GATEWAY.fields(settings)?.optional("status")?,
    };
    let status = status.map(read_status).transpose()?;
    Ok(Box::new(Gateway(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE))))
}

fn read_status(node: &Node) -> Result<StatusCode, Complaint> {
    let word = node.word("a status")?;
    let status = word.parse().ok().filter(|status| gateway::reason(*status).is_some());
    status.ok_or_else(|| {
        Complaint::new(node.at, format!("load balancers have no page for `{word}`; they have 502, 503 and 504"))
            .help("an error of the service's own is `error: {code: …, status: …}`")
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_answers_with_one_of_three_pages() {
        let page = |status| Effect::Instead(Instead::Gateway(StatusCode::from_u16(status).unwrap()));
        assert_eq!(
            [effect("gateway"), effect("{gateway: {status: 502}}"), effect("{gateway: 504}")],
            [page(503), page(502), page(504)]
        );
        let message = parse("{gateway: {status: 500}}").unwrap_err().message;
        assert_eq!(message, "load balancers have no page for `500`; they have 502, 503 and 504");
    }
}
