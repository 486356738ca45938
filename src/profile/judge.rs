//! Whether a rule strikes a request that fits it, and what it goes by.

use std::{hash::Hasher as _, time::Duration};

use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use super::{
    buckets::Demand,
    dice::Roll,
    matcher::Misfit,
    memo::Read,
    past::Old,
    plan::Rule,
    schedule::{Chance, Per},
    seen::Seen,
    skip::Skip,
    state::{Hold, RuleState},
    verdict::Verdict,
};
use crate::aws::request::AwsRequest;

/// What became of one rule for one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It does not fit the request, by this key.
    Misfit(Misfit),
    /// It fits the request, and passed it over.
    Skipped {
        /// Why.
        why: Skip,
        /// What the dice showed, if they were asked: it would have struck below its probability.
        rolled: Option<f64>,
    },
    /// It struck.
    Struck {
        /// What the dice showed, if they were asked.
        rolled: Option<f64>,
    },
}

/// A strike.
pub(super) struct Strike<'a> {
    pub(super) roll: Roll<'a>,
    pub(super) rolled: Option<f64>,
    pub(super) hold: Option<Hold>,
    /// What its reads told before, if it answers out of the past.
    pub(super) old: Option<Old>,
    /// Which of its faults can do anything.
    pub(super) able: Able,
}

/// Of each fault of a rule, in their order, whether it can do anything to a request.
pub(super) type Able = SmallVec<[bool; 2]>;

/// Why there was none.
pub(super) struct Miss {
    pub(super) why: Skip,
    pub(super) rolled: Option<f64>,
    /// The tokens it took all the same, to be put back if the request does not go on.
    pub(super) took: Option<Demand>,
}

impl Rule {
    /// Counts a request that fits, and says by which roll it is struck, if it is. `read` is the request again if it reads something that
    /// may lag behind, `verdict` what the rules before came to.
    pub(super) fn judge<'a>(
        &self,
        state: &RuleState,
        seen: &Seen<'a>,
        read: Option<&Read>,
        now: Duration,
        verdict: &Verdict,
    ) -> Result<Strike<'a>, Miss> {
        let schedule = self.schedule();
        let miss = |why| Miss { why, rolled: None, took: None };
        let matched = state.count_match();
        let able = self.able(seen).map_err(miss)?;
        let (roll, call) = self.roll(state, seen, matched).ok_or_else(|| miss(Skip::Uncounted))?;
        if schedule.calls.is_some_and(|calls| !calls.holds(call)) {
            return Err(miss(Skip::OutsideCalls));
        }
        if schedule.between.is_some_and(|between| !between.contains(now)) {
            return Err(miss(Skip::OutsideTime));
        }
        if schedule.windows.is_some_and(|windows| !windows.contain(now)) {
            return Err(miss(Skip::OutsideWindows));
        }
        let rolled = (schedule.probability != Chance::ALWAYS).then(|| self.dice().chance(roll));
        let miss = |why| Miss { why, rolled, took: None };
        if rolled.is_some_and(|rolled| !schedule.chance_at(now).holds(rolled)) {
            return Err(miss(Skip::LostDice));
        }
        let is_beaten = verdict.is_settled() && self.is_terminal();
        // Only what goes on takes tokens, as far as is known here.
        if let Some(capacity) = self.capacity().filter(|_| verdict.goes_on()) {
            let demand = Demand::of(capacity, seen).ok_or_else(|| miss(Skip::Unbucketed))?;
            if state.buckets.take(capacity, &demand, now) {
                let why = if is_beaten { Skip::AnsweredBefore } else { Skip::WithinCapacity };
                return Err(Miss { why, rolled, took: Some(demand) });
            }
        }
        if is_beaten {
            return Err(miss(Skip::AnsweredBefore));
        }
        let old = self.lag().map(|lag| match read {
            Some(read) => state.past.recall(read, now, lag),
            None => Err(Skip::TooLarge),
        });
        let old = old.transpose().map_err(miss)?;
        let hold = match schedule.max_active {
            Some(most) => Some(state.hold(most).ok_or_else(|| miss(Skip::TooManyActive))?),
            None => None,
        };
        if !state.count_strike(schedule.limit) {
            return Err(miss(Skip::OverLimit));
        }
        Ok(Strike { roll, rolled, hold, old, able })
    }

    /// Which of its faults can do anything to this very request; or why none can.
    fn able(&self, seen: &Seen<'_>) -> Result<Able, Skip> {
        let mut is_suited = false;
        let able = self.faults().iter().map(|fault| {
            let suits = fault.only_for_wires().is_none() && fault.suits(seen.request);
            is_suited |= suits;
            suits && fault.finds(seen.request, &seen.head, seen.body)
        });
        let able: Able = able.collect();
        match able.contains(&true) {
            true => Ok(able),
            false if !is_suited => Err(Skip::Unsuited),
            false if self.lag().is_some() => Err(Skip::Consistent),
            false => Err(Skip::NoToken),
        }
    }

    /// What the dice and `calls` go by: the roll, and the how-manieth request it is. None where the request does not tell what is
    /// counted.
    pub(super) fn roll<'a>(&self, state: &RuleState, seen: &Seen<'a>, matched: u64) -> Option<(Roll<'a>, u64)> {
        let whose = match self.schedule().per {
            Per::Rule => return Some((Roll::Match(matched), matched)),
            Per::Invocation => return self.attempt(state, seen.request),
            Per::Resource => resource(seen.request)?,
            Per::Client => client(seen)?,
        };
        let ordinal = state.count_apart(whose);
        Some((Roll::Apart { whose, ordinal }, ordinal))
    }

    /// Which attempt of its call a request is: the roll by the number the SDK gives, `calls` by the attempts seen. A request without
    /// a number takes the latter for both.
    fn attempt<'a>(&self, state: &RuleState, request: &'a AwsRequest) -> Option<(Roll<'a>, u64)> {
        let invocation = request.invocation.as_deref()?;
        let seen = match (self.schedule().calls, request.attempt) {
            (None, Some(attempt)) => u64::from(attempt),
            _ => state.count_apart(hash([invocation])),
        };
        let attempt = request.attempt.map_or(seen, u64::from);
        Some((Roll::Attempt { invocation, attempt }, seen))
    }
}

/// The resource a request is about, as a hash.
pub(super) fn resource(request: &AwsRequest) -> Option<u64> {
    let name = &request.resource.as_ref()?.name;
    let service = request.reading().map_or("", |reading| reading.service.name);
    let (region, account) = (request.region.as_deref(), request.account.as_deref());
    Some(hash([service, region.unwrap_or_default(), account.unwrap_or_default(), name]))
}

/// Who made a request, as a hash: the address, the access key and the SDK. An SDK's User-Agent varies from call to call, its name and
/// version do not.
fn client(seen: &Seen<'_>) -> Option<u64> {
    let request = seen.request;
    let (peer, key, sdk) = (seen.peer, request.access_key.as_ref(), request.client.as_deref());
    if peer.is_none() && key.is_none() && sdk.is_none() {
        return None;
    }
    let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
    let of_sdk =
        |sdk: &crate::aws::client::Client| [sdk.sdk.to_owned(), sdk.version.as_deref().unwrap_or_default().to_owned()];
    let [sdk, version] = sdk.map(of_sdk).unwrap_or_default();
    Some(hash([peer.as_str(), key.map_or("", |key| key.0.as_str()), &sdk, &version]))
}

/// The same in every version: dice go by it.
pub(super) fn hash<const N: usize>(texts: [&str; N]) -> u64 {
    let mut hasher = SipHasher13::new();
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write(&[0xff]);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{request::AccessKeyId, resource::Resource},
        fault::tests::request,
        profile::{Plan, RuleStates, Source, load::load, seen::tests::seen},
    };

    /// One rule, and its counts.
    fn rule(when: &str) -> (Plan, RuleStates) {
        let text = format!("rules: [{{name: a, when: {{{when}}}, fault: {{error: {{code: A}}}}}}]");
        let plan = load(&[Source { name: "test.yaml".to_owned(), text }], Some(42)).unwrap().plan;
        let states = RuleStates::new(&plan);
        (plan, states)
    }

    fn about(table: &str) -> AwsRequest {
        let resource = Resource { name: table.into(), ..Resource::default() };
        AwsRequest { resource: Some(resource), ..request("dynamodb", "PutItem") }
    }

    fn signed_by(key: &str) -> AwsRequest {
        AwsRequest { access_key: Some(AccessKeyId(key.into())), ..request("dynamodb", "PutItem") }
    }

    /// Whether each of these is struck, in their order.
    fn struck(when: &str, requests: &[AwsRequest]) -> Vec<bool> {
        let (plan, states) = rule(when);
        let strikes = |request| plan.decide(&states, &seen(request), Duration::ZERO).is_settled();
        requests.iter().map(strikes).collect()
    }

    #[test]
    fn per_resource_counts_each_resource_on_its_own_and_by_place() {
        let elsewhere = AwsRequest { region: Some("eu-west-1".into()), ..about("a") };
        let requests = [about("a"), about("b"), about("a"), elsewhere, about("b"), request("dynamodb", "ListTables")];
        let expected = [true, true, false, true, false, false];
        assert_eq!(struck("calls: first 1, per: resource", &requests), expected);
    }

    #[test]
    fn per_client_counts_each_client_on_its_own() {
        let requests = [signed_by("AKIAX"), signed_by("AKIAY"), signed_by("AKIAX"), request("sqs", "SendMessage")];
        assert_eq!(struck("calls: first 1, per: client", &requests), [true, true, false, false]);
        let (plan, states) = rule("calls: first 1, per: client");
        let request = request("sqs", "SendMessage");
        let from = |peer: &str| {
            let seen = Seen { peer: Some(peer.parse().unwrap()), ..seen(&request) };
            plan.decide(&states, &seen, Duration::ZERO).is_settled()
        };
        assert_eq!(["10.0.0.1", "10.0.0.2", "10.0.0.1"].map(from), [true, true, false]);
    }

    #[test]
    fn the_dice_of_a_resource_do_not_depend_on_what_comes_between() {
        let alone: Vec<AwsRequest> = (0..50).map(|_| about("a")).collect();
        let mixed: Vec<AwsRequest> = (0..50).flat_map(|_| [about("b"), about("a"), about("c")]).collect();
        let alone = struck("probability: 50%, per: resource", &alone);
        let mixed = struck("probability: 50%, per: resource", &mixed);
        let of = |nth: usize| mixed.iter().skip(nth).step_by(3).copied().collect::<Vec<_>>();
        assert_eq!(of(1), alone);
        assert_ne!(of(0), alone);
    }

    #[test]
    fn windows_and_a_ramp_go_by_the_time_since_the_plan_went_live() {
        let put = request("dynamodb", "PutItem");
        let (plan, states) = rule("windows: every 10s for 2s");
        let at = |second| plan.decide(&states, &seen(&put), Duration::from_secs(second)).is_settled();
        assert_eq!([0, 1, 2, 9, 10, 11, 12].map(at), [true, true, false, false, true, true, false]);
        assert_eq!(states.tallies(&plan)[0].passed_over(Skip::OutsideWindows), 3);

        let (plan, states) = rule("probability: {from: 0%, to: 100%, over: 100s}");
        let at = |second| {
            let strikes = |_: &u32| plan.decide(&states, &seen(&put), Duration::from_secs(second)).is_settled();
            (0..1_000).filter(strikes).count()
        };
        assert_eq!((at(0), at(100)), (0, 1_000));
        // Five standard deviations of a binomial with n = 1,000 and p = 0.5 are 79.
        assert!((421..=579).contains(&at(50)));
    }

    #[test]
    fn max_active_lets_no_more_be_struck_than_have_not_ended() {
        let put = request("dynamodb", "PutItem");
        let (plan, states) = rule("max_active: 2");
        let decide = || plan.decide(&states, &seen(&put), Duration::ZERO);
        let (first, second, third) = (decide(), decide(), decide());
        assert_eq!([&first, &second, &third].map(Verdict::is_settled), [true, true, false]);
        drop(first);
        let fourth = decide();
        assert!(fourth.is_settled() && !decide().is_settled());
        assert_eq!(states.tallies(&plan)[0].passed_over(Skip::TooManyActive), 2);
        drop((second, fourth));
    }

    #[test]
    fn a_rule_over_its_limit_holds_no_place() {
        let put = request("dynamodb", "PutItem");
        let (plan, states) = rule("max_active: 1, limit: 1");
        let decide = || plan.decide(&states, &seen(&put), Duration::ZERO);
        assert!(decide().is_settled() && !decide().is_settled() && !decide().is_settled());
        let tally = &states.tallies(&plan)[0];
        assert_eq!((tally.passed_over(Skip::OverLimit), tally.passed_over(Skip::TooManyActive)), (2, 0));
    }

    #[test]
    fn a_trace_says_of_each_rule_what_became_of_it() {
        let text = "rules: [
            {name: other, match: {service: s3}, fault: throttle},
            {name: unknown, match: {resource: x}, fault: throttle},
            {name: dice, when: {probability: 0%}, fault: throttle},
            {name: late, when: {between: 1s..2s}, fault: throttle},
            {name: wins, when: {probability: 99.9999%}, fault: throttle},
            {name: beaten, fault: internal},
            {name: slow, fault: {latency: 1ms}}]";
        let plan = load(&[Source { name: "p".to_owned(), text: text.to_owned() }], Some(42)).unwrap().plan;
        let (states, other) = (RuleStates::new(&plan), RuleStates::new(&plan));
        let put = request("dynamodb", "PutItem");
        let (verdict, fates) = plan.trace(&states, &seen(&put), Duration::ZERO);
        let rolled = |fate| match fate {
            Fate::Skipped { rolled, .. } | Fate::Struck { rolled } => rolled,
            Fate::Misfit(_) => None,
        };
        let fates: Vec<_> = fates.into_iter().map(|(rule, fate)| (rule.name().as_str(), fate)).collect();
        let (of_dice, of_winner) = (rolled(fates[2].1), rolled(fates[4].1));
        assert!(of_dice.is_some() && of_winner.is_some());
        let skipped = |why| Fate::Skipped { why, rolled: None };
        assert_eq!(
            fates,
            [
                ("other", Fate::Misfit(Misfit { key: "service", unknown: false })),
                ("unknown", Fate::Misfit(Misfit { key: "resource", unknown: true })),
                ("dice", Fate::Skipped { why: Skip::LostDice, rolled: of_dice }),
                ("late", skipped(Skip::OutsideTime)),
                ("wins", Fate::Struck { rolled: of_winner }),
                ("beaten", skipped(Skip::AnsweredBefore)),
                ("slow", Fate::Struck { rolled: None }),
            ]
        );
        assert_eq!(verdict, plan.decide(&other, &seen(&put), Duration::ZERO));
        assert_eq!(states.tallies(&plan), other.tallies(&plan));
    }
}
