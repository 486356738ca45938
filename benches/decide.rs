//! What deciding about one request costs, by how many rules there are and whom they are about.
//!
//! `cargo bench --bench decide`. With a hundred rules it is meant to take one microsecond at most, in the median, and rules of other
//! services are meant to cost nothing. The last ones are the worst there can be: a hundred rules that must all be asked.

#![expect(clippy::unwrap_used, reason = "a profile that does not load ends the benchmark")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use squall::aws::catalog;
use squall::aws::request::{Head, decode};
use squall::profile::load::{self, Source};
use squall::profile::{Live, Seen};

/// A profile of rules that may name any of so many services.
fn live(rules: impl Iterator<Item = String>) -> Live {
    let mut text = "rules:\n".to_owned();
    for (number, rule) in rules.enumerate() {
        writeln!(text, "  - {{name: rule-{number}, {rule}}}").unwrap();
    }
    Live::new(load::load(&[Source { name: "bench.yaml".to_owned(), text }], Some(42)).unwrap().plan)
}

/// Rules of services other than DynamoDB, in turn.
fn others(count: usize) -> impl Iterator<Item = String> {
    let services = catalog::services().iter().filter(|service| service.name != "dynamodb").cycle();
    services.take(count).map(|service| format!("match: {{service: {}}}, fault: throttle", service.name))
}

fn deciding(criterion: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.PutItem"));
    headers.insert("amz-sdk-invocation-id", HeaderValue::from_static("0b9ac1b1-7d2f-4c3e-9d58-3f6a2d1c8e77"));
    headers.insert("amz-sdk-request", HeaderValue::from_static("attempt=1; max=3"));
    headers.insert("user-agent", HeaderValue::from_static("Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 lang/python#3.12"));
    let host = "dynamodb.us-east-1.amazonaws.com";
    let head = Head { method: &Method::POST, host, path: "/", query: None, headers: &headers };
    let body = br#"{"TableName": "orders", "Item": {"id": {"S": "17"}}}"#;
    let mut request = decode(&head, body).unwrap();
    request.is_about(squall::aws::resource::read(&request, &head, body));
    let seen = Seen { body, ..Seen::new(&request, head) };

    let own = |what: &'static str, rule: fn(usize) -> String| (what.to_owned(), live((0..100).map(rule)));
    let of_others = |count: usize| {
        let dynamodb =
            "match: {service: dynamodb}, when: {probability: 30%, per: invocation}, fault: throttle".to_owned();
        (format!("1 rule, and {count} of other services"), live(others(count).chain([dynamodb])))
    };
    let mixed = (0..100).map(|n| {
        let service = ["dynamodb", "s3", "sqs", "sns", "lambda", "kinesis", "ec2", "sts", "events", "kms"][n / 10];
        let more = ["", ", region: us-*", ", attempt: 1..2", ", resource: 'orders*'", ", not: {region: eu-*}"][n % 5];
        format!(
            "match: {{service: {service}{more}}}, when: {{probability: {}%, per: invocation}}, fault: throttle",
            n % 10
        )
    });
    let plans = [
        ("100 rules, ten for each of ten services".to_owned(), live(mixed)),
        of_others(0),
        of_others(10),
        of_others(100),
        of_others(1_000),
        own("100 rules of the service, for other operations by wildcard", |_| {
            "match: {service: dynamodb, operation: [GetItem, 'Batch*']}, fault: throttle".to_owned()
        }),
        own("100 rules of the service, for other tables by wildcard", |n| {
            format!("match: {{service: dynamodb, resource: 'table-{n}-*'}}, fault: throttle")
        }),
        own("100 rules that all fit and lose their dice", |_| {
            "match: {service: dynamodb}, when: {probability: 0%}, fault: throttle".to_owned()
        }),
        own("100 rules that may fit any service, in other regions", |_| {
            "match: {region: 'eu-*'}, fault: throttle".to_owned()
        }),
    ];
    let of_own_service = [
        ("other regions by wildcard", (|_| "region: 'eu-*'".to_owned()) as fn(usize) -> String),
        ("other regions", |n| format!("region: eu-west-{n}")),
        ("other tables", |n| format!("resource: table-{n}")),
        ("other operations", |_| "operation: [GetItem, Query]".to_owned()),
        ("later attempts", |_| "attempt: 2..3".to_owned()),
    ];
    let of_own_service = of_own_service.into_iter().flat_map(|(what, key)| {
        let rule = move |n| format!("match: {{service: dynamodb, {}}}, fault: throttle", key(n));
        [1, 10, 100, 1_000]
            .map(|count| (format!("{count} rules of the service, for {what}"), live((0..count).map(rule))))
    });
    let plans = plans.into_iter().chain(of_own_service);
    for (what, live) in plans {
        let ruling = live.load();
        criterion.bench_function(&what, |bencher| {
            bencher.iter(|| black_box(ruling.decide(black_box(&seen), Duration::from_secs(1))));
        });
        criterion.bench_function(&format!("{what}: what to read"), |bencher| {
            bencher.iter(|| black_box(ruling.plan.asks_for_resource(&seen) || ruling.plan.asks_for_body(&seen)));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(300));
    targets = deciding
}
criterion_main!(benches);
