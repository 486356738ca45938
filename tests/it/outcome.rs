//! Whose fault it was: every exchange ends in the ledger once, on the right side.

use ::squall::ledger::{Run, Summary};
use ::squall::net::target::{Scheme, Target};
use tokio::io::AsyncWriteExt;

use crate::support::squall::Squall;
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const REQUEST: &str = "POST / HTTP/1.1\r\nHost: dynamodb.us-east-1.amazonaws.com\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n\
                       Content-Length: 2\r\n\r\n{}";

async fn summary(squall: Squall) -> Summary {
    squall.finish().await.proxy.ledger.summary(Run::default())
}

#[tokio::test]
async fn an_answer_is_the_upstreams_whatever_its_status() {
    let aws = Upstream::plain("HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nerr").await;
    let squall = squall::calm().toward(&aws).run();
    client::exchange(&mut client::connect(squall.address).await, REQUEST).await;
    let aws = summary(squall).await.aws;
    assert_eq!((aws.attempts, aws.answered, aws.upstream_5xx, aws.injected), (1, 1, 1, 0));
    assert_eq!((aws.request_bytes, aws.response_bytes), (2, 3));
}

#[tokio::test]
async fn an_injected_error_is_never_mistaken_for_the_upstreams() {
    let aws = Upstream::plain("").await;
    let squall = squall::profile("name: t\nrules:\n  - name: t\n    fault: internal\n").toward(&aws).run();
    assert_eq!(client::exchange(&mut client::connect(squall.address).await, REQUEST).await.status(), 500);
    let aws = summary(squall).await.aws;
    assert_eq!((aws.attempts, aws.injected, aws.upstream_5xx, aws.upstream_failed), (1, 1, 0, 0));
}

#[tokio::test]
async fn a_far_end_that_hangs_up_is_to_blame_itself() {
    let aws = Upstream::plain("").await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(client::rest(&mut stream).await.unwrap_or_default(), b"");
    let aws = summary(squall).await.aws;
    assert_eq!((aws.attempts, aws.upstream_failed, aws.client_gone), (1, 1, 0));
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_the_proxys_to_tell() {
    let squall = squall::calm().toward_target(Target::new(Scheme::Http, "127.0.0.1", 1)).run();
    assert_eq!(client::exchange(&mut client::connect(squall.address).await, REQUEST).await.status(), 502);
    let aws = summary(squall).await.aws;
    assert_eq!((aws.attempts, aws.proxy_failed, aws.upstream_5xx), (1, 1, 0));
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_held_back_is_recorded_as_gone() {
    let aws = Upstream::plain("").await;
    let squall = squall::profile("name: t\nrules:\n  - name: t\n    fault: {latency: 60s}\n").toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    // It has to be seen before it leaves; the rule's tally says when it was.
    while squall.proxy().live.load().tallies()[0].matched == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    let aws_summary = summary(squall).await.aws;
    assert_eq!((aws_summary.attempts, aws_summary.client_gone), (1, 1));
    assert!(aws.requests().is_empty());
}
