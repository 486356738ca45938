//! Tokens that expire in the middle of a scan, at the wire.

use serde_json::Value;

use super::{OK, answer_of};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const EXPIRE: &str = "rules: [{name: stale-token, fault: expire}]";

fn get_records(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.GetRecords\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn an_iterator_is_rejected_and_the_request_does_not_go_on() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(EXPIRE).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let told = client::exchange(&mut stream, get_records(r#"{"ShardIterator": "AAA"}"#)).await;
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!((told.status(), &body["__type"]), (400, &Value::from("ExpiredIteratorException")));
    assert_eq!(told.field("x-squall-fault").as_deref(), Some("stale-token"));
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn what_carries_no_token_passes_with_its_body_whole_and_is_told() {
    let aws = Upstream::plain(answer_of("{}")).await;
    let squall = squall::profile(EXPIRE).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let told = client::exchange(&mut stream, get_records(r#"{"Limit": 3}"#)).await;
    assert_eq!((told.status(), told.text().as_str(), told.field("x-squall-fault")), (200, "{}", None));
    assert_eq!(aws.only_request().body, br#"{"Limit": 3}"#);
    drop(stream);
    let finished = squall.finish().await;
    let rule = &finished.run().rules[0];
    assert_eq!((rule.matched, rule.fired), (1, 0));
}
