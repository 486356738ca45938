//! Capacities that AWS documents.

use super::{Limit, Share, Unit};
use crate::aws::catalog::Operation;

/// A ready-made capacity.
#[derive(Debug)]
pub(super) struct Preset {
    /// What a profile calls it.
    pub(super) name: &'static str,
    /// The one service that it is about.
    pub(super) service: &'static str,
    /// What it counts, in words.
    pub(super) about: &'static str,
    pub(super) share: Share,
    pub(super) limits: &'static [Limit],
}

/// Their names.
pub(super) static PRESET_NAMES: [&str; 4] = ["dynamodb-table", "ec2-requests", "kinesis-shard", "s3-prefix"];

pub(super) static PRESETS: [Preset; 4] = [
    // What a new on-demand table has at first. An item counts as one unit, whatever its size.
    Preset {
        name: "dynamodb-table",
        service: "dynamodb",
        about: "12,000 items read and 4,000 written per second and table",
        share: Share::Resource,
        limits: &[
            limit(12_000.0, 12_000.0, Unit::Items, reads_items),
            limit(4_000.0, 4_000.0, Unit::Items, writes_items),
        ],
    },
    // https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html: buckets of their own for each action.
    Preset {
        name: "ec2-requests",
        service: "ec2",
        about: "for each action 20 requests per second and 100 at once that read, 5 and 50 that change",
        share: Share::AccountOperation,
        limits: &[limit(20.0, 100.0, Unit::Requests, describes), limit(5.0, 50.0, Unit::Requests, changes)],
    },
    // A stream of one shard: which shard a record goes to depends on how many there are.
    Preset {
        name: "kinesis-shard",
        service: "kinesis",
        about: "1,000 records and 1 MB written per second and stream",
        share: Share::Resource,
        limits: &[limit(1_000.0, 1_000.0, Unit::Items, puts_records), limit(1e6, 1e6, Unit::Data, puts_records)],
    },
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
    Preset {
        name: "s3-prefix",
        service: "s3",
        about: "3,500 requests that write and 5,500 that read per second and prefix",
        share: Share::Prefix,
        limits: &[limit(3_500.0, 3_500.0, Unit::Requests, writes), limit(5_500.0, 5_500.0, Unit::Requests, reads)],
    },
];

const fn limit(rate: f64, burst: f64, unit: Unit, operations: fn(&Operation) -> bool) -> Limit {
    Limit { rate, burst, unit, operations: Some(operations) }
}

fn reads_items(operation: &Operation) -> bool {
    matches!(operation.name, "BatchGetItem" | "GetItem" | "Query" | "Scan" | "TransactGetItems")
}

fn writes_items(operation: &Operation) -> bool {
    matches!(operation.name, "BatchWriteItem" | "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem")
}

fn describes(operation: &Operation) -> bool {
    ["Describe", "Get", "List", "Search"].iter().any(|verb| operation.name.starts_with(verb))
}

fn changes(operation: &Operation) -> bool {
    !describes(operation)
}

fn puts_records(operation: &Operation) -> bool {
    matches!(operation.name, "PutRecord" | "PutRecords")
}

fn reads(operation: &Operation) -> bool {
    operation.route.is_some_and(|(method, _)| matches!(method, "GET" | "HEAD"))
}

fn writes(operation: &Operation) -> bool {
    !reads(operation)
}
