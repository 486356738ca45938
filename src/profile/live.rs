//! The plan that rules at this moment, with what its rules have counted and the time they go by.
//!
//! Exchanges [`Live::load`] it once and go by that to their end. It is replaced whole, so that no request is ever judged by halves of
//! two plans.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::{Plan, RuleName, RuleStates, RuleTally, Seen, Skip, Struck, Verdict};
use crate::clock;

/// What rules now.
#[derive(Debug)]
pub struct Live {
    ruling: ArcSwap<Ruling>,
    made: Instant,
    /// When the plan went live, in microseconds since `made`.
    began: AtomicU64,
}

/// A plan and what its rules have counted.
#[derive(Debug)]
pub struct Ruling {
    /// What should happen when.
    pub plan: Plan,
    /// How far the plan's rules have come.
    pub states: RuleStates,
}

impl Live {
    /// A plan that goes live now.
    pub fn new(plan: Plan) -> Self {
        let ruling = ArcSwap::from_pointee(Ruling::new(plan));
        Self { ruling, made: clock::now(), began: AtomicU64::default() }
    }

    /// The plan goes live only now: `between` and `windows` count from here.
    pub fn begin(&self) {
        let made_for = u64::try_from(self.made_for().as_micros()).unwrap_or(u64::MAX);
        self.began.store(made_for, Relaxed);
    }

    /// How long the plan has been live, whichever plan it was at first.
    pub fn now(&self) -> Duration {
        self.made_for().saturating_sub(Duration::from_micros(self.began.load(Relaxed)))
    }

    /// What rules now.
    pub fn load(&self) -> Arc<Ruling> {
        self.ruling.load_full()
    }

    /// Puts another plan in its place. What rules counted that are the same in both goes on, and so does the time; requests that are
    /// under way end by the plan they began with.
    pub fn replace(&self, plan: Plan) {
        let before = self.load();
        let states = RuleStates::after(&before.states, &before.plan, &plan);
        self.ruling.store(Arc::new(Ruling { plan, states }));
    }

    fn made_for(&self) -> Duration {
        clock::now().duration_since(self.made)
    }
}

impl Ruling {
    fn new(plan: Plan) -> Self {
        Self { states: RuleStates::new(&plan), plan }
    }

    /// What should happen to this request, `now` being how long the plan has been live.
    pub fn decide(&self, seen: &Seen<'_>, now: Duration) -> Verdict {
        self.plan.decide(&self.states, seen, now)
    }

    /// The same for a connection before its first request; see [`Plan::decide_connection`].
    pub fn decide_connection(&self, seen: &Seen<'_>, struck: Struck, now: Duration) -> Verdict {
        self.plan.decide_connection(&self.states, seen, struck, now)
    }

    /// A fault of a rule that struck could do nothing; see [`RuleStates::take_back`].
    pub fn take_back(&self, rule: &RuleName, why: Skip) -> bool {
        self.states.take_back(&self.plan, rule, why)
    }

    /// What its rules counted so far, in file order.
    pub fn tallies(&self) -> Vec<RuleTally> {
        self.states.tallies(&self.plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::request::AwsRequest;
    use crate::fault::tests::request;
    use crate::profile::seen::tests::seen;
    use crate::profile::{Source, load::load};

    fn plan(rules: &str) -> Plan {
        let source = Source { name: "p.yaml".to_owned(), text: format!("rules: [{rules}]") };
        load(&[source], Some(1)).unwrap().plan
    }

    fn strikes(live: &Live, request: &AwsRequest) -> bool {
        live.load().decide(&seen(request), Duration::ZERO).is_settled()
    }

    fn fired(live: &Live) -> Vec<(String, u64)> {
        live.load().tallies().iter().map(|tally| (tally.rule.to_string(), tally.fired)).collect()
    }

    #[test]
    fn counters_and_buckets_of_unchanged_rules_survive_and_others_begin_anew() {
        let put = request("s3", "PutObject");
        let first = "{name: first, when: {limit: 2}, fault: throttle}";
        let tokens = "{name: tokens, fault: {capacity: {rate: 1/h, burst: 2}}}";
        let live = Live::new(plan(&format!("{first}, {tokens}")));
        assert_eq!([(); 3].map(|()| strikes(&live, &put)), [true, true, false]);
        // Another rule before them, and other blanks and comments.
        let blanks = first.replace("limit: 2", "\n   limit:   2 # two\n");
        live.replace(plan(&format!("{{name: new, match: {{service: sqs}}, fault: throttle}}, {tokens}, {blanks}")));
        assert_eq!([(); 2].map(|()| strikes(&live, &put)), [false, true]);
        assert_eq!(fired(&live), [("new".into(), 0), ("tokens".into(), 1), ("first".into(), 2)]);
        live.replace(plan(&format!("{tokens}, {}", first.replace("limit: 2", "limit: 3"))));
        assert_eq!(fired(&live), [("tokens".into(), 1), ("first".into(), 0)]);
    }

    #[test]
    fn what_was_struck_before_a_reload_counts_as_active_after_it() {
        let put = request("s3", "PutObject");
        let rule = "{name: a, when: {max_active: 1}, fault: throttle}";
        let live = Live::new(plan(rule));
        let under_way = live.load().decide(&seen(&put), Duration::ZERO);
        live.replace(plan(rule));
        assert!(under_way.is_settled() && !strikes(&live, &put));
        drop(under_way);
        assert!(strikes(&live, &put));
    }

    #[test]
    fn time_begins_when_the_plan_goes_live() {
        let live = Live::new(load(&[], Some(1)).unwrap().plan);
        while live.now() < Duration::from_millis(2) {}
        live.begin();
        let now = live.now();
        let made_for = live.made_for();
        assert!(now + Duration::from_millis(1) < made_for, "{now:?} of {made_for:?}");
        live.replace(load(&[], Some(1)).unwrap().plan);
        assert!(live.now() >= now && live.now() + Duration::from_millis(1) < live.made_for());
    }
}
