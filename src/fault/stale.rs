//! `stale`: what was written a moment ago is not seen yet.

use std::{fmt, time::Duration};

use super::{
    Draw, Effect, Fault, FaultKind, Setting, Short, Value,
    written::{At, Complaint, Content, Node},
};
use crate::{
    aws::{
        catalog::{Operation, Service},
        consistency,
        request::{AwsRequest, Head, Reading},
    },
    units::Millis,
};

/// Answers reads after a write with what was true before it.
pub(super) static STALE: FaultKind = FaultKind {
    name: "stale",
    about: "Answers reads for a while after a write with what was true before it, as eventually consistent reads do.",
    details: "Reads that the rule matches pass, and their answers are kept. Once a write to the same resource was carried out, whoever made it \
              and whether or not the rule matches it, the same read gets the answer from before, for so long as `for` says: status, \
              fields, body and checksums as they were, request id and date anew. No answer is older than that: a read that \
              would miss a write of longer ago passes. The same read is one by the same access key with the same \
              method, path, query, conditions and body. Of DynamoDB a write is held against the keys of GetItem and BatchGetItem; elsewhere \
              against the resource's name, and a list lags behind every write it may show. What was created (CreateTable, CreateRole, \
              RunInstances …: by the name that the request gives it, or the id in the answer) and not read before is answered as not found. A read of which no old answer is known passes, and the \
              report says how many did. So does one that asks for consistency: DynamoDB's and SimpleDB's ConsistentRead; transactions are never \
              stale, nor what PartiQL selects. Writes that do not come through Squall are not seen. Each rule keeps up to 4,096 answers of up to 2 MiB, 64 MiB in all; \
              a body that is asked with may have 16 KiB.",
    settings: &[Setting::new("for", Value::Duration, "how long a write is not seen; at most a day")],
    short: Short::Value(Value::Duration),
    example: "fault: {stale: {for: 2s}}",
    clients: "They notice nothing. A program that reads what it has just written works with the old state: it overwrites, creates twice, or fails \
              because what it made is not there. Waiters ask until they see it.",
    read,
};

#[derive(Debug)]
struct Stale {
    lag: Millis,
    name: At,
}

impl Fault for Stale {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Recall
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn lag(&self) -> Option<Duration> {
        Some(self.lag.duration())
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        request.reading().is_some_and(consistency::reads)
    }

    fn looks_into_body(&self) -> bool {
        true
    }

    fn finds(&self, request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
        !consistency::is_consistent(request, head, body_prefix)
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        let mut readings =
            operations.iter().map(|(service, operation)| Reading { service, operation: Some(operation) });
        let is_meant = |reading: &Reading| consistency::reads(reading) && consistency::is_always_consistent(reading);
        let reading = readings.find(is_meant)?;
        let message = format!("S3 itself has no stale objects: {reading} sees every write before it");
        Some(Complaint::new(self.name, message).help(
            "it is made stale all the same, as caches and some other stores are; the configuration of buckets lags behind at AWS too",
        ))
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stale reads for {}", self.lag)
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = STALE.required(name, settings, "to know for how long", "stale: {for: 2s}")?;
    let node = match settings.content {
        Content::Word(_) => settings,
        _ => STALE.fields(settings)?.required("for")?,
    };
    let lag: Millis = node.parse("a duration")?;
    if lag.duration().is_zero() {
        return Err(Complaint::new(node.at, "a read that lags behind by nothing is not stale"));
    }
    Ok(Box::new(Stale { lag, name: name.at }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse, request};
    use super::*;
    use crate::aws::catalog;

    #[test]
    fn it_lags_as_long_as_written() {
        for yaml in ["{stale: {for: 2s}}", "{stale: 2s}"] {
            assert_eq!(effect(yaml), Effect::Recall);
            let stale = &parse(yaml).unwrap()[0];
            assert_eq!((stale.lag(), stale.to_string().as_str()), (Some(Duration::from_secs(2)), "stale reads for 2s"));
            assert!(stale.is_terminal());
        }
    }

    #[test]
    fn it_happens_to_reads_and_the_loader_says_of_which_aws_would_not_show_it() {
        let stale = &parse("{stale: 2s}").unwrap()[0];
        for (service, operation, suits, doubted) in [
            ("dynamodb", "GetItem", true, false),
            ("dynamodb", "PutItem", false, false),
            ("dynamodb", "TransactGetItems", false, false),
            ("s3", "GetObject", true, true),
            ("s3", "GetBucketPolicy", true, false),
        ] {
            assert_eq!(stale.suits(&request(service, operation)), suits, "{operation}");
            let service = catalog::service(service).unwrap();
            let doubt = stale.doubt(&[(service, service.operation(operation).unwrap())]);
            assert_eq!(doubt.is_some(), doubted, "{operation}");
        }
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("stale", "`stale` needs to know for how long"),
            ("{stale: {}}", "`stale` lacks the key `for`"),
            ("{stale: {for: 0s}}", "a read that lags behind by nothing is not stale"),
            ("{stale: {for: 2}}", "`2` has no unit; write `2ms` or `2s`"),
            ("{stale: {after: 2s}}", "unknown key `after` in `stale`"),
            (
                "{lose: {then: {stale: 2s}}}",
                "after an answer is lost the client gets one thing: `reset`, `hang`, `refuse`, `gateway`, or an error",
            ),
            ("[{stale: 2s}, throttle]", "a second fault that answers the request: only one answer can be given"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
