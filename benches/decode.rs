//! What reading one request costs: every request under `tests/fixtures/decode`, and one of each kind by name.
//!
//! `cargo bench --bench decode`. A single decode is meant to take three microseconds at most, in the median; what the first request pays
//! for parsing the catalog is not in it.

#![expect(clippy::unwrap_used, reason = "fixtures that cannot be read end the benchmark")]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use squall::aws::request::{decode, needs_body};

#[path = "../tests/it/support/written.rs"]
mod written;

use written::{Written, cases};

fn read(request: &Written) {
    let head = request.head();
    let body = if needs_body(&head) { &*request.body } else { &[] };
    let _ = black_box(decode(black_box(&head), black_box(body)));
}

fn decoding(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decode");
    for case in [
        "dynamodb-PutItem",
        "s3-GetObject-virtual-host",
        "s3-PutObject-presigned-sigv4",
        "ec2-DescribeInstances",
        "lambda-Invoke",
        "cloudwatch-PutMetricData-cbor",
        "rds-CreateDBCluster-three-readings",
        "s3-GetObject-anonymous-sdk-localhost",
        "dynamodb-DescribeTable-terraform",
        "cloudwatch-PutMetricData-compressed-form",
    ] {
        let request = Written::of_case(&folder.join(case));
        criterion.bench_function(case, |bencher| bencher.iter(|| read(&request)));
    }
    let all: Vec<_> = cases(&folder).iter().map(|case| Written::of_case(case)).collect();
    criterion.bench_function("all fixtures, each once", |bencher| bencher.iter(|| all.iter().for_each(read)));
}

criterion_group!(benches, decoding);
criterion_main!(benches);
