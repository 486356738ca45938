//! `error`: one of AWS's errors, by its code.

use std::fmt;

use compact_str::CompactString;
use http::StatusCode;
use serde_json::Value as Json;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    written::{At, Complaint, Content, Node, nearest},
};
use crate::aws::{
    catalog::{Operation, Service},
    protocol::{AwsError, Given},
    request::AwsRequest,
};

/// Answers with the error of this code, written in the operation's own protocol. Status, message and
/// members, where not given, are those AWS models or uses.
pub(super) static ERROR: FaultKind = FaultKind {
    name: "error",
    about: "Answers with the error of a given code; status, message and members as given, or AWS's own.",
    details: "A code that AWS does not model for any operation of the rule is a warning when the profile is loaded: it is sent all the \
              same. Nothing is forwarded.",
    settings: &[
        Setting::new("code", Value::Text, "the error's code, as AWS writes it"),
        Setting::new("status", Value::Status, "from 300 to 599; else the one that AWS models or uses for the code"),
        Setting::new("message", Value::Text, "what it says; else what AWS says"),
        Setting::new("members", Value::Members, "what else it carries, by the names in AWS's API reference"),
    ],
    short: Short::No,
    example: "fault: {error: {code: ConditionalCheckFailedException, status: 400, message: The conditional request failed}}",
    clients: "They raise the exception they have for the code, or their general one, and retry by code and status.",
    read,
};

#[derive(Debug)]
struct Error {
    error: AwsError,
    code_at: At,
}

impl Fault for Error {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Error(self.error.clone()))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        let code = self.error.code.as_str();
        let is_head = |(_, operation): &(_, &Operation)| operation.route.is_some_and(|(method, _)| method == "HEAD");
        if !operations.is_empty() && operations.iter().all(is_head) {
            let complaint = format!("the answer to a HEAD carries no code: clients see the status of `{code}` only");
            return Some(Complaint::new(self.code_at, complaint));
        }
        if operations.is_empty()
            || is_common(code)
            || operations.iter().any(|(service, o)| may_answer(service, o, code))
        {
            return None;
        }
        let whose = match operations {
            [(service, operation)] => format!("{} {}", service.name, operation.name),
            _ => "any operation that this rule matches".to_owned(),
        };
        let complaint = Complaint::new(self.code_at, format!("AWS does not model the error `{code}` for {whose}"));
        let codes =
            operations.iter().flat_map(|(service, o)| service.errors_of(o)).flat_map(|error| [error.code, error.name]);
        Some(match nearest(code, codes) {
            Some(right) => complaint.help(format!("did you mean `{right}`?")),
            None => complaint.help("SDKs raise their general client error for it, not a typed one"),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.error.code)?;
        self.error.status.map_or(Ok(()), |status| write!(f, " ({})", status.as_u16()))
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = settings
        .ok_or_else(|| Complaint::new(name.at, "`error` needs a code").help("write `error: {code: SlowDown}`"))?;
    let fields = ERROR.fields(settings)?;
    let code = fields.required("code")?;
    let message = fields.optional("message")?.map(|node| node.word("a text")).transpose()?;
    let error = AwsError {
        code: read_code(code)?,
        status: fields.optional("status")?.map(read_status).transpose()?,
        message: message.map(CompactString::from),
        members: fields.optional("members")?.map(read_members).transpose()?.unwrap_or_default(),
    };
    Ok(Box::new(Error { error, code_at: code.at }))
}

fn read_members(node: &Node) -> Result<Given, Complaint> {
    let Content::Map(entries) = &node.content else {
        return Err(Complaint::new(node.at, format!("expected the error's members by name, found {}", node.content))
            .help("write `members: {retryAfterSeconds: 5}`"));
    };
    let read = |(name, value): &(Node, Node)| {
        let word = name.word("the name of a member")?;
        let is_name = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if is_name {
            return Ok((word.into(), as_json(value)));
        }
        Err(Complaint::new(name.at, format!("`{word}` is not the name of a member: letters, digits, `-` and `_` only")))
    };
    entries.iter().map(read).collect()
}

/// What looks like a number or a truth value is one; where the model wants a text, it becomes one again.
pub(super) fn as_json(node: &Node) -> Json {
    match &node.content {
        Content::Empty => Json::Null,
        Content::List(items) => items.iter().map(as_json).collect(),
        Content::Map(entries) => {
            let named =
                entries.iter().filter_map(|(name, value)| Some((name.word("a name").ok()?.to_owned(), as_json(value))));
            Json::Object(named.collect())
        }
        Content::Word(word) => match serde_json::from_str(word) {
            Ok(plain @ (Json::Bool(_) | Json::Number(_))) => plain,
            _ => Json::String(word.clone()),
        },
    }
}

/// Codes travel in header fields and XML: only what AWS's own codes are made of is allowed.
pub(super) fn read_code(node: &Node) -> Result<CompactString, Complaint> {
    let code = node.word("an error code")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '#' | '/');
    if !code.is_empty() && code.chars().all(allowed) {
        Ok(code.into())
    } else {
        Err(Complaint::new(node.at, format!("`{code}` is not an error code: letters, digits and `._-:#/` only")))
    }
}

fn read_status(node: &Node) -> Result<StatusCode, Complaint> {
    let word = node.word("a status")?;
    let status = word.parse().ok().filter(|status| (300..600).contains(status));
    status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or_else(|| {
        Complaint::new(node.at, format!("`{word}` is not the status of an error; it must lie between 300 and 599"))
    })
}

/// Whether the model lets an operation answer so; where it models no error at all, nothing is known and anything may be.
fn may_answer(service: &'static Service, operation: &'static Operation, code: &str) -> bool {
    let mut modeled = service.errors_of(operation).peekable();
    UNMODELED.contains(&service.name)
        || modeled.peek().is_none()
        || modeled.any(|error| [error.code, error.name].contains(&code))
}

fn is_common(code: &str) -> bool {
    COMMON.binary_search(&code).is_ok()
}

/// Services whose errors AWS documents in prose ("Error responses" of S3, "Error codes" of EC2) and hardly models.
const UNMODELED: &[&str] = &["ec2", "s3", "s3control"];

/// Codes any operation may answer with and no model lists, sorted: AWS's "Common Errors" pages, the throttling codes that SDKs retry,
/// and the general failures of the query and REST services.
const COMMON: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "LimitExceededException",
    "MalformedHttpRequestException",
    "NotAuthorized",
    "OptInRequired",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestAbortedException",
    "RequestEntityTooLargeException",
    "RequestExpired",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SignatureDoesNotMatch",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
];

#[cfg(test)]
mod tests {
    use super::super::tests::{parse, request};
    use serde_json::json;

    use super::*;
    use crate::aws::catalog;

    fn answer(yaml: &str) -> AwsError {
        let faults = parse(yaml).unwrap();
        let Effect::Instead(Instead::Error(error)) =
            faults[0].effect(&request("dynamodb", "PutItem"), &mut Draw::new([0; 32]))
        else {
            panic!()
        };
        error
    }

    fn doubt(yaml: &str, service: &str, operation: &str) -> Option<Complaint> {
        let service = catalog::service(service).unwrap();
        parse(yaml).unwrap()[0].doubt(&[(service, service.operation(operation).unwrap())])
    }

    #[test]
    fn what_is_not_given_is_left_to_aws() {
        let error = AwsError { code: "SlowDown".into(), status: None, message: None, members: Vec::new() };
        assert_eq!(answer("{error: {code: SlowDown}}"), error);
    }

    #[test]
    fn code_status_and_message_are_answered_as_given() {
        let error = AwsError {
            code: "X.Y".into(),
            status: Some(StatusCode::IM_A_TEAPOT),
            message: Some("short & stout".into()),
            members: vec![("a".into(), json!(5)), ("b".into(), json!([{"c": true}, "d"]))],
        };
        let yaml = "{error: {code: X.Y, status: 418, message: short & stout, members: {a: 5, b: [{c: true}, d]}}}";
        assert_eq!(answer(yaml), error);
    }

    #[test]
    fn codes_that_the_operation_models_or_any_may_answer_raise_no_doubt() {
        for code in [
            "ConditionalCheckFailedException",
            "ResourceNotFoundException",
            "ThrottlingException",
            "AccessDeniedException",
        ] {
            assert_eq!(doubt(&format!("{{error: {{code: {code}}}}}"), "dynamodb", "PutItem"), None, "{code}");
        }
        assert_eq!(doubt("{error: {code: NoSuchLifecycleConfiguration}}", "s3", "PutObject"), None);
    }

    #[test]
    fn codes_of_another_operation_or_misspelt_raise_doubt() {
        let complaint = doubt("{error: {code: ConditionalCheckFailedExeption}}", "dynamodb", "PutItem").unwrap();
        assert_eq!(
            complaint.message,
            "AWS does not model the error `ConditionalCheckFailedExeption` for dynamodb PutItem"
        );
        assert_eq!(complaint.help.as_deref(), Some("did you mean `ConditionalCheckFailedException`?"));
        assert!(doubt("{error: {code: BackupNotFoundException}}", "dynamodb", "PutItem").is_some());
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("error", "`error` needs a code"),
            ("{error: {status: 500}}", "`error` lacks the key `code`"),
            ("{error: SlowDown}", "`error` must be a map, found `SlowDown`"),
            ("{error: {code: a b}}", "`a b` is not an error code: letters, digits and `._-:#/` only"),
            ("{error: {code: X, status: 200}}", "`200` is not the status of an error; it must lie between 300 and 599"),
            (
                "{error: {code: X, status: five}}",
                "`five` is not the status of an error; it must lie between 300 and 599",
            ),
            ("{error: {code: X, extras: {}}}", "unknown key `extras` in `error`"),
            ("{error: {code: X, members: 5}}", "expected the error's members by name, found `5`"),
            (
                "{error: {code: X, members: {a b: 5}}}",
                "`a b` is not the name of a member: letters, digits, `-` and `_` only",
            ),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }

    #[test]
    fn the_common_codes_are_sorted_for_the_search() {
        assert!(COMMON.is_sorted());
    }
}
