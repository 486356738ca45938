//! What rules count while they run, and what they tell about it afterwards.
//!
//! [`RuleStates`] is shared by all connections: counters are atomic, and only `per: invocation` takes a lock, for one look into a
//! bounded table. The counts say of each rule how often it was matched, how often it struck, and why it did not the other times.

use std::{
    hash::Hasher as _,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use lru::LruCache;
use siphasher::sip::SipHasher13;

use super::{
    RuleName,
    plan::{Plan, Skip},
};

/// The counts of all rules of one plan.
#[derive(Debug)]
pub struct RuleStates {
    rules: Vec<RuleState>,
}

/// The counts of one rule.
#[derive(Debug)]
pub(super) struct RuleState {
    matched: AtomicU64,
    struck: AtomicU64,
    answered_before: AtomicU64,
    lost_dice: AtomicU64,
    outside_calls: AtomicU64,
    outside_time: AtomicU64,
    over_limit: AtomicU64,
    without_invocation: AtomicU64,
    evicted: AtomicU64,
    /// Attempts seen of each call, by the hash of its invocation id. Two ids in 2⁶⁴ share a place: with 10,000 calls never.
    attempts: Mutex<LruCache<u64, u64>>,
}

impl RuleStates {
    /// Fresh counts for a plan.
    pub fn new(plan: &Plan) -> Self {
        Self { rules: plan.rules().iter().map(|_| RuleState::default()).collect() }
    }

    pub(super) fn of_rules(&self) -> &[RuleState] {
        &self.rules
    }

    /// What was counted so far, in file order. `plan` must be the one these counts were made for.
    pub fn tallies(&self, plan: &Plan) -> Vec<RuleTally> {
        plan.rules().iter().zip(&self.rules).map(|(rule, state)| state.tally(rule)).collect()
    }
}

impl RuleState {
    /// Counts a request that fits; the first is 1.
    pub(super) fn count_match(&self) -> u64 {
        self.matched.fetch_add(1, Relaxed) + 1
    }

    /// Counts an attempt of a call; the first seen is 1.
    pub(super) fn count_attempt(&self, invocation: &str) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write(invocation.as_bytes());
        let call = hasher.finish();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = attempts.get_mut(&call) {
            *seen += 1;
            return *seen;
        }
        if attempts.push(call, 1).is_some() {
            self.evicted.fetch_add(1, Relaxed);
        }
        1
    }

    /// Takes one of the strikes that the limit allows; false when there is none left.
    pub(super) fn count_strike(&self, limit: Option<u64>) -> bool {
        let one_more = |struck| (limit.is_none_or(|limit| struck < limit)).then_some(struck + 1);
        self.struck.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    /// Counts why the rule passed over a request.
    pub(super) fn skip<T>(&self, reason: Skip) -> Option<T> {
        let counter = match reason {
            Skip::AnsweredBefore => &self.answered_before,
            Skip::LostDice => &self.lost_dice,
            Skip::OutsideCalls => &self.outside_calls,
            Skip::OutsideTime => &self.outside_time,
            Skip::OverLimit => &self.over_limit,
            Skip::WithoutInvocation => &self.without_invocation,
        };
        counter.fetch_add(1, Relaxed);
        None
    }

    fn tally(&self, rule: &super::plan::Rule) -> RuleTally {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        RuleTally {
            rule: rule.name().clone(),
            matched: read(&self.matched),
            fired: read(&self.struck),
            answered_before: read(&self.answered_before),
            lost_dice: read(&self.lost_dice),
            outside_calls: read(&self.outside_calls),
            outside_time: read(&self.outside_time),
            over_limit: read(&self.over_limit),
            without_invocation: read(&self.without_invocation),
            evicted: read(&self.evicted),
            about: rule.matcher().to_string(),
            probability: rule.schedule().probability.to_string(),
            calls: rule.schedule().calls.map(|calls| calls.to_string()),
            between: rule.schedule().between.map(|between| between.to_string()),
        }
    }
}

impl Default for RuleState {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            matched: zero(),
            struck: zero(),
            answered_before: zero(),
            lost_dice: zero(),
            outside_calls: zero(),
            outside_time: zero(),
            over_limit: zero(),
            without_invocation: zero(),
            evicted: zero(),
            attempts: Mutex::new(LruCache::sparse(CALLS)),
        }
    }
}

/// What a rule counted. `matched` is the sum of `fired` and of the reasons why it did not.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct RuleTally {
    /// Its name.
    pub rule: RuleName,
    /// Requests that fit its `match`.
    pub matched: u64,
    /// Requests it struck.
    pub fired: u64,
    /// Passed over since a rule before it answered.
    pub answered_before: u64,
    /// Passed over by chance.
    pub lost_dice: u64,
    /// Passed over by `calls`.
    pub outside_calls: u64,
    /// Passed over since they came outside `between`.
    pub outside_time: u64,
    /// Passed over since `limit` was used up.
    pub over_limit: u64,
    /// Passed over since `per: invocation` needs an id that the request did not carry.
    pub without_invocation: u64,
    /// Calls forgotten to bound memory, the longest unseen first; such a call's attempts are counted from 1 again.
    pub evicted: u64,
    /// Its `match` in words: `dynamodb PutItem in us-east-1`.
    #[serde(skip)]
    about: String,
    #[serde(skip)]
    probability: String,
    #[serde(skip)]
    calls: Option<String>,
    #[serde(skip)]
    between: Option<String>,
}

impl RuleTally {
    /// Why the rule never fired, as the rest of a sentence that begins with its name; nothing if it did fire.
    pub fn why_never(&self) -> Option<String> {
        if self.fired > 0 {
            return None;
        }
        if self.matched == 0 {
            return Some(match self.about.as_str() {
                "anything" => "no AWS request came".to_owned(),
                about => format!("no request was {about}"),
            });
        }
        let reasons: Vec<(u64, String)> = [
            (self.without_invocation, "carried no amz-sdk-invocation-id, which `per: invocation` needs".to_owned()),
            (self.outside_calls, format!("fell outside `calls: {}`", self.calls.as_deref().unwrap_or_default())),
            (self.outside_time, format!("came outside `between: {}`", self.between.as_deref().unwrap_or_default())),
            (self.lost_dice, format!("lost the dice (probability {})", self.probability)),
            (self.answered_before, "had already been answered by a rule before it".to_owned()),
            (self.over_limit, "came after its limit".to_owned()),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .collect();
        let requests = if self.matched == 1 { "1 request".to_owned() } else { format!("{} requests", self.matched) };
        Some(match reasons.as_slice() {
            [(_, only)] if self.matched == 1 => format!("matched {requests}, but it {only}"),
            [(_, only)] => format!("matched {requests}, but all of them {only}"),
            several => {
                let told: Vec<String> = several.iter().map(|(count, reason)| format!("{count} {reason}")).collect();
                format!("matched {requests}, but {}", told.join(", "))
            }
        })
    }
}

impl RuleTally {
    /// What a rule that fired could not judge, each the rest of a sentence that begins with its name.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.fired > 0 && self.without_invocation > 0 {
            let count = self.without_invocation;
            remarks.push(format!(
                "passed over {count} for want of an amz-sdk-invocation-id, which `per: invocation` needs"
            ));
        }
        if self.evicted > 0 {
            remarks.push(format!(
                "forgot {} calls to bound its memory, and counts their attempts from 1 again",
                self.evicted
            ));
        }
        remarks
    }
}

/// So many calls are remembered for each rule with `per: invocation`: 10,000 in flight are more than one client machine makes, and the
/// table stays below a megabyte.
const CALLS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

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
    fn what_a_rule_could_not_judge_is_remarked_on() {
        let mut tally = RuleTally {
            rule: "r".into(),
            matched: 3,
            fired: 1,
            answered_before: 0,
            lost_dice: 0,
            outside_calls: 0,
            outside_time: 0,
            over_limit: 0,
            without_invocation: 2,
            evicted: 0,
            about: String::new(),
            probability: String::new(),
            calls: None,
            between: None,
        };
        assert!(tally.remarks()[0].contains("passed over 2 "), "{:?}", tally.remarks());
        (tally.without_invocation, tally.evicted) = (0, 5);
        assert!(tally.remarks()[0].contains("forgot 5 calls"), "{:?}", tally.remarks());
        tally.evicted = 0;
        assert!(tally.remarks().is_empty());
    }

    #[test]
    fn attempts_are_counted_by_call_in_bounded_memory() {
        let state = RuleState::default();
        assert_eq!(["a", "b", "a", "a", "b"].map(|call| state.count_attempt(call)), [1, 1, 2, 3, 2]);
        for call in 0..CALLS.get() {
            state.count_attempt(&format!("call-{call}"));
        }
        assert_eq!(state.evicted.load(Relaxed), 2);
        assert_eq!(state.count_attempt("a"), 1);
        assert_eq!(state.attempts.lock().unwrap().len(), CALLS.get());
    }
}
