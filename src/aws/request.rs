//! A request read as AWS means it.

use std::fmt;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::catalog::{Operation, Service};

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

/// One way to read a request.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Which service.
    pub service: &'static Service,
    /// Which operation, where the request says.
    pub operation: Option<&'static Operation>,
}

/// An access key id. `Debug` shows its ends only.
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
    /// The region signed for, or named by the host.
    pub region: Option<CompactString>,
    /// Who signed.
    pub access_key: Option<AccessKeyId>,
    /// `amz-sdk-invocation-id`: one SDK call, constant over its attempts.
    pub invocation: Option<CompactString>,
    /// `attempt=` of `amz-sdk-request`, from 1.
    pub attempt: Option<u32>,
    /// `max=` of `amz-sdk-request`.
    pub max_attempts: Option<u32>,
}

/// Why a request is not read as AWS's. It passes untouched and is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Foreign {
    /// Nothing in it speaks of AWS: no credential scope, target, action or AWS host.
    NoEvidence,
    /// It names a service that the catalog does not know.
    UnknownService,
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKeyId(…)")
    }
}
