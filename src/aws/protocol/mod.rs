//! How each protocol says "operation", and how it says "error".

pub(super) mod cbor;
pub(super) mod json;
pub(super) mod query;
pub(super) mod rest;

use bytes::Bytes;
use compact_str::CompactString;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

/// An error as AWS names it, before it is written in a protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AwsError {
    /// The wire code: `ProvisionedThroughputExceededException`, `SlowDown`.
    pub code: CompactString,
    /// HTTP status; absent: the modeled one, or 400/500 by fault.
    pub status: Option<StatusCode>,
    /// Text for people; absent: AWS's own where known.
    pub message: Option<CompactString>,
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
    /// All its header fields, `content-length` included.
    pub headers: HeaderMap,
    /// Its body; empty for HEAD.
    pub body: Bytes,
}
