//! What happened: every exchange counted in bounded memory, and written to a file where asked.
//!
//! The request path asks for a number when a request comes ([`Ledger::next_seq`]), fills an [`Entry`] on the way and hands it over
//! when the answer's body has ended ([`Ledger::record`]). Reports take a [`Summary`] and never look inside. At the end
//! [`Ledger::close`] makes sure the file is whole.
//!
//! Memory does not grow with the run: operations have a histogram each, SDK calls a few numbers in an LRU. It keeps no exchange;
//! who wants each of them asks for the file. It decides nothing and reads no clock.

mod entry;
mod file;
mod invocation;
mod items;
mod stats;
mod summary;
mod tcp;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use entry::{Carried, Entry, Mode, Outcome, Side};
pub use file::LedgerError;
pub use invocation::InvocationTotals;
pub use items::ItemsLine;
pub use stats::{Counts, Exchanges, OperationRow};
pub use summary::{Connections, RuleLine, Run, Summary};
pub use tcp::TcpRow;

use crate::aws::batch::Item;
use crate::aws::request::Reading;
use crate::profile::RuleName;
use file::LedgerFile;
use items::Items;
use stats::Statistics;

/// Everything that happened. Shared by all connections.
#[derive(Debug)]
pub struct Ledger {
    arrivals: AtomicU64,
    statistics: Mutex<Statistics>,
    items: Items,
    file: Option<LedgerFile>,
}

impl Ledger {
    /// An empty ledger, which also writes each entry to `file` if there is one. A file that exists is overwritten, with a warning.
    pub fn open(file: Option<&Path>) -> Result<Self, LedgerError> {
        let file = file.map(LedgerFile::create).transpose()?;
        let statistics = Mutex::new(Statistics::new(MOST_INVOCATIONS));
        Ok(Self { arrivals: AtomicU64::new(0), statistics, items: Items::new(MOST_ITEMS), file })
    }

    /// The number of an exchange that just arrived, from 1.
    pub fn next_seq(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a closed exchange and hands it to the file's writer. Waits only if the file is slower than the requests.
    pub fn record(&self, entry: impl Into<Box<Entry>>) {
        let entry = entry.into();
        self.statistics().count(&entry);
        if let Some(file) = &self.file {
            file.write(entry);
        }
    }

    /// Whether items of this operation failed and were not carried out since.
    pub fn awaits_items(&self, reading: &Reading) -> bool {
        self.items.awaits(reading)
    }

    /// A rule let these items of a batch fail.
    pub fn items_failed<'a>(&self, rule: &RuleName, reading: &Reading, items: impl Iterator<Item = &'a Item>) {
        self.items.failed(rule, reading, items);
    }

    /// These items of a batch were carried out.
    pub fn items_done<'a>(&self, reading: &Reading, items: impl Iterator<Item = &'a Item>) {
        self.items.done(reading, items);
    }

    /// The figures as they stand.
    pub fn summary(&self, mut run: Run) -> Summary {
        run.rules.iter_mut().for_each(|line| line.items = self.items.line(&line.name));
        let snapshot = self.statistics().snapshot();
        Summary::new(run, snapshot)
    }

    /// Ends the file: all that was recorded is in it, or an error says why not. What is recorded later is counted, not written.
    pub fn close(&self) -> Result<(), LedgerError> {
        self.file.as_ref().map_or(Ok(()), LedgerFile::close)
    }

    fn statistics(&self) -> MutexGuard<'_, Statistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SDK calls remembered with their attempts: some eight megabytes.
const MOST_INVOCATIONS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// Items remembered that failed and were not carried out since: some ten megabytes.
const MOST_ITEMS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn answered(ledger: &Ledger) -> Entry {
        let mut entry = Entry::open(ledger.next_seq(), clock::wall(), Mode::Connect);
        (entry.service, entry.operation) = (Some("sqs"), Some("SendMessage"));
        (entry.outcome, entry.status, entry.total_us) = (Outcome::Answered, Some(200), 900);
        entry
    }

    #[test]
    fn many_threads_lose_no_entry() {
        let ledger = Ledger::open(None).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| ledger.record(answered(&ledger))));
            }
        });
        let summary = ledger.summary(Run::default());
        assert_eq!((summary.exchanges.total, summary.operations[0].counts.attempts), (2000, 2000));
        assert_eq!(ledger.next_seq(), 2001);
    }

    #[test]
    fn the_file_and_the_summary_tell_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.jsonl");
        let ledger = Ledger::open(Some(&path)).unwrap();
        (0..3).for_each(|_| ledger.record(answered(&ledger)));
        ledger.close().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(ledger.summary(Run::default()).aws.answered, 3);
    }

    #[test]
    fn a_ledger_without_a_file_closes_at_once() {
        assert!(Ledger::open(None).unwrap().close().is_ok());
    }

    #[test]
    fn the_summary_has_stable_names() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = answered(&ledger);
        entry.invocation = Some("a".into());
        ledger.record(entry);
        let why_never = Some("no such request came".into());
        let rule = RuleLine { name: "r".into(), matched: 1, why_never, ..RuleLine::default() };
        let duration = std::time::Duration::from_millis(5);
        let run = Run {
            seed: 42,
            profiles: vec!["p".into()],
            upstream: "REAL AWS".into(),
            duration,
            rules: vec![rule],
            ..Run::default()
        };
        assert_eq!(
            serde_json::to_value(ledger.summary(run)).unwrap(),
            serde_json::json!({
                "v": 1, "seed": 42, "profiles": ["p"], "upstream": "REAL AWS", "duration_us": 5000,
                "rules": [{"name": "r", "matched": 1, "fired": 0, "why_never": "no such request came"}],
                "connections": {"connects": 0, "tunnels": 0, "refused_handshakes": 0, "ended": 0},
                "exchanges": {"total": 1, "aws": 1, "foreign": 0, "unread": 0},
                "aws": {
                    "attempts": 1, "answered": 1, "injected": 0, "lost": 0, "delayed": 0, "early": 0, "copies": 0, "upstream_4xx": 0, "upstream_5xx": 0,
                    "upstream_failed": 0, "proxy_failed": 0, "client_gone": 0, "statuses": {"200": 1},
                    "request_bytes": 0, "response_bytes": 0,
                },
                "operations": [{
                    "service": "sqs", "operation": "SendMessage", "invocations": 1,
                    "attempts": 1, "answered": 1, "injected": 0, "lost": 0, "delayed": 0, "early": 0, "copies": 0, "upstream_4xx": 0, "upstream_5xx": 0,
                    "upstream_failed": 0, "proxy_failed": 0, "client_gone": 0, "statuses": {"200": 1},
                    "request_bytes": 0, "response_bytes": 0,
                    "p50_us": 900, "p95_us": 900, "p99_us": 900, "max_us": 900,
                }],
                "invocations": {
                    "seen": 1, "attempts": 1, "met_fault": 0, "recovered": {}, "gave_up": {}, "in_part": 0,
                    "ended_in_upstream_error": 0,
                    "not_correlatable": 0, "evicted": 0,
                },
                "foreign": {},
            })
        );
    }
}
