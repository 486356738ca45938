//! Failures that come with status 200: S3's errors in answers that had begun well, and those of the functions that Lambda runs.
//!
//! S3 answers some operations before it is done with them, and keeps the connection alive with white space; what goes wrong then is an
//! `<Error>` in the body. Lambda has done its part when a function fails: the function's error is the payload, and a header field says so.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::{AwsError, Stamp, SyntheticResponse, Told, insert};
use crate::aws::field;
use crate::aws::quirk;
use crate::aws::request::{AwsRequest, Reading};

/// How a function failed.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionError {
    /// Whether the function says so itself; else Lambda's runtime does.
    pub handled: bool,
    /// What it says.
    pub payload: Value,
}

/// Whether S3 answers the operation before it is done with it.
pub fn is_answered_early(reading: &Reading) -> bool {
    reading.service.name == "s3"
        && reading.operation.is_some_and(|operation| quirk::s3::ANSWERED_EARLY.contains(&operation.name))
}

/// Whether the operation runs a function and answers with what that returned.
pub fn runs_function(reading: &Reading) -> bool {
    reading.service.name == "lambda" && reading.operation.is_some_and(|operation| operation.name == "Invoke")
}

/// S3's error in an answer of status 200: in chunks, as every answer whose end is not known when it begins.
pub fn error(request: &AwsRequest, error: &AwsError, stamp: &Stamp) -> SyntheticResponse {
    let told = Told::new(request, error, stamp);
    let mut headers = HeaderMap::with_capacity(8);
    let body = quirk::s3::write_late(&told, &mut headers);
    headers.insert(DATE, stamp.http_date());
    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    SyntheticResponse { status: StatusCode::OK, headers, body: body.into() }
}

/// Lambda's answer when the function it ran has failed.
pub fn function_error(failure: &FunctionError, stamp: &Stamp) -> SyntheticResponse {
    let body = failure.payload.to_string();
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    insert(&mut headers, field::AMZN_REQUEST_ID, stamp.uuid());
    let kind = if failure.handled { "Handled" } else { "Unhandled" };
    headers.insert(HeaderName::from_static("x-amz-function-error"), HeaderValue::from_static(kind));
    headers.insert(HeaderName::from_static("x-amz-executed-version"), HeaderValue::from_static("$LATEST"));
    headers.insert(DATE, stamp.http_date());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    SyntheticResponse { status: StatusCode::OK, headers, body: body.into() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::aws::catalog;
    use crate::aws::request::Protocol;

    const STAMP: Stamp = Stamp { date: Timestamp::UNIX_EPOCH, id: 7 };

    fn reading(service: &str, operation: &str) -> Reading {
        let service = catalog::service(service).unwrap();
        Reading { service, operation: Some(service.operation(operation).unwrap()) }
    }

    #[test]
    fn s3_fails_behind_the_declaration_and_white_space_and_gives_its_ids() {
        let request = AwsRequest::of(reading("s3", "CopyObject"), Protocol::RestXml);
        let code = AwsError { code: "InternalError".into(), status: None, message: None, members: Vec::new() };
        let answer = error(&request, &code, &STAMP);
        let field = |name: &str| answer.headers[name].to_str().unwrap();
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n   \n<Error><Code>InternalError</Code>\
             <Message>We encountered an internal error. Please try again.</Message>\
             <RequestId>{}</RequestId><HostId>{}</HostId></Error>",
            field("x-amz-request-id"),
            field("x-amz-id-2")
        );
        assert_eq!((answer.status, body), (StatusCode::OK, expected));
        assert!(!answer.headers.contains_key("connection"));
    }

    #[test]
    fn a_functions_error_is_the_payload_and_a_field_says_so() {
        for (handled, kind) in [(true, "Handled"), (false, "Unhandled")] {
            let answer = function_error(&FunctionError { handled, payload: json!({"errorMessage": "x"}) }, &STAMP);
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &br#"{"errorMessage":"x"}"#[..]));
            assert_eq!(answer.headers["x-amz-function-error"], kind);
            assert_eq!(answer.headers[CONTENT_LENGTH], answer.body.len().to_string());
        }
    }

    #[test]
    fn few_operations_are_answered_so() {
        for (service, operation, early, runs) in [
            ("s3", "CopyObject", true, false),
            ("s3", "UploadPartCopy", true, false),
            ("s3", "CompleteMultipartUpload", true, false),
            ("s3", "PutObject", false, false),
            ("lambda", "Invoke", false, true),
            ("lambda", "InvokeAsync", false, false),
            ("docdb", "CreateDBCluster", false, false),
        ] {
            let reading = reading(service, operation);
            assert_eq!((is_answered_early(&reading), runs_function(&reading)), (early, runs), "{operation}");
        }
    }
}
