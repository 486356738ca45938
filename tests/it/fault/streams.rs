//! What the SDK for Rust makes of faults over HTTP/2, where a stream can end and the connection stay.

use std::process::Stdio;

use serde_json::Value;

use super::on_put_item;
use crate::support::sigv4::{KEY_ID, SECRET};
use crate::support::squall;
use crate::support::toolchain::{self, say};
use crate::support::upstream::Upstream;

const ITEM: &str = "{\"Item\":{\"id\":{\"S\":\"1\"}}}";

/// What the program saw, the attempts made, the requests that reached the far end, and over how many connections.
async fn seen(fault: &str) -> Option<(String, u64, usize)> {
    let folder = toolchain::folder("rust");
    let runner = match tokio::task::spawn_blocking(move || toolchain::rust(&folder)).await.unwrap() {
        Ok(runner) => runner,
        Err(why) if toolchain::is_required("rust") => panic!("rust: {why}"),
        Err(why) => {
            say(&format!("skipped: what the SDK for Rust makes of streams: {why}\n"));
            return None;
        }
    };
    let aws = Upstream::tls_http2(|_| super::answer_of(ITEM).into_bytes()).await;
    let squall = squall::profile(&on_put_item(fault).replace("PutItem", "GetItem")).toward(&aws).run();
    let own = tempfile::tempdir().unwrap();
    let ca = own.path().join("ca.pem");
    std::fs::write(&ca, &squall.trust_anchor).unwrap();
    let mut program = runner.command("faults/case.rs");
    program.args(["program", "GetItem", "1"]).env("HOME", own.path()).env("SSL_CERT_FILE", &ca);
    program
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    program.env("HTTPS_PROXY", format!("http://{}", squall.address)).stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let saw = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    let requests = aws.requests();
    assert!(requests.iter().all(|request| request.http2.is_some()));
    let counts = squall.finish().await.proxy.ledger.summary(::squall::ledger::Run::default()).aws;
    assert_eq!(counts.injected, counts.attempts);
    Some((saw, counts.attempts, requests.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_does_over_http2_what_the_facts_say() {
    let facts: Value = serde_json::from_str(include_str!("../../sdk/faults.json")).unwrap();
    let mut wrong = Vec::new();
    for row in facts["http2"].as_array().unwrap() {
        let fault = row["fault"].to_string();
        let Some((saw, attempts, carried_out)) = seen(&fault).await else { return };
        let got = serde_json::json!({"saw": saw, "attempts": attempts, "carried_out": carried_out});
        say(&format!("{fault} over HTTP/2: {got}\n"));
        if row["rust"] != got {
            wrong.push(format!("{fault}: {}, not {got}", row["rust"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
