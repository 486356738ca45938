//! Where one service departs from its protocol. One file a service; decoding and synthesis ask here by service.

pub(super) mod cloudsearchdomain;
mod cloudwatch;
pub(super) mod container_credentials;
pub(super) mod dynamodb;
pub(super) mod imds;
mod lambda;
pub(super) mod s3;
pub(super) mod sdb;
mod sqs;

use std::borrow::Cow;

use serde_json::Value;

use super::catalog::Service;
use super::protocol::{Held, Stamp, Told};

/// The namespace of a service's shapes in `__type`: Smithy's, `com.amazonaws.` and the service id.
pub(super) fn namespace(service: &Service) -> Cow<'static, str> {
    match service.name {
        "dynamodb" | "dynamodbstreams" => dynamodb::NAMESPACE.into(),
        _ => {
            let id = service.id.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
            let mut namespace = String::with_capacity("com.amazonaws.".len() + service.id.len());
            namespace.push_str("com.amazonaws.");
            namespace.extend(id);
            namespace.into()
        }
    }
}

/// A request id in the form that the service gives.
pub(super) fn request_id(service: &Service, stamp: &Stamp) -> String {
    match service.name {
        "dynamodb" | "dynamodbstreams" => dynamodb::request_id(stamp),
        "s3" => s3::request_id(stamp),
        _ => stamp.uuid(),
    }
}

/// The service's own text for a code.
pub(super) fn text(service: &Service, code: &str) -> Option<&'static str> {
    match service.name {
        "dynamodb" | "dynamodbstreams" => dynamodb::text(code),
        "container-credentials" => container_credentials::text(code),
        "imds" => imds::text(code),
        "s3" => s3::text(code),
        _ => None,
    }
}

/// A member of an error as the service fills it.
pub(super) fn member(told: &Told<'_>, name: &str) -> Option<Held<'static>> {
    match told.service?.name {
        "dynamodb" => dynamodb::member(told, name),
        "lambda" => lambda::member(told, name),
        "s3" => s3::member(name),
        _ => None,
    }
}

/// What was given for a member, where the service would say more.
pub(super) fn completed(told: &Told<'_>, name: &str, given: &Value) -> Option<Value> {
    match told.service?.name {
        "dynamodb" => dynamodb::completed(told, name, given),
        _ => None,
    }
}

/// The service's own text for an error whose members are known.
pub(super) fn message(told: &Told<'_>) -> Option<String> {
    match told.service?.name {
        "dynamodb" => dynamodb::message(told),
        _ => None,
    }
}

/// The code in a query answer.
pub(super) fn query_code<'a>(told: &Told<'a>) -> &'a str {
    let own = told.service.filter(|service| service.name == "sqs").and_then(|_| sqs::query_code(told.shape_name()));
    own.unwrap_or_else(|| told.code_on_the_wire())
}

/// The shape that a query-compatible service names beside a code.
pub(super) fn compatible_shape<'a>(told: &Told<'a>) -> &'a str {
    match told.service.map(|service| service.name) {
        Some("cloudwatch") => cloudwatch::shape_name(told),
        _ => told.shape_name(),
    }
}
