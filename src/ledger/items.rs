//! Items of batches that a rule let fail, and which of them were never sent again with success.
//!
//! An item is known by its print ([`crate::aws::batch::Item::print`]): the same item in a later batch of the same operation is the same
//! one. It waits from its failure until an answer tells that it was carried out. Only so many are remembered; those that are forgotten
//! count as neither.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use lru::LruCache;
use serde::Serialize;
use smallvec::SmallVec;

use crate::aws::batch::Item;
use crate::aws::request::Reading;
use crate::profile::plan::RuleName;

/// The items that failed.
#[derive(Debug)]
pub(super) struct Items {
    /// How many wait; read before anything is locked.
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: LruCache<Key, Waiting>,
    /// How many wait of each operation.
    open: BTreeMap<(&'static str, &'static str), usize>,
    rules: BTreeMap<RuleName, Counts>,
}

/// An operation and an item's print.
type Key = (&'static str, &'static str, u64);

#[derive(Debug)]
struct Waiting {
    rule: RuleName,
    /// One for each of those alike that wait; rarely more than one.
    names: SmallVec<[CompactString; 1]>,
}

#[derive(Debug, Default)]
struct Counts {
    failed: u64,
    forgotten: u64,
}

/// What became of the items that a rule let fail.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ItemsLine {
    /// Items that failed, each time they did.
    pub failed: u64,
    /// Items that were never sent again with success.
    pub lost: u64,
    /// Some of their names, in the order in which they failed last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<CompactString>,
    /// Items of which nothing can be told, as too many waited.
    #[serde(skip_serializing_if = "is_none")]
    pub forgotten: u64,
}

impl Items {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        let state = State { waiting: LruCache::sparse(most), open: BTreeMap::new(), rules: BTreeMap::new() };
        Self { waiting: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    /// Whether items of this operation wait.
    pub(super) fn awaits(&self, reading: &Reading) -> bool {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return false;
        }
        names(reading).is_some_and(|names| self.state().open.contains_key(&names))
    }

    /// A rule let these items of a batch fail.
    pub(super) fn failed<'a>(&self, rule: &RuleName, reading: &Reading, items: impl Iterator<Item = &'a Item>) {
        let Some((service, operation)) = names(reading) else { return };
        let mut state = self.state();
        let mut alike: BTreeMap<u64, SmallVec<[CompactString; 1]>> = BTreeMap::new();
        let mut number = 0;
        for item in items {
            number += 1;
            let names = alike.entry(item.print).or_default();
            names.push(item.name.clone());
            let key = (service, operation, item.print);
            let before = state.take(&key).map(|waiting| waiting.names).unwrap_or_default();
            let names = if before.len() > names.len() { before } else { names.clone() };
            state.put(key, Waiting { rule: rule.clone(), names });
        }
        state.rules.entry(rule.clone()).or_default().failed += number;
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
    }

    /// These items of a batch were carried out.
    pub(super) fn done<'a>(&self, reading: &Reading, items: impl Iterator<Item = &'a Item>) {
        let Some((service, operation)) = names(reading) else { return };
        let mut state = self.state();
        for item in items {
            let key = (service, operation, item.print);
            let Some(waiting) = state.waiting.peek_mut(&key) else { continue };
            waiting.names.pop();
            if waiting.names.is_empty() {
                state.take(&key);
            }
        }
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
    }

    /// What became of the items of a rule, if it let any fail.
    pub(super) fn line(&self, rule: &str) -> Option<ItemsLine> {
        let state = self.state();
        let (name, counts) = state.rules.iter().find(|(name, _)| name.as_str() == rule)?;
        let waiting = || state.waiting.iter().rev().map(|(_, waiting)| waiting).filter(|waiting| waiting.rule == *name);
        Some(ItemsLine {
            failed: counts.failed,
            lost: waiting().map(|waiting| waiting.names.len() as u64).sum(),
            names: waiting().flat_map(|waiting| &waiting.names).take(MOST_NAMES).cloned().collect(),
            forgotten: counts.forgotten,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, key: &Key) -> Option<Waiting> {
        let waiting = self.waiting.pop(key)?;
        self.one_less(key);
        Some(waiting)
    }

    fn put(&mut self, key: Key, waiting: Waiting) {
        *self.open.entry((key.0, key.1)).or_default() += 1;
        if let Some((key, evicted)) = self.waiting.push(key, waiting) {
            self.rules.entry(evicted.rule).or_default().forgotten += evicted.names.len() as u64;
            self.one_less(&key);
        }
    }

    fn one_less(&mut self, key: &Key) {
        if let Entry::Occupied(mut open) = self.open.entry((key.0, key.1)) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

fn names(reading: &Reading) -> Option<(&'static str, &'static str)> {
    Some((reading.service.name, reading.operation?.name))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_none(number: &u64) -> bool {
    *number == 0
}

const MOST_NAMES: usize = 1_000;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::aws::batch;
    use crate::aws::catalog;
    use crate::aws::request::{AwsRequest, Head, Protocol};

    fn reading(operation: &str) -> Reading {
        let sqs = catalog::service("sqs").unwrap();
        Reading { service: sqs, operation: sqs.operation(operation) }
    }

    fn items(texts: &[&str]) -> Vec<Item> {
        let entries: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| serde_json::json!({"Id": format!("{text}{at}"), "MessageBody": text}))
            .collect();
        let body = serde_json::json!({"QueueUrl": "q", "Entries": entries}).to_string();
        let headers = HeaderMap::new();
        let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
        let request = AwsRequest::of(reading("SendMessageBatch"), Protocol::Json10);
        batch::read(&request, &head, body.as_bytes()).unwrap().items().to_vec()
    }

    #[test]
    fn an_item_waits_until_it_is_carried_out_under_whatever_id() {
        let waiting = Items::new(NonZeroUsize::new(10).unwrap());
        let (rule, send) = (RuleName::from("r"), reading("SendMessageBatch"));
        assert!(!waiting.awaits(&send) && waiting.line("r").is_none());
        waiting.failed(&rule, &send, items(&["a", "b", "c"]).iter());
        assert!(waiting.awaits(&send) && !waiting.awaits(&reading("DeleteMessageBatch")));
        waiting.done(&send, items(&["x", "b"]).iter());
        let line = waiting.line("r").unwrap();
        assert_eq!((line.failed, line.lost, line.names), (3, 2, vec!["a0".into(), "c2".into()]));
        waiting.done(&send, items(&["c", "a"]).iter());
        assert_eq!(waiting.line("r"), Some(ItemsLine { failed: 3, ..ItemsLine::default() }));
        assert!(!waiting.awaits(&send));
    }

    #[test]
    fn an_item_that_fails_again_waits_once_and_two_alike_wait_twice() {
        let waiting = Items::new(NonZeroUsize::new(10).unwrap());
        let (rule, send) = (RuleName::from("r"), reading("SendMessageBatch"));
        waiting.failed(&rule, &send, items(&["a"]).iter());
        waiting.failed(&rule, &send, items(&["a"]).iter());
        assert_eq!(waiting.line("r").map(|line| (line.failed, line.lost)), Some((2, 1)));
        waiting.failed(&rule, &send, items(&["a", "a"]).iter());
        assert_eq!(waiting.line("r").map(|line| (line.failed, line.lost)), Some((4, 2)));
    }

    #[test]
    fn what_is_forgotten_is_told() {
        let waiting = Items::new(NonZeroUsize::new(2).unwrap());
        waiting.failed(&"r".into(), &reading("SendMessageBatch"), items(&["a", "b", "c"]).iter());
        assert_eq!(waiting.line("r").map(|line| (line.failed, line.lost, line.forgotten)), Some((3, 2, 1)));
    }
}
