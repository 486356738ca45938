//! The compiled profile: looks at a request and says what should happen to it.
//!
//! A [`Plan`] never changes; what it counts lives in [`RuleStates`], which belong to it. [`Plan::decide`] is the whole meaning of the
//! language in one walk over the rules, in file order: every rule that strikes without answering applies; of those that answer, the
//! first does. It does no I/O and reads no clock.

use std::{fmt, sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::{
    alias::Alias,
    dice::{Dice, Roll},
    matcher::Matcher,
    schedule::{Per, Schedule},
    seen::Seen,
    state::{RuleState, RuleStates},
};
use crate::{
    aws::{protocol::AwsError, request::AwsRequest},
    fault::{Effect, Fault},
    units::Percent,
};

/// A rule's name, cheap to hand around.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleName(Arc<str>);

/// The compiled profile.
#[derive(Debug)]
pub struct Plan {
    profiles: Vec<String>,
    seed: u64,
    aliases: Vec<Alias>,
    rules: Vec<Rule>,
}

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    name: RuleName,
    matcher: Matcher,
    schedule: Schedule,
    faults: Vec<Box<dyn Fault>>,
    dice: Dice,
    is_terminal: bool,
}

/// What should happen to one request. The default is: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The error to answer with instead of forwarding, and the rule that gave it.
    pub answer: Option<(RuleName, AwsError)>,
    /// How long to hold the request (or the injected answer) back: the sum over all rules.
    pub delay: Duration,
    /// All rules that struck, in file order.
    pub rules: SmallVec<[RuleName; 2]>,
}

impl Verdict {
    /// Whether a rule has already decided who answers; later ones of that kind do not fire.
    pub fn is_settled(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether the request goes on to the far end, whatever becomes of it there.
    pub fn goes_on(&self) -> bool {
        self.answer.is_none()
    }
}

impl Plan {
    pub(super) fn new(profiles: Vec<String>, seed: u64, aliases: Vec<Alias>, rules: Vec<super::schema::Rule>) -> Self {
        Self { profiles, seed, aliases, rules: rules.into_iter().map(|rule| Rule::new(rule, seed)).collect() }
    }

    /// The names of the profiles it was made from, in the order given.
    pub fn profiles(&self) -> &[String] {
        &self.profiles
    }

    /// The profile's name; of several, all names joined by `+`; `none` without any.
    pub fn name(&self) -> String {
        if self.profiles.is_empty() { "none".to_owned() } else { self.profiles.join("+") }
    }

    /// The seed of all its chance; the same seed replays a run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its rules, in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a rule that may fit this request asks what it is about.
    pub fn asks_for_resource(&self, seen: &Seen<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matcher.is_about_resource() && rule.matcher.may_fit(seen))
    }

    /// Whether a rule that otherwise fits this request asks for members of its body.
    pub fn asks_for_body(&self, seen: &Seen<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matcher.is_about_body() && rule.matcher.may_fit(seen))
    }

    /// Settles by the profile's aliases what the wire leaves open.
    pub fn settle(&self, request: &mut AwsRequest) {
        self.aliases.iter().for_each(|alias| alias.settle(request));
    }

    /// What should happen to this request, which is counted by doing so. `states` must have been made for this plan; `now` is how long
    /// the plan has been live.
    pub fn decide(&self, states: &RuleStates, seen: &Seen<'_>, now: Duration) -> Verdict {
        let request = seen.request;
        let mut verdict = Verdict::default();
        for (rule, state) in self.rules.iter().zip(states.of_rules()) {
            if !rule.matcher.fits(seen) {
                continue;
            }
            let answered = verdict.is_settled();
            if let Some(roll) = rule.strikes(state, request, now, answered) {
                rule.apply(roll, request, &mut verdict);
            }
        }
        verdict
    }
}

impl Rule {
    fn new(rule: super::schema::Rule, seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, rule.name.as_str()),
            is_terminal: rule.faults.iter().any(|fault| fault.is_terminal()),
            name: rule.name,
            matcher: rule.matcher,
            schedule: rule.schedule,
            faults: rule.faults,
        }
    }

    /// Its name.
    pub fn name(&self) -> &RuleName {
        &self.name
    }

    /// Which requests it is about.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Which of them it strikes.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What it does to them.
    pub fn faults(&self) -> &[Box<dyn Fault>] {
        &self.faults
    }

    /// Whether it answers in AWS's place.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Counts a request that fits, and says by which roll it is struck, if it is.
    fn strikes<'a>(
        &self,
        state: &RuleState,
        request: &'a AwsRequest,
        now: Duration,
        answered: bool,
    ) -> Option<Roll<'a>> {
        let matched = state.count_match();
        let (roll, call) = match (self.schedule.per, request.invocation.as_deref()) {
            (Per::Rule, _) => (Roll::Match(matched), matched),
            (Per::Invocation, None) => return state.skip(Skip::WithoutInvocation),
            (Per::Invocation, Some(invocation)) => self.attempt(state, request, invocation),
        };
        if self.schedule.calls.is_some_and(|calls| !calls.holds(call)) {
            return state.skip(Skip::OutsideCalls);
        }
        if !self.schedule.holds_at(now) {
            return state.skip(Skip::OutsideTime);
        }
        let chance = self.schedule.probability;
        if chance != Percent::ALWAYS && !chance.holds(self.dice.chance(roll)) {
            return state.skip(Skip::LostDice);
        }
        if answered && self.is_terminal {
            return state.skip(Skip::AnsweredBefore);
        }
        if state.count_strike(self.schedule.limit) { Some(roll) } else { state.skip(Skip::OverLimit) }
    }

    /// Which attempt of its call a request is: the roll by the number the SDK gives, `calls` by the attempts seen. A request without
    /// a number takes the latter for both.
    fn attempt<'a>(&self, state: &RuleState, request: &AwsRequest, invocation: &'a str) -> (Roll<'a>, u64) {
        let seen = match (self.schedule.calls, request.attempt) {
            (None, Some(attempt)) => u64::from(attempt),
            _ => state.count_attempt(invocation),
        };
        let attempt = request.attempt.map_or(seen, u64::from);
        (Roll::Attempt { invocation, attempt }, seen)
    }

    fn apply(&self, roll: Roll<'_>, request: &AwsRequest, verdict: &mut Verdict) {
        let mut draw = self.dice.amounts(roll);
        for fault in &self.faults {
            match fault.effect(request, &mut draw) {
                Effect::Answer(error) => verdict.answer = Some((self.name.clone(), error)),
                Effect::Delay(delay) => verdict.delay = verdict.delay.saturating_add(delay),
            }
        }
        verdict.rules.push(self.name.clone());
    }
}

/// Why a rule does not strike a request that fits it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Skip {
    /// A rule before it answers already.
    AnsweredBefore,
    /// `probability` said no.
    LostDice,
    /// `calls` said no.
    OutsideCalls,
    /// `between` said no.
    OutsideTime,
    /// `limit` was used up.
    OverLimit,
    /// `per: invocation`, and the request names none.
    WithoutInvocation,
}

impl RuleName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RuleName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for RuleName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What a rule does, in words: `throttle + latency of 300ms`.
pub(super) fn faults_in_words(faults: &[Box<dyn Fault>]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ")
}

/// In words for people: `throttle-writes: dynamodb PutItem in us-east-1: throttle (30%, per invocation)`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} ({})", self.name, self.matcher, faults_in_words(&self.faults), self.schedule)
    }
}

#[cfg(test)]
mod tests;
