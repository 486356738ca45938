//! AWS JSON 1.0 and 1.1: the operation is in `X-Amz-Target`, the error's name in `__type`.

use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use smallvec::SmallVec;

use super::{Told, insert, insert_usual};
use crate::aws::catalog::{self, Service};
use crate::aws::quirk;
use crate::aws::request::{Evidence, Found, Head, Protocol, Reading};
use crate::aws::why::Clue;
use crate::aws::{cut, field};

pub(in crate::aws) fn has_target(head: &Head<'_>) -> bool {
    head.headers.contains_key("x-amz-target")
}

/// Reads `X-Amz-Target: prefix.Operation`. It is split at the last dot: CloudTrail's prefix holds dots. A prefix that no model has
/// (an older API version's) is read by the credential scope, if that service has such an operation.
pub(in crate::aws) fn read(request: &Evidence<'_>) -> Option<Found> {
    let (prefix, name) = cut::last(request.fields.target.text()?, b'.')?;
    let services = match catalog::by_target_prefix(prefix) {
        [] => by_scope(request, name)?,
        found => found,
    };
    request.note(Clue::Target);
    let readings = readings(request, services, name);
    let first = readings.first()?.service;
    let usual = || if first.speaks(Protocol::Json10) { Protocol::Json10 } else { Protocol::Json11 };
    Some(Found { protocol: named_version(request).unwrap_or_else(usual), readings })
}

/// The readings of an operation name among services: those that have it; where none has, the services alone.
pub(super) fn readings(request: &Evidence<'_>, services: &[&'static Service], name: &str) -> SmallVec<[Reading; 1]> {
    let all = services.iter().map(|service| Reading { service, operation: service.operation(name) });
    let mut known: SmallVec<[Reading; 1]> = all.clone().filter(|reading| reading.operation.is_some()).collect();
    if known.is_empty() {
        known = all.collect();
    }
    super::rest::prefer(request, &mut known);
    known
}

fn by_scope(request: &Evidence<'_>, name: &str) -> Option<&'static [&'static Service]> {
    let services = catalog::by_signing_name(request.scope.service.as_deref()?);
    let acts = |service: &&'static Service| {
        (service.speaks(Protocol::Json10) || service.speaks(Protocol::Json11)) && service.operation(name).is_some()
    };
    services.iter().any(acts).then(|| {
        request.note(Clue::Scope);
        services
    })
}

/// The version that the request's content type names.
pub(super) fn named_version(request: &Evidence<'_>) -> Option<Protocol> {
    match request.fields.content_type.media_type()? {
        media if media.eq_ignore_ascii_case("application/x-amz-json-1.0") => Some(Protocol::Json10),
        media if media.eq_ignore_ascii_case("application/x-amz-json-1.1") => Some(Protocol::Json11),
        _ => None,
    }
}

/// `{"__type":"namespace#Shape","message":"…"}`. 1.0 services name the shape with a namespace, 1.1 services without.
pub(super) fn write(told: &Told<'_>, content_type: HeaderValue, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, content_type, told);
    insert_query_code(told, headers);
    let mut body = Object::new();
    match told.service.filter(|_| told.request.protocol == Protocol::Json10) {
        Some(service) => body.text("__type", &[&*quirk::namespace(service), "#", type_name(told)].concat()),
        None => body.text("__type", type_name(told)),
    }
    body.members(told);
    body.message(told);
    body.end()
}

/// What `__type` names: the shape, where a header carries the code beside it; else the code, of which SDKs make the class.
pub(super) fn type_name<'a>(told: &Told<'a>) -> &'a str {
    let compatible = told.service.is_some_and(|service| service.query_compatible);
    if compatible { quirk::compatible_shape(told) } else { told.code_on_the_wire() }
}

/// `x-amzn-query-error: <code>;Sender` of services that spoke query once: clients find their old codes there.
pub(super) fn insert_query_code(told: &Told<'_>, headers: &mut HeaderMap) {
    if told.service.is_some_and(|service| service.query_compatible) {
        let code = if told.request.query_mode { quirk::query_code(told) } else { told.code_on_the_wire() };
        insert(headers, field::AMZN_QUERY_ERROR, [code, told.side()].join(";"));
    }
}

/// A JSON object being written, in the order of writing.
pub(super) struct Object(Vec<u8>);

impl Object {
    pub(super) fn new() -> Self {
        let mut object = Self(Vec::with_capacity(512));
        object.0.push(b'{');
        object
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    /// What stands beside the message.
    pub(super) fn members(&mut self, told: &Told<'_>) {
        for member in told.body_members() {
            self.name(member.name);
            self.escaped(&member.value);
        }
    }

    fn name(&mut self, name: &str) {
        if !self.0.ends_with(b"{") {
            self.0.push(b',');
        }
        self.string(name);
        self.0.push(b':');
    }

    /// Nearly no text has anything in it to escape.
    fn string(&mut self, text: &str) {
        if text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & !matches!(byte, b'"' | b'\\')) {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            self.escaped(text);
        }
    }

    fn escaped(&mut self, value: &(impl Serialize + ?Sized)) {
        // Writing into memory cannot fail.
        let _ = serde_json::to_writer(&mut self.0, value);
    }

    /// The message, spelled as the shape spells it.
    pub(super) fn message(&mut self, told: &Told<'_>) {
        let name = told.shape.and_then(|shape| shape.message_member).unwrap_or("message");
        self.text(name, &told.message);
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
