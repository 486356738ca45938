//! What AWS's models say exists: services, operations, error shapes.
//!
//! The facts are lines of text in `catalog.txt`, written by `catalog.py` (whose head documents the grammar) from botocore's models,
//! and compiled in. They are parsed when first asked for: the service lines together, each service's operations and errors by
//! themselves. Everything is a slice of that text, sorted bytewise and found by binary search.
//!
//! ```
//! use squall::aws::catalog;
//! let dynamodb = catalog::service("dynamodb").unwrap();
//! assert_eq!(dynamodb.target_prefix, Some("DynamoDB_20120810"));
//! assert_eq!(dynamodb.operation("PutItem").unwrap().name, "PutItem");
//! assert_eq!(dynamodb.error("ProvisionedThroughputExceededException").unwrap().status, 400);
//! ```
//!
//! It holds what models say and nothing else: practice that departs from them is the quirks' affair.

mod parse;

use std::fmt;
use std::sync::OnceLock;

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
    text: &'static str,
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
    errors: &'static str,
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
    errors: Vec<ErrorShape>,
}

struct Catalog {
    version: &'static str,
    suffixes: Vec<&'static str>,
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
    static BY_SIGNING_NAME: OnceLock<Vec<&'static Service>> = OnceLock::new();
    let sorted = BY_SIGNING_NAME.get_or_init(|| sorted_by(|service| Some(service.signing_name)));
    equal_range(sorted, name, |service| service.signing_name)
}

/// The services whose `X-Amz-Target` begins with this, sorted by name: one, but for Timestream's two.
pub fn by_target_prefix(prefix: &str) -> &'static [&'static Service] {
    static BY_TARGET_PREFIX: OnceLock<Vec<&'static Service>> = OnceLock::new();
    let sorted = BY_TARGET_PREFIX.get_or_init(|| sorted_by(|service| service.target_prefix));
    equal_range(sorted, prefix, |service| service.target_prefix.unwrap_or_default())
}

/// DNS suffixes under which AWS serves APIs, sorted, without a leading dot.
pub(super) fn suffixes() -> &'static [&'static str] {
    &catalog().suffixes
}

impl Service {
    /// All operations, sorted by name.
    pub fn operations(&'static self) -> &'static [Operation] {
        &self.contents().operations
    }

    /// The operation of this name.
    pub fn operation(&'static self, name: &str) -> Option<&'static Operation> {
        let operations = self.operations();
        operations.binary_search_by(|o| o.name.cmp(name)).ok().map(|at| &operations[at])
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
    pub fn errors_of(&'static self, operation: &Operation) -> impl Iterator<Item = &'static ErrorShape> + use<> {
        let listed = operation.errors;
        self.errors().iter().filter(move |error| parse::list(listed).any(|alias| alias == error.alias))
    }

    /// The error of this wire code or shape name among those that an operation models.
    pub fn error_of(&'static self, operation: &Operation, code: &str) -> Option<&'static ErrorShape> {
        let named = |error: &&ErrorShape| error.code == code || error.name == code;
        let modeled = |error: &&ErrorShape| parse::list(operation.errors).any(|alias| alias == error.alias);
        self.errors().iter().filter(named).find(modeled)
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
        self.contents.get_or_init(|| parse::contents(self.text))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.name)
    }
}

/// A name is a service's identity.
impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Service {}

/// A name is an operation's identity among those of its service.
impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Operation {}

fn sorted_by(key: fn(&Service) -> Option<&'static str>) -> Vec<&'static Service> {
    let mut sorted: Vec<_> = services().iter().filter(|service| key(service).is_some()).collect();
    sorted.sort_by_key(|service| key(service));
    sorted
}

fn equal_range(
    sorted: &'static [&'static Service],
    wanted: &str,
    key: fn(&Service) -> &'static str,
) -> &'static [&'static Service] {
    let start = sorted.partition_point(|service| key(service) < wanted);
    let length = sorted[start..].partition_point(|service| key(service) == wanted);
    &sorted[start..start + length]
}

fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| parse::catalog(TEXT))
}

const TEXT: &str = include_str!("catalog.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_of_botocore_is_there() {
        assert_eq!(version(), "botocore 1.44.5");
        assert_eq!(services().len(), 439);
        assert_eq!(services().iter().map(|s| s.operations().len()).sum::<usize>(), 19_796);
        assert_eq!(services().iter().map(|s| s.errors().len()).sum::<usize>(), 5_848);
    }

    #[test]
    fn everything_is_sorted_and_found_by_its_name() {
        for s in services() {
            assert_eq!(service(s.name), Some(s));
            assert!(!s.protocols.is_empty() && !s.api_version.is_empty(), "{s:?}");
            assert!(by_signing_name(s.signing_name).contains(&s));
            assert!(s.target_prefix.is_none_or(|prefix| by_target_prefix(prefix).contains(&s)), "{s:?}");
            for o in s.operations() {
                assert_eq!(s.operation(o.name), Some(o));
            }
            for e in s.errors() {
                assert_eq!(s.error(e.name).map(|found| found.code), Some(e.code), "{s:?} {}", e.name);
            }
        }
        assert_eq!(service("dynamo"), None);
        assert!(by_signing_name("").is_empty());
    }

    #[test]
    fn rest_operations_have_routes_and_rpc_operations_have_none() {
        for s in services() {
            let rest = s.speaks(Protocol::RestJson) || s.speaks(Protocol::RestXml);
            assert!(s.operations().iter().all(|o| o.route.is_some() == rest), "{s:?}");
        }
    }

    #[test]
    fn services_that_share_a_signing_name_or_target_are_found_together() {
        let names = |found: &[&Service]| found.iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names(by_signing_name("rds")), ["docdb", "neptune", "rds"]);
        assert_eq!(names(by_target_prefix("Timestream_20181101")), ["timestream-query", "timestream-write"]);
        assert_eq!(names(by_signing_name("states")), ["stepfunctions"]);
    }

    #[test]
    fn an_error_tells_code_status_fault_retry_and_members() {
        let sqs = service("sqs").unwrap();
        assert!(sqs.query_compatible && sqs.speaks(Protocol::Query));
        let iam = service("iam").unwrap().error("NoSuchEntity").unwrap();
        assert_eq!((iam.name, iam.code, iam.status), ("NoSuchEntityException", "NoSuchEntity", 404));
        let lambda = service("lambda").unwrap();
        let throttled = lambda.error("TooManyRequestsException").unwrap();
        assert_eq!((throttled.status, throttled.message_member), (429, Some("message")));
        let retry_after = Member { name: "Retry-After", kind: MemberKind::String, in_header: true };
        assert!(throttled.members.contains(&retry_after));
        // The model gives no status here: a JSON server fault is 500 on the wire.
        let internal = service("dynamodb").unwrap().error("InternalServerError").unwrap();
        assert_eq!((internal.status, internal.fault), (500, true));
        let invoke = lambda.operation("Invoke").unwrap();
        assert!(lambda.errors_of(invoke).any(|e| e.name == "ENILimitReachedException" && e.status == 502));
    }

    #[test]
    fn what_may_name_a_resource_is_kept_with_its_place() {
        let inputs = |name, operation| &service(name).unwrap().operation(operation).unwrap().inputs;
        let table = Input { name: "TableName", place: Place::Body, is_list: false, is_required: true };
        assert_eq!(inputs("dynamodb", "PutItem").as_slice(), [table]);
        let instances = Input { name: "InstanceId", is_list: true, ..table };
        assert!(inputs("ec2", "TerminateInstances").contains(&instances));
        let function = Input { name: "FunctionName", place: Place::Query, is_required: false, ..table };
        assert!(inputs("lambda", "ListEventSourceMappings").contains(&function));
    }

    #[test]
    fn required_members_and_constant_queries_are_kept() {
        let s3 = service("s3").unwrap();
        assert_eq!(s3.operation("CopyObject").unwrap().required_headers, ["x-amz-copy-source"]);
        assert_eq!(s3.operation("UploadPart").unwrap().required_query, ["partNumber", "uploadId"]);
        assert_eq!(s3.operation("GetBucketAcl").unwrap().route, Some(("GET", "/{Bucket}?acl")));
    }
}
