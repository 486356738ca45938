//! What the first connection to a host costs beyond every later one: minting its leaf.
//!
//! `cargo bench --bench mint`. A leaf is meant to cost 150 microseconds of CPU at most, in the median, and one that is kept next to
//! nothing.

#![expect(clippy::unwrap_used, reason = "an authority that cannot be made ends the benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use squall::net::authority::CertificateAuthority;
use squall::net::name::{HostName, Permitted};

fn minting(criterion: &mut Criterion) {
    let authority = CertificateAuthority::create(Permitted::with_loopback(["amazonaws.com"])).unwrap();
    let mut bucket = 0_u64;
    criterion.bench_function("the leaf of a host that is new", |bencher| {
        bencher.iter(|| {
            bucket += 1;
            let host = HostName::parse(&format!("bucket-{bucket}.s3.us-east-1.amazonaws.com"));
            black_box(authority.server_config(&host, false).unwrap())
        });
    });
    let host = HostName::parse("s3.us-east-1.amazonaws.com");
    criterion.bench_function("the leaf of a host that is known", |bencher| {
        bencher.iter(|| black_box(authority.server_config(black_box(&host), false).unwrap()));
    });
}

criterion_group!(benches, minting);
criterion_main!(benches);
