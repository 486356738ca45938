//! What is doubtful in profiles that load: rules that can never strike, errors that AWS does not model, faults that nobody would see.

use super::schedule::Schedule;
use super::schema::Rule;
use crate::aws::{
    catalog::{Operation, Service},
    request::{AwsRequest, Protocol, Reading},
};
use crate::fault::written::Complaint;

/// A service's operation.
type Named = (&'static Service, &'static Operation);

/// What there is to say against the last of these rules, all of one plan, in their order.
pub(super) fn doubts(rules: &[&Rule]) -> Vec<Complaint> {
    let Some((rule, earlier)) = rules.split_last() else { return Vec::new() };
    let operations = rule.matcher.operations();
    let of_faults = rule.faults.iter().filter_map(|fault| fault.doubt(&operations));
    let excluded = || rule.matcher.excludes_all().then(|| never(rule, "its `not` excludes all that its keys let in"));
    let unsuited = || never_suited(rule, &operations);
    let never = excluded().or_else(unsuited).or_else(|| shadowed(rule, earlier, &operations));
    of_faults.chain(never).collect()
}

fn never(rule: &Rule, why: &str) -> Complaint {
    Complaint::new(rule.name_at, format!("the rule `{}` can never fire: {why}", rule.name))
}

/// A rule whose faults can do nothing to any of its operations.
fn never_suited(rule: &Rule, operations: &[Named]) -> Option<Complaint> {
    if operations.is_empty() || operations.iter().any(|operation| suited(rule, operation)) {
        return None;
    }
    let words: Vec<String> = rule.faults.iter().map(ToString::to_string).collect();
    Some(never(rule, &format!("no operation that it matches can meet its fault ({})", words.join(" + "))))
}

/// A rule that would decide who answers, behind one that always does for all it matches.
fn shadowed(rule: &Rule, earlier: &[&Rule], operations: &[Named]) -> Option<Complaint> {
    let before = earlier.iter().find(|before| {
        before.struck == rule.struck
            && answers(before)
            && before.schedule == Schedule::default()
            && before.faults.iter().all(|fault| fault.capacity().is_none())
            && operations.iter().all(|operation| suited(before, operation))
            && before.matcher.covers(&rule.matcher)
    });
    let before = before.filter(|_| rule.faults.iter().all(|fault| fault.is_terminal()))?;
    Some(never(rule, &format!("the rule `{}` before it answers every request that it matches", before.name)))
}

fn answers(rule: &Rule) -> bool {
    rule.faults.iter().any(|fault| fault.is_terminal())
}

fn suited(rule: &Rule, (service, operation): &Named) -> bool {
    let protocol = service.protocols.first().copied().unwrap_or(Protocol::Json11);
    let request = AwsRequest::of(Reading { service, operation: Some(operation) }, protocol);
    rule.faults.iter().any(|fault| fault.suits(&request))
}

#[cfg(test)]
mod tests {
    use crate::profile::{Source, load::load};

    fn warnings(rules: &str) -> Vec<String> {
        let source = Source { name: "p.yaml".to_owned(), text: format!("rules:\n{rules}") };
        let loaded = load(&[source], Some(1)).unwrap_or_else(|e| panic!("{}", e.render(false)));
        loaded.warnings.iter().map(|warning| warning.message().to_owned()).collect()
    }

    #[test]
    fn a_rule_behind_one_that_always_answers_can_never_fire() {
        let all = "  - {name: all, match: {service: s3}, fault: throttle}\n";
        for (second, shadowed) in [
            ("{name: b, match: {service: s3, operation: GetObject}, fault: internal}", true),
            ("{name: b, match: {service: s3}, when: {probability: 10%}, fault: internal}", true),
            ("{name: b, match: {service: [s3, sqs]}, fault: internal}", false),
            ("{name: b, fault: internal}", false),
            ("{name: b, match: {service: s3}, fault: {latency: 1s}}", false),
            ("{name: b, match: {service: s3}, fault: [internal, latency: 1s]}", false),
        ] {
            let told = warnings(&format!("{all}  - {second}\n"));
            let expected =
                "the rule `b` can never fire: the rule `all` before it answers every request that it matches";
            assert_eq!(told, if shadowed { vec![expected.to_owned()] } else { vec![] }, "{second}");
        }
    }

    #[test]
    fn a_rule_that_answers_only_some_shadows_nothing() {
        for first in [
            "{name: a, when: {probability: 99%}, fault: throttle}",
            "{name: a, when: {limit: 5}, fault: throttle}",
            "{name: a, match: {resource: x}, fault: throttle}",
            "{name: a, match: {not: {service: sqs}}, fault: throttle}",
            "{name: a, fault: {latency: 1s}}",
            "{name: a, fault: {capacity: {rate: 1/s}}}",
        ] {
            let told = warnings(&format!("  - {first}\n  - {{name: b, match: {{service: s3}}, fault: internal}}\n"));
            assert_eq!(told, Vec::<String>::new(), "{first}");
        }
    }

    #[test]
    fn equal_patterns_are_covered_and_others_are_not_looked_into() {
        let first = "  - {name: a, match: {service: s3, resource: 'data/*', attempt: 1}, fault: throttle}\n";
        let second = |resource| {
            format!(
                "{first}  - {{name: b, match: {{service: s3, resource: '{resource}', attempt: 1}}, fault: internal}}\n"
            )
        };
        assert_eq!(warnings(&second("data/*")).len(), 1);
        assert_eq!(warnings(&second("data/x")).len(), 0);
    }

    #[test]
    fn what_excludes_itself_or_cannot_be_met_is_told() {
        let told = warnings("  - {name: a, match: {service: s3, not: {service: 's3*'}}, fault: throttle}\n");
        assert_eq!(told, ["the rule `a` can never fire: its `not` excludes all that its keys let in"]);
        let told =
            warnings("  - {name: a, match: {service: s3, operation: GetObject}, fault: {event_stream: {then: cut}}}\n");
        let expected = "the rule `a` can never fire: no operation that it matches can meet its fault \
                        (event stream cut after 0 events)";
        assert_eq!(told, [expected]);
    }

    #[test]
    fn a_code_that_only_a_head_would_carry_is_told() {
        let told =
            warnings("  - {name: a, match: {service: s3, operation: HeadObject}, fault: {error: {code: NoSuchKey}}}\n");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("the answer to a HEAD carries no code"), "{told:?}");
    }
}
