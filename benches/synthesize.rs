//! What writing one error costs, from the request as decoded to the bytes of the answer: one case a protocol, and the long ones.
//!
//! `cargo bench --bench synthesize`. Writing an error is meant to take two microseconds at most, in the median.

#![expect(clippy::unwrap_used, reason = "services that do not exist end the benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use squall::aws::catalog;
use squall::aws::idiom::{Idiom, idiom};
use squall::aws::protocol::{AwsError, Stamp, event_stream, synthesize};
use squall::aws::request::{AwsRequest, Protocol, Reading};

fn request(service: &str, operation: &str, protocol: Protocol) -> AwsRequest {
    let service = catalog::service(service).unwrap();
    let reading = Reading { service, operation: Some(service.operation(operation).unwrap()) };
    AwsRequest { region: Some("us-east-1".into()), ..AwsRequest::of(reading, protocol) }
}

fn stamp() -> Stamp {
    Stamp { date: "2025-06-01T12:00:00Z".parse().unwrap(), id: 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0 }
}

fn writing(criterion: &mut Criterion) {
    let stamp = stamp();
    for (service, operation, protocol) in [
        ("dynamodb", "PutItem", Protocol::Json10),
        ("kms", "Encrypt", Protocol::Json11),
        ("lambda", "Invoke", Protocol::RestJson),
        ("cloudwatch", "PutMetricData", Protocol::Cbor),
        ("iam", "GetUser", Protocol::Query),
        ("ec2", "RunInstances", Protocol::Ec2),
        ("route53", "ListHostedZones", Protocol::RestXml),
        ("s3", "GetObject", Protocol::RestXml),
        ("s3", "HeadObject", Protocol::RestXml),
    ] {
        let request = request(service, operation, protocol);
        criterion.bench_function(&format!("throttle {service} {operation}"), |bencher| {
            bencher.iter(|| synthesize(black_box(&request), &idiom(&request, Idiom::Throttle), &stamp));
        });
    }
    let error = |code: &str| AwsError { code: code.into(), status: None, message: None, members: Vec::new() };
    let transaction = AwsRequest { items: Some(25), ..request("dynamodb", "TransactWriteItems", Protocol::Json10) };
    let canceled = error("TransactionCanceledException");
    criterion.bench_function("a transaction of 25 items, canceled", |bencher| {
        bencher.iter(|| synthesize(black_box(&transaction), &canceled, &stamp));
    });
    let converse = request("bedrock-runtime", "ConverseStream", Protocol::RestJson);
    let throttled = error("ThrottlingException");
    criterion.bench_function("an exception in an event stream", |bencher| {
        bencher.iter(|| event_stream::exception(black_box(&converse), &throttled, &stamp));
    });
}

criterion_group!(benches, writing);
criterion_main!(benches);
