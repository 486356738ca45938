//! The compiled profile: looks at a request and says what should happen to it.
//!
//! A [`Plan`] never changes; what it counts lives in [`RuleStates`], which belong to it. [`Plan::decide`] is the whole meaning of the
//! language in one walk over the rules, in file order: every rule that strikes without answering applies; of those that answer, the
//! first does. It does no I/O and reads no clock.

use std::{fmt, sync::Arc, time::Duration};

use smallvec::SmallVec;

use super::{
    alias::Alias,
    buckets::Demand,
    dice::{Dice, Roll},
    index::Index,
    judge::{Fate, Miss, Strike},
    lagging::Lagging,
    matcher::Matcher,
    memo::Event,
    past::Old,
    schedule::{Per, Schedule},
    seen::Seen,
    stage::Struck,
    state::RuleStates,
    tcp::TcpEntry,
    verdict::Verdict,
};
use crate::{
    aws::{
        catalog::Service,
        extent,
        idiom::{Idiom, idiom},
        request::AwsRequest,
    },
    fault::{
        Draw, Effect, Fault, Instead, Wire,
        capacity::{Capacity, Share, Unit},
    },
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
    tcp: Vec<TcpEntry>,
    rules: Vec<Rule>,
    index: Index,
    /// The rules that answer out of the past.
    lagging: Lagging,
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
    struck: Struck,
    on_wires: bool,
    /// Which of its faults is a capacity, if one is.
    capacity: Option<usize>,
    /// How far its reads lag behind, if it answers out of the past.
    lag: Option<Duration>,
    asks_for_resource: bool,
    /// A hash of what was written.
    written: u64,
}

impl Plan {
    pub(super) fn new(
        profiles: Vec<String>,
        seed: u64,
        aliases: Vec<Alias>,
        tcp: Vec<TcpEntry>,
        rules: Vec<super::schema::Rule>,
    ) -> Self {
        let rules: Vec<Rule> = rules.into_iter().map(|rule| Rule::new(rule, seed)).collect();
        Self { profiles, seed, aliases, tcp, index: Index::new(&rules), lagging: Lagging::of(&rules), rules }
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

    /// The ports that lead to far ends, in file order.
    pub fn tcp(&self) -> &[TcpEntry] {
        &self.tcp
    }

    /// Its rules, in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a rule names this service.
    pub fn is_about(&self, service: &'static Service) -> bool {
        self.rules.iter().any(|rule| rule.matcher().services().is_some_and(|services| services.contains(&service)))
    }

    /// Whether a rule that may fit this request asks what it is about, or one hears of what it writes to.
    pub fn asks_for_resource(&self, seen: &Seen<'_>) -> bool {
        self.any_may_fit(seen, self.index.about_resource(seen)) || self.lagging.hear_of_write(seen)
    }

    /// Whether a rule that otherwise fits this request asks for members of its body.
    pub fn asks_for_body(&self, seen: &Seen<'_>) -> bool {
        let asking = self.index.about_body(seen).filter(|number| self.rules[*number].asks_for_body(seen.request));
        self.any_may_fit(seen, asking) || self.lagging.ask_for_body(seen.request)
    }

    /// Settles by the profile's aliases what the wire leaves open.
    pub fn settle(&self, request: &mut AwsRequest) {
        self.aliases.iter().for_each(|alias| alias.settle(request));
    }

    /// What should happen to this request, which is counted by doing so. `states` must have been made for this plan; `now` is how long
    /// the plan has been live.
    pub fn decide(&self, states: &RuleStates, seen: &Seen<'_>, now: Duration) -> Verdict {
        self.walk(states, seen, self.lagging.event(seen), now, self.index.striking(seen), |_, _| {})
    }

    /// The same for a connection before its first request, of which its host and its client alone are known.
    pub fn decide_connection(&self, states: &RuleStates, seen: &Seen<'_>, struck: Struck, now: Duration) -> Verdict {
        let rules = self.index.of_connections().iter().copied();
        self.walk(states, seen, None, now, rules.filter(|number| self.rules[*number].struck == struck), |_, _| {})
    }

    /// Whether there are rules that strike at connections.
    pub fn has_rules_of_connections(&self) -> bool {
        !self.index.of_connections().is_empty()
    }

    /// The same, and what became of each rule on the way, in file order; rules that strike at connections are not asked.
    pub fn trace(&self, states: &RuleStates, seen: &Seen<'_>, now: Duration) -> (Verdict, Vec<(&Rule, Fate)>) {
        let mut fates = Vec::with_capacity(self.rules.len());
        let of_requests = (0..self.rules.len()).filter(|number| self.rules[*number].struck == Struck::Request);
        let verdict =
            self.walk(states, seen, self.lagging.event(seen), now, of_requests, |rule, fate| fates.push((rule, fate)));
        (verdict, fates)
    }

    /// Asks these rules, in their order.
    fn walk<'p>(
        &'p self,
        states: &RuleStates,
        seen: &Seen<'_>,
        event: Option<Event>,
        now: Duration,
        rules: impl Iterator<Item = usize>,
        mut tell: impl FnMut(&'p Rule, Fate),
    ) -> Verdict {
        let mut verdict = Verdict::default();
        let mut spent: SmallVec<[(usize, Demand); 1]> = SmallVec::new();
        let read = event.as_ref().and_then(Event::read).cloned();
        let mut memo = event.map(|event| self.lagging.memo(states, seen, event));
        for number in rules {
            let (rule, state) = (&self.rules[number], &states.of_rules()[number]);
            if let Some(misfit) = rule.matcher.misfit(seen) {
                tell(rule, Fate::Misfit(misfit));
                continue;
            }
            let read = read.as_deref();
            if let (Some(lag), Some(memo), true) = (rule.lag, &mut memo, read.is_some()) {
                memo.for_rule(state, lag);
            }
            match rule.judge(state, seen, read, now, &verdict) {
                Ok(Strike { roll, rolled, hold, old, able }) => {
                    rule.apply(roll, seen, &able, old, &mut verdict);
                    hold.into_iter().for_each(|hold| verdict.holds.add(hold));
                    tell(rule, Fate::Struck { rolled });
                }
                Err(Miss { why, rolled, took }) => {
                    state.skip(why);
                    spent.extend(took.map(|demand| (number, demand)));
                    tell(rule, Fate::Skipped { why, rolled });
                }
            }
        }
        verdict.memo = memo.filter(|memo| !memo.is_empty()).map(Arc::new);
        if !verdict.goes_on() {
            for (number, demand) in &spent {
                let buckets = &states.of_rules()[*number].buckets;
                self.rules[*number].capacity().into_iter().for_each(|capacity| buckets.put_back(capacity, demand));
            }
        }
        verdict
    }

    fn any_may_fit(&self, seen: &Seen<'_>, mut rules: impl Iterator<Item = usize>) -> bool {
        rules.any(|number| self.rules[number].matcher.may_fit(seen))
    }
}

impl Rule {
    fn new(rule: super::schema::Rule, seed: u64) -> Self {
        let capacity = rule.faults.iter().position(|fault| fault.capacity().is_some());
        let share = rule.faults.iter().find_map(|fault| fault.capacity()).map(Capacity::share);
        let lag = rule.faults.iter().find_map(|fault| fault.lag());
        let by_resource = lag.is_some()
            || matches!(share, Some(Share::Account | Share::AccountOperation | Share::Prefix | Share::Resource));
        Self {
            capacity,
            lag,
            asks_for_resource: by_resource || rule.matcher.is_about_resource() || rule.schedule.per == Per::Resource,
            dice: Dice::new(seed, rule.name.as_str()),
            is_terminal: rule.faults.iter().any(|fault| fault.is_terminal()),
            name: rule.name,
            written: rule.written,
            matcher: rule.matcher,
            schedule: rule.schedule,
            faults: rule.faults,
            struck: rule.struck,
            on_wires: rule.on_wires,
        }
    }

    /// The tokens that it goes by, if it has any.
    pub(super) fn capacity(&self) -> Option<&Capacity> {
        self.faults.get(self.capacity?)?.capacity()
    }

    /// How far its reads lag behind writes, if it answers out of the past.
    pub fn lag(&self) -> Option<Duration> {
        self.lag
    }

    /// Whether it depends on what a request is about.
    pub(super) fn asks_for_resource(&self) -> bool {
        self.asks_for_resource
    }

    /// Whether it depends on members of the bodies of some requests.
    pub(super) fn may_ask_for_body(&self) -> bool {
        self.matcher.is_about_body() || self.counts_items() || self.faults.iter().any(|fault| fault.looks_into_body())
    }

    /// Whether it depends on members of this request's body.
    fn asks_for_body(&self, request: &AwsRequest) -> bool {
        self.matcher.is_about_body()
            || self.faults.iter().any(|fault| fault.looks_into_body() && fault.suits(request))
            || (self.counts_items() && extent::counts_items_in_body(request))
    }

    fn counts_items(&self) -> bool {
        let counts_items = |capacity: &Capacity| capacity.limits().iter().any(|limit| limit.unit == Unit::Items);
        self.capacity().is_some_and(counts_items)
    }

    /// The same for two rules that say the same under the same name.
    pub(super) fn identity(&self) -> (&RuleName, u64) {
        (&self.name, self.written)
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

    /// What it strikes at.
    pub fn struck(&self) -> Struck {
        self.struck
    }

    /// What its faults do to such connections, of chance's amounts apart.
    pub(super) fn wires(&self) -> impl Iterator<Item = Wire> {
        self.faults.iter().filter_map(|fault| fault.wire(&mut Draw::new([0; 32])).ok())
    }

    /// Whether it strikes TCP connections of which nothing is read.
    pub fn is_on_wires(&self) -> bool {
        self.on_wires
    }

    /// What should be known of it before it is let loose on real AWS.
    pub fn on_real_aws(&self) -> impl Iterator<Item = &'static str> {
        self.faults.iter().filter_map(|fault| fault.on_real_aws())
    }

    /// Whether it answers in AWS's place.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(super) fn dice(&self) -> &Dice {
        &self.dice
    }

    fn apply(&self, roll: Roll<'_>, seen: &Seen<'_>, able: &[bool], old: Option<Old>, verdict: &mut Verdict) {
        let mut draw = self.dice.amounts(roll);
        for (fault, _) in self.faults.iter().zip(able).filter(|(_, able)| **able) {
            let effect = match (fault.effect(seen.request, &mut draw), &old) {
                (Effect::Recall, Some(Old::Answer(answer))) => Effect::Instead(Instead::Recorded(Arc::clone(answer))),
                (Effect::Recall, Some(Old::NotThere)) => {
                    Effect::Instead(Instead::Error(idiom(seen.request, Idiom::NotFound)))
                }
                (effect, _) => effect,
            };
            verdict.add(&self.name, effect);
        }
        verdict.rules.push(self.name.clone());
    }
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
