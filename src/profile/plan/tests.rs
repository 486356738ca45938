use super::*;
use crate::{
    fault::{Instead, tests::request},
    profile::{RuleTally, Skip, Source, load::load, seen::tests::seen},
};

fn decide(plan: &Plan, states: &RuleStates, request: &AwsRequest) -> Verdict {
    plan.decide(states, &seen(request), Duration::ZERO)
}

fn plan(rules: &str) -> (Plan, RuleStates) {
    seeded(rules, 42)
}

fn seeded(rules: &str, seed: u64) -> (Plan, RuleStates) {
    let source = Source { name: "test.yaml".to_owned(), text: format!("rules: [{rules}]") };
    let plan = load(&[source], Some(seed)).unwrap().plan;
    let states = RuleStates::new(&plan);
    (plan, states)
}

fn put() -> AwsRequest {
    request("dynamodb", "PutItem")
}

fn attempt(invocation: &str, attempt: u32) -> AwsRequest {
    AwsRequest { invocation: Some(invocation.into()), attempt: Some(attempt), ..put() }
}

/// The code answered, or none.
fn code(verdict: &Verdict) -> Option<&str> {
    verdict.instead.as_ref().map(|(_, instead)| match instead {
        Instead::Error(error) => error.code.as_str(),
        other => panic!("{other:?}"),
    })
}

fn names(verdict: &Verdict) -> Vec<&str> {
    verdict.rules.iter().map(RuleName::as_str).collect()
}

fn tally(plan: &Plan, states: &RuleStates, rule: &str) -> RuleTally {
    states.tallies(plan).into_iter().find(|tally| tally.rule.as_str() == rule).unwrap()
}

#[test]
fn a_request_that_no_rule_fits_passes_and_is_not_counted() {
    let (plan, states) = plan("{name: a, match: {service: s3}, fault: throttle}");
    assert_eq!(decide(&plan, &states, &put()), Verdict::default());
    assert_eq!(tally(&plan, &states, "a").matched, 0);
}

#[test]
fn the_first_terminal_rule_answers_and_later_ones_count_without_firing() {
    let (plan, states) =
        plan("{name: a, fault: {error: {code: A}}}, {name: b, fault: {error: {code: B}}, when: {calls: first 1}}");
    let verdict = decide(&plan, &states, &put());
    assert_eq!((code(&verdict), names(&verdict)), (Some("A"), vec!["a"]));
    decide(&plan, &states, &put());
    let b = tally(&plan, &states, "b");
    assert_eq!(
        (b.matched, b.fired, b.passed_over(Skip::AnsweredBefore), b.passed_over(Skip::OutsideCalls)),
        (2, 0, 1, 1)
    );
}

#[test]
fn rules_that_do_not_answer_apply_before_and_after_the_one_that_does() {
    let (plan, states) = plan(
        "{name: slow, fault: {latency: 100ms}}, {name: fail, fault: {error: {code: A}}}, {name: slower, fault: {latency: 200ms}}",
    );
    let verdict = decide(&plan, &states, &put());
    assert_eq!((code(&verdict), names(&verdict)), (Some("A"), vec!["slow", "fail", "slower"]));
    assert_eq!(verdict.delay, Duration::from_millis(300));
}

#[test]
fn one_rule_may_delay_and_answer() {
    let (plan, states) = plan("{name: both, fault: {latency: 1s, error: {code: A}}}");
    let verdict = decide(&plan, &states, &put());
    assert_eq!((code(&verdict), verdict.delay, names(&verdict)), (Some("A"), Duration::from_secs(1), vec!["both"]));
}

#[test]
fn a_rule_that_loses_its_dice_does_not_stop_the_search() {
    let (plan, states) =
        plan("{name: never, when: {probability: 0%}, fault: {error: {code: A}}}, {name: b, fault: {error: {code: B}}}");
    assert_eq!(code(&decide(&plan, &states, &put())), Some("B"));
    assert_eq!(tally(&plan, &states, "never").passed_over(Skip::LostDice), 1);
}

#[test]
fn calls_count_the_requests_that_fit_whoever_wins() {
    let (plan, states) = plan(
        "{name: first, match: {operation: PutItem}, when: {calls: first 1}, fault: {error: {code: A}}},
         {name: second, match: {service: dynamodb}, when: {calls: 2..2}, fault: {error: {code: B}}}",
    );
    let get = request("dynamodb", "GetItem");
    let codes: Vec<Verdict> = [put(), get, put()].iter().map(|request| decide(&plan, &states, request)).collect();
    assert_eq!(codes.iter().map(code).collect::<Vec<_>>(), [Some("A"), Some("B"), None]);
}

#[test]
fn a_limit_counts_what_was_injected_over_the_whole_rule() {
    let (plan, states) = plan("{name: a, when: {limit: 2, per: invocation}, fault: {error: {code: A}}}");
    let struck = (0..5).filter(|n| decide(&plan, &states, &attempt(&format!("call-{n}"), 1)).is_settled()).count();
    let a = tally(&plan, &states, "a");
    assert_eq!((struck, a.fired, a.passed_over(Skip::OverLimit), a.matched), (2, 2, 3, 5));
}

#[test]
fn a_rule_that_is_beaten_to_the_answer_spends_none_of_its_limit() {
    let (plan, states) = plan(
        "{name: a, when: {calls: first 3}, fault: {error: {code: A}}}, {name: b, when: {limit: 1}, fault: {error: {code: B}}}",
    );
    let codes: Vec<Verdict> = (0..5).map(|_| decide(&plan, &states, &put())).collect();
    assert_eq!(codes.iter().map(code).collect::<Vec<_>>(), [Some("A"), Some("A"), Some("A"), Some("B"), None]);
}

#[test]
fn per_invocation_counts_the_attempts_of_each_call() {
    let (plan, states) = plan("{name: a, when: {calls: first 2, per: invocation}, fault: {error: {code: A}}}");
    let struck = |invocation, number| decide(&plan, &states, &attempt(invocation, number)).is_settled();
    assert_eq!(
        [struck("x", 1), struck("y", 1), struck("x", 2), struck("x", 3), struck("y", 2)],
        [true, true, true, false, true]
    );
}

#[test]
fn per_invocation_without_an_invocation_id_does_not_fire_and_says_so() {
    let (plan, states) = plan("{name: a, when: {per: invocation}, fault: {error: {code: A}}}");
    assert_eq!(decide(&plan, &states, &put()), Verdict::default());
    let a = tally(&plan, &states, "a");
    assert_eq!((a.matched, a.fired, a.passed_over(Skip::Uncounted)), (1, 0, 1));
}

#[test]
fn attempts_without_a_number_are_numbered_as_they_are_seen() {
    let (plan, states) = plan("{name: a, when: {probability: 50%, per: invocation}, fault: {error: {code: A}}}");
    let (_, other_states) = (&plan, RuleStates::new(&plan));
    for number in 1..=20 {
        let numbered = decide(&plan, &states, &attempt("x", number));
        let plain = AwsRequest { attempt: None, ..attempt("x", number) };
        assert_eq!(numbered.instead, decide(&plan, &other_states, &plain).instead, "attempt {number}");
    }
}

#[test]
fn the_same_invocations_in_any_order_meet_the_same_verdicts() {
    let rules = "{name: a, when: {probability: 30%, per: invocation}, fault: [{error: {code: A}}, {latency: {min: 1ms, max: 9ms}}]}";
    let requests: Vec<AwsRequest> =
        (0..200).flat_map(|call| (1..=3).map(move |number| attempt(&format!("call-{call}"), number))).collect();
    let (plan, states) = plan(rules);
    let forwards: Vec<Verdict> = requests.iter().map(|request| decide(&plan, &states, request)).collect();
    let fresh = RuleStates::new(&plan);
    let mut backwards: Vec<Verdict> = requests.iter().rev().map(|request| decide(&plan, &fresh, request)).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    let struck = forwards.iter().filter(|verdict| verdict.is_settled()).count();
    assert!((120..240).contains(&struck), "{struck} of 600 at 30%");
}

#[test]
fn adding_removing_or_moving_a_rule_does_not_shift_the_dice_of_another() {
    let dice =
        "{name: dice, match: {service: dynamodb}, when: {probability: 30%}, fault: {latency: {min: 1ms, max: 9s}}}";
    let other = "{name: other, when: {probability: 50%}, fault: {error: {code: X}}}";
    let delays = |rules: &str| -> Vec<Duration> {
        let (plan, states) = plan(rules);
        (0..300).map(|_| decide(&plan, &states, &put()).delay).collect()
    };
    let alone = delays(dice);
    assert!(alone.iter().any(|delay| !delay.is_zero()) && alone.iter().any(Duration::is_zero));
    assert_eq!(alone, delays(&format!("{other}, {dice}")));
    assert_eq!(alone, delays(&format!("{dice}, {other}")));
}

#[test]
fn another_seed_gives_other_verdicts_and_the_same_seed_the_same() {
    let verdicts = |seed| -> Vec<bool> {
        let (plan, states) = seeded("{name: a, when: {probability: 50%}, fault: {error: {code: A}}}", seed);
        (0..64).map(|_| decide(&plan, &states, &put()).is_settled()).collect()
    };
    assert_eq!(verdicts(1), verdicts(1));
    assert_ne!(verdicts(1), verdicts(2));
}

#[test]
fn thirty_percent_of_the_requests_are_struck() {
    let (plan, states) = plan("{name: a, when: {probability: 30%}, fault: throttle}");
    let struck = (0..10_000).filter(|_| decide(&plan, &states, &put()).is_settled()).count();
    // Five standard deviations of a binomial with n = 10,000 and p = 0.3 are 229.
    assert!((2_771..=3_229).contains(&struck), "{struck}");
}

#[test]
fn between_goes_by_the_time_since_the_plan_went_live_and_calls_count_all_the_while() {
    let (plan, states) = plan("{name: a, when: {between: 1s..2s, calls: 2..9}, fault: {error: {code: A}}}");
    let request = put();
    let at = |millis| plan.decide(&states, &seen(&request), Duration::from_millis(millis)).is_settled();
    assert_eq!([0, 1_000, 1_999, 2_000].map(at), [false, true, true, false]);
    let a = tally(&plan, &states, "a");
    assert_eq!((a.matched, a.fired, a.passed_over(Skip::OutsideCalls), a.passed_over(Skip::OutsideTime)), (4, 2, 1, 1));
}

#[test]
fn every_request_that_fits_is_accounted_for() {
    let (plan, states) = plan(
        "{name: a, when: {probability: 50%, calls: every 2nd}, fault: throttle},
         {name: b, when: {probability: 50%, limit: 10}, fault: internal},
         {name: c, when: {per: invocation, calls: first 1}, fault: {latency: 1ms}}",
    );
    for n in 0..200 {
        let request = if n % 3 == 0 { put() } else { attempt(&format!("call-{}", n / 2), 1) };
        decide(&plan, &states, &request);
    }
    for t in states.tallies(&plan) {
        assert_eq!(t.matched, 200);
        let passed_over: u64 = Skip::ALL.into_iter().map(|skip| t.passed_over(skip)).sum();
        assert_eq!(t.matched, t.fired + passed_over, "{t:?}");
        assert_eq!(t.why_never(), None);
    }
}

#[test]
fn a_rule_that_never_fired_says_why() {
    for (rule, requests, why) in [
        (
            "{name: a, match: {service: dynamodb, operation: PutItem, region: eu-west-1}, fault: throttle}",
            3,
            "no request was dynamodb PutItem in eu-west-1",
        ),
        ("{name: a, fault: throttle}", 0, "no AWS request came"),
        (
            "{name: a, when: {probability: 0%}, fault: throttle}",
            12,
            "matched 12 requests, but all of them lost the dice (probability 0%)",
        ),
        ("{name: a, when: {calls: 5..7}, fault: throttle}", 1, "matched 1 request, but it fell outside `calls: 5..7`"),
        (
            "{name: a, when: {between: 1s..2s}, fault: throttle}",
            2,
            "matched 2 requests, but all of them came outside `between: 1s..2s`",
        ),
        (
            "{name: a, when: {per: invocation}, fault: throttle}",
            2,
            "matched 2 requests, but all of them carried no amz-sdk-invocation-id, which `per: invocation` needs",
        ),
        (
            "{name: a, when: {probability: 0%, calls: 2..3}, fault: throttle}",
            4,
            "matched 4 requests, but 2 fell outside `calls: 2..3`, 2 lost the dice (probability 0%)",
        ),
        (
            "{name: x, fault: internal}, {name: a, fault: throttle}",
            2,
            "matched 2 requests, but all of them had already been answered by a rule before it",
        ),
    ] {
        let (plan, states) = plan(rule);
        for _ in 0..requests {
            decide(&plan, &states, &put());
        }
        assert_eq!(tally(&plan, &states, "a").why_never().as_deref(), Some(why), "{rule}");
    }
}

#[test]
fn rules_are_told_in_words() {
    let (plan, _) = plan("{name: a, match: {service: s3}, when: {probability: 30%}, fault: {latency: 1s, throttle: }}");
    assert_eq!(plan.rules()[0].to_string(), "a: s3: latency of 1s + throttle (30%)");
}

#[test]
fn plans_and_their_counts_can_be_shared_by_all_connections() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Plan>();
    shared::<RuleStates>();
    shared::<Verdict>();
    shared::<crate::profile::LoadError>();
}

#[test]
fn rules_of_connections_strike_no_requests_and_those_of_requests_no_connections() {
    let (plan, states) = plan(
        "{name: all, match: {service: dynamodb}, fault: refuse},
         {name: some, match: {operation: PutItem}, fault: refuse},
         {name: hello, fault: {reset: {at: handshake}}}",
    );
    assert_eq!(names(&decide(&plan, &states, &put())), ["some"]);
    let struck = |host: &str, struck| {
        let request = AwsRequest::of_host(host);
        names(&plan.decide_connection(&states, &seen(&request), struck, Duration::ZERO)).join(" ")
    };
    let (dynamodb, s3) = ("dynamodb.us-east-1.amazonaws.com", "s3.amazonaws.com");
    assert_eq!([struck(dynamodb, Struck::Connection), struck(s3, Struck::Connection)], ["all", ""]);
    assert_eq!([struck(dynamodb, Struck::Handshake), struck("127.0.0.1", Struck::Handshake)], ["hello", "hello"]);
}

#[test]
fn a_refusal_beside_another_fault_is_one_of_requests() {
    let (plan, states) = plan("{name: a, fault: [refuse, latency: 1s]}");
    assert_eq!(plan.rules()[0].struck(), Struck::Request);
    let verdict = decide(&plan, &states, &put());
    assert_eq!((verdict.delay, verdict.is_settled()), (Duration::from_secs(1), true));
}
