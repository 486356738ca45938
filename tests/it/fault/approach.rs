//! Connections that end before their first request.

use ::squall::ledger::Run;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{answer_of, lines, put};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

fn profile(target: &str, fault: &str) -> String {
    format!("name: t\nrules:\n  - name: r\n    match: {target}\n    fault: {fault}\n")
}

fn connect() -> String {
    format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n")
}

/// Whether everything ends in good order, with nothing read.
async fn ends_in_good_order(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut byte = [0];
    match soon("the end", stream.read(&mut byte)).await {
        Ok(n) => {
            assert_eq!(n, 0, "something was answered");
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_connect_to_a_matching_host_is_refused_or_reset_and_others_pass() {
    let dir = tempfile::tempdir().unwrap();
    for (n, (fault, clean)) in [("refuse", true), ("{reset: {at: connect}}", false)].into_iter().enumerate() {
        let ledger = dir.path().join(format!("{n}.jsonl"));
        let aws = Upstream::tls(|_| answer_of("hi").into_bytes()).await;
        let squall = squall::profile(&profile("{service: dynamodb, region: us-east-1}", fault)).toward(&aws);
        let squall = squall.keeping(&ledger).run();
        let mut stream = client::connect(squall.address).await;
        stream.write_all(connect().as_bytes()).await.unwrap();
        assert_eq!(ends_in_good_order(&mut stream).await, clean, "{fault}");
        client::tunnel(squall.address, "dynamodb.eu-west-1.amazonaws.com:443").await;
        let [line] = &lines(squall, &ledger).await[..] else { panic!() };
        assert_eq!(
            (
                &line["before_request"],
                &line["outcome"],
                &line["side"],
                &line["rules"],
                &line["method"],
                &line["service"]
            ),
            (
                &json!(true),
                &json!("injected"),
                &json!("injected"),
                &json!(["r"]),
                &json!("CONNECT"),
                &json!("dynamodb")
            )
        );
    }
}

#[tokio::test]
async fn a_handshake_is_reset_once_its_hello_has_come_and_the_connect_before_it_is_answered() {
    let aws = Upstream::tls(|_| answer_of("hi").into_bytes()).await;
    let squall = squall::profile(&profile("{host: 'dynamodb.*'}", "{reset: {at: handshake}}")).toward(&aws).run();
    let mut stream = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    stream.write_all(&client::hello(HOST)).await.unwrap();
    assert!(!ends_in_good_order(&mut stream).await);
    // Without a CONNECT before it as well.
    let mut stream = client::connect(squall.address).await;
    stream.write_all(&client::hello(HOST)).await.unwrap();
    assert!(!ends_in_good_order(&mut stream).await);
    drop(stream);
    let finished = squall.finish().await;
    let (run, summary) = (finished.run(), finished.proxy.ledger.summary(Run::default()));
    assert_eq!((run.connections.ended, run.rules[0].fired), (2, 2));
    assert_eq!((summary.exchanges.total, aws.connections()), (0, 0));
}

#[tokio::test]
async fn without_connect_or_tls_a_connection_is_judged_with_its_first_request_and_once() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let text = "name: t\nrules:\n  - name: r\n    when: {calls: 2..2}\n    fault: refuse\n";
    let squall = squall::profile(text).toward(&aws).run();
    let mut first = client::connect(squall.address).await;
    for _ in 0..2 {
        assert_eq!(client::exchange(&mut first, put()).await.text(), "hi");
    }
    let mut second = client::connect(squall.address).await;
    second.write_all(put().as_bytes()).await.unwrap();
    assert!(ends_in_good_order(&mut second).await);
    drop((first, second));
    let counts = squall.finish().await.proxy.ledger.summary(Run::default()).aws;
    assert_eq!((counts.injected, counts.answered, aws.requests().len()), (1, 2, 2));
}
