//! Injected trouble as a client meets it.

mod again;
mod approach;
mod changed;
mod ended;
mod expire;
mod in_ok;
mod late;
mod partial;
mod skewed;
mod stale;
mod streams;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use ::squall::clock;
use ::squall::net::target::{Scheme, Target};
use tokio::io::AsyncWriteExt;

use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

/// A profile with one rule for PutItem.
fn on_put_item(fault: &str) -> String {
    format!("name: t\nrules:\n  - name: r\n    match: {{operation: PutItem}}\n    fault: {fault}\n")
}

/// An empty PutItem.
fn put() -> String {
    format!("{}{{}}", put_item("", 2))
}

/// An answer of HTTP/1.1 with this body.
fn answer_of(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The same in two chunks.
fn chunked(first: &str, second: &str) -> String {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n", chunk(first), chunk(second))
}

/// Everything until the connection ends, without the head, and whether it ended in good order.
async fn body_and_end<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> (String, bool) {
    let mut all = Vec::new();
    let clean = soon("the end of the connection", tokio::io::AsyncReadExt::read_to_end(stream, &mut all)).await.is_ok();
    let text = String::from_utf8(all).unwrap();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (body.unwrap_or(text), clean)
}

/// The ledger's lines once Squall has ended.
async fn lines(squall: squall::Squall, ledger: &Path) -> Vec<Value> {
    let finished = squall.finish().await;
    finished.proxy.ledger.close().unwrap();
    let text = std::fs::read_to_string(ledger).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const THROTTLE: &str = "name: t\nrules:\n  - name: throttle-writes\n    match: {service: dynamodb, operation: PutItem}\n    fault: throttle\n";
const SLOW_DOWN: &str = "name: t\nrules:\n  - name: slow-down\n    match: {service: s3}\n    fault: throttle\n";

fn put_item(extra: &str, length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n\
         Content-Type: application/x-amz-json-1.0\r\n{AUTHORIZATION}{extra}Content-Length: {length}\r\n\r\n"
    )
}

const AUTHORIZATION: &str = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host, Signature=0\r\n";
const S3_AUTHORIZATION: &str = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/s3/aws4_request, \
                                SignedHeaders=host, Signature=0\r\n";

#[tokio::test]
async fn a_throttled_put_never_reaches_dynamodb_and_the_connection_goes_on() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(THROTTLE).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    for _ in 0..3 {
        let answer = client::exchange(&mut stream, format!("{}{{}}", put_item("", 2))).await;
        assert_eq!(answer.status(), 400);
        assert!(answer.text().contains("ProvisionedThroughputExceededException"), "{answer:?}");
        assert_eq!(answer.field("x-squall-fault").as_deref(), Some("throttle-writes"));
        assert_eq!(answer.field("connection"), None);
        let crc = crc32fast::hash(&answer.body).to_string();
        assert_eq!(answer.field("x-amz-crc32"), Some(crc));
        assert!(answer.field("date").is_some() && answer.field("x-amzn-requestid").is_some(), "{answer:?}");
    }
    assert!(aws.requests().is_empty());
    // What the rule does not match passes, on the same connection.
    let get_item = format!("{}{{}}", put_item("", 2)).replace("PutItem", "GetItem");
    assert_eq!(client::exchange(&mut stream, get_item).await.text(), "hi");
    assert_eq!(aws.requests().len(), 1);
}

#[tokio::test]
async fn a_canceled_transaction_gives_a_reason_for_each_item_however_long_it_is() {
    let aws = Upstream::plain(OK).await;
    let rule = "rules: [{name: t, match: {operation: TransactWriteItems}, fault: {error: {code: TransactionCanceledException}}}]";
    let squall = squall::profile(rule).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let item = |n: usize| format!(r#"{{"Put": {{"TableName": "t", "Item": {{"x": {{"S": "{}"}}}}}}}}"#, "y".repeat(n));
    for length in [10, 40_000] {
        let body = format!(r#"{{"TransactItems": [{0}, {0}, {0}]}}"#, item(length));
        let request = put_item("", body.len()).replace("PutItem", "TransactWriteItems") + &body;
        let answer = client::exchange(&mut stream, request).await;
        let told = answer.text();
        assert!(told.contains("specific reasons [ConditionalCheckFailed, None, None]"), "{told}");
    }
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn s3_names_what_it_does_not_find_and_ends_the_connection_when_it_is_to_blame() {
    let aws = Upstream::plain(OK).await;
    for (fault, tells, connection) in [
        ("not_found", "<Key>a/key</Key>", None),
        ("error: {code: NoSuchBucket}", "<BucketName>bucket</BucketName>", None),
        ("throttle", "<Code>SlowDown</Code>", Some("close")),
    ] {
        let squall = squall::profile(
            &format!("rules:\n  - name: t\n    fault: {fault}\n").replace("fault: error:", "fault:\n      error:"),
        );
        let squall = squall.toward(&aws).run();
        let mut stream = client::connect(squall.address).await;
        let get = format!("GET /bucket/a/key HTTP/1.1\r\nHost: s3.amazonaws.com\r\n{S3_AUTHORIZATION}\r\n");
        let answer = client::exchange(&mut stream, get).await;
        assert!(answer.text().contains(tells), "{answer:?}");
        assert_eq!(answer.field("connection").as_deref(), connection);
    }
}

#[tokio::test]
async fn an_unmarked_answer_carries_no_trace_of_squall() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(THROTTLE).toward(&aws).unmarked().run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, format!("{}{{}}", put_item("", 2))).await;
    assert_eq!(answer.status(), 400);
    assert!(!answer.head.to_lowercase().contains("squall"), "{answer:?}");
}

#[tokio::test]
async fn a_large_upload_that_is_refused_early_sees_the_error_and_no_reset() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(SLOW_DOWN).toward(&aws).run();
    let answer = upload_64_mib(&squall).await;
    assert_eq!((answer.status(), answer.field("connection").as_deref()), (503, Some("close")));
    assert!(answer.text().contains("SlowDown"), "{answer:?}");
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn a_large_upload_to_an_unreachable_upstream_sees_the_502_and_no_reset() {
    let squall = squall::calm().toward_target(Target::new(Scheme::Http, "127.0.0.1", 1)).run();
    let answer = upload_64_mib(&squall).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("upstream-unreachable")));
}

/// Sends all of it, whatever is answered meanwhile, and sees to it that the connection ends cleanly.
async fn upload_64_mib(squall: &squall::Squall) -> client::Answer {
    let stream = client::connect(squall.address).await;
    let size = 64 << 20;
    let (mut reading, mut writing) = stream.into_split();
    let uploading = tokio::spawn(async move {
        let head = format!(
            "PUT /bucket/key HTTP/1.1\r\nHost: s3.amazonaws.com\r\n{S3_AUTHORIZATION}Content-Length: {size}\r\n\r\n"
        );
        writing.write_all(head.as_bytes()).await?;
        let chunk = vec![0; 1 << 20];
        for _ in 0..64 {
            writing.write_all(&chunk).await?;
        }
        Ok::<_, std::io::Error>(writing)
    });
    let answer = client::answer(&mut reading).await;
    let writing = soon("the whole upload", uploading).await.unwrap().expect("the upload was not cut");
    assert_eq!(client::rest(&mut reading).await.expect("a clean end"), b"");
    drop(writing);
    answer
}

#[tokio::test]
async fn an_upload_that_waits_for_100_continue_gets_the_error_instead() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(SLOW_DOWN).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let head = format!(
        "PUT /bucket/key HTTP/1.1\r\nHost: s3.amazonaws.com\r\n{S3_AUTHORIZATION}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    );
    let answer = client::exchange(&mut stream, head).await;
    assert_eq!((answer.status(), answer.field("connection").as_deref()), (503, Some("close")));
    stream.shutdown().await.unwrap();
    assert_eq!(client::rest(&mut stream).await.expect("a clean end"), b"");
}

#[tokio::test]
async fn an_error_in_answer_to_head_has_no_body() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(SLOW_DOWN).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let head =
        format!("HEAD /bucket/key HTTP/1.1\r\nHost: s3.amazonaws.com\r\nConnection: close\r\n{S3_AUTHORIZATION}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let seen = String::from_utf8(client::rest(&mut stream).await.unwrap()).unwrap();
    assert!(seen.starts_with("HTTP/1.1 503 ") && seen.ends_with("\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn latency_delays_what_passes_and_what_is_injected() {
    let aws = Upstream::plain(OK).await;
    let profile = "name: t\nrules:\n  - name: slow\n    fault: {latency: 80ms}\n  - name: slower\n    match: {operation: PutItem}\n    \
                   fault: [{latency: 40ms}, throttle]\n";
    let squall = squall::profile(profile).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let started = clock::now();
    assert_eq!(client::exchange(&mut stream, format!("{}{{}}", put_item("", 2))).await.status(), 400);
    assert!(started.elapsed() >= Duration::from_millis(120), "{:?}", started.elapsed());
    let started = clock::now();
    let get_item = format!("{}{{}}", put_item("", 2)).replace("PutItem", "GetItem");
    assert_eq!(client::exchange(&mut stream, get_item).await.status(), 200);
    assert!(started.elapsed() >= Duration::from_millis(80), "{:?}", started.elapsed());
    let fired: Vec<_> = squall.proxy().live.load().tallies().iter().map(|tally| tally.fired).collect();
    assert_eq!(fired, [2, 1]);
}

#[tokio::test]
async fn a_query_operation_is_read_from_the_form_and_the_form_arrives_whole() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(
        "name: t\nrules:\n  - name: t\n    match: {service: sts, operation: GetCallerIdentity}\n    fault: throttle\n",
    );
    let squall = squall.toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let form = |action: &str| {
        let body = format!("Action={action}&Version=2011-06-15&RoleArn={}", "x".repeat(20_000));
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nHost: sts.amazonaws.com\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let answer = client::exchange(&mut stream, form("GetCallerIdentity")).await;
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("<Code>Throttling</Code>"), "{answer:?}");
    assert_eq!(client::exchange(&mut stream, form("AssumeRole")).await.status(), 200);
    let seen = aws.only_request();
    assert_eq!(format!("{}{}", seen.head, String::from_utf8(seen.body).unwrap()), form("AssumeRole"));
}
