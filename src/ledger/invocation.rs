//! SDK calls put together from their attempts, by `amz-sdk-invocation-id`.
//!
//! A call is remembered as a few numbers under a hash of its id, the most recently seen up to a bound; what falls out is counted as
//! it then stood. So the figures hold for any length of run, and only a call silent for a hundred thousand others is told twice.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::num::NonZeroUsize;

use lru::LruCache;
use serde::Serialize;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::entry::{Entry, Outcome};

/// The calls seen lately, and the sums over all others.
#[derive(Debug)]
pub(super) struct Invocations {
    recent: LruCache<u128, Invocation>,
    past: InvocationTotals,
}

/// One SDK call.
#[derive(Clone, Copy, Debug)]
struct Invocation {
    attempts: u32,
    struck: bool,
    last: LastAttempt,
}

/// How the last attempt of a call ended, so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LastAttempt {
    Failed,
    InPart,
    Succeeded,
    UpstreamError,
}

/// What became of SDK calls.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct InvocationTotals {
    /// Calls seen: different invocation ids.
    pub seen: u64,
    /// Attempts of those calls.
    pub attempts: u64,
    /// Calls of which at least one attempt met a rule.
    pub met_fault: u64,
    /// Of those: calls whose last attempt succeeded, by the number of attempts it took. At 1 stand those that the
    /// rule did not keep from it: delayed, slowed, corrupted where nobody looks.
    pub recovered: BTreeMap<u32, u64>,
    /// Of those: calls whose last attempt got no answer from the upstream, by the number of attempts.
    pub gave_up: BTreeMap<u32, u64>,
    /// Of those: calls whose last attempt succeeded but for some items of its batch.
    pub in_part: u64,
    /// Of those: calls whose last attempt got an error of the upstream's own.
    pub ended_in_upstream_error: u64,
    /// AWS exchanges without an invocation id: whose call they belong to cannot be told.
    pub not_correlatable: u64,
    /// Calls forgotten to stay within the bound; the sums above hold them as they stood then.
    pub evicted: u64,
}

impl Invocations {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self { recent: LruCache::sparse(most), past: InvocationTotals::default() }
    }

    /// Counts one attempt; says whether it opens a call not seen before.
    pub(super) fn count(&mut self, entry: &Entry) -> bool {
        let Some(id) = &entry.invocation else {
            self.past.not_correlatable += 1;
            return false;
        };
        self.past.attempts += 1;
        let key = digest(id);
        if let Some(invocation) = self.recent.get_mut(&key) {
            invocation.add(entry);
            return false;
        }
        self.past.seen += 1;
        let mut invocation = Invocation { attempts: 0, struck: false, last: LastAttempt::Failed };
        invocation.add(entry);
        if let Some((_, evicted)) = self.recent.push(key, invocation) {
            self.past.evicted += 1;
            self.past.close(evicted);
        }
        true
    }

    /// The sums, with the calls still remembered taken as ended.
    pub(super) fn totals(&self) -> InvocationTotals {
        let mut totals = self.past.clone();
        self.recent.iter().for_each(|(_, invocation)| totals.close(*invocation));
        totals
    }
}

impl Invocation {
    fn add(&mut self, entry: &Entry) {
        // An attempt that did not come by us still counts for the client: believe the higher number.
        self.attempts = self.attempts.saturating_add(1).max(entry.attempt.unwrap_or(0));
        self.struck |= !entry.rules.is_empty();
        self.last = match entry.outcome {
            Outcome::Answered if entry.succeeded() => LastAttempt::Succeeded,
            Outcome::Answered => LastAttempt::UpstreamError,
            Outcome::Injected if entry.items_failed > 0 && entry.status == Some(200) => LastAttempt::InPart,
            _ => LastAttempt::Failed,
        };
    }
}

impl InvocationTotals {
    fn close(&mut self, invocation: Invocation) {
        if !invocation.struck {
            return;
        }
        self.met_fault += 1;
        match invocation.last {
            LastAttempt::Succeeded => *self.recovered.entry(invocation.attempts).or_default() += 1,
            LastAttempt::Failed => *self.gave_up.entry(invocation.attempts).or_default() += 1,
            LastAttempt::InPart => self.in_part += 1,
            LastAttempt::UpstreamError => self.ended_in_upstream_error += 1,
        }
    }
}

/// Ids are mostly UUIDs but may be anything of any length; their hash is always sixteen bytes.
fn digest(id: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(id.as_bytes());
    hasher.finish128().into()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Mode;

    const OK: (Outcome, u16) = (Outcome::Answered, 200);
    const IN_PART: (Outcome, u16) = (Outcome::Injected, 200);
    const THROTTLED: (Outcome, u16) = (Outcome::Injected, 400);

    fn attempt(id: &str, (outcome, status): (Outcome, u16), struck: bool) -> Entry {
        let mut entry = Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Connect);
        entry.invocation = Some(id.into());
        (entry.outcome, entry.status) = (outcome, Some(status));
        entry.rules.extend(struck.then(|| "rule".into()));
        entry
    }

    fn totals(most: usize, attempts: &[(&str, (Outcome, u16), bool)]) -> InvocationTotals {
        let mut invocations = Invocations::new(NonZeroUsize::new(most).unwrap());
        for (id, end, struck) in attempts {
            invocations.count(&attempt(id, *end, *struck));
        }
        invocations.totals()
    }

    #[test]
    fn a_call_some_of_whose_items_failed_neither_recovered_nor_gave_up() {
        let mut invocations = Invocations::new(NonZeroUsize::new(9).unwrap());
        for (id, how) in [("a", IN_PART), ("b", THROTTLED)] {
            let mut entry = attempt(id, how, true);
            entry.items_failed = 3;
            invocations.count(&entry);
        }
        let totals = invocations.totals();
        assert_eq!((totals.met_fault, totals.in_part), (2, 1));
        assert_eq!(totals.gave_up, BTreeMap::from([(1, 1)]));
    }

    #[test]
    fn a_call_recovers_after_as_many_attempts_as_it_took() {
        let got = totals(
            9,
            &[
                ("a", THROTTLED, true),
                ("b", THROTTLED, true),
                ("b", THROTTLED, true),
                ("a", OK, false),
                ("b", OK, false),
            ],
        );
        assert_eq!((got.seen, got.attempts, got.met_fault), (2, 5, 2));
        assert_eq!(got.recovered, BTreeMap::from([(2, 1), (3, 1)]));
        assert!(got.gave_up.is_empty());
    }

    #[test]
    fn a_call_whose_last_attempt_was_injected_gave_up() {
        let got = totals(9, &[("a", THROTTLED, true), ("a", THROTTLED, true)]);
        assert_eq!(got.gave_up, BTreeMap::from([(2, 1)]));
        assert!(got.recovered.is_empty());
    }

    #[test]
    fn a_delayed_call_that_went_well_took_one_attempt() {
        assert_eq!(totals(9, &[("a", OK, true)]).recovered, BTreeMap::from([(1, 1)]));
    }

    #[test]
    fn an_error_of_the_upstreams_own_is_neither_recovered_nor_given_up() {
        let got = totals(9, &[("a", THROTTLED, true), ("a", (Outcome::Answered, 404), false)]);
        assert_eq!((got.ended_in_upstream_error, got.recovered.len(), got.gave_up.len()), (1, 0, 0));
    }

    #[test]
    fn a_call_no_rule_met_is_not_told_as_recovered() {
        let got = totals(9, &[("a", (Outcome::Answered, 503), false), ("a", OK, false)]);
        assert_eq!((got.seen, got.met_fault), (1, 0));
        assert!(got.recovered.is_empty());
    }

    #[test]
    fn attempts_that_did_not_come_by_us_are_believed() {
        let mut invocations = Invocations::new(NonZeroUsize::MIN);
        let mut fourth = attempt("a", OK, true);
        fourth.attempt = Some(4);
        invocations.count(&fourth);
        assert_eq!(invocations.totals().recovered, BTreeMap::from([(4, 1)]));
    }

    #[test]
    fn what_falls_out_of_the_bound_keeps_counting() {
        let got = totals(2, &[("a", THROTTLED, true), ("b", OK, true), ("c", OK, false), ("d", OK, false)]);
        assert_eq!((got.seen, got.evicted, got.met_fault), (4, 2, 2));
        assert_eq!((got.gave_up[&1], got.recovered[&1]), (1, 1));
    }

    #[test]
    fn exchanges_without_an_id_are_counted_apart() {
        let mut invocations = Invocations::new(NonZeroUsize::MIN);
        let mut entry = attempt("a", THROTTLED, true);
        entry.invocation = None;
        assert!(!invocations.count(&entry));
        let got = invocations.totals();
        assert_eq!((got.not_correlatable, got.seen, got.attempts, got.met_fault), (1, 0, 0, 0));
    }
}
