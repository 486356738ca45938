use super::super::tests::{parse, request};
use super::*;

fn capacity(yaml: &str) -> Box<dyn Fault> {
    parse(yaml).unwrap().remove(0)
}

fn second(second: f64) -> Duration {
    Duration::from_secs_f64(second)
}

/// How many of these costs, one after the other at these seconds, there was enough for.
fn taken(yaml: &str, costs: &[(f64, f64)]) -> Vec<bool> {
    let fault = capacity(yaml);
    let capacity = fault.capacity().unwrap();
    let mut buckets = capacity.full(Duration::ZERO);
    costs.iter().map(|(at, cost)| capacity.take(&mut buckets, &[*cost], second(*at))).collect()
}

#[test]
fn a_burst_is_there_at_once_and_then_the_rate() {
    let costs = [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.05, 1.0), (0.1, 1.0), (0.1, 1.0), (9.0, 2.0), (9.0, 1.0)];
    let expected = [true, true, false, false, true, false, true, false];
    assert_eq!(taken("{capacity: {rate: 10/s, burst: 2}}", &costs), expected);
}

#[test]
fn without_a_burst_a_second_of_the_rate_is_there_and_never_less_than_one() {
    assert_eq!(taken("{capacity: {rate: 2/s}}", &[(0.0, 1.0); 3]), [true, true, false]);
    assert_eq!(taken("{capacity: {rate: 6/m}}", &[(0.0, 1.0), (5.0, 1.0), (10.0, 1.0)]), [true, false, true]);
}

#[test]
fn what_costs_more_than_a_bucket_holds_takes_a_full_one_into_debt() {
    let costs = [(0.0, 25.0), (1.0, 1.0), (1.6, 1.0), (2.5, 25.0), (2.6, 25.0)];
    assert_eq!(taken("{capacity: {rate: 10/s, burst: 10}}", &costs), [true, false, true, false, true]);
}

#[test]
fn time_that_goes_backwards_fills_nothing_twice() {
    let costs = [(5.0, 10.0), (4.0, 1.0), (5.0, 1.0), (5.1, 1.0)];
    assert_eq!(taken("{capacity: {rate: 10/s, burst: 10}}", &costs), [true, false, false, true]);
}

#[test]
fn of_two_limits_both_must_hold_and_a_refusal_costs_neither() {
    let fault = capacity("{capacity: kinesis-shard}");
    let capacity = fault.capacity().unwrap();
    let mut buckets = capacity.full(Duration::ZERO);
    assert!(capacity.take(&mut buckets, &[600.0, 1_000.0], Duration::ZERO));
    assert!(!capacity.take(&mut buckets, &[500.0, 1_000.0], Duration::ZERO));
    assert!(capacity.take(&mut buckets, &[400.0, 999_000.0], Duration::ZERO));
    assert!(!capacity.take(&mut buckets, &[0.0, 1.0], Duration::ZERO));
    assert!(capacity.take(&mut buckets, &[0.0, 0.0], Duration::ZERO));
}

#[test]
fn what_is_put_back_can_be_taken_again_and_never_fills_over() {
    let fault = capacity("{capacity: {rate: 1/h, burst: 2}}");
    let capacity = fault.capacity().unwrap();
    let mut buckets = capacity.full(Duration::ZERO);
    assert!(capacity.take(&mut buckets, &[2.0], Duration::ZERO));
    capacity.put_back(&mut buckets, &[1.0]);
    assert!(
        capacity.take(&mut buckets, &[1.0], Duration::ZERO) && !capacity.take(&mut buckets, &[1.0], Duration::ZERO)
    );
    capacity.put_back(&mut buckets, &[9.0]);
    assert_eq!(buckets, capacity.full(Duration::ZERO));
}

#[test]
fn ready_made_capacities_hold_what_aws_documents() {
    let limits = |name: &str, service: &str, operation: &str| -> Vec<(f64, f64, &str)> {
        let fault = capacity(&format!("{{capacity: {name}}}"));
        let capacity = fault.capacity().unwrap();
        let request = request(service, operation);
        let operation = request.reading().unwrap().operation;
        let limits = capacity.limits().iter().filter(|limit| capacity.applies(&request) && limit.applies(operation));
        limits.map(|limit| (limit.rate, limit.burst, limit.unit.as_str())).collect()
    };
    assert_eq!(limits("s3-prefix", "s3", "PutObject"), [(3_500.0, 3_500.0, "requests")]);
    assert_eq!(limits("s3-prefix", "s3", "HeadObject"), [(5_500.0, 5_500.0, "requests")]);
    assert_eq!(
        limits("kinesis-shard", "kinesis", "PutRecords"),
        [(1_000.0, 1_000.0, "items"), (1_000_000.0, 1_000_000.0, "data")]
    );
    assert!(limits("kinesis-shard", "kinesis", "GetRecords").is_empty());
    assert_eq!(limits("dynamodb-table", "dynamodb", "BatchWriteItem"), [(4_000.0, 4_000.0, "items")]);
    assert_eq!(limits("dynamodb-table", "dynamodb", "Query"), [(12_000.0, 12_000.0, "items")]);
    assert_eq!(limits("ec2-requests", "ec2", "DescribeInstances"), [(20.0, 100.0, "requests")]);
    assert_eq!(limits("ec2-requests", "ec2", "RunInstances"), [(5.0, 50.0, "requests")]);
    assert!(limits("ec2-requests", "s3", "PutObject").is_empty());
}

#[test]
fn what_is_over_is_throttled_in_the_services_own_words() {
    let fault = capacity("{capacity: kinesis-shard}");
    let effect = fault.effect(&request("kinesis", "PutRecord"), &mut Draw::new([0; 32]));
    let Effect::Instead(Instead::Error(error)) = effect else { panic!("{effect:?}") };
    assert_eq!(error.code, "ProvisionedThroughputExceededException");
    assert!(fault.is_terminal());
}

#[test]
fn a_capacity_that_counts_nothing_the_rule_matches_raises_doubt() {
    let doubt = |yaml: &str, service: &str, operation: &str| {
        let request = request(service, operation);
        let reading = request.reading().unwrap();
        capacity(yaml).doubt(&[(reading.service, reading.operation.unwrap())])
    };
    let complaint = doubt("{capacity: kinesis-shard}", "kinesis", "GetRecords").unwrap();
    assert_eq!(complaint.message, "`kinesis-shard` counts no operation that this rule matches");
    assert_eq!(
        complaint.help.as_deref(),
        Some("it is about kinesis: 1,000 records and 1 MB written per second and stream")
    );
    assert!(doubt("{capacity: s3-prefix}", "sqs", "SendMessage").is_some());
    assert_eq!(doubt("{capacity: s3-prefix}", "s3", "GetObject"), None);
    assert_eq!(doubt("{capacity: {rate: 1/s}}", "s3", "GetObject"), None);
}

#[test]
fn every_ready_made_capacity_is_documented() {
    assert_eq!(preset::PRESETS.each_ref().map(|preset| preset.name), PRESET_NAMES);
    for name in PRESET_NAMES {
        assert!(CAPACITY.details.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn capacities_are_told_in_words() {
    for (yaml, words) in [
        ("{capacity: {rate: 100/s}}", "capacity of 100/s requests, 100 at once"),
        (
            "{capacity: {rate: 1MB/s, burst: 4MiB, per: resource}}",
            "capacity of 1000000/s bytes, 4194304 at once, per resource",
        ),
        (
            "{capacity: {rate: 30/m, burst: 5, unit: items, per: prefix}}",
            "capacity of 0.5/s items, 5 at once, per prefix",
        ),
        ("{capacity: {preset: s3-prefix}}", "capacity of s3-prefix"),
    ] {
        assert_eq!(capacity(yaml).to_string(), words);
    }
}

#[test]
fn wrong_settings_are_told_plainly() {
    for (yaml, message) in [
        ("capacity", "`capacity` needs a rate"),
        ("{capacity: {burst: 5}}", "`capacity` lacks the key `rate`"),
        ("{capacity: s3-prefx}", "unknown capacity `s3-prefx`"),
        ("{capacity: 100/s}", "unknown capacity `100/s`"),
        ("{capacity: {rate: 100}}", "`100` is not a rate; write `100/s`, `6000/m` or `1MB/s`"),
        ("{capacity: {rate: 0/s}}", "`0/s` is not a rate; write `100/s`, `6000/m` or `1MB/s`"),
        ("{capacity: {rate: 5/d}}", "`5/d` is not a rate; write `100/s`, `6000/m` or `1MB/s`"),
        ("{capacity: {rate: 1MB/s, unit: items}}", "the rate is one of bytes, and `unit` says items"),
        (
            "{capacity: {rate: 1/s, burst: 0}}",
            "`0` is not a burst; write a number of at least 1, or a size as in `4MB`",
        ),
        ("{capacity: {rate: 1/s, unit: rows}}", "`rows` is not a unit"),
        ("{capacity: {rate: 1/s, per: table}}", "`table` is not what has a bucket"),
        ("{capacity: {preset: s3-prefix, rate: 1/s}}", "`rate` cannot be given beside `preset`, which says it"),
        ("[capacity: {rate: 1/s}, throttle]", "a second fault that answers the request: only one answer can be given"),
    ] {
        assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
    }
    let help = parse("{capacity: 100/s}").unwrap_err().help.unwrap();
    assert_eq!(help, "write `capacity: {rate: 100/s}`");
}
