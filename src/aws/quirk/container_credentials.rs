//! Credentials of containers: errors as ECS's agent writes them.
//!
//! The JSON is that of the agent's credentials endpoint. Its limit of requests stands before that endpoint and answers in plain text. The agent
//! of EKS Pod Identity has plain text for everything; SDKs look for `code` and `message` in JSON either way.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;

use crate::aws::protocol::Told;

/// `{"code":…,"message":…,"HTTPErrorCode":…}`
pub(in crate::aws) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    if told.code == LIMITED {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return told.message.as_bytes().to_vec();
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A struct's order: as the agent has it.
    let [code, message] = [told.code, &told.message].map(|text| json!(text));
    format!(r#"{{"code":{code},"message":{message},"HTTPErrorCode":{}}}"#, told.status.as_u16()).into_bytes()
}

/// The agent's own text for a code.
pub(super) fn text(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDeniedException" => "Access Denied. The service account has no association with a role.",
        "CredentialsUninitialized" => "CredentialsV2Request: Credentials uninitialized for ID",
        "ExpiredTokenException" => "The token included in the request is expired.",
        "InternalServerError" => "Internal server error",
        "InvalidIdInRequest" => "CredentialsV2Request: Credentials not found",
        "InvalidTokenException" => "The token included in the request is invalid.",
        "NoCredentialsAssociated" => "CredentialsV2Request: No credentials associated with the ID",
        "NoIdInRequest" => "CredentialsV2Request: No Credential ID in the request",
        LIMITED => "You have reached maximum request limit.",
        _ => return None,
    })
}

/// Over the agent's limit of requests.
const LIMITED: &str = "TooManyRequests";
