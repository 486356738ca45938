//! What AWS's models say exists: services, operations, error shapes.
//!
//! The facts are lines of text in `catalog.txt`, written by `catalog.py` (whose head documents the grammar) from botocore's models,
//! and compiled in. They are read when first asked for: the service lines together, each service's operations and errors, which
//! `build.rs` deflates, by themselves. Everything is a slice of that text, sorted bytewise; what each request asks for is found by its hash.
//!
//! ```
//! use squall::aws::catalog;
//! let dynamodb = catalog::service("dynamodb").unwrap();
//! assert_eq!(dynamodb.target_prefix, Some("DynamoDB_20120810"));
//! assert_eq!(dynamodb.operation("PutItem").unwrap().name, "PutItem");
//! assert_eq!(dynamodb.error("ProvisionedThroughputExceededException").unwrap().status, 400);
//! ```
//!
//! It holds what models say and nothing else: practice that departs from them is the quirks' affair. Two services have no model, those that
//! a machine asks for credentials; `supplement.txt`, written by hand in the same grammar, says what [`link_local`](super::link_local) reads
//! of them.

mod parse;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::request::Protocol;
use super::resource::choice::{self, Way};
use super::uri::Route;

/// One AWS service of the catalog.
pub struct Service {
    /// botocore's name for it, as profiles write it: `dynamodb`, `stepfunctions`.
    pub name: &'static str,
    /// Service id, as SDKs write it: `DynamoDB`, `Compute Optimizer`.
    pub id: &'static str,
    /// The service of a credential scope: `states` for `stepfunctions`. Several services may share one.
    pub signing_name: &'static str,
    /// Usually the first label of its hosts: `monitoring` for `cloudwatch`.
    pub endpoint_prefix: &'static str,
    /// What else its hosts begin with: `efs` beside `elasticfilesystem`.
    pub(super) other_prefixes: Vec<&'static str>,
    /// What stands before the last dot of `X-Amz-Target`, and the service shape in rpc-v2-cbor paths.
    pub target_prefix: Option<&'static str>,
    /// All protocols it speaks, in the model's order; what older SDKs still speak last.
    pub protocols: Vec<Protocol>,
    /// `2012-08-10`; the `Version` of query requests.
    pub api_version: &'static str,
    /// Namespace of its XML.
    pub xml_namespace: Option<&'static str>,
    /// Its regionless host, where it has one.
    pub global_endpoint: Option<&'static str>,
    /// `awsQueryCompatible`: it spoke query once, and tells its old codes in `x-amzn-query-error`.
    pub query_compatible: bool,
    /// Where its hosts are not `PREFIX.REGION.SUFFIX`, as written.
    hosts: &'static str,
    /// The contents of all services, and where its own stand among them.
    deflated: (&'static [u8], Range<usize>),
    contents: OnceLock<Contents>,
    routes: OnceLock<Vec<Route>>,
}

/// One operation of a service.
#[derive(Debug)]
pub struct Operation {
    /// `PutItem`
    pub name: &'static str,
    /// HTTP method and URI template with constant queries, of the REST protocols only: `GET`, `/{Bucket}?acl`.
    pub route: Option<(&'static str, &'static str)>,
    /// Required query keys, sorted; empty outside REST.
    pub required_query: Vec<&'static str>,
    /// Required header names, sorted; empty outside REST.
    pub required_headers: Vec<&'static str>,
    /// What SDKs put before the host: `data-`, `{AccountId}.`
    pub host_prefix: Option<&'static str>,
    /// Whether requests carry no signature (`auth: none`).
    pub unsigned: bool,
    /// Whether the model calls it deprecated.
    pub deprecated: bool,
    /// What may name the resource it is about, beside the labels of the route; in the model's order.
    pub inputs: Vec<Input>,
    /// Which of its service's errors it models, ascending.
    errors: Vec<u16>,
    /// The exceptions in an answer that is an event stream: `member:ALIAS`, parted by commas.
    stream: Option<&'static str>,
    /// Whether the request is an event stream too.
    converses: bool,
    ways: OnceLock<Vec<Way>>,
}

/// A top-level member of an operation's input that may name a resource: a text or a list of texts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Input {
    /// Its name on the wire; in forms, what stands before a list's number.
    pub name: &'static str,
    /// Where it travels.
    pub place: Place,
    /// Whether it is a list.
    pub is_list: bool,
    /// Whether no request may leave it out.
    pub is_required: bool,
}

/// Where a member of a request travels.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// In the path, where the URI template has its label.
    Label,
    /// In the query.
    Query,
    /// In a header field.
    Header,
    /// At the top of the body: a JSON, CBOR or XML member, a form's field.
    Body,
}

/// One error of a service, as modeled.
#[derive(Debug)]
pub struct ErrorShape {
    /// The shape's name: the class that SDKs raise.
    pub name: &'static str,
    /// What names it on the wire; the `error.code` trait of query models, else the shape's name.
    pub code: &'static str,
    /// HTTP status; where the model has none, 500 for a server fault and else 400.
    pub status: u16,
    /// Whether the server is to blame.
    pub fault: bool,
    /// Whether the model calls it retryable.
    pub retryable: bool,
    /// Whether it is retryable as throttling.
    pub throttling: bool,
    /// How the message is spelled on the wire, where the shape has one.
    pub message_member: Option<&'static str>,
    /// All other members.
    pub members: Vec<Member>,
    alias: &'static str,
}

/// A member of an error shape.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its type.
    pub kind: MemberKind,
    /// Whether it travels in a header field of that name.
    pub in_header: bool,
    /// Whether no such error lacks it.
    pub is_required: bool,
    /// Of an enum: the value that such an error is likeliest to have.
    pub value: Option<&'static str>,
}

/// Types of members, as far as the catalog tells them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberKind {
    /// Bytes.
    Blob,
    /// True or false.
    Boolean,
    /// A fraction.
    Double,
    /// A whole number.
    Integer,
    /// A list.
    List,
    /// A map.
    Map,
    /// Text, enums included.
    String,
    /// Members of its own.
    Structure,
    /// A moment.
    Timestamp,
}

struct Contents {
    operations: Vec<Operation>,
    /// Where the operation of a name stands.
    by_name: HashMap<&'static str, u16, RandomState>,
    errors: Vec<ErrorShape>,
}

/// Regions under one roof.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: &'static str,
    pub(super) suffix: &'static str,
    /// Of its newer hosts.
    pub(super) dual_suffix: &'static str,
    /// How its regions begin; empty for the one that all others belong to.
    beginning: &'static str,
}

struct Catalog {
    version: &'static str,
    suffixes: Vec<&'static str>,
    partitions: Vec<Partition>,
    services: Vec<Service>,
}

/// Where the facts come from: `botocore 1.44.5`.
pub fn version() -> &'static str {
    catalog().version
}

/// All services, sorted by name.
pub fn services() -> &'static [Service] {
    &catalog().services
}

/// The service that botocore calls so.
pub fn service(name: &str) -> Option<&'static Service> {
    let services = services();
    services.binary_search_by(|s| s.name.cmp(name)).ok().map(|at| &services[at])
}

/// The services whose credential scopes name this, sorted by name; empty where none does.
pub fn by_signing_name(name: &str) -> &'static [&'static Service] {
    static BY_SIGNING_NAME: OnceLock<ServicesBy> = OnceLock::new();
    BY_SIGNING_NAME
        .get_or_init(|| services_by(|service| Some(service.signing_name)))
        .get(name)
        .map_or(&[], Vec::as_slice)
}

/// The services whose `X-Amz-Target` begins with this, sorted by name: one, but for Timestream's two.
pub fn by_target_prefix(prefix: &str) -> &'static [&'static Service] {
    static BY_TARGET_PREFIX: OnceLock<ServicesBy> = OnceLock::new();
    BY_TARGET_PREFIX.get_or_init(|| services_by(|service| service.target_prefix)).get(prefix).map_or(&[], Vec::as_slice)
}

/// DNS suffixes under which AWS serves APIs, sorted, without a leading dot.
pub(super) fn suffixes() -> &'static [&'static str] {
    &catalog().suffixes
}

/// The partition that a region belongs to.
pub(super) fn partition_of(region: &str) -> Option<&'static Partition> {
    let partitions = catalog().partitions.iter();
    partitions.filter(|partition| region.starts_with(partition.beginning)).max_by_key(|p| p.beginning.len())
}

impl Service {
    /// What its hosts look like in a region of this partition, and the region that is signed for if it is another: `iam.{s}` and
    /// `us-east-1`. `None`: as usual.
    pub(super) fn unusual_host(&self, region: &str, partition: &str) -> Option<(&'static str, Option<&'static str>)> {
        let at = |place: &str| parse::list(self.hosts).find_map(|entry| entry.strip_prefix(place)?.strip_prefix(':'));
        let host = at(region).or_else(|| at(partition)).or_else(|| at("*"))?;
        Some(host.split_once('@').map_or((host, None), |(host, signed)| (host, Some(signed))))
    }

    /// All operations, sorted by name.
    pub fn operations(&'static self) -> &'static [Operation] {
        &self.contents().operations
    }

    /// The operation of this name.
    pub fn operation(&'static self, name: &str) -> Option<&'static Operation> {
        let Contents { operations, by_name, .. } = self.contents();
        operations.get(usize::from(*by_name.get(name)?))
    }

    /// All error shapes, sorted by name.
    pub fn errors(&'static self) -> &'static [ErrorShape] {
        &self.contents().errors
    }

    /// The error of this wire code, or of this shape name. A few codes are shared by shapes: then the first by name.
    pub fn error(&'static self, code: &str) -> Option<&'static ErrorShape> {
        let errors = self.errors();
        let by_name = || errors.binary_search_by(|e| e.name.cmp(code)).ok().map(|at| &errors[at]);
        errors.iter().find(|error| error.code == code).or_else(by_name)
    }

    /// By which members requests of one of its operations name their resource, best first. Decided when first asked for.
    pub(super) fn ways(&'static self, operation: &'static Operation) -> &'static [Way] {
        operation.ways.get_or_init(|| choice::ways(self.name, operation))
    }

    /// The errors that one of its operations models, sorted by name.
    pub fn errors_of(&'static self, operation: &'static Operation) -> impl Iterator<Item = &'static ErrorShape> {
        operation.errors.iter().filter_map(|number| self.errors().get(usize::from(*number)))
    }

    /// The error of this wire code or shape name among those that an operation models.
    pub fn error_of(&'static self, operation: &'static Operation, code: &str) -> Option<&'static ErrorShape> {
        self.errors_of(operation).find(|error| error.code == code || error.name == code)
    }

    /// The member of an operation's event stream under which an exception comes, by its wire code, shape name or the member itself.
    pub(super) fn stream_exception(
        &'static self,
        operation: &Operation,
        code: &str,
    ) -> Option<(&'static str, &'static ErrorShape)> {
        let mut exceptions = parse::list(operation.stream?).filter_map(|exception| exception.split_once(':'));
        exceptions.find_map(|(member, alias)| {
            let shape = self.errors().iter().find(|error| error.alias == alias)?;
            [member, shape.name, shape.code].contains(&code).then_some((member, shape))
        })
    }

    /// Whether it is one that no model describes: it answers on the machine itself, at an address and not at a host of AWS's.
    pub fn is_link_local(&self) -> bool {
        self.speaks(Protocol::Http)
    }

    /// Whether it speaks a protocol.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// The routes of its REST operations, parsed when first asked for.
    pub(super) fn routes(&'static self) -> &'static [Route] {
        self.routes.get_or_init(|| self.operations().iter().filter_map(Route::of).collect())
    }

    fn contents(&'static self) -> &'static Contents {
        self.contents.get_or_init(|| {
            let (all, own) = &self.deflated;
            parse::contents(all.get(own.clone()).unwrap_or_default())
        })
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.name)
    }
}

impl Operation {
    /// Whether its request is an event stream, which goes on while the answer does.
    pub fn converses(&self) -> bool {
        self.converses
    }

    /// Whether its answer is an event stream, in which exceptions may come.
    pub fn streams(&self) -> bool {
        self.stream.is_some()
    }
}

/// A name is a service's identity.
impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

impl Eq for Service {}

/// A name is an operation's identity among those of its service.
impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

impl Eq for Operation {}

/// Services by a text that names them on the wire.
type ServicesBy = HashMap<&'static str, Vec<&'static Service>, RandomState>;

fn services_by(key: fn(&Service) -> Option<&'static str>) -> ServicesBy {
    let mut found = ServicesBy::default();
    for service in services() {
        if let Some(text) = key(service) {
            found.entry(text).or_insert_with(|| Vec::with_capacity(1)).push(service);
        }
    }
    found
}

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        parse::catalog(CATALOG_HEAD, CATALOG_CONTENTS).with(parse::catalog(SUPPLEMENT_HEAD, SUPPLEMENT_CONTENTS))
    })
}

impl Catalog {
    /// With the services of another.
    fn with(mut self, other: Self) -> Self {
        self.services.extend(other.services);
        self.services.sort_by_key(|service| service.name);
        self
    }
}

const CATALOG_HEAD: &str = include_str!(concat!(env!("OUT_DIR"), "/catalog.head"));
static CATALOG_CONTENTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/catalog.contents"));
const SUPPLEMENT_HEAD: &str = include_str!(concat!(env!("OUT_DIR"), "/supplement.head"));
static SUPPLEMENT_CONTENTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/supplement.contents"));

#[cfg(test)]
mod tests;
