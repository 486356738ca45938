//! Query, and EC2's form of it: Action and Version in a form or in the URL's query; XML errors.

use std::borrow::Cow;
use std::sync::OnceLock;

use http::HeaderMap;
use smallvec::SmallVec;

use super::{Told, insert_usual, members, xml};
use crate::aws::catalog::{self, Service};
use crate::aws::field::{Field, Fields};
use crate::aws::request::{Evidence, Found, Head, Protocol};
use crate::aws::why::Clue;
use crate::aws::{quirk, uri};

/// What a query request says of itself.
#[derive(Debug, Default)]
pub(in crate::aws) struct Form<'a> {
    pub(in crate::aws) action: Cow<'a, str>,
    pub(in crate::aws) version: Option<Cow<'a, str>>,
    /// `AWSAccessKeyId` of SigV2.
    pub(in crate::aws) access_key: Option<Cow<'a, str>>,
}

/// Whether the body may be a form.
pub(in crate::aws) fn takes_forms(head: &Head<'_>) -> bool {
    head.method == http::Method::POST
}

/// Whether a Content-Type is that of a form.
pub(in crate::aws) fn is_form(content_type: Field<'_>) -> bool {
    content_type.media_type().is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

pub(in crate::aws) fn has_action(head: &Head<'_>) -> bool {
    head.query.is_some_and(|query| uri::query_value(query, "Action").is_some())
}

impl<'a> Form<'a> {
    /// Action and Version from the query, else from the form's beginning; none without an Action. The body is plain.
    pub(in crate::aws) fn read(head: &Head<'a>, fields: &Fields<'_>, body_prefix: &'a [u8]) -> Option<Self> {
        if has_action(head) {
            return Self::of(fields, head.query?.as_bytes());
        }
        (takes_forms(head) && is_form(fields.content_type)).then(|| Self::of(fields, body_prefix)).flatten()
    }

    /// Reads on past Action and Version only where the form may hold SigV2's access key too.
    fn of(fields: &Fields<'_>, form: &'a [u8]) -> Option<Self> {
        let signed = fields.authorization.is_there();
        let mut found = Self::default();
        for (key, value) in form_urlencoded::parse(form) {
            match &*key {
                "Action" => found.action = value,
                "Version" => found.version = Some(value),
                "AWSAccessKeyId" => found.access_key = Some(value),
                _ => {}
            }
            if signed && !found.action.is_empty() && found.version.is_some() {
                break;
            }
        }
        (!found.action.is_empty()).then_some(found)
    }
}

/// Reads Action and Version. The Version tells the services of one signing name apart (elb and elbv2); rds, neptune and docdb share
/// even that. Without a signature, Version and Action must both be some service's.
pub(in crate::aws) fn read(request: &Evidence<'_>, form: &Form<'_>) -> Option<Found> {
    let versioned =
        |service: &&&'static Service| form.version.as_ref().is_none_or(|version| service.api_version == version);
    let signed = request.scope.service.as_deref().map(catalog::by_signing_name).unwrap_or_default();
    let mut services: SmallVec<[&'static Service; 3]> =
        signed.iter().filter(|service| speaks(service)).filter(versioned).copied().collect();
    request.note(Clue::Action);
    if !services.is_empty() {
        request.note(Clue::Scope);
    }
    if form.version.is_some() && services.len() != signed.len() {
        request.note(Clue::Version);
    }
    if services.is_empty() && form.version.is_some() {
        let acts = |service: &&&'static Service| service.operation(&form.action).is_some();
        services = speakers().iter().filter(versioned).filter(acts).copied().collect();
        request.note(Clue::Version);
    }
    if services.is_empty() {
        let hosts = &request.endpoint().services;
        services = hosts.iter().filter(|service| speaks(service)).copied().collect();
        request.note(Clue::Host);
    }
    let readings = super::json::readings(request, &services, &form.action);
    let ec2 = readings.first()?.service.speaks(Protocol::Ec2);
    Some(Found { protocol: if ec2 { Protocol::Ec2 } else { Protocol::Query }, readings })
}

fn speaks(service: &Service) -> bool {
    service.speaks(Protocol::Query) || service.speaks(Protocol::Ec2)
}

fn speakers() -> &'static [&'static Service] {
    static SPEAKERS: OnceLock<Vec<&'static Service>> = OnceLock::new();
    SPEAKERS.get_or_init(|| catalog::services().iter().filter(|service| speaks(service)).collect())
}

/// `<ErrorResponse xmlns="…"><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>`
pub(super) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, xml::CONTENT_TYPE, told);
    let mut body = String::with_capacity(400);
    error_response(told, &mut body);
    body.into_bytes()
}

pub(super) fn error_response(told: &Told<'_>, body: &mut String) {
    match told.service.and_then(|service| service.xml_namespace) {
        Some(namespace) => body.extend(["<ErrorResponse xmlns=\"", namespace, "\"><Error>"]),
        None => body.push_str("<ErrorResponse><Error>"),
    }
    xml::element(body, "Type", told.side());
    xml::element(body, "Code", quirk::query_code(told));
    xml::element(body, "Message", &told.message);
    if told.service.is_some_and(|service| service.name == "sqs") {
        body.push_str("<Detail/>");
    }
    members::elements(body, told);
    body.push_str("</Error>");
    xml::element(body, "RequestId", &told.request_id);
    body.push_str("</ErrorResponse>");
}
