//! `error_in_ok`: S3 says 200, and then that it has failed.

use std::fmt;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    kind::doubt_unless,
    written::{At, Complaint, Node},
};
use crate::aws::{
    catalog::{Operation, Service},
    protocol::{AwsError, in_ok},
    request::AwsRequest,
};

/// Answers with 200, white space and an error, as S3 does for what takes it long.
pub(super) static ERROR_IN_OK: FaultKind = FaultKind {
    name: "error_in_ok",
    about: "Answers 200, and then fails: S3's `<Error>` in the body of an answer that had begun well.",
    details: "For CopyObject, UploadPartCopy and CompleteMultipartUpload, which S3 answers before it is done, sending white space until it \
              is. The body is the XML declaration, white space, and `<Error>` with Code, Message, RequestId and HostId. Nothing is \
              forwarded, unless `carried_out` says so: then the far end does it, and its answer is thrown away.",
    settings: &[
        Setting::or("code", Value::Text, "InternalError", "the error's code, as S3 writes it"),
        Setting::new("message", Value::Text, "what it says; else what S3 says"),
        Setting::or(
            "carried_out",
            Value::Flag,
            "false",
            "whether the far end does all the same what the client takes for failed",
        ),
    ],
    short: Short::Bare,
    example: "fault: {error_in_ok: {code: InternalError, carried_out: false}}",
    clients: "They find the error, take the answer for one of status 500 (boto3) or 503 (JavaScript), and send the request again, carried \
              out or not. A client that looks at the status only takes an object for written that is not there.",
    read,
};

#[derive(Debug)]
struct ErrorInOk {
    error: AwsError,
    carried_out: bool,
    name: At,
}

impl Fault for ErrorInOk {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::ErrorInOk(self.error.clone()).carried_out(self.carried_out))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        request.reading().is_some_and(in_ok::is_answered_early)
    }

    fn on_real_aws(&self) -> Option<&'static str> {
        self.carried_out.then_some("requests are carried out there for good, and the program is told that they are not")
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        let help = "match CopyObject, UploadPartCopy or CompleteMultipartUpload";
        doubt_unless(in_ok::is_answered_early, operations, self.name, "fail after it was answered 200", help)
    }
}

impl fmt::Display for ErrorInOk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {} in an answer of status 200", self.error.code)?;
        if self.carried_out { f.write_str(", carried out") } else { Ok(()) }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let error = AwsError { code: "InternalError".into(), status: None, message: None, members: Vec::new() };
    let mut fault = ErrorInOk { error, carried_out: false, name: name.at };
    if let Some(settings) = settings {
        let fields = ERROR_IN_OK.fields(settings)?;
        if let Some(code) = fields.optional("code")? {
            fault.error.code = super::error::read_code(code)?;
        }
        fault.error.message = fields.optional("message")?.map(|node| node.word("a text")).transpose()?.map(Into::into);
        fault.carried_out = fields.optional("carried_out")?.map(Node::flag).transpose()?.unwrap_or(false);
    }
    Ok(Box::new(fault))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse, request};
    use super::*;
    use crate::aws::catalog;

    fn error(code: &str, message: Option<&str>) -> Instead {
        let message = message.map(Into::into);
        Instead::ErrorInOk(AwsError { code: code.into(), status: None, message, members: Vec::new() })
    }

    #[test]
    fn it_fails_in_place_of_the_far_end_or_once_that_has_done_it() {
        for (yaml, instead, words) in [
            ("error_in_ok", error("InternalError", None), "error InternalError in an answer of status 200"),
            (
                "{error_in_ok: {code: SlowDown, message: too fast}}",
                error("SlowDown", Some("too fast")),
                "error SlowDown in an answer of status 200",
            ),
            (
                "{error_in_ok: {carried_out: true}}",
                Instead::Lost(Box::new(error("InternalError", None))),
                "error InternalError in an answer of status 200, carried out",
            ),
        ] {
            assert_eq!(effect(yaml), Effect::Instead(instead), "{yaml}");
            assert_eq!(parse(yaml).unwrap()[0].to_string(), words);
        }
    }

    #[test]
    fn it_happens_to_what_s3_answers_early_and_the_loader_says_so() {
        let fault = &parse("error_in_ok").unwrap()[0];
        assert!(fault.is_terminal());
        for (operation, early) in [("CopyObject", true), ("CompleteMultipartUpload", true), ("PutObject", false)] {
            assert_eq!(fault.suits(&request("s3", operation)), early, "{operation}");
            let s3 = catalog::service("s3").unwrap();
            assert_eq!(fault.doubt(&[(s3, s3.operation(operation).unwrap())]).is_none(), early, "{operation}");
        }
        assert!(
            fault.on_real_aws().is_none()
                && parse("{error_in_ok: {carried_out: true}}").unwrap()[0].on_real_aws().is_some()
        );
        let lost = &parse("{lose: {then: error_in_ok}}").unwrap()[0];
        assert!(lost.suits(&request("s3", "CopyObject")) && !lost.suits(&request("s3", "PutObject")));
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("{error_in_ok: InternalError}", "`error_in_ok` must be a map, found `InternalError`"),
            ("{error_in_ok: {status: 500}}", "unknown key `status` in `error_in_ok`"),
            ("{error_in_ok: {carried_out: maybe}}", "expected `true` or `false`, found `maybe`"),
            ("[error_in_ok, throttle]", "a second fault that answers the request: only one answer can be given"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
