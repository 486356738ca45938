//! TCP connections of which nothing was read, counted by where they went.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::Serialize;

use super::entry::{Carried, Entry, Outcome};

/// The connections to one `tcp:` entry, or to one far end.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TcpRow {
    /// The entry's name, or the far end as `host:port`.
    pub name: CompactString,
    /// Where the last of them went.
    pub upstream: CompactString,
    /// All that were opened.
    pub connections: u64,
    /// Struck by a rule, whatever became of them.
    pub struck: u64,
    /// Ended by a rule, or by a client that was left waiting.
    pub injected: u64,
    /// Came to nothing as the far end could not be reached.
    pub unreachable: u64,
    /// Broken off by the far end.
    pub upstream_failed: u64,
    /// Broken off by the client.
    pub client_gone: u64,
    /// How often a rule had nobody listen.
    pub shut: u64,
    /// How long that was, in all.
    pub shut_us: u64,
    /// Bytes that came from clients.
    pub bytes_up: u64,
    /// Bytes that went to clients.
    pub bytes_down: u64,
}

#[derive(Debug, Default)]
pub(super) struct TcpStatistics(BTreeMap<CompactString, TcpRow>);

impl TcpStatistics {
    pub(super) fn count(&mut self, connection: &Carried, entry: &Entry) {
        let mut name = connection.what();
        if self.0.len() >= MOST && !self.0.contains_key(name) {
            name = OTHERS;
        }
        let row = self.0.entry(name.into()).or_insert_with(|| TcpRow { name: name.into(), ..TcpRow::default() });
        if row.upstream != connection.upstream {
            row.upstream.clone_from(&connection.upstream);
        }
        if connection.client.is_none() {
            row.shut += 1;
            row.shut_us += entry.total_us;
            return;
        }
        row.connections += 1;
        row.struck += u64::from(!entry.rules.is_empty());
        row.bytes_up += entry.request_bytes;
        row.bytes_down += entry.response_bytes;
        match entry.outcome {
            Outcome::Answered | Outcome::Carried => {}
            Outcome::ClientGone => row.client_gone += 1,
            Outcome::Injected => row.injected += 1,
            Outcome::ProxyFailed => row.unreachable += 1,
            Outcome::UpstreamFailed => row.upstream_failed += 1,
        }
    }

    pub(super) fn rows(&self) -> Vec<TcpRow> {
        self.0.values().cloned().collect()
    }
}

/// Entries are few; far ends that rules name by wildcards may be many.
const MOST: usize = 1_000;
const OTHERS: &str = "(others)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Mode;

    fn entry(name: Option<&str>, upstream: &str, outcome: Outcome) -> Entry {
        let mut entry = Entry::open(1, jiff::Timestamp::UNIX_EPOCH, Mode::Tcp);
        let client = Some("127.0.0.1:50000".parse().unwrap());
        entry.connection = Some(Box::new(Carried { name: name.map(Into::into), client, upstream: upstream.into() }));
        (entry.outcome, entry.request_bytes, entry.response_bytes, entry.total_us) = (outcome, 3, 5, 7);
        entry
    }

    fn count(entries: &[Entry]) -> Vec<TcpRow> {
        let mut statistics = TcpStatistics::default();
        entries.iter().for_each(|entry| statistics.count(entry.connection.as_ref().unwrap(), entry));
        statistics.rows()
    }

    #[test]
    fn connections_are_counted_by_entry_or_by_far_end_and_shut_ports_apart() {
        let mut struck = entry(Some("db"), "h:1", Outcome::Injected);
        struck.rules.push("outage".into());
        let mut shut = entry(Some("db"), "h:1", Outcome::Injected);
        shut.connection.as_mut().unwrap().client = None;
        let rows =
            count(&[struck, shut, entry(Some("db"), "h:2", Outcome::Carried), entry(None, "h:3", Outcome::ClientGone)]);
        let db = TcpRow {
            name: "db".into(),
            upstream: "h:2".into(),
            connections: 2,
            struck: 1,
            injected: 1,
            shut: 1,
            shut_us: 7,
            bytes_up: 6,
            bytes_down: 10,
            ..TcpRow::default()
        };
        assert_eq!((&rows[0], rows.len()), (&db, 2));
        assert_eq!((rows[1].name.as_str(), rows[1].client_gone), ("h:3", 1));
    }

    #[test]
    fn far_ends_beyond_the_bound_share_a_row() {
        let entries: Vec<Entry> = (0..MOST + 5).map(|n| entry(None, &format!("h:{n}"), Outcome::Carried)).collect();
        let rows = count(&entries);
        assert_eq!((rows.len(), rows[0].name.as_str(), rows[0].connections), (MOST + 1, OTHERS, 5));
    }

    #[test]
    fn people_get_one_line_for_a_connection() {
        let line = entry(Some("db"), "h:1", Outcome::Carried).to_string();
        assert_eq!(line, "#1 tcp db · carried · 3 bytes up, 5 down · 0.007 ms");
    }
}
