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
    use crate::profile::load::load;

    #[test]
    fn time_begins_when_the_plan_goes_live() {
        let live = Live::new(load(&[], Some(1)).unwrap().plan);
        while live.now() < Duration::from_millis(2) {}
        live.begin();
        let now = live.now();
        let made_for = live.made_for();
        assert!(now + Duration::from_millis(1) < made_for, "{now:?} of {made_for:?}");
    }
}
