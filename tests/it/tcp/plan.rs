//! Entries as the plan has them: what is said of them, and what a reload does to them.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::net::TcpListener;

use super::far::{Echo, ask, dial, rest};
use crate::support::serving::{Serving, serve};
use crate::support::{GLANCE, eventually, soon};

fn serving(file: &Path, more: &[&str]) -> Serving {
    let mut args = vec!["--profile".to_owned(), file.to_str().unwrap().to_owned()];
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    serve(9, &args)
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A profile of these entries, by name and port, all of which lead to one far end.
fn profile(echo: &Echo, entries: &[(&str, u16)], rules: &str) -> String {
    let upstream = echo.address;
    let entry = |(name, port): &(&str, u16)| format!("{{name: {name}, listen: {port}, upstream: '{upstream}'}}");
    format!("tcp: [{}]\nrules: [{rules}]", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
}

async fn answers(port: u16) -> bool {
    match dial(SocketAddr::from(([127, 0, 0, 1], port))).await {
        Ok(mut stream) => ask(&mut stream, b"ping").await.is_ok(),
        Err(_) => false,
    }
}

async fn until(what: &str, port: u16, wanted: bool) {
    soon(what, async {
        while answers(port).await != wanted {
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await;
}

#[tokio::test]
async fn entries_are_told_at_the_start_in_the_ready_file_and_in_the_ledger() {
    let echo = Echo::new().await;
    let directory = tempfile::tempdir().unwrap();
    let (file, ledger) = (directory.path().join("p.yaml"), directory.path().join("run.jsonl"));
    fs::write(&file, profile(&echo, &[("db", 0)], "{name: slow, match: {tcp: db}, fault: {latency: 1ms}}")).unwrap();
    let mut squall = serving(&file, &["--ledger", ledger.to_str().unwrap()]);
    let ready = squall.ready()["tcp"][0].clone();
    let listen: SocketAddr = ready["listen"].as_str().unwrap().parse().unwrap();
    let upstream = echo.address.to_string();
    assert_eq!((ready["name"].as_str(), ready["upstream"].as_str()), (Some("db"), Some(upstream.as_str())));
    let told = format!("tcp db: {listen} -> {upstream}");
    assert!(squall.stderr().contains(&told), "{}", squall.stderr());
    let mut stream = dial(listen).await.unwrap();
    ask(&mut stream, b"ping").await.unwrap();
    let client = stream.local_addr().unwrap().to_string();
    drop(stream);
    eventually("its line is written", || fs::read_to_string(&ledger).unwrap().ends_with('\n')).await;
    let line: Value = serde_json::from_str(&fs::read_to_string(&ledger).unwrap()).unwrap();
    let connection = serde_json::json!({"name": "db", "client": client, "upstream": upstream});
    assert_eq!((&line["mode"], &line["outcome"], &line["connection"]), (&"tcp".into(), &"carried".into(), &connection));
    assert_eq!(
        (&line["request_bytes"], &line["response_bytes"], &line["rules"][0]),
        (&4.into(), &4.into(), &"slow".into())
    );
    squall.terminate();
    eventually("it ends", || squall.stderr().contains("Rule slow fired once (1 matched).")).await;
    let told = squall.stderr();
    assert!(told.contains("| db  |") && !told.contains("0 AWS requests"), "{told}");
    soon("its end", async {
        while squall.ended().is_none() {
            tokio::time::sleep(GLANCE).await
        }
    })
    .await;
}

#[tokio::test]
async fn a_reload_opens_and_closes_ports_and_keeps_what_is_open() {
    let echo = Echo::new().await;
    let (first, second) = (free_port().await, free_port().await);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    fs::write(&file, profile(&echo, &[("one", first)], "")).unwrap();
    let squall = serving(&file, &[]);
    let mut open = dial(SocketAddr::from(([127, 0, 0, 1], first))).await.unwrap();
    ask(&mut open, b"ping").await.unwrap();

    // Renamed, and another beside it.
    fs::write(&file, profile(&echo, &[("uno", first), ("two", second)], "")).unwrap();
    until("the second port", second, true).await;
    assert!(answers(first).await && squall.stderr().contains(&format!("tcp two: 127.0.0.1:{second} -> ")));

    // A port that is taken: nothing changes.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let holding = TcpListener::bind(taken).await.unwrap();
    fs::write(&file, profile(&echo, &[("three", taken.port())], "")).unwrap();
    eventually("it is told", || squall.stderr().contains("was not reloaded")).await;
    assert!(squall.stderr().contains(&format!("the `tcp` entry `three` cannot listen on {taken}")));
    drop(holding);
    assert!(answers(first).await && answers(second).await);

    fs::write(&file, profile(&echo, &[("two", second)], "")).unwrap();
    until("the first port is closed", first, false).await;
    ask(&mut open, b"ping").await.expect("what is open goes on");
    assert!(answers(second).await);
}

#[tokio::test]
async fn a_rule_that_a_reload_brings_strikes_what_is_open() {
    let echo = Echo::new().await;
    let port = free_port().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    fs::write(&file, profile(&echo, &[("db", port)], "")).unwrap();
    let _squall = serving(&file, &[]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut open = dial(address).await.unwrap();
    ask(&mut open, b"ping").await.unwrap();
    fs::write(&file, profile(&echo, &[("db", port)], "{name: out, match: {tcp: db}, fault: refuse}")).unwrap();
    assert_eq!(rest(&mut open).await, (vec![], Some(ErrorKind::ConnectionReset)));
    soon("it is refused", async {
        while dial(address).await.err().map(|e| e.kind()) != Some(ErrorKind::ConnectionRefused) {
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await;
    fs::write(&file, profile(&echo, &[("db", port)], "")).unwrap();
    until("it listens again", port, true).await;
}
