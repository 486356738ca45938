//! `throttle`, `not_found`, `access_denied` and their like: trouble in the words of the service that is asked.
//!
//! Each AWS service says "too fast" in its own way: DynamoDB with ProvisionedThroughputExceededException and status 400, S3 with
//! SlowDown and 503, EC2 with RequestLimitExceeded. These faults answer with that idiom, which [`crate::aws::idiom`] knows.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Short,
    written::{Complaint, Node},
};
use crate::aws::{
    idiom::{Idiom, idiom},
    request::AwsRequest,
};

/// One for each of [`Idiom::WORDS`].
pub(super) static IDIOMS: [FaultKind; 12] = [
    kind("throttle", "Answers with the service's own throttling error.", "fault: throttle"),
    kind("internal", "Answers with the service's own internal error.", "fault: internal"),
    kind("unavailable", "Answers with the service's own way to say that it is unavailable.", "fault: unavailable"),
    kind("timeout", "Answers that the service waited too long: an error, at once.", "fault: timeout"),
    kind("access_denied", "Answers that no policy allows the caller to do it.", "fault: access_denied"),
    kind("expired_token", "Answers that the caller's session is over.", "fault: expired_token"),
    kind("invalid_credentials", "Answers that nobody knows the caller's access key.", "fault: invalid_credentials"),
    kind("signature", "Answers that the request is not signed right.", "fault: signature"),
    kind("not_found", "Answers that what the request is about does not exist.", "fault: not_found"),
    kind("conflict", "Answers that something else is being done to the same resource.", "fault: conflict"),
    kind("validation", "Answers that a parameter of the request is not valid.", "fault: validation"),
    kind("limit_exceeded", "Answers that a limit of the account is reached.", "fault: limit_exceeded"),
];

const fn kind(name: &'static str, about: &'static str, example: &'static str) -> FaultKind {
    FaultKind { name, about, details: DETAILS, settings: &[], short: Short::Bare, example, clients: CLIENTS, read }
}

const DETAILS: &str = "Code, status and text are those of the service that is asked, in the protocol of the request; \
                       `squall error SERVICE OPERATION WORD` prints them. Nothing is forwarded.";
const CLIENTS: &str = "They raise the exception they have for the code, and retry it as they do when AWS sends it: throttling and errors \
                       from status 500 on are retried, most others are not.";

struct Idiomatic {
    word: String,
    idiom: Idiom,
}

impl Fault for Idiomatic {
    fn effect(&self, request: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Error(idiom(request, self.idiom)))
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

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let word = name.word("the name of a fault")?;
    let Some(idiom) = Idiom::named(word) else { return Err(Complaint::new(name.at, format!("`{word}` is no fault"))) };
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
        let Effect::Instead(Instead::Error(error)) =
            faults[0].effect(&request(service, operation), &mut Draw::new([0; 32]))
        else {
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
        for (word, _) in Idiom::WORDS {
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
