//! How each protocol says "operation", and how it says "error".
//!
//! Reading is [`decode`](super::request::decode)'s affair; writing begins here: [`synthesize`] turns an [`AwsError`] into the answer
//! that AWS would have sent to this very request, in the protocol and JSON version it was made in. What the error leaves open
//! (status, message) comes from the model, then from what AWS documents as common to all services, then from the code itself.
//!
//! ```
//! # use squall::aws::{catalog, protocol::{synthesize, AwsError, Stamp}, request::{AwsRequest, Protocol, Reading}};
//! # let s3 = catalog::service("s3").unwrap();
//! let request = AwsRequest::of(Reading { service: s3, operation: s3.operation("GetObject") }, Protocol::RestXml);
//! let error = AwsError { code: "SlowDown".into(), status: None, message: None, members: Vec::new() };
//! let answer = synthesize(&request, &error, &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 7 });
//! assert_eq!(answer.status, 503);
//! assert!(answer.body.starts_with(b"<?xml"));
//! ```

mod asked;
pub(super) mod cbor;
mod common;
mod ec2;
pub mod event_stream;
pub mod in_ok;
pub(super) mod json;
pub(super) mod members;
pub(super) mod query;
pub(super) mod rest;
mod rest_json;
mod rest_xml;
mod stamp;
pub(super) mod xml;

use std::borrow::Cow;

use bytes::Bytes;
use compact_str::CompactString;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use smallvec::SmallVec;

pub use asked::{asks_body, look_into};
use members::Filled;
pub use members::Given;
pub(super) use members::{Held, Texts};

use super::catalog::{ErrorShape, Operation, Service};
use super::request::{AwsRequest, Protocol, Reading};
use super::{field, idiom, quirk};

/// An error as AWS names it, before it is written in a protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AwsError {
    /// The wire code: `ProvisionedThroughputExceededException`, `SlowDown`.
    pub code: CompactString,
    /// HTTP status; absent: the modeled one, or 400/500 by fault.
    pub status: Option<StatusCode>,
    /// Text for people; absent: AWS's own where known.
    pub message: Option<CompactString>,
    /// Members beside the message, by their names on the wire; what is absent is filled as AWS would, where that can be told.
    pub members: Given,
}

/// What makes one answer unlike the next: when, and its request id. Comes from outside, so that synthesis is pure.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The `date` of the answer; SDKs compute clock skew from it.
    pub date: Timestamp,
    /// Random bits for the request ids.
    pub id: u128,
}

/// An AWS answer that AWS did not give.
#[derive(Clone, Debug)]
pub struct SyntheticResponse {
    /// Status of the answer.
    pub status: StatusCode,
    /// All its header fields, `content-length` included; an answer to HEAD has none, as from AWS.
    pub headers: HeaderMap,
    /// Its body; empty for HEAD.
    pub body: Bytes,
}

/// What is known about an error code.
#[derive(Clone, Copy, Debug)]
pub enum Known {
    /// The operation models it.
    ByOperation(&'static ErrorShape),
    /// Another operation of the service models it.
    ByService(&'static ErrorShape),
    /// No model has it, but AWS documents it as common to services, or the service is known to send it.
    Common(StatusCode),
    /// Nothing: its status must be given, or is taken for 400.
    Unknown,
}

/// What is known about a code (or shape name) of this operation; without an operation, of the service.
pub fn known_error(service: &'static Service, operation: Option<&'static Operation>, code: &str) -> Known {
    if let Some(shape) = operation.and_then(|operation| service.error_of(operation, code)) {
        return Known::ByOperation(shape);
    }
    if let Some(shape) = service.error(code) {
        return Known::ByService(shape);
    }
    let rest_json = service.protocols.first() == Some(&Protocol::RestJson);
    let practice = idiom::practised(service, code).map(|known| known.status);
    match practice.or_else(|| common::error(code).map(|known| known.status(rest_json))).and_then(status) {
        Some(status) => Known::Common(status),
        None => Known::Unknown,
    }
}

/// The answer that AWS would have sent: status, header fields and body as the service writes them in the request's protocol.
///
/// Pure: the same arguments give the same bytes. Never fails; a code that nothing knows is answered with its given status, or 400.
pub fn synthesize(request: &AwsRequest, error: &AwsError, stamp: &Stamp) -> SyntheticResponse {
    let told = Told::new(request, error, stamp);
    let mut headers = HeaderMap::with_capacity(10);
    let body = match (request.protocol, told.service.map_or("", |service| service.name)) {
        (Protocol::RestXml, "s3") => quirk::s3::write(&told, &mut headers),
        (Protocol::Query, "sdb") => quirk::sdb::write(&told, &mut headers),
        (Protocol::Cbor, _) => cbor::write(&told, &mut headers),
        (Protocol::Http, "imds") => quirk::imds::write(&told, &mut headers),
        (Protocol::Http, _) => quirk::container_credentials::write(&told, &mut headers),
        (Protocol::Ec2, _) => ec2::write(&told, &mut headers),
        (Protocol::Json10, _) => json::write(&told, JSON_1_0, &mut headers),
        (Protocol::Json11, _) => json::write(&told, JSON_1_1, &mut headers),
        (Protocol::Query, _) => query::write(&told, &mut headers),
        (Protocol::RestJson, _) => rest_json::write(&told, &mut headers),
        (Protocol::RestXml, _) => rest_xml::write(&told, &mut headers),
    };
    told.insert_header_members(&mut headers);
    let body = if request.head_only { Vec::new() } else { body };
    headers.insert(DATE, stamp.http_date());
    quirk::dynamodb::finish(&told, &body, &mut headers);
    if !request.head_only {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    SyntheticResponse { status: told.status, headers, body: body.into() }
}

/// An error with everything that it left open filled in: what the protocols write.
pub(super) struct Told<'a> {
    pub(super) request: &'a AwsRequest,
    pub(super) service: Option<&'static Service>,
    pub(super) operation: Option<&'static Operation>,
    pub(super) shape: Option<&'static ErrorShape>,
    pub(super) code: &'a str,
    pub(super) status: StatusCode,
    pub(super) message: Cow<'a, str>,
    /// The request id in the service's own form.
    pub(super) request_id: String,
    pub(super) stamp: &'a Stamp,
    members: SmallVec<[Filled<'a>; 4]>,
}

impl<'a> Told<'a> {
    fn new(request: &'a AwsRequest, error: &'a AwsError, stamp: &'a Stamp) -> Self {
        let code = &*error.code;
        let (reading, known) = best_known(request, code);
        let (service, operation) = (reading.map(|r| r.service), reading.and_then(|r| r.operation));
        let (shape, usual) = match known {
            Known::ByOperation(shape) | Known::ByService(shape) => (Some(shape), status(shape.status)),
            Known::Common(status) => (None, Some(status)),
            Known::Unknown => (None, None),
        };
        let message = error.message.as_deref().map_or_else(|| text(service, code), Cow::Borrowed);
        let request_id = service.map_or_else(|| stamp.uuid(), |service| quirk::request_id(service, stamp));
        let status = error.status.or(usual).unwrap_or(StatusCode::BAD_REQUEST);
        let members = SmallVec::new();
        let told = Self { request, service, operation, shape, code, status, message, request_id, stamp, members };
        let told = Self { members: members::fill(&told, &error.members), ..told };
        match quirk::message(&told).filter(|_| error.message.is_none()) {
            Some(message) => Self { message: message.into(), ..told },
            None => told,
        }
    }

    /// The members that stand in the body.
    pub(super) fn body_members(&self) -> impl Iterator<Item = &Filled<'a>> {
        self.members.iter().filter(|member| !member.in_header)
    }

    /// The value of a member, if the error has it.
    pub(super) fn member(&self, name: &str) -> Option<&Held<'a>> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// Those that travel in header fields; what cannot is left out.
    fn insert_header_members(&self, headers: &mut HeaderMap) {
        for member in self.members.iter().filter(|member| member.in_header) {
            if let Ok(name) = HeaderName::try_from(member.name) {
                insert(headers, name, member.text());
            }
        }
    }

    /// Who is to blame, as query's `<Type>` has it.
    pub(super) fn side(&self) -> &'static str {
        let fault = self.shape.is_some_and(|shape| shape.fault);
        if fault || self.status.is_server_error() { "Receiver" } else { "Sender" }
    }

    /// The code as the model spells it on the wire, whichever of code and shape name was given.
    pub(super) fn code_on_the_wire(&self) -> &'a str {
        self.shape.map_or(self.code, |shape| shape.code)
    }

    /// The class that SDKs raise: the shape's name, where there is a shape.
    pub(super) fn shape_name(&self) -> &'a str {
        self.shape.map_or(self.code, |shape| shape.name)
    }
}

/// The reading that knows a code best, of equals the first: what is injected must be right for the service that was meant.
fn best_known<'a>(request: &'a AwsRequest, code: &str) -> (Option<&'a Reading>, Known) {
    let known = |reading: &'a Reading| (Some(reading), known_error(reading.service, reading.operation, code));
    let best = request.readings.iter().map(known).min_by_key(|(_, known)| match known {
        Known::ByOperation(_) => 0,
        Known::ByService(_) => 1,
        Known::Common(_) => 2,
        Known::Unknown => 3,
    });
    best.unwrap_or((None, Known::Unknown))
}

/// AWS's own text for a code, or the code as a sentence.
fn text<'a>(service: Option<&'static Service>, code: &'a str) -> Cow<'a, str> {
    let practised = service.and_then(|service| idiom::practised(service, code)).map(|known| known.message);
    let own = || service.and_then(|service| quirk::text(service, code));
    match practised.or_else(own).or_else(|| common::error(code).map(|known| known.message)) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(common::sentence(code)),
    }
}

fn status(code: u16) -> Option<StatusCode> {
    StatusCode::from_u16(code).ok()
}

/// Sets a header whose value comes from outside; what cannot be a header value is left out.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: impl TryInto<HeaderValue>) {
    if let Ok(value) = value.try_into() {
        headers.insert(name, value);
    }
}

const JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// The content type and the request id, under the name that all services but S3 use.
fn insert_usual(headers: &mut HeaderMap, content_type: HeaderValue, told: &Told<'_>) {
    headers.insert(CONTENT_TYPE, content_type);
    insert(headers, field::AMZN_REQUEST_ID, &told.request_id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    fn told(service: &str, operation: &str, code: &str) -> String {
        let service = catalog::service(service).unwrap();
        match known_error(service, service.operation(operation), code) {
            Known::ByOperation(shape) => format!("operation {}", shape.status),
            Known::ByService(shape) => format!("service {}", shape.status),
            Known::Common(status) => format!("common {}", status.as_u16()),
            Known::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn a_code_is_known_by_operation_service_practice_or_not_at_all() {
        assert_eq!(told("dynamodb", "PutItem", "ConditionalCheckFailedException"), "operation 400");
        assert_eq!(told("dynamodb", "CreateTable", "ConditionalCheckFailedException"), "service 400");
        assert_eq!(told("s3", "GetObject", "SlowDown"), "common 503");
        assert_eq!(told("eks", "ListClusters", "TooManyRequestsException"), "common 429");
        assert_eq!(told("ec2", "RunInstances", "RequestLimitExceeded"), "common 503");
        assert_eq!(told("ec2", "RunInstances", "NoSuchThing"), "unknown");
    }

    #[test]
    fn codes_that_cannot_be_header_values_or_xml_do_no_harm() {
        let lambda = catalog::service("lambda").unwrap();
        for protocol in
            [Protocol::RestJson, Protocol::RestXml, Protocol::Cbor, Protocol::Query, Protocol::Json10, Protocol::Ec2]
        {
            let request = AwsRequest::of(Reading { service: lambda, operation: None }, protocol);
            let error = AwsError {
                code: "a\r\nx: y\u{0}<".into(),
                status: None,
                message: Some("\u{0}<>&".into()),
                members: Given::new(),
            };
            let answer = synthesize(&request, &error, &Stamp { date: Timestamp::UNIX_EPOCH, id: 0 });
            assert!(!answer.headers.contains_key("x-amzn-errortype") && answer.status == 400);
            assert!(!answer.body.is_empty());
        }
    }
}
