//! When rules strike, as clients meet it.

use tokio::io::AsyncWriteExt;

use crate::support::squall::Squall;
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, eventually, soon, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn get(key: &str) -> String {
    format!(
        "GET /{key} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n"
    )
}

async fn until_fired(squall: &Squall, times: u64) {
    eventually("a strike", || squall.proxy().live.load().tallies()[0].fired >= times).await;
}

#[tokio::test]
async fn beyond_its_capacity_a_prefix_slows_down_and_others_do_not() {
    let aws = Upstream::plain(OK).await;
    let rule = "name: t\nrules:\n  - name: t\n    fault: {capacity: {rate: 1/h, burst: 2, per: prefix}}\n";
    let squall = squall::profile(rule).toward(&aws).run();
    let mut told = Vec::new();
    for key in ["b/in/1", "b/in/2", "b/in/3", "b/out/1", "b/in/4"] {
        // S3 ends a connection with such an answer.
        let mut stream = client::connect(squall.address).await;
        let answer = client::exchange(&mut stream, get(key)).await;
        told.push((answer.status(), answer.text().contains("<Code>SlowDown</Code>")));
    }
    let (passed, slowed) = ((200, false), (503, true));
    assert_eq!(told, [passed, passed, slowed, passed, slowed]);
    assert_eq!(aws.requests().len(), 3);
}

#[tokio::test]
async fn what_max_active_counts_is_under_way_until_its_exchange_ends() {
    let aws = Upstream::plain(OK).await;
    let rule = "name: t\nrules:\n  - name: t\n    when: {max_active: 1}\n    fault: {latency: 1h}\n";
    let squall = squall::profile(rule).toward(&aws).run();
    let mut held = client::connect(squall.address).await;
    held.write_all(get("held").as_bytes()).await.unwrap();
    until_fired(&squall, 1).await;
    let mut other = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut other, get("other")).await.status(), 200);
    drop(held);
    // As soon as the first is known to be gone, another is held in its place.
    let held_next = async {
        loop {
            tokio::select! {
                answer = client::exchange(&mut other, get("next")) => assert_eq!(answer.status(), 200),
                () = until_fired(&squall, 2) => break,
            }
        }
    };
    soon("the second strike", held_next).await;
}
