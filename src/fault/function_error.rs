//! `function_error`: Lambda has done its part, and the function has failed.

use std::fmt;

use serde_json::{Value as Json, json};

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    kind::{doubt_unless, one_of},
    written::{At, Complaint, Content, Node},
};
use crate::aws::{
    catalog::{Operation, Service},
    protocol::in_ok::{self, FunctionError},
    request::AwsRequest,
};

/// Answers as Lambda does when the function that it ran has failed.
pub(super) static FUNCTION_ERROR: FaultKind = FaultKind {
    name: "function_error",
    about: "Answers Lambda's Invoke as when the function fails: 200, `X-Amz-Function-Error`, and the error as payload.",
    details: "The function is not run, unless `carried_out` says so: then the far end runs it, and its answer is thrown away. `Unhandled` is what \
              Lambda's runtimes report of an exception, `Handled` what old ones did of an error that the function returned. An \
              invocation that nobody waits for (`Event`) or that only asks whether it may be made (`DryRun`) passes.",
    settings: &[
        Setting::or("type", Value::Word(&["Unhandled", "Handled"]), "Unhandled", "the value of `X-Amz-Function-Error`"),
        Setting::new(
            "payload",
            Value::Members,
            "the error as the function tells it; else one with errorMessage, errorType and stackTrace",
        ),
        Setting::or("carried_out", Value::Flag, "false", "whether the function runs all the same"),
    ],
    short: Short::Bare,
    example: "fault: {function_error: {type: Unhandled, payload: {errorMessage: out of stock, errorType: StockError}}}",
    clients: "They raise nothing and retry nothing: the answer is good, and `FunctionError` stands in it. A program that does not look there \
              takes the error's payload for the result.",
    read,
};

#[derive(Debug)]
struct Failed {
    failure: FunctionError,
    carried_out: bool,
    name: At,
}

impl Fault for Failed {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::FunctionError(self.failure.clone()).carried_out(self.carried_out))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        request.reading().is_some_and(in_ok::runs_function) && !request.detached
    }

    fn on_real_aws(&self) -> Option<&'static str> {
        self.carried_out.then_some("functions run there for good, and the program is told that they failed")
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        doubt_unless(
            in_ok::runs_function,
            operations,
            self.name,
            "answer with what a function returned",
            "match Lambda's Invoke",
        )
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.failure.handled { "handled" } else { "unhandled" })?;
        f.write_str(" error of the function")?;
        if self.carried_out { f.write_str(", which has run") } else { Ok(()) }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let failure = FunctionError { handled: false, payload: usual() };
    let mut fault = Failed { failure, carried_out: false, name: name.at };
    if let Some(settings) = settings {
        let fields = FUNCTION_ERROR.fields(settings)?;
        let types = [("Unhandled", false), ("Handled", true)];
        let handled = fields.optional("type")?.map(|node| one_of(node, "a type of function error", &types));
        fault.failure.handled = handled.transpose()?.unwrap_or(false);
        if let Some(payload) = fields.optional("payload")? {
            fault.failure.payload = read_payload(payload)?;
        }
        fault.carried_out = fields.optional("carried_out")?.map(Node::flag).transpose()?.unwrap_or(false);
    }
    Ok(Box::new(fault))
}

fn read_payload(node: &Node) -> Result<Json, Complaint> {
    match &node.content {
        Content::Map(_) => Ok(super::error::as_json(node)),
        other => Err(Complaint::new(node.at, format!("expected the function's error as a map, found {other}"))
            .help("write `payload: {errorMessage: out of stock, errorType: StockError}`")),
    }
}

/// As the runtime for Python tells an exception.
fn usual() -> Json {
    json!({
        "errorMessage": "The function failed",
        "errorType": "RuntimeError",
        "stackTrace": ["  File \"/var/task/app.py\", line 1, in handler\n    raise RuntimeError(\"The function failed\")\n"],
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse, request};
    use super::*;
    use crate::aws::catalog;

    fn failed(handled: bool, payload: Json) -> Instead {
        Instead::FunctionError(FunctionError { handled, payload })
    }

    #[test]
    fn the_function_fails_as_written_run_or_not() {
        let own = "{function_error: {type: Handled, payload: {errorMessage: no, code: 5}, carried_out: true}}";
        for (yaml, instead, words) in [
            ("function_error", failed(false, usual()), "unhandled error of the function"),
            (
                own,
                Instead::Lost(Box::new(failed(true, json!({"errorMessage": "no", "code": 5})))),
                "handled error of the function, which has run",
            ),
        ] {
            assert_eq!(effect(yaml), Effect::Instead(instead), "{yaml}");
            assert_eq!(parse(yaml).unwrap()[0].to_string(), words);
        }
    }

    #[test]
    fn it_happens_to_invocations_that_are_waited_for_and_the_loader_says_so() {
        let fault = &parse("function_error").unwrap()[0];
        assert!(fault.is_terminal() && fault.suits(&request("lambda", "Invoke")));
        assert!(!fault.suits(&AwsRequest { detached: true, ..request("lambda", "Invoke") }));
        assert!(!fault.suits(&request("lambda", "GetFunction")));
        let lambda = catalog::service("lambda").unwrap();
        let doubt = fault.doubt(&[(lambda, lambda.operation("GetFunction").unwrap())]).unwrap();
        assert_eq!(doubt.message, "lambda GetFunction is not known to answer with what a function returned");
        assert_eq!(fault.doubt(&[(lambda, lambda.operation("Invoke").unwrap())]), None);
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("{function_error: Handled}", "`function_error` must be a map, found `Handled`"),
            ("{function_error: {type: handled}}", "`handled` is not a type of function error"),
            ("{function_error: {payload: 5}}", "expected the function's error as a map, found `5`"),
            ("{function_error: {carried_out: 1}}", "expected `true` or `false`, found `1`"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
