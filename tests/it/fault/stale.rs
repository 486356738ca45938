//! Reads that do not see yet what was written, at the wire.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::squall::clock;
use ::squall::profile::Skip;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{AUTHORIZATION, S3_AUTHORIZATION, lines};
use crate::support::client::Answer;
use crate::support::upstream::{HOST, Request, Upstream};
use crate::support::{client, http2, squall};

/// Much longer than any test takes.
const LONG: &str = "rules: [{name: old, fault: {stale: {for: 1h}}}]";

/// A table with items `{"id": {"S": …}, "v": {"S": …}}`. One that is `refuse` is refused, at one that is `break` it hangs up.
async fn table() -> Upstream {
    Upstream::plain_with(answer_of_table()).await
}

fn answer_of_table() -> impl Fn(&Request) -> Vec<u8> + Send + Sync {
    let (items, calls) = (Mutex::new(HashMap::<String, String>::new()), AtomicU32::new(0));
    move |request| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        let body: Value = serde_json::from_slice(&request.payload()).unwrap();
        let text = |place: &str| body.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let mut items = items.lock().unwrap();
        if let Some(id) = text("/Item/id/S") {
            let value = text("/Item/v/S").unwrap();
            match value.as_str() {
                "break" => return Vec::new(),
                "refuse" => return answer(400, call, r#"{"__type": "x#ConditionalCheckFailedException"}"#),
                _ => drop(items.insert(id, value)),
            }
            return answer(200, call, "{}");
        }
        let item =
            text("/Key/id/S").and_then(|id| items.get(&id).map(|v| json!({"Item": {"id": {"S": id}, "v": {"S": v}}})));
        answer(200, call, &item.unwrap_or_else(|| json!({})).to_string())
    }
}

fn answer(status: u16, call: u32, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nDate: Sat, 21 Nov 2020 12:00:00 GMT\r\nx-amzn-RequestId: CALL{call}\r\nx-amz-crc32: {}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len() * 7,
        body.len()
    )
    .into_bytes()
}

fn dynamodb(operation: &str, body: &Value) -> String {
    let body = body.to_string();
    let second = clock::wall().subsec_nanosecond();
    format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\n\
         Content-Type: application/x-amz-json-1.0\r\n{AUTHORIZATION}X-Amz-Date: {second}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn put(stream: &mut TcpStream, id: &str, value: &str) -> Answer {
    let item = json!({"TableName": "t", "Item": {"id": {"S": id}, "v": {"S": value}}});
    client::exchange(stream, dynamodb("PutItem", &item)).await
}

/// What an item is said to be, and by which rule.
async fn get(stream: &mut TcpStream, id: &str) -> (Option<String>, Option<String>) {
    let answer = client::exchange(stream, dynamodb("GetItem", &key(id))).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    (body.pointer("/Item/v/S").map(|v| v.as_str().unwrap().to_owned()), answer.field("x-squall-fault"))
}

fn key(id: &str) -> Value {
    json!({"TableName": "t", "Key": {"id": {"S": id}}})
}

fn of(value: &str) -> (Option<String>, Option<String>) {
    (Some(value.to_owned()), None)
}

fn stale(value: &str) -> (Option<String>, Option<String>) {
    (Some(value.to_owned()), Some("old".to_owned()))
}

#[tokio::test]
async fn a_read_after_a_write_gets_the_answer_from_before_and_the_write_is_carried_out() {
    let aws = table().await;
    let own = tempfile::tempdir().unwrap();
    let ledger = own.path().join("ledger.jsonl");
    let squall = squall::profile(LONG).toward(&aws).keeping(&ledger).run();
    let mut stream = client::connect(squall.address).await;
    put(&mut stream, "a", "1").await;
    let read = dynamodb("GetItem", &key("a"));
    let first = client::exchange(&mut stream, &read).await;
    assert_eq!(put(&mut stream, "a", "2").await.status(), 200);
    let again = client::exchange(&mut stream, dynamodb("GetItem", &key("a"))).await;
    assert_eq!((again.status(), &again.body), (200, &first.body));
    for name in ["x-amz-crc32", "content-type", "content-length"] {
        assert_eq!((again.field(name), again.field(name).is_some()), (first.field(name), true), "{name}");
    }
    for name in ["x-amzn-requestid", "date"] {
        assert!(again.field(name).is_some_and(|new| first.field(name).is_some_and(|old| old != new)), "{name}");
    }
    assert!(again.head.contains("x-amzn-RequestId: "), "{}", again.head);
    assert_eq!((first.field("x-squall-fault"), again.field("x-squall-fault")), (None, Some("old".to_owned())));
    // What asks for the same otherwise is not the same, and who asks for consistency has it.
    let consistent = json!({"TableName": "t", "Key": {"id": {"S": "a"}}, "ConsistentRead": true});
    let fresh = client::exchange(&mut stream, dynamodb("GetItem", &consistent)).await;
    assert!(fresh.text().contains(r#""v":{"S":"2"}"#) && fresh.field("x-squall-fault").is_none(), "{fresh:?}");
    assert_eq!(aws.requests().len(), 4);
    drop(stream);
    let tallies = squall.proxy().live.load().tallies();
    assert_eq!((tallies[0].matched, tallies[0].fired), (5, 1));
    assert_eq!([Skip::Unsuited, Skip::Consistent, Skip::NothingKept].map(|why| tallies[0].passed_over(why)), [2, 1, 1]);
    let lines = lines(squall, &ledger).await;
    let told = |at: usize| (lines[at]["outcome"].as_str().unwrap(), lines[at]["rules"].clone());
    assert_eq!([told(1), told(3)], [("answered", Value::Null), ("injected", json!(["old"]))]);
}

#[tokio::test]
async fn another_item_is_not_touched_and_a_list_is() {
    let aws = table().await;
    let squall = squall::profile(LONG).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    put(&mut stream, "a", "1").await;
    put(&mut stream, "b", "1").await;
    let scan = || dynamodb("Scan", &json!({"TableName": "t"}));
    let listed = client::exchange(&mut stream, scan()).await;
    assert_eq!((get(&mut stream, "a").await, get(&mut stream, "b").await), (of("1"), of("1")));
    put(&mut stream, "a", "2").await;
    assert_eq!((get(&mut stream, "a").await, get(&mut stream, "b").await), (stale("1"), of("1")));
    let again = client::exchange(&mut stream, scan()).await;
    assert_eq!((&again.body, again.field("x-squall-fault").as_deref()), (&listed.body, Some("old")));
}

#[tokio::test]
async fn after_its_time_the_write_is_seen_and_becomes_the_old_answer_of_the_next() {
    const LAG: Duration = Duration::from_secs(2);
    let aws = table().await;
    let squall = squall::profile("rules: [{name: old, fault: {stale: 2s}}]").toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    put(&mut stream, "a", "1").await;
    // What was written just now is not what the next read is held against.
    tokio::time::sleep(LAG).await;
    assert_eq!(get(&mut stream, "a").await, of("1"));
    let begun = clock::now();
    put(&mut stream, "a", "2").await;
    let written = clock::now();
    let mut seen = get(&mut stream, "a").await;
    assert!(seen == stale("1") || begun.elapsed() >= LAG);
    while seen == stale("1") {
        assert!(written.elapsed() < LAG * 10);
        tokio::time::sleep(LAG / 40).await;
        seen = get(&mut stream, "a").await;
    }
    assert!(seen == of("2") && begun.elapsed() >= LAG, "{seen:?} after {:?}", begun.elapsed());
    let begun = clock::now();
    put(&mut stream, "a", "3").await;
    let seen = get(&mut stream, "a").await;
    assert!(seen == stale("2") || begun.elapsed() >= LAG, "{seen:?}");
}

#[tokio::test]
async fn a_write_that_was_refused_makes_nothing_stale_and_after_a_broken_one_nothing_old_is_known() {
    let aws = table().await;
    let squall = squall::profile(LONG).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    put(&mut stream, "a", "1").await;
    assert_eq!(get(&mut stream, "a").await, of("1"));
    assert_eq!(put(&mut stream, "a", "refuse").await.status(), 400);
    assert_eq!(get(&mut stream, "a").await, of("1"));
    let item = json!({"TableName": "t", "Item": {"id": {"S": "a"}, "v": {"S": "break"}}});
    let mut other = client::connect(squall.address).await;
    let _broken = client::exchange_or_end(&mut other, dynamodb("PutItem", &item)).await;
    assert_eq!(get(&mut stream, "a").await, of("1"));
    put(&mut stream, "a", "2").await;
    assert_eq!(get(&mut stream, "a").await, stale("1"));
}

#[tokio::test]
async fn what_was_just_created_is_not_found_yet_but_for_what_had_been_read_before() {
    let aws = Upstream::plain(answer(200, 0, "{}")).await;
    let squall = squall::profile(LONG).toward(&aws).unmarked().run();
    let mut stream = client::connect(squall.address).await;
    let describe = |table: &str| dynamodb("DescribeTable", &json!({"TableName": table}));
    let seen = client::exchange(&mut stream, describe("there")).await;
    assert_eq!(seen.status(), 200);
    for table in ["new", "there"] {
        let created = client::exchange(&mut stream, dynamodb("CreateTable", &json!({"TableName": table}))).await;
        assert_eq!(created.status(), 200);
    }
    let missing = client::exchange(&mut stream, describe("new")).await;
    assert_eq!((missing.status(), missing.field("x-squall-fault")), (400, None));
    assert!(missing.text().contains("ResourceNotFoundException"), "{missing:?}");
    for table in ["there", "other"] {
        assert_eq!(client::exchange(&mut stream, describe(table)).await.status(), 200, "{table}");
    }
    assert_eq!(aws.requests().len(), 4);
}

#[tokio::test]
async fn an_instance_that_was_just_run_is_not_found_by_the_id_in_the_answer() {
    const RUN: &str = "<RunInstancesResponse><instancesSet><item><instanceId>i-1</instanceId><subnetId>s-1</subnetId></item></instancesSet>\
                       </RunInstancesResponse>";
    let aws = Upstream::plain(super::answer_of(RUN)).await;
    let squall = squall::profile(LONG).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let ask = |form: &str| {
        let scope = AUTHORIZATION.replace("/dynamodb/", "/ec2/");
        format!(
            "POST / HTTP/1.1\r\nHost: ec2.us-east-1.amazonaws.com\r\n{scope}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        )
    };
    let told = client::exchange(&mut stream, ask("Action=RunInstances&Version=2016-11-15&ImageId=ami-1")).await;
    assert_eq!(told.text(), RUN);
    for (asked, expected) in [
        ("Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1", "InvalidInstanceID.NotFound"),
        ("Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-2", RUN),
        ("Action=DescribeSubnets&Version=2016-11-15&SubnetId.1=s-1", RUN),
    ] {
        let told = client::exchange(&mut stream, ask(asked)).await.text();
        assert!(told.contains(expected), "{asked}: {told}");
    }
    assert_eq!(aws.requests().len(), 3);
}

#[tokio::test]
async fn an_object_is_stale_with_its_head_its_list_and_what_came_in_chunks() {
    let version = AtomicU32::new(0);
    let aws = Upstream::plain_with(move |request| {
        let head = "x-amz-request-id: OLD\r\nx-amz-id-2: OLDER\r\n";
        match request.method() {
            "PUT" => {
                version.fetch_add(1, Ordering::Relaxed);
                format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n").into_bytes()
            }
            "HEAD" => {
                let length = 10 + version.load(Ordering::Relaxed);
                format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n").into_bytes()
            }
            _ => {
                let version = version.load(Ordering::Relaxed);
                format!(
                    "HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n2\r\nv{version}\r\n1\r\n!\r\n0\r\n\r\n"
                )
                .into_bytes()
            }
        }
    })
    .await;
    let squall = squall::profile(LONG).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let ask = |method: &str, target: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: s3.amazonaws.com\r\n{S3_AUTHORIZATION}Content-Length: 0\r\n\r\n")
    };
    for target in ["/b/k", "/b/other", "/b?list-type=2"] {
        assert!(client::exchange(&mut stream, ask("GET", target)).await.text().contains("v0"), "{target}");
    }
    // The client's own reader of answers takes none to HEAD: only the head comes.
    let length_by_head = async |stream: &mut TcpStream| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        stream.write_all(ask("HEAD", "/b/k").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(crate::support::soon("a head", stream.read_u8()).await.unwrap());
        }
        Answer { head: String::from_utf8(head).unwrap(), body: Vec::new() }.field("content-length")
    };
    assert_eq!(length_by_head(&mut stream).await.as_deref(), Some("10"));
    client::exchange(&mut stream, ask("PUT", "/b/k")).await;
    assert_eq!(length_by_head(&mut stream).await.as_deref(), Some("10"));
    for (target, expected) in [("/b/k", "v0!"), ("/b?list-type=2", "v0!")] {
        let again = client::exchange(&mut stream, ask("GET", target)).await;
        assert_eq!((again.text().as_str(), again.field("x-squall-fault").as_deref()), (expected, Some("old")));
        assert_eq!((again.field("content-length").as_deref(), again.field("transfer-encoding")), (Some("3"), None));
        assert_eq!(again.field("x-amz-request-id").map(|id| id.len()), Some(16));
        assert_eq!(again.field("x-amz-id-2").map(|id| id.len()), Some(76));
    }
    let beside = client::exchange(&mut stream, ask("GET", "/b/other")).await;
    assert!(beside.text().contains("v1") && beside.field("x-squall-fault").is_none(), "{beside:?}");
}

#[tokio::test]
async fn over_http2_it_is_the_same() {
    let aws = Upstream::plain_http2(answer_of_table()).await;
    let squall = squall::profile(LONG).toward(&aws).run();
    let client = http2::connect(client::connect(squall.address).await).await;
    let ask = async |operation: &str, body: &'static str| {
        let request = http::Request::post(format!("http://{HOST}/"))
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("content-length", body.len());
        let (head, body, _) = http2::exchange(&client, request.body(body).unwrap()).await.unwrap();
        let fault = head.headers().get("x-squall-fault").map(|rule| rule.to_str().unwrap().to_owned());
        (String::from_utf8(body).unwrap(), head.headers()["content-length"].to_str().unwrap().to_owned(), fault)
    };
    let key = r#"{"TableName": "t", "Key": {"id": {"S": "a"}}}"#;
    ask("PutItem", r#"{"TableName": "t", "Item": {"id": {"S": "a"}, "v": {"S": "1"}}}"#).await;
    let (first, length, _) = ask("GetItem", key).await;
    ask("PutItem", r#"{"TableName": "t", "Item": {"id": {"S": "a"}, "v": {"S": "22"}}}"#).await;
    assert_eq!(ask("GetItem", key).await, (first, length, Some("old".to_owned())));
    assert!(aws.requests().iter().all(|request| request.http2.is_some()));
}
