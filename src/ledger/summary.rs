//! The ledger's figures at one moment, with what the run was: what reports are made from.

use std::collections::BTreeMap;
use std::time::Duration;

use compact_str::CompactString;
use serde::{Serialize, Serializer};

use super::invocation::InvocationTotals;
use super::items::ItemsLine;
use super::stats::{Counts, Exchanges, OperationRow, Snapshot};
use super::tcp::TcpRow;

/// A run's figures. Serialised, it is `--summary` (`docs/report.md`).
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The version of this form, always 1.
    #[serde(rename = "v")]
    pub version: u32,
    /// What the run was.
    #[serde(flatten)]
    pub run: Run,
    /// All exchanges by what they were.
    pub exchanges: Exchanges,
    /// AWS exchanges by how they ended.
    pub aws: Counts,
    /// The same for each operation, sorted by service and operation.
    pub operations: Vec<OperationRow>,
    /// What became of SDK calls.
    pub invocations: InvocationTotals,
    /// How many exchanges were not AWS's, by reason.
    pub foreign: BTreeMap<CompactString, u64>,
    /// TCP connections of which nothing was read, by where they went: those to `tcp:` entries, and others that rules concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<TcpRow>,
}

/// What a run was: what the ledger cannot know by itself.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// The seed of all its chance.
    pub seed: u64,
    /// The profiles' names, in the order given.
    pub profiles: Vec<String>,
    /// Where requests went, as a person would say it: a URL, or `REAL AWS`.
    pub upstream: String,
    /// How long it took.
    #[serde(rename = "duration_us", serialize_with = "as_micros")]
    pub duration: Duration,
    /// How far each rule came, in the profile's order.
    pub rules: Vec<RuleLine>,
    /// What was seen beside exchanges.
    pub connections: Connections,
}

/// How far a rule came.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RuleLine {
    /// Its name.
    pub name: String,
    /// Requests that fitted its `match`.
    pub matched: u64,
    /// Requests it struck.
    pub fired: u64,
    /// Why it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_never: Option<String>,
    /// What it could not judge, each the rest of a sentence that begins with its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// What became of the items that it let fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsLine>,
}

/// Signs of life that are not exchanges.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Connections {
    /// CONNECT requests.
    pub connects: u64,
    /// Connections copied through undecrypted, as their host is not AWS's.
    pub tunnels: u64,
    /// TLS handshakes that clients broke off: most likely they do not trust the certificate authority.
    pub refused_handshakes: u64,
    /// Connections that rules ended before their first request.
    pub ended: u64,
}

impl Summary {
    pub(super) fn new(run: Run, snapshot: Snapshot) -> Self {
        let Snapshot { exchanges, aws, operations, foreign, invocations, tcp } = snapshot;
        Self { version: 1, run, exchanges, aws, operations, invocations, foreign, tcp }
    }
}

fn as_micros<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
