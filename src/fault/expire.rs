//! `expire`: what was read half is not read on, because the token for it has expired.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Short,
    written::{Complaint, Node},
};
use crate::aws::{
    page,
    request::{AwsRequest, Head},
};

/// Rejects tokens of pages and shard iterators.
pub(super) static EXPIRE: FaultKind = FaultKind {
    name: "expire",
    about: "Answers requests that go on with a page before, or with a shard iterator, that the token has expired.",
    details: "Only a request that carries a token (NextToken, ContinuationToken, Marker, PageToken, ShardIterator and their like) is \
              answered, with ExpiredIteratorException, ExpiredNextTokenException, InvalidNextToken or what else its operation models for \
              it, and where it models nothing with what the service says of parameters that are not valid. First pages pass, and \
              so do keys that never expire: DynamoDB's ExclusiveStartKey, the markers of S3's older lists. Tokens are looked for in \
              the query and in the first 16 KiB of the body. `calls` counts first pages too; `limit: 1` lets one scan break off. Nothing \
              is forwarded.",
    settings: &[],
    short: Short::Bare,
    example: "fault: expire",
    clients: "They raise the exception they have for the code and do not retry it: a paginator ends in the middle, and what began the \
              scan has to begin again.",
    read,
};

#[derive(Debug)]
struct Expire;

impl Fault for Expire {
    fn effect(&self, request: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Error(page::expired(request)))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        page::may_go_on(request)
    }

    fn looks_into_body(&self) -> bool {
        true
    }

    fn finds(&self, request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
        page::goes_on(request, head, body_prefix)
    }
}

impl fmt::Display for Expire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expired tokens of pages and iterators")
    }
}

fn read(_: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    match settings {
        Some(settings) => Err(Complaint::new(settings.at, "`expire` takes no settings").help("write `fault: expire`")),
        None => Ok(Box::new(Expire)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parse, request};

    #[test]
    fn it_answers_in_the_place_of_operations_that_read() {
        let expire = &parse("expire").unwrap()[0];
        assert!(expire.is_terminal() && expire.suits(&request("kinesis", "GetRecords")));
        assert!(!expire.suits(&request("kinesis", "PutRecords")));
        assert_eq!(parse("{expire: {for: 2s}}").unwrap_err().message, "`expire` takes no settings");
    }
}
