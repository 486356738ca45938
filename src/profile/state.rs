//! What rules count while they run.
//!
//! [`RuleStates`] is shared by all connections: counters are atomic, and only what is counted apart (`per`) takes a lock, for one look
//! into a bounded table. What comes of it is told by a [`RuleTally`].

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use lru::LruCache;
use smallvec::SmallVec;

use super::{
    RuleName,
    buckets::Buckets,
    past::Past,
    plan::{Plan, Rule},
    skip::Skip,
    tally::RuleTally,
};

/// The counts of all rules of one plan.
#[derive(Debug)]
pub struct RuleStates {
    rules: Vec<Arc<RuleState>>,
}

/// The counts of one rule.
#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) matched: AtomicU64,
    pub(super) struck: AtomicU64,
    /// By [`Skip`].
    pub(super) skipped: [AtomicU64; Skip::ALL.len()],
    /// Strikes of which a part came to nothing.
    pub(super) partly: AtomicU64,
    pub(super) evicted: AtomicU64,
    active: Arc<AtomicU64>,
    pub(super) buckets: Buckets,
    pub(super) past: Past,
    /// Requests seen of each thing that is counted apart, by a hash of it. Two in 2⁶⁴ share a place: among 10,000 never.
    apart: Mutex<LruCache<u64, u64>>,
}

/// Held by an exchange that a rule with `max_active` struck, until it ends.
#[derive(Debug)]
pub(super) struct Hold(Arc<AtomicU64>);

/// All holds of one exchange.
#[derive(Clone, Debug, Default)]
pub struct Holds(SmallVec<[Arc<Hold>; 1]>);

impl RuleStates {
    /// Fresh counts for a plan.
    pub fn new(plan: &Plan) -> Self {
        Self { rules: plan.rules().iter().map(|_| Arc::default()).collect() }
    }

    /// Counts for a plan that comes after another: those of the rules that are the same in both, and fresh ones.
    pub(super) fn after(before: &Self, old: &Plan, new: &Plan) -> Self {
        let kept: HashMap<_, _> = old.rules().iter().map(Rule::identity).zip(&before.rules).collect();
        let state = |rule: &Rule| kept.get(&rule.identity()).map(|state| Arc::clone(state)).unwrap_or_default();
        Self { rules: new.rules().iter().map(state).collect() }
    }

    pub(super) fn of_rules(&self) -> &[Arc<RuleState>] {
        &self.rules
    }

    /// A fault of a rule that struck could do nothing. Says whether the rule did nothing at all, and so counts no more as having fired.
    pub fn take_back(&self, plan: &Plan, rule: &RuleName, reason: Skip) -> bool {
        let position = plan.rules().iter().position(|other| other.name() == rule);
        let Some((state, rule)) = position.and_then(|at| Some((self.rules.get(at)?, plan.rules().get(at)?))) else {
            return false;
        };
        let whole = rule.faults().len() == 1;
        state.take_back(reason, whole);
        whole
    }

    /// What was counted so far, in file order. `plan` must be the one these counts were made for.
    pub fn tallies(&self, plan: &Plan) -> Vec<RuleTally> {
        plan.rules().iter().zip(&self.rules).map(|(rule, state)| RuleTally::of(rule, state)).collect()
    }
}

impl RuleState {
    /// Counts a request that fits; the first is 1.
    pub(super) fn count_match(&self) -> u64 {
        self.matched.fetch_add(1, Relaxed) + 1
    }

    /// Counts a request of what has this hash; the first seen is 1.
    pub(super) fn count_apart(&self, hash: u64) -> u64 {
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = apart.get_mut(&hash) {
            *seen += 1;
            return *seen;
        }
        if apart.push(hash, 1).is_some() {
            self.evicted.fetch_add(1, Relaxed);
        }
        1
    }

    /// Takes one of the strikes that the limit allows; false when there is none left.
    pub(super) fn count_strike(&self, limit: Option<u64>) -> bool {
        take_one(&self.struck, limit)
    }

    /// A strike came to nothing, for this reason: all of it, or one of several faults.
    pub(super) fn take_back(&self, reason: Skip, whole: bool) {
        if whole {
            self.struck.fetch_sub(1, Relaxed);
            self.skip(reason);
        } else {
            self.partly.fetch_add(1, Relaxed);
        }
    }

    /// Takes one of so many places at once; it is free again when the hold is dropped.
    pub(super) fn hold(&self, most: u64) -> Option<Hold> {
        take_one(&self.active, Some(most)).then(|| Hold(Arc::clone(&self.active)))
    }

    /// Counts why the rule passed over a request.
    pub(super) fn skip(&self, reason: Skip) {
        self.skipped[reason as usize].fetch_add(1, Relaxed);
    }
}

fn take_one(counter: &AtomicU64, most: Option<u64>) -> bool {
    let one_more = |taken| (most.is_none_or(|most| taken < most)).then_some(taken + 1);
    counter.fetch_update(Relaxed, Relaxed, one_more).is_ok()
}

impl Default for RuleState {
    fn default() -> Self {
        Self {
            matched: AtomicU64::default(),
            struck: AtomicU64::default(),
            skipped: Default::default(),
            partly: AtomicU64::default(),
            evicted: AtomicU64::default(),
            active: Arc::default(),
            buckets: Buckets::default(),
            past: Past::default(),
            apart: Mutex::new(LruCache::sparse(MOST)),
        }
    }
}

impl Holds {
    pub(super) fn add(&mut self, hold: Hold) {
        self.0.push(Arc::new(hold));
    }

    /// The exchange has ended.
    pub fn release(&mut self) {
        self.0.clear();
    }
}

/// Holds of the same rules are alike.
impl PartialEq for Holds {
    fn eq(&self, other: &Self) -> bool {
        let alike = |(one, other): (&Arc<Hold>, &Arc<Hold>)| Arc::ptr_eq(&one.0, &other.0);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(alike)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// So many calls, resources or clients are remembered for each rule that counts them apart: 10,000 calls in flight are more than one
/// client machine makes, and the table stays below a megabyte.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_exceeded_however_many_take_at_once() {
        let state = RuleState::default();
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..1_000).filter(|_| state.count_strike(Some(100))).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
    }

    #[test]
    fn a_strike_that_comes_to_nothing_is_one_no_more_and_gives_its_place_back() {
        let state = RuleState::default();
        assert!(state.count_strike(Some(1)) && !state.count_strike(Some(1)));
        state.take_back(Skip::TooLarge, true);
        assert!(state.count_strike(Some(1)));
        state.take_back(Skip::NothingThere, false);
        let counts = [&state.struck, &state.partly, &state.skipped[Skip::TooLarge as usize]];
        assert_eq!(counts.map(|count| count.load(Relaxed)), [1, 1, 1]);
    }

    #[test]
    fn a_hold_keeps_its_place_until_the_last_copy_is_gone() {
        let state = RuleState::default();
        let mut holds = Holds::default();
        holds.add(state.hold(2).unwrap());
        let copy = holds.clone();
        assert!(holds == copy && holds != Holds::default());
        let second = state.hold(2).unwrap();
        assert!(state.hold(2).is_none());
        drop(second);
        holds.release();
        let third = state.hold(2).unwrap();
        assert!(state.hold(2).is_none());
        drop((copy, third));
        assert_eq!(state.active.load(Relaxed), 0);
    }

    #[test]
    fn what_is_counted_apart_is_counted_in_bounded_memory() {
        let state = RuleState::default();
        assert_eq!([1, 2, 1, 1, 2].map(|call| state.count_apart(call)), [1, 1, 2, 3, 2]);
        for call in 0..MOST.get() as u64 {
            state.count_apart(100 + call);
        }
        assert_eq!(state.evicted.load(Relaxed), 2);
        assert_eq!(state.count_apart(1), 1);
        assert_eq!(state.apart.lock().unwrap().len(), MOST.get());
    }
}
