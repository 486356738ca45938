//! Batches of which some items fail, at the wire: what goes on, what comes back, and what cannot be done.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const LOSSY: &str =
    "rules: [{name: lossy, match: {service: [sqs, dynamodb]}, fault: {partial: {items: {keys: \"bad*\"}}}}]";

fn send(entries: &[&str], extra: &str) -> String {
    let entries: Vec<_> = entries.iter().map(|id| json!({"Id": id, "MessageBody": "x"})).collect();
    let body = json!({"QueueUrl": "http://q", "Entries": entries}).to_string();
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AmazonSQS.SendMessageBatch\r\nAccept-Encoding: gzip\r\n\
         Content-Type: application/x-amz-json-1.0\r\nX-Amz-Content-Sha256: {}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        "0".repeat(64),
        body.len()
    )
}

fn answer_of(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const DONE: &str = r#"{"Successful": [{"Id": "good", "MessageId": "1"}]}"#;

#[tokio::test]
async fn the_others_go_on_alone_and_the_answer_tells_of_both() {
    let aws = Upstream::plain(answer_of(DONE)).await;
    let squall = squall::profile(LOSSY).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let told = client::exchange(&mut stream, send(&["bad1", "good", "bad2"], "Expect: 100-continue\r\n")).await;
    // The client that waits is asked for its body by Squall.
    let told = if told.status() == 100 { client::answer(&mut stream).await } else { told };
    assert_eq!((told.status(), told.field("x-squall-fault").as_deref()), (200, Some("lossy")));
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    let failed: Vec<_> = body["Failed"].as_array().unwrap().iter().map(|entry| entry["Id"].clone()).collect();
    assert_eq!((failed, &body["Successful"][0]["Id"]), (vec![json!("bad1"), json!("bad2")], &json!("good")));
    let seen = aws.only_request();
    let sent: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent["Entries"], json!([{"Id": "good", "MessageBody": "x"}]));
    assert_eq!(seen.field("content-length"), Some(seen.body.len().to_string().as_str()));
    assert_eq!(seen.field("x-amz-content-sha256"), Some(crate::support::sigv4::sha256(&seen.body).as_str()));
    assert_eq!((seen.field("accept-encoding"), seen.field("expect")), (Some("identity"), None));
    drop(stream);
    let finished = squall.finish().await;
    let summary = finished.proxy.ledger.summary(finished.run());
    let items = summary.run.rules[0].items.clone().unwrap();
    assert_eq!((items.failed, items.lost, items.names), (2, 2, vec!["bad1".into(), "bad2".into()]));
    assert_eq!(summary.aws.injected, 1);
}

#[tokio::test]
async fn where_all_fail_nothing_is_forwarded_and_where_none_is_chosen_nothing_is_touched() {
    let aws = Upstream::plain(answer_of(DONE)).await;
    let squall = squall::profile(LOSSY).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let told = client::exchange(&mut stream, send(&["bad1", "bad2"], "")).await;
    assert_eq!((told.status(), told.field("content-type").as_deref()), (200, Some("application/x-amz-json-1.0")));
    assert!(told.field("x-amzn-requestid").is_some() && told.field("date").is_some(), "{told:?}");
    let body: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!((body["Failed"].as_array().unwrap().len(), &body["Successful"]), (2, &json!([])));
    assert!(aws.requests().is_empty());

    let untouched = send(&["good"], "");
    let told = client::exchange(&mut stream, &untouched).await;
    assert_eq!((told.text().as_str(), told.field("x-squall-fault")), (DONE, None));
    assert!(untouched.as_bytes().ends_with(&aws.only_request().body));
    assert_eq!(aws.only_request().field("accept-encoding"), Some("gzip"));
    // What is no batch passes as well.
    let other = send(&["bad"], "").replace("SendMessageBatch", "ListQueues");
    assert_eq!(client::exchange(&mut stream, other).await.text(), DONE);
    drop(stream);
    let finished = squall.finish().await;
    let rule = &finished.run().rules[0];
    assert_eq!((rule.matched, rule.fired), (3, 1));
    assert_eq!(rule.remarks, ["did nothing to 1, which was no batch, or none of its items was chosen"]);
}

#[tokio::test]
async fn compressed_and_chunked_answers_are_joined() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(DONE.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let mut compressed =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len()).into_bytes();
    compressed.extend(gzip);
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{DONE}\r\n0\r\n\r\n", DONE.len());
    for answer in [compressed, chunked.into_bytes()] {
        let aws = Upstream::plain(answer).await;
        let squall = squall::profile(LOSSY).toward(&aws).run();
        let told = client::exchange(&mut client::connect(squall.address).await, send(&["bad", "good"], "")).await;
        let body: Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!((&body["Failed"][0]["Id"], &body["Successful"][0]["Id"]), (&json!("bad"), &json!("good")));
        assert_eq!((told.field("content-encoding"), told.field("transfer-encoding")), (None, None));
        assert_eq!(told.field("content-length"), Some(told.body.len().to_string()));
    }
}

#[tokio::test]
async fn an_error_of_the_far_ends_own_passes_and_the_rule_did_not_fire() {
    let error = "HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nerror";
    let aws = Upstream::plain(error).await;
    let squall = squall::profile(LOSSY).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let told = client::exchange(&mut stream, send(&["bad", "good"], "")).await;
    assert_eq!((told.status(), told.text().as_str(), told.field("x-squall-fault")), (400, "error", None));
    drop(stream);
    let finished = squall.finish().await;
    let summary = finished.proxy.ledger.summary(finished.run());
    assert_eq!((summary.run.rules[0].fired, summary.run.rules[0].items.clone()), (0, None));
}

#[tokio::test]
async fn an_answer_that_cannot_be_joined_is_told_in_squalls_own_name() {
    let aws = Upstream::plain("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").await;
    let squall = squall::profile(LOSSY).toward(&aws).run();
    let told = client::exchange(&mut client::connect(squall.address).await, send(&["bad", "good"], "")).await;
    assert_eq!((told.status(), told.field("x-squall-error").as_deref()), (502, Some("not-joined")));
    assert!(told.text().contains("rule lossy"), "{}", told.text());
}

#[tokio::test]
async fn a_body_too_large_to_be_kept_passes_whole() {
    let aws = Upstream::plain(answer_of(DONE)).await;
    let squall = squall::profile(LOSSY).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let filler = " ".repeat(8 << 20);
    let body = format!(r#"{{"Entries": [{{"Id": "bad"}}]{filler}}}"#);
    let head = send(&[], "").split("Content-Length").next().unwrap().to_owned();
    let told = client::exchange(&mut stream, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    assert_eq!(told.text(), DONE);
    assert_eq!(aws.only_request().body.len(), body.len());
    drop(stream);
    let finished = squall.finish().await;
    let why = finished.run().rules[0].why_never.clone().unwrap();
    assert!(why.contains("more than 8 MiB"), "{why}");
}

#[tokio::test]
async fn an_item_that_comes_again_is_told_apart_from_one_that_never_does() {
    let once = LOSSY.replace("fault:", "when: {calls: first 1}, fault:");
    let aws = Upstream::plain_with(|_| answer_of(r#"{"Successful": [], "Failed": []}"#).into_bytes()).await;
    let squall = squall::profile(&once).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let entry = |id: &str, text: &str| send(&[id], "").replace("\"x\"", &format!("\"{text}\""));
    let both = send(&["bad1", "bad2"], "").replacen("\"x\"", "\"1\"", 1).replacen("\"x\"", "\"2\"", 1);
    assert!(client::exchange(&mut stream, both).await.text().contains("bad2"));
    // Under another id, and struck by nothing.
    assert_eq!(client::exchange(&mut stream, entry("again", "2")).await.status(), 200);
    drop(stream);
    let finished = squall.finish().await;
    let summary = finished.proxy.ledger.summary(finished.run());
    let items = summary.run.rules[0].items.clone().unwrap();
    assert_eq!((items.failed, items.lost, items.names), (2, 1, vec!["bad1".into()]));
}

#[tokio::test]
async fn records_of_an_event_go_to_the_function_without_those_that_fail() {
    let aws = Upstream::plain(answer_of("null")).await;
    let rule = "rules: [{name: lossy, match: {service: lambda, operation: Invoke}, fault: {partial: every 2nd}}]";
    let squall = squall::profile(rule).toward(&aws).run();
    let body = r#"{"Records": [{"messageId": "a"}, {"messageId": "b"}, {"messageId": "c"}]}"#;
    let invoke = |kind: &str| {
        let scope =
            "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=f";
        format!(
            "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost\r\nAuthorization: {scope}\r\n\
             X-Amz-Invocation-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut stream = client::connect(squall.address).await;
    let told = client::exchange(&mut stream, invoke("RequestResponse")).await;
    assert_eq!(told.text(), r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#);
    let sent: Value = serde_json::from_slice(&aws.only_request().body).unwrap();
    assert_eq!(sent["Records"], json!([{"messageId": "a"}, {"messageId": "c"}]));
    // An invocation that waits for no answer has nothing to be told in.
    assert_eq!(client::exchange(&mut stream, invoke("Event")).await.text(), "null");
    assert_eq!(aws.requests()[1].body, body.as_bytes());
}
