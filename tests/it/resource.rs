//! Rules about one table, bucket, queue or function, as a client meets them.

use ::squall::net::target::{Scheme, Target};
use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::http2::{self, Http2Upstream};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn rule(matching: &str) -> squall::Setup {
    squall::profile(&format!("name: t\nrules:\n  - name: t\n    match: {matching}\n    fault: internal\n"))
}

fn signed(service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261121/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n"
    )
}

fn json(target: &str, service: &str, extra: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n{}{extra}\r\n",
        signed(service)
    )
}

fn dynamodb(operation: &str, body: &str) -> String {
    json(&format!("DynamoDB_20120810.{operation}"), "dynamodb", &format!("Content-Length: {}\r\n", body.len())) + body
}

/// Sends each request to a Squall with this rule; whether each met the fault. What did not has arrived as it was sent.
async fn struck(matching: &str, requests: &[String]) -> Vec<bool> {
    let aws = Upstream::plain(OK).await;
    let squall = rule(matching).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let mut all = Vec::new();
    for request in requests {
        let answer = client::exchange(&mut stream, request).await;
        let struck = answer.field("x-squall-fault").is_some();
        assert_eq!(answer.status() == 200, !struck, "{answer:?}");
        all.push(struck);
        if answer.field("connection").is_some() {
            stream = client::connect(squall.address).await;
        }
    }
    let passed = requests.iter().zip(&all).filter(|(_, struck)| !**struck).map(|(request, _)| request);
    let bodies: Vec<_> = passed.map(|request| request.split_once("\r\n\r\n").unwrap().1.as_bytes().to_vec()).collect();
    assert_eq!(aws.requests().into_iter().map(|request| request.body).collect::<Vec<_>>(), bodies);
    all
}

#[tokio::test]
async fn a_rule_about_a_table_strikes_that_table_only_and_leaves_other_bodies_as_they_are() {
    let item =
        format!(r#"{{"Item": {{"TableName": {{"S": "orders"}}, "x": {{"S": "{}"}}}}, "TableName":"#, "y".repeat(9000));
    let requests = [
        dynamodb("PutItem", r#"{"TableName": "orders", "Item": {}}"#),
        dynamodb("PutItem", r#"{"TableName": "customers", "Item": {}}"#),
        dynamodb("PutItem", &format!("{item} \"orders-archive\"}}")),
        dynamodb("PutItem", &format!("{item} \"old-orders\"}}")),
        dynamodb("GetItem", r#"{"TableName": "arn:aws:dynamodb:us-east-1:123456789012:table/orders"}"#),
        dynamodb("ListTables", "{}"),
    ];
    let all = struck("{service: dynamodb, resource: [orders, 'orders-*']}", &requests).await;
    assert_eq!(all, [true, false, true, false, true, false]);
}

#[tokio::test]
async fn a_batch_is_about_every_table_in_it() {
    let requests = [
        dynamodb("BatchWriteItem", r#"{"RequestItems": {"customers": [], "orders": []}}"#),
        dynamodb("BatchWriteItem", r#"{"RequestItems": {"customers": []}}"#),
        dynamodb(
            "TransactWriteItems",
            r#"{"TransactItems": [{"Put": {"TableName": "a"}}, {"Put": {"TableName": "orders"}}]}"#,
        ),
    ];
    assert_eq!(struck("{resource: orders}", &requests).await, [true, false, true]);
}

#[tokio::test]
async fn a_rule_about_a_member_of_the_body_strikes_by_it_and_leaves_other_bodies_as_they_are() {
    let requests = [
        dynamodb("PutItem", r#"{"TableName": "orders", "Item": {"id": {"S": "17"}}}"#),
        dynamodb("PutItem", r#"{"TableName": "orders", "Item": {"id": {"S": "18"}}}"#),
        dynamodb("GetItem", r#"{"TableName": "orders", "Item": {"id": {"S": "17"}}}"#),
        dynamodb("PutItem", r#"{"TableName": "orders", "Item": {"id": {"S": "17"}, "test": {"BOOL": true}}}"#),
    ];
    let matching = "{operation: PutItem, body: {/Item/id/S: 17}, not: {body: {/Item/test/BOOL: true}}}";
    assert_eq!(struck(matching, &requests).await, [true, false, false, false]);
}

fn s3(line: &str, host: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {host}\r\n{}Content-Length: 0\r\n\r\n", signed("s3"))
}

#[tokio::test]
async fn objects_are_matched_by_bucket_and_key_in_paths_and_hosts_alike() {
    let requests = [
        s3("PUT /data/in/a%20b", "localhost"),
        s3("PUT /in/a%20b", "data.s3.us-east-1.amazonaws.com"),
        s3("PUT /data/out/a", "localhost"),
        s3("PUT /other/in/a", "localhost"),
        s3("GET /data?list-type=2", "localhost"),
    ];
    assert_eq!(struck("{resource: 'data/in/a ?'}", &requests).await, [true, true, false, false, false]);
    assert_eq!(struck("{resource: data}", &requests).await, [true, true, true, false, true]);
}

#[tokio::test]
async fn queues_are_matched_by_name_in_json_and_in_forms() {
    let json_for = |queue: &str| {
        let body = format!(
            r#"{{"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/{queue}", "MessageBody": "m"}}"#
        );
        json("AmazonSQS.SendMessage", "sqs", &format!("Content-Length: {}\r\n", body.len())) + &body
    };
    let form_for = |queue: &str| {
        let body = "Action=SendMessage&MessageBody=orders&Version=2012-11-05";
        format!(
            "POST /123456789012/{queue} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             {}Content-Length: {}\r\n\r\n{body}",
            signed("sqs"),
            body.len()
        )
    };
    let requests = [json_for("orders"), json_for("mails"), form_for("orders"), form_for("mails")];
    assert_eq!(struck("{service: sqs, resource: orders}", &requests).await, [true, false, true, false]);
    assert_eq!(struck("{account: '123456789012', resource: mails}", &requests).await, [false, true, false, true]);
}

#[tokio::test]
async fn functions_are_matched_by_name_however_they_are_written() {
    let invoke = |function: &str| {
        let line = format!("POST /2015-03-31/functions/{function}/invocations HTTP/1.1");
        format!("{line}\r\nHost: localhost\r\n{}Content-Length: 2\r\n\r\n{{}}", signed("lambda"))
    };
    let requests = [
        invoke("pay"),
        invoke("arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Apay%3Alive"),
        invoke("pay:live"),
        invoke("payroll"),
    ];
    assert_eq!(struck("{resource: pay}", &requests).await, [true, true, true, false]);
}

#[tokio::test]
async fn a_rule_about_a_key_strikes_what_that_key_signed() {
    let requests = [
        s3("GET /b/k", "localhost"),
        s3("GET /b/k", "localhost").replace("AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"),
    ];
    assert_eq!(struck("{access_key: AKIA*}", &requests).await, [true, false]);
}

/// A far end that reads until it has this and then answers, or until there is no more; and what it read.
async fn far_end(until: &'static [u8]) -> (Target, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(until) {
            match stream.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(_) => return read,
            }
        }
        stream.write_all(OK.as_bytes()).await.unwrap();
        read
    });
    (Target::new(Scheme::Http, "127.0.0.1", port), serving)
}

#[tokio::test]
async fn a_body_that_waits_for_a_100_is_not_asked_for_to_see_what_it_is_about() {
    let (target, serving) = far_end(b"\r\n\r\n").await;
    let squall = rule("{resource: orders}").toward_target(target).run();
    let mut stream = client::connect(squall.address).await;
    let head = json("DynamoDB_20120810.PutItem", "dynamodb", "Expect: 100-continue\r\nContent-Length: 23\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    soon("an answer", stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 200");
    soon("the far end", serving).await.unwrap();
}

#[tokio::test]
async fn what_was_read_ahead_of_a_chunked_body_goes_on_with_its_trailers() {
    let (target, serving) = far_end(b"x-sum: 1\r\n\r\n").await;
    let squall = rule("{resource: orders}").toward_target(target).run();
    let head = json("DynamoDB_20120810.PutItem", "dynamodb", "Trailer: x-sum\r\nTransfer-Encoding: chunked\r\n");
    let mut stream = client::connect(squall.address).await;
    let request = format!("{head}7\r\n{{\"Table\r\n10\r\nName\": \"others\"}}\r\n0\r\nx-sum: 1\r\n\r\n");
    assert_eq!(client::exchange(&mut stream, request).await.status(), 200);
    let read = String::from_utf8(soon("the far end", serving).await.unwrap()).unwrap();
    assert!(read.ends_with("\r\n0\r\nx-sum: 1\r\n\r\n") && read.contains("{\"Table"), "{read}");
}

#[tokio::test]
async fn a_body_broken_off_while_it_is_read_ahead_never_passes_for_a_whole_one() {
    let (target, serving) = far_end(b"\r\n0\r\n\r\n").await;
    let squall = rule("{resource: orders}").toward_target(target).run();
    let head = json("DynamoDB_20120810.PutItem", "dynamodb", "Transfer-Encoding: chunked\r\n");
    let mut stream = client::connect(squall.address).await;
    stream.write_all(format!("{head}7\r\n{{\"Table\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    client::rest(&mut stream).await.unwrap_or_default();
    drop(stream);
    squall.finish().await;
    serving.abort();
    let read = serving.await.unwrap_or_default();
    assert!(!read.ends_with(b"\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&read));
}

#[tokio::test]
async fn a_conversation_on_http2_is_not_held_up_for_its_resource() {
    let aws = Http2Upstream::tls(|mut exchange| async move {
        let mut sending = exchange.respond.send_response(Response::new(()), false).unwrap();
        http2::read(exchange.request.body_mut()).await.unwrap();
        sending.send_data(Bytes::from_static(b"hi"), true).unwrap();
    })
    .await;
    let squall = rule("{resource: orders}").toward_http2(&aws).run();
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let stream = client::secure_offering(tunnel, HOST, &squall.trust_anchor, &["h2"]).await.unwrap();
    let client = http2::connect(stream).await;
    let head =
        Request::post(format!("https://{HOST}/")).header("x-amz-target", "DynamoDB_20120810.PutItem").body(()).unwrap();
    let (answering, mut sending) = http2::begin(&client, head).await;
    // The answer comes before the first byte of the request's body.
    let answer = soon("an answer", answering).await.unwrap();
    assert_eq!(answer.status(), 200);
    sending.send_data(Bytes::from_static(b"{}"), true).unwrap();
    assert_eq!(http2::read(&mut answer.into_body()).await.unwrap().0, b"hi");
}
