//! `throttle`, `internal`, `unavailable`: trouble in the words of the service that is asked.
//!
//! Each AWS service says "too fast" in its own way: DynamoDB with ProvisionedThroughputExceededException and status 400, S3 with
//! SlowDown and 503, EC2 with RequestLimitExceeded. These faults answer with that idiom, which [`crate::aws::idiom`] knows.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind,
    written::{Complaint, Node},
};
use crate::aws::{
    idiom::{Idiom, idiom},
    request::AwsRequest,
};

/// Too many requests.
pub(super) const THROTTLE: FaultKind = FaultKind {
    name: "throttle",
    about: "Answers with the service's own throttling error.",
    example: "fault: throttle",
    read: |name, settings| read(name, settings, Idiom::Throttle),
};

/// The service failed.
pub(super) const INTERNAL: FaultKind = FaultKind {
    name: "internal",
    about: "Answers with the service's own internal error.",
    example: "fault: internal",
    read: |name, settings| read(name, settings, Idiom::Internal),
};

/// The service is not there for now.
pub(super) const UNAVAILABLE: FaultKind = FaultKind {
    name: "unavailable",
    about: "Answers with the service's own way to say that it is unavailable.",
    example: "fault: unavailable",
    read: |name, settings| read(name, settings, Idiom::Unavailable),
};

struct Idiomatic {
    word: String,
    idiom: Idiom,
}

impl Fault for Idiomatic {
    fn effect(&self, request: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Answer(idiom(request, self.idiom))
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

impl fmt::Debug for Idiomatic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

impl fmt::Display for Idiomatic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

fn read(name: &Node, settings: Option<&Node>, idiom: Idiom) -> Result<Box<dyn Fault>, Complaint> {
    let word = name.word("the name of a fault")?;
    if let Some(settings) = settings {
        return Err(Complaint::new(settings.at, format!("`{word}` takes no settings"))
            .help(format!("write `fault: {word}`, or `error: {{code: …}}` to choose code, status and message")));
    }
    Ok(Box::new(Idiomatic { word: word.to_owned(), idiom }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{parse, request};
    use super::*;

    fn code(yaml: &str, service: &str, operation: &str) -> String {
        let faults = parse(yaml).unwrap();
        let Effect::Answer(error) = faults[0].effect(&request(service, operation), &mut Draw::new([0; 32])) else {
            panic!()
        };
        error.code.to_string()
    }

    #[test]
    fn each_service_throttles_in_its_own_words() {
        assert_eq!(code("throttle", "dynamodb", "PutItem"), "ProvisionedThroughputExceededException");
        assert_eq!(code("throttle", "s3", "PutObject"), "SlowDown");
        assert_eq!(code("throttle", "ec2", "DescribeInstances"), "RequestLimitExceeded");
    }

    #[test]
    fn internal_and_unavailable_are_idioms_too() {
        assert_eq!(code("internal", "s3", "PutObject"), "InternalError");
        assert_eq!(code("unavailable", "s3", "PutObject"), "ServiceUnavailable");
    }

    #[test]
    fn idioms_decide_who_answers() {
        for word in ["throttle", "internal", "unavailable"] {
            assert!(parse(word).unwrap()[0].is_terminal());
        }
    }

    #[test]
    fn settings_are_refused_with_a_way_out() {
        let complaint = parse("{throttle: {code: X}}").unwrap_err();
        assert_eq!(complaint.message, "`throttle` takes no settings");
        assert!(complaint.help.unwrap().contains("error: {code: …}"));
    }
}
