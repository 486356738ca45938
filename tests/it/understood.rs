//! What Squall reads from requests that pass through it, as rules and the ledger see it.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const NEPTUNE: &str = "services: {rds: neptune}\nrules:\n  - {name: t, match: {service: neptune}, fault: throttle}\n";

fn compressed(form: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(form.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A form for RDS, compressed, of more than is looked at.
fn form(action: &str) -> (Vec<u8>, Vec<u8>) {
    let tags: String = (0..5_000).map(|n| format!("&Tags.member.{n}.Value={:x}", n * 2_654_435_761u64)).collect();
    let body = compressed(&format!("Action={action}&Version=2014-10-31{tags}"));
    assert!(body.len() > 20_000);
    let head = format!(
        "POST / HTTP/1.1\r\nHost: rds.us-east-1.amazonaws.com\r\nContent-Encoding: gzip\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: Boto3/1.44.5\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=ASIAQNZGKIQY56JQ7WML/20261121/us-east-1/rds/aws4_request, Signature=0\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    ([head.into_bytes(), body.clone()].concat(), body)
}

#[tokio::test]
async fn a_rule_about_a_resource_finds_it_in_a_compressed_body_that_is_no_form() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile("rules: [{name: t, match: {resource: shop}, fault: throttle}]").toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    for (namespace, struck) in [("shop", true), ("depot", false)] {
        let padding = "x".repeat(500);
        let body =
            compressed(&format!(r#"{{"MetricData": [{{"MetricName": "{padding}"}}], "Namespace": "{namespace}"}}"#));
        let head = format!(
            "POST / HTTP/1.1\r\nHost: monitoring.us-east-1.amazonaws.com\r\nContent-Encoding: gzip\r\n\
             X-Amz-Target: GraniteServiceVersion20100801.PutMetricData\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = client::exchange(&mut stream, [head.into_bytes(), body.clone()].concat()).await;
        assert_eq!(answer.field("x-squall-fault").is_some(), struck, "{answer:?}");
        assert_eq!(aws.requests().last().map(|request| &request.body), (!struck).then_some(&body));
    }
}

#[tokio::test]
async fn compressed_forms_are_read_pass_unchanged_and_are_settled_by_the_profile() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("run.jsonl");
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(NEPTUNE).toward(&aws).keeping(&ledger).run();
    let mut stream = client::connect(squall.address).await;

    // It may be Neptune's, so by the alias it is; and the rule strikes.
    let (request, _) = form("CreateDBCluster");
    assert_eq!(client::exchange(&mut stream, request).await.field("x-squall-fault").as_deref(), Some("t"));
    assert!(aws.requests().is_empty());

    // Only RDS and DocumentDB know this.
    let mut stream = client::connect(squall.address).await;
    let (request, body) = form("DescribeCertificates");
    assert_eq!(client::exchange(&mut stream, request).await.text(), "hi");
    assert!(aws.only_request().body == body);

    squall.finish().await.proxy.ledger.close().unwrap();
    let lines = std::fs::read_to_string(ledger).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |line: &Value| ["service", "operation", "why", "account", "client"].map(|key| line[key].clone());
    assert_eq!(
        told(&lines[0]),
        ["neptune", "CreateDBCluster", "action+scope+alias", "029608264753", "boto3 1.44.5"].map(Value::from)
    );
    assert_eq!(told(&lines[1])[..3], ["rds", "DescribeCertificates", "action+scope"].map(Value::from));
    assert_eq!(lines[1]["candidates"], json!(["docdb.DescribeCertificates"]));
}
