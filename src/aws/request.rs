//! A request read as AWS means it.
//!
//! [`decode`] weighs what the request itself says: the rpc-v2-cbor path, `X-Amz-Target`, Action and Version, the credential scope, the
//! host, the REST route. It looks at the head only, but for forms without an Action in their query, of which [`needs_body`] tells, and
//! then at a prefix of the body. It is total: what is not understood is [`Foreign`], never an error and never a guess.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use http::header::{AsHeaderName, CONTENT_TYPE};
use smallvec::{SmallVec, smallvec};

use super::account;
use super::catalog::{Operation, Service};
use super::client::Client;
use super::coding::Plain;
use super::credential::Scope;
use super::cut;
use super::endpoint::Endpoint;
use super::field::{Field, Fields};
use super::link_local;
use super::protocol::{cbor, json, query, rest};
use super::resource::{self, Resource};
use super::why::{Clue, Why};

/// What decoding looks at: the head of a request, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The request method.
    pub method: &'a http::Method,
    /// The host the client thinks it talks to, without port, as written.
    pub host: &'a str,
    /// The raw path, percent-encoding untouched.
    pub path: &'a str,
    /// The raw query, without `?`.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a http::HeaderMap,
}

/// How a request says "operation" and an answer says "error"; read from the request, not from the model's preference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `rpc-v2-cbor`
    Cbor,
    /// EC2's form of query.
    Ec2,
    /// No protocol of AWS's: a method, a path and a text, as link-local services speak.
    Http,
    /// AWS JSON 1.0
    Json10,
    /// AWS JSON 1.1
    Json11,
    /// Action and Version in a form.
    Query,
    /// REST with JSON bodies.
    RestJson,
    /// REST with XML bodies; S3 is this with a quirk.
    RestXml,
}

impl Protocol {
    /// Its name in output: `json-1.0`, `rest-xml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cbor => "rpc-v2-cbor",
            Self::Ec2 => "ec2",
            Self::Http => "http",
            Self::Json10 => "json-1.0",
            Self::Json11 => "json-1.1",
            Self::Query => "query",
            Self::RestJson => "rest-json",
            Self::RestXml => "rest-xml",
        }
    }
}

/// One way to read a request. Displayed: `s3.GetObject`, or the service alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Which service.
    pub service: &'static Service,
    /// Which operation, where the request says.
    pub operation: Option<&'static Operation>,
}

/// An access key id. `Debug` shows its ends only: `AKIA…MPLE`.
#[derive(Clone, Eq, PartialEq)]
pub struct AccessKeyId(pub CompactString);

/// What an exchange means to AWS.
#[derive(Clone, Debug)]
pub struct AwsRequest {
    /// All readings the wire leaves open, best first; never empty, nearly always one.
    pub readings: SmallVec<[Reading; 1]>,
    /// The protocol the request was made in.
    pub protocol: Protocol,
    /// Whether the method was HEAD: an answer then has no body.
    pub head_only: bool,
    /// From which evidence the readings came.
    pub why: Why,
    /// Whether the client of a service that spoke query once wants that protocol's codes too (`x-amzn-query-mode: true`).
    pub query_mode: bool,
    /// Whether Lambda answers it before its function has run, or without running it (`X-Amz-Invocation-Type: Event`, `DryRun`).
    pub detached: bool,
    /// The region signed for, or named by the host.
    pub region: Option<CompactString>,
    /// Who signed.
    pub access_key: Option<AccessKeyId>,
    /// The account that the request names, else the one that the access key id was made for: twelve digits.
    pub account: Option<CompactString>,
    /// Which SDK made it.
    pub client: Option<Arc<Client>>,
    /// `amz-sdk-invocation-id`: one SDK call, constant over its attempts.
    pub invocation: Option<CompactString>,
    /// `attempt=` of `amz-sdk-request`, from 1.
    pub attempt: Option<u32>,
    /// `max=` of `amz-sdk-request`.
    pub max_attempts: Option<u32>,
    /// What it is about, as far as what was looked at tells ([`resource::stands_in_body`]).
    pub resource: Option<Resource>,
    /// How many items a transaction has, if they were counted.
    pub items: Option<usize>,
}

/// Why a request is not read as AWS's. It passes untouched and is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Foreign {
    /// Nothing in it speaks of AWS: no credential scope, target, action or AWS host.
    NoEvidence,
    /// It names a service that the catalog does not know.
    UnknownService,
}

impl Foreign {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoEvidence => "nothing in it speaks of AWS",
            Self::UnknownService => "it names a service that the catalog does not know",
        }
    }
}

/// How much of a body decoding ever looks at, compressed or not. Action and Version of a form, and names of resources, come first in what
/// SDKs write; what has not said them by then is read without.
pub const MOST_OF_BODY: usize = 16 << 10;

/// Whether [`decode`] wants to see the beginning of the body: a form whose Action is not in the query.
pub fn needs_body(head: &Head<'_>) -> bool {
    let content_type = || Field::of(head.headers, &CONTENT_TYPE);
    query::takes_forms(head) && !json::has_target(head) && query::is_form(content_type()) && !query::has_action(head)
}

/// Reads a request's head, and the beginning of its body where [`needs_body`] says so (else it may be empty).
///
/// Readings that the wire leaves open come best first: a service that is called as it signs before its twins, what the model calls
/// deprecated last. Where only the service is known, the operation is absent.
pub fn decode(head: &Head<'_>, body_prefix: &[u8]) -> Result<AwsRequest, Foreign> {
    let host = lower_case(head.host);
    let fields = Fields::of(head.headers);
    let scope = Scope::read(head, &fields);
    let request = Evidence::new(head, &fields, &scope, &host);
    let body = Plain::coded(fields.content_length, fields.content_encoding, body_prefix);
    let outside_body = cbor::read(&request).or_else(|| json::read(&request));
    let form = match outside_body {
        Some(_) => None,
        None => query::Form::read(head, &fields, &body.bytes),
    };
    let found = outside_body
        .or_else(|| form.as_ref().and_then(|form| query::read(&request, form)))
        .map(Ok)
        .or_else(|| link_local::read(&request))
        .unwrap_or_else(|| rest::read(&request))?;
    let region = scope.region.as_deref().or_else(|| request.endpoint().region).map(CompactString::from);
    let access_key = scope.access_key.as_deref().or_else(|| form.as_ref()?.access_key.as_deref());
    let account = account::named(head, &fields, &host, found.readings.first())
        .or_else(|| access_key.and_then(account::of_access_key));
    let (attempt, max_attempts) = attempts(fields.sdk_request);
    let mut aws = AwsRequest {
        readings: found.readings,
        why: request.why.get(),
        protocol: found.protocol,
        head_only: head.method == http::Method::HEAD,
        query_mode: fields.query_mode.text().is_some_and(|mode| mode.eq_ignore_ascii_case("true")),
        detached: matches!(fields.invocation_type.text(), Some("Event" | "DryRun")),
        region,
        access_key: access_key.map(|key| AccessKeyId(key.into())),
        account,
        client: Client::read(&fields).map(Arc::new),
        invocation: fields.invocation_id.text().filter(|id| !id.is_empty()).map(CompactString::from),
        attempt,
        max_attempts,
        resource: None,
        items: None,
    };
    aws.is_about(resource::read_plain(&aws, head, request.endpoint.get(), &body));
    Ok(aws)
}

/// What the readers of the protocols look at.
pub(super) struct Evidence<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) fields: &'a Fields<'a>,
    pub(super) scope: &'a Scope<'a>,
    /// The host in lower case.
    pub(super) host: &'a str,
    /// What the host says, once it was asked.
    endpoint: OnceCell<Endpoint<'a>>,
    /// The clues that decided so far.
    why: Cell<Why>,
}

/// What a reader found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) protocol: Protocol,
    /// Never empty, best first.
    pub(super) readings: SmallVec<[Reading; 1]>,
}

impl<'a> Evidence<'a> {
    /// Of a head with its fields and what it is signed for; `host` in lower case.
    pub(super) fn new(head: &'a Head<'a>, fields: &'a Fields<'a>, scope: &'a Scope<'a>, host: &'a str) -> Self {
        Self { head, fields, scope, host, endpoint: OnceCell::new(), why: Cell::default() }
    }

    /// What the host says. Read when asked for: most requests say enough without it.
    pub(super) fn endpoint(&self) -> &Endpoint<'a> {
        self.endpoint.get_or_init(|| Endpoint::read(self.host))
    }

    /// A clue decided something.
    pub(super) fn note(&self, clue: Clue) {
        self.why.set(self.why.get().and(clue));
    }
}

impl<'a> Head<'a> {
    /// The text of a header, where it is visible ASCII.
    pub(super) fn header(&self, name: impl AsHeaderName) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl AwsRequest {
    /// A request that nobody made: one reading in a protocol, nothing signed. For printing an error, and for tests.
    pub fn of(reading: Reading, protocol: Protocol) -> Self {
        let head_only =
            reading.operation.and_then(|operation| operation.route).is_some_and(|(method, _)| method == "HEAD");
        Self { readings: smallvec![reading], head_only, ..Self::of_nobody(protocol) }
    }

    /// Nothing is known of it.
    fn of_nobody(protocol: Protocol) -> Self {
        Self {
            readings: SmallVec::new(),
            protocol,
            head_only: false,
            why: Why::default(),
            query_mode: false,
            detached: false,
            region: None,
            access_key: None,
            account: None,
            client: None,
            invocation: None,
            attempt: None,
            max_attempts: None,
            resource: None,
            items: None,
        }
    }

    /// What a host's name says of the requests that will come to it: services and region, where it names them; no operation.
    pub fn of_host(host: &str) -> Self {
        let host = lower_case(host);
        let endpoint = Endpoint::read(&host);
        let readings = endpoint.services.iter().map(|service| Reading { service, operation: None }).collect();
        Self { readings, region: endpoint.region.map(CompactString::from), ..Self::of_nobody(Protocol::Json10) }
    }

    /// What it is about is known; an account that is named there counts.
    pub fn is_about(&mut self, resource: Option<Resource>) {
        if let Some(account) = resource.as_ref().and_then(|resource| resource.account.as_ref()) {
            self.account = Some(account.clone());
        }
        self.resource = resource;
    }

    /// The account that the access key id was made for, whatever the request is about.
    pub fn callers_account(&self) -> Option<CompactString> {
        account::of_access_key(&self.access_key.as_ref()?.0)
    }

    /// The best reading.
    pub fn reading(&self) -> Option<&Reading> {
        self.readings.first()
    }

    /// Settles what the wire leaves open: of readings as `of` or as `instead`, only those as `instead` stay.
    pub fn settle(&mut self, of: &Service, instead: &Service) {
        let holds = |service: &Service| self.readings.iter().any(|reading| reading.service == service);
        if holds(of) && holds(instead) {
            self.readings.retain(|reading| reading.service == instead);
            self.why = self.why.and(Clue::Alias);
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.service.name)?;
        self.operation.map_or(Ok(()), |operation| write!(f, ".{}", operation.name))
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.0;
        match (key.get(..4), key.len().checked_sub(4).and_then(|at| key.get(at..))) {
            (Some(first), Some(last)) if key.len() > 12 => write!(f, "AccessKeyId({first}…{last})"),
            _ => f.write_str("AccessKeyId(…)"),
        }
    }
}

/// `attempt=` and `max=` of `amz-sdk-request: ttl=…; attempt=1; max=3`, in any order.
fn attempts(field: Field<'_>) -> (Option<u32>, Option<u32>) {
    let (mut attempt, mut most) = (None, None);
    let told = field.text().unwrap_or_default();
    for (name, value) in cut::all(told, b';').filter_map(|part| cut::once(part.trim_ascii(), b'=')) {
        match name {
            "attempt" => attempt = attempt.or_else(|| value.trim_ascii().parse().ok()),
            "max" => most = most.or_else(|| value.trim_ascii().parse().ok()),
            _ => {}
        }
    }
    (attempt, most)
}

pub(super) fn lower_case(host: &str) -> Cow<'_, str> {
    match host.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    #[test]
    fn an_access_key_is_shown_by_its_ends_only() {
        let shown = |key: &str| format!("{:?}", AccessKeyId(key.into()));
        assert_eq!(shown("AKIAIOSFODNN7EXAMPLE"), "AccessKeyId(AKIA…MPLE)");
        assert_eq!(shown("short"), "AccessKeyId(…)");
    }

    #[test]
    fn a_body_is_wanted_of_forms_that_do_not_say_their_action() {
        let wants = |method: &Method, media: &'static str, query| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]);
            needs_body(&Head { method, host: "localhost", path: "/", query, headers: &headers })
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert!(wants(&Method::POST, form, None));
        assert!(wants(&Method::POST, form, Some("a=b")));
        assert!(!wants(&Method::POST, form, Some("Action=ListUsers")));
        assert!(!wants(&Method::PUT, form, None));
        assert!(!wants(&Method::POST, "application/x-amz-json-1.0", None));
    }

    #[test]
    fn a_host_alone_tells_service_and_region_and_nothing_where_it_names_none() {
        let told = |host| {
            let request = AwsRequest::of_host(host);
            (request.reading().map(ToString::to_string), request.region)
        };
        assert_eq!(told("DynamoDB.eu-west-1.amazonaws.com"), (Some("dynamodb".to_owned()), Some("eu-west-1".into())));
        assert_eq!(told("bucket.s3.amazonaws.com").0.as_deref(), Some("s3"));
        assert_eq!(told("127.0.0.1"), (None, None));
    }

    #[test]
    fn attempts_are_read_in_any_order_and_never_invented() {
        let told = |value: &'static str| {
            let headers = HeaderMap::from_iter([("amz-sdk-request".parse().unwrap(), HeaderValue::from_static(value))]);
            attempts(Fields::of(&headers).sdk_request)
        };
        assert_eq!(told("attempt=1; max=3"), (Some(1), Some(3)));
        assert_eq!(told("ttl=20261121T042756Z; attempt=2; max=4"), (Some(2), Some(4)));
        assert_eq!(told("attempt=1"), (Some(1), None));
        assert_eq!(told("attempt=; max=99999999999"), (None, None));
    }
}
