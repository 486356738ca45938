//! The running sums: per operation, over all, and what was not AWS's.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::entry::{Entry, Outcome};
use super::invocation::{InvocationTotals, Invocations};
use super::tcp::{TcpRow, TcpStatistics};

/// Everything that is counted, in bounded memory.
#[derive(Debug)]
pub(super) struct Statistics {
    exchanges: Exchanges,
    aws: Counts,
    operations: HashMap<OperationKey, OperationStatistics, RandomState>,
    foreign: BTreeMap<CompactString, u64>,
    invocations: Invocations,
    tcp: TcpStatistics,
}

/// Exchanges by what they were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Exchanges {
    /// All.
    pub total: u64,
    /// Read as AWS's.
    pub aws: u64,
    /// Read, and not AWS's: passed untouched.
    pub foreign: u64,
    /// Ended before they were read: they led nowhere, or the client left.
    pub unread: u64,
}

/// Exchanges by how they ended.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// All; of a client that retries, each attempt.
    pub attempts: u64,
    /// Answered by the upstream, errors of its own included.
    pub answered: u64,
    /// Ended by a rule: answered in AWS's stead, left hanging, reset, or broken off.
    pub injected: u64,
    /// Of those: carried out by the upstream, whose answer a rule threw away.
    pub lost: u64,
    /// Held back by a rule, whoever answered then.
    pub delayed: u64,
    /// Came back sooner than an injected answer had asked for.
    pub early: u64,
    /// Sent by a rule beside the times that clients know of.
    pub copies: u64,
    /// Answered by the upstream with a status from 400 to 499.
    pub upstream_4xx: u64,
    /// Answered by the upstream with a status from 500.
    pub upstream_5xx: u64,
    /// The upstream broke off before or within its answer.
    pub upstream_failed: u64,
    /// Squall answered in its own name.
    pub proxy_failed: u64,
    /// The client left before it had its answer.
    pub client_gone: u64,
    /// By the status the client was sent.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of request bodies that went upstream.
    pub request_bytes: u64,
    /// Bytes of answers' bodies that went to clients.
    pub response_bytes: u64,
}

/// One operation's figures. Times are microseconds, taken from arrival to the end of the answer, of exchanges that were answered by
/// the upstream or by a rule; injected delay is part of them. Percentiles are within one per cent.
#[derive(Clone, Debug, Serialize)]
pub struct OperationRow {
    /// The catalog's name of the service.
    pub service: &'static str,
    /// The operation; absent where requests do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// SDK calls: different invocation ids.
    pub invocations: u64,
    /// How its exchanges ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// Half of all were as fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 95 of 100 were as fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_us: Option<u64>,
    /// 99 of 100 were as fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// The slowest, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_us: Option<u64>,
}

/// A snapshot of all sums.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) exchanges: Exchanges,
    pub(super) aws: Counts,
    pub(super) operations: Vec<OperationRow>,
    pub(super) foreign: BTreeMap<CompactString, u64>,
    pub(super) invocations: InvocationTotals,
    pub(super) tcp: Vec<TcpRow>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct OperationKey(&'static str, Option<&'static str>);

#[derive(Debug)]
struct OperationStatistics {
    invocations: u64,
    counts: Counts,
    times: Times,
}

/// A distribution of microseconds. The histogram is absent only if its constants were wrong.
#[derive(Debug)]
struct Times {
    histogram: Option<Histogram<u32>>,
    max: u64,
}

impl Statistics {
    pub(super) fn new(most_invocations: NonZeroUsize) -> Self {
        Self {
            exchanges: Exchanges::default(),
            aws: Counts::default(),
            operations: HashMap::default(),
            foreign: BTreeMap::new(),
            invocations: Invocations::new(most_invocations),
            tcp: TcpStatistics::default(),
        }
    }

    pub(super) fn count(&mut self, entry: &Entry) {
        if let Some(connection) = &entry.connection {
            return self.tcp.count(connection, entry);
        }
        if entry.before_request {
            return; // counted among connections
        }
        self.exchanges.total += 1;
        match (entry.service, &entry.foreign) {
            (Some(service), _) => self.count_aws(service, entry),
            (None, Some(reason)) => self.count_foreign(reason),
            (None, None) => self.exchanges.unread += 1,
        }
    }

    fn count_aws(&mut self, service: &'static str, entry: &Entry) {
        self.exchanges.aws += 1;
        self.aws.count(entry);
        let is_new_call = self.invocations.count(entry);
        let mut key = OperationKey(service, entry.operation);
        if self.operations.len() >= MOST_OPERATIONS && !self.operations.contains_key(&key) {
            key = OTHERS;
        }
        let operation = self.operations.entry(key).or_insert_with(OperationStatistics::new);
        operation.invocations += u64::from(is_new_call);
        operation.counts.count(entry);
        if matches!(entry.outcome, Outcome::Answered | Outcome::Injected) {
            operation.times.record(entry.total_us);
        }
    }

    fn count_foreign(&mut self, reason: &CompactString) {
        self.exchanges.foreign += 1;
        if let Some(count) = self.foreign.get_mut(reason) {
            *count += 1;
        } else if self.foreign.len() < MOST_REASONS {
            self.foreign.insert(reason.clone(), 1);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut operations: Vec<_> = self.operations.iter().map(|(key, operation)| operation.row(*key)).collect();
        operations.sort_unstable_by_key(|row| (row.service, row.operation));
        Snapshot {
            exchanges: self.exchanges,
            aws: self.aws.clone(),
            operations,
            foreign: self.foreign.clone(),
            invocations: self.invocations.totals(),
            tcp: self.tcp.rows(),
        }
    }
}

impl Counts {
    /// Errors of the upstream's own: error statuses, and answers that broke off or never came.
    pub fn upstream_errors(&self) -> u64 {
        self.upstream_4xx + self.upstream_5xx + self.upstream_failed
    }

    fn count(&mut self, entry: &Entry) {
        self.attempts += 1;
        self.delayed += u64::from(entry.delay_us > 0);
        self.early += u64::from(entry.early_us > 0);
        self.lost += u64::from(entry.upstream_status.is_some());
        self.copies += u64::from(entry.copies);
        self.request_bytes += entry.request_bytes;
        self.response_bytes += entry.response_bytes;
        if let Some(status) = entry.status {
            *self.statuses.entry(status).or_default() += 1;
        }
        match entry.outcome {
            Outcome::Carried => {}
            Outcome::Answered => self.count_answer(entry.status.unwrap_or_default()),
            Outcome::ClientGone => self.client_gone += 1,
            Outcome::Injected => self.injected += 1,
            Outcome::ProxyFailed => self.proxy_failed += 1,
            Outcome::UpstreamFailed => self.upstream_failed += 1,
        }
    }

    fn count_answer(&mut self, status: u16) {
        self.answered += 1;
        self.upstream_4xx += u64::from((400..500).contains(&status));
        self.upstream_5xx += u64::from(status >= 500);
    }
}

impl OperationStatistics {
    fn new() -> Self {
        Self { invocations: 0, counts: Counts::default(), times: Times::new() }
    }

    fn row(&self, OperationKey(service, operation): OperationKey) -> OperationRow {
        OperationRow {
            service,
            operation,
            invocations: self.invocations,
            counts: self.counts.clone(),
            p50_us: self.times.quantile(0.50),
            p95_us: self.times.quantile(0.95),
            p99_us: self.times.quantile(0.99),
            max_us: self.times.quantile(1.0),
        }
    }
}

impl Times {
    fn new() -> Self {
        Self { histogram: Histogram::new_with_bounds(1, HOUR_US, 2).ok(), max: 0 }
    }

    fn record(&mut self, micros: u64) {
        self.max = self.max.max(micros);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros);
        }
    }

    /// Absent where nothing was recorded. A histogram's step may end above the largest value in it, a percentile must not.
    fn quantile(&self, quantile: f64) -> Option<u64> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        let value = if quantile < 1.0 { histogram.value_at_quantile(quantile) } else { self.max };
        Some(value.min(self.max))
    }
}

/// Longer exchanges count as this long in percentiles.
const HOUR_US: u64 = 3_600_000_000;
/// Rows with figures of their own; each costs some 14 KB. No account comes near.
const MOST_OPERATIONS: usize = 1000;
/// The row of all further operations.
const OTHERS: OperationKey = OperationKey("(others)", None);
/// Reasons for being foreign are few and fixed; the bound holds whatever they become.
const MOST_REASONS: usize = 32;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Mode;

    fn exchange(operation: &'static str, outcome: Outcome, status: u16, total_us: u64) -> Entry {
        let mut entry = Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Connect);
        (entry.service, entry.operation) = (Some("dynamodb"), Some(operation));
        (entry.outcome, entry.status, entry.total_us) = (outcome, Some(status), total_us);
        entry
    }

    fn snapshot(entries: impl IntoIterator<Item = Entry>) -> Snapshot {
        let mut statistics = Statistics::new(NonZeroUsize::MIN);
        entries.into_iter().for_each(|entry| statistics.count(&entry));
        statistics.snapshot()
    }

    #[test]
    fn injected_errors_are_never_counted_as_the_upstreams() {
        let got = snapshot([
            exchange("PutItem", Outcome::Injected, 400, 10),
            exchange("PutItem", Outcome::Injected, 503, 10),
            exchange("PutItem", Outcome::Answered, 404, 10),
            exchange("PutItem", Outcome::Answered, 503, 10),
            exchange("PutItem", Outcome::ProxyFailed, 502, 10),
            exchange("PutItem", Outcome::UpstreamFailed, 200, 10),
            exchange("PutItem", Outcome::ClientGone, 200, 10),
        ]);
        let [row] = got.operations.as_slice() else { panic!("{:?}", got.operations) };
        let counts = &row.counts;
        assert_eq!((counts.attempts, counts.injected, counts.upstream_errors()), (7, 2, 3));
        assert_eq!((counts.upstream_4xx, counts.upstream_5xx, counts.upstream_failed), (1, 1, 1));
        assert_eq!((counts.proxy_failed, counts.client_gone, counts.answered), (1, 1, 2));
        assert_eq!(counts.statuses, BTreeMap::from([(200, 2), (400, 1), (404, 1), (502, 1), (503, 2)]));
    }

    #[test]
    fn rows_are_sorted_and_their_sum_is_the_total() {
        let got = snapshot(["PutItem", "GetItem", "PutItem"].map(|name| exchange(name, Outcome::Answered, 200, 1)));
        let rows: Vec<_> = got.operations.iter().map(|row| (row.operation, row.counts.attempts)).collect();
        assert_eq!(rows, [(Some("GetItem"), 1), (Some("PutItem"), 2)]);
        assert_eq!((got.aws.attempts, got.exchanges.aws, got.exchanges.total), (3, 3, 3));
    }

    #[test]
    fn percentiles_are_within_one_per_cent_and_never_above_the_slowest() {
        let got = snapshot((1..=1000).map(|ms| exchange("PutItem", Outcome::Answered, 200, ms * 1000)));
        let row = &got.operations[0];
        let within = |got: Option<u64>, want: u64| got.is_some_and(|got| got.abs_diff(want) <= want / 100);
        assert!(within(row.p50_us, 500_000) && within(row.p95_us, 950_000) && within(row.p99_us, 990_000), "{row:?}");
        assert_eq!(row.max_us, Some(1_000_000));
        let single = &snapshot([exchange("PutItem", Outcome::Answered, 200, 12_345)]).operations[0];
        assert_eq!((single.p50_us, single.p99_us), (Some(12_345), Some(12_345)));
    }

    #[test]
    fn an_exchange_of_more_than_an_hour_is_still_counted() {
        let row = &snapshot([exchange("PutItem", Outcome::Answered, 200, HOUR_US * 5)]).operations[0];
        assert_eq!(row.max_us, Some(HOUR_US * 5));
        assert!(row.p50_us >= Some(HOUR_US / 100 * 99));
    }

    #[test]
    fn clients_that_left_do_not_make_an_operation_look_fast() {
        let row = &snapshot([exchange("PutItem", Outcome::ClientGone, 200, 1)]).operations[0];
        assert_eq!((row.p50_us, row.max_us), (None, None));
    }

    #[test]
    fn what_is_not_awss_is_counted_by_reason_and_has_no_row() {
        let mut foreign = Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Endpoint);
        foreign.foreign = Some("no evidence".into());
        let unread = Entry::open(2, Timestamp::UNIX_EPOCH, Mode::Endpoint);
        let got = snapshot([foreign.clone(), foreign, unread]);
        assert_eq!(got.exchanges, Exchanges { total: 3, aws: 0, foreign: 2, unread: 1 });
        assert_eq!(got.foreign.get("no evidence"), Some(&2));
        assert!(got.operations.is_empty());
        assert_eq!(got.invocations, InvocationTotals::default());
    }

    #[test]
    fn what_rules_did_beside_answering_is_counted_too() {
        let mut lost = exchange("PutItem", Outcome::Injected, 500, 1);
        lost.upstream_status = Some(200);
        let mut early = exchange("PutItem", Outcome::Answered, 200, 1);
        (early.early_us, early.copies) = (5, 2);
        let got = snapshot([lost, early]);
        assert_eq!((got.aws.lost, got.aws.early, got.aws.copies, got.aws.injected), (1, 1, 2, 1));
    }

    #[test]
    fn a_connection_that_a_rule_ended_is_no_exchange() {
        let mut ended = exchange("PutItem", Outcome::Injected, 0, 1);
        ended.before_request = true;
        let got = snapshot([ended]);
        assert_eq!((got.exchanges.total, got.aws.attempts), (0, 0));
    }

    #[test]
    fn the_number_of_rows_is_bounded() {
        let name = |i: usize| -> &'static str { Box::leak(format!("Operation{i}").into_boxed_str()) };
        let got = snapshot((0..MOST_OPERATIONS + 5).map(|i| exchange(name(i), Outcome::Answered, 200, 1)));
        assert_eq!(got.operations.len(), MOST_OPERATIONS + 1);
        assert_eq!(got.operations.iter().find(|row| row.service == OTHERS.0).unwrap().counts.attempts, 5);
        assert_eq!(got.aws.attempts, MOST_OPERATIONS as u64 + 5);
    }
}
