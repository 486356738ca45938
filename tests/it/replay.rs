//! The same seed gives the same run: the same ledger to a client that asks in the same order, the same verdicts to the same calls in
//! any order.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value};

use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// One attempt of a call, about one of a few tables.
fn attempt(call: usize, attempt: usize) -> String {
    let body = format!(r#"{{"TableName": "table-{}", "Key": {{}}}}"#, call % 3);
    let operation = ["GetItem", "PutItem", "DeleteItem"][call % 3];
    format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0\r\n\
         amz-sdk-invocation-id: call-{call}\r\namz-sdk-request: attempt={attempt}; max=3\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The lines of a ledger without what is a time of the day or was measured.
async fn ledger_of<F: Future>(profile: &str, ask: impl FnOnce(SocketAddr) -> F) -> Vec<Map<String, Value>> {
    let aws = Upstream::plain(OK).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.jsonl");
    let squall = squall::profile(profile).toward(&aws).keeping(&file).run();
    ask(squall.address).await;
    squall.finish().await.proxy.ledger.close().unwrap();
    let lines = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<Map<String, Value>> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        line.retain(|key, _| !matches!(key.as_str(), "started" | "first_byte_us" | "total_us"));
    }
    lines
}

#[tokio::test]
async fn a_sequential_client_run_twice_leaves_the_same_ledger_but_for_times() {
    let profile = "rules:
  - name: half
    match: {operation: [GetItem, PutItem]}
    when: {probability: 50%}
    fault: [throttle, latency: {min: 1ms, max: 3ms}]
  - name: by-table
    when: {calls: every 3rd, per: resource, probability: 40%}
    fault: internal
  - name: by-call
    when: {probability: 20%, per: invocation, limit: 10}
    fault: {latency: {min: 0.1ms, max: 1ms}}
  - name: by-client
    when: {probability: 30%, per: client}
    fault: unavailable
  - name: table
    fault: {capacity: {rate: 1/h, burst: 20, per: resource}}
";
    let ask = async |address| {
        let mut stream = client::connect(address).await;
        for call in 0..60 {
            for number in 1..=2 {
                client::exchange(&mut stream, attempt(call, number)).await;
            }
        }
    };
    let first = ledger_of(profile, ask).await;
    let second = ledger_of(profile, ask).await;
    assert_eq!(first.len(), 120);
    for rule in ["half", "by-table", "by-call", "by-client", "table"] {
        let struck =
            first.iter().filter(|line| line.get("rules").is_some_and(|rules| rules.to_string().contains(rule)));
        assert!((1..120).contains(&struck.count()), "{rule}");
    }
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first, second);
    }
}

/// What each attempt of each call met.
fn verdicts(lines: &[Map<String, Value>]) -> BTreeMap<(String, u64), (Value, Value, Value)> {
    let told = |line: &Map<String, Value>, key: &str| line.get(key).cloned().unwrap_or_default();
    let verdict = |line: &Map<String, Value>| {
        let key = (told(line, "invocation").as_str().unwrap().to_owned(), told(line, "attempt").as_u64().unwrap());
        (key, (told(line, "rules"), told(line, "outcome"), told(line, "delay_us")))
    };
    lines.iter().map(verdict).collect()
}

/// All attempts of all calls over so many connections at once.
async fn ask_in_parallel(address: SocketAddr, connections: usize) {
    let tasks = (0..connections).map(|nth| {
        tokio::spawn(async move {
            let mut stream = client::connect(address).await;
            for call in (nth..60).step_by(connections) {
                for number in 1..=3 {
                    client::exchange(&mut stream, attempt(call, number)).await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_parallel_client_with_the_same_calls_meets_the_same_verdict_for_each() {
    let profile = "rules:
  - name: half
    match: {operation: [GetItem, PutItem]}
    when: {probability: 50%, per: invocation}
    fault: [throttle, latency: {min: 1ms, max: 3ms}]
  - name: second-tries
    when: {calls: 2..2, probability: 50%, per: invocation}
    fault: internal
";
    let alone = verdicts(&ledger_of(profile, |address| ask_in_parallel(address, 1)).await);
    assert_eq!(alone.len(), 180);
    let struck = alone.values().filter(|(rules, ..)| !rules.is_null()).count();
    assert!((40..140).contains(&struck), "{struck} of 180");
    for connections in [4, 12] {
        let together = verdicts(&ledger_of(profile, |address| ask_in_parallel(address, connections)).await);
        assert_eq!(together, alone);
    }
}
