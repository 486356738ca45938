//! The programs under `examples/`: each is run as a reader would run it, with this build's `squall`.
//!
//! What a machine has not (Python, Postgres, packages that cannot be had) skips them, and is said; with `SQUALL_SDKS=all`, or
//! `SQUALL_SDKS=examples`, it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::toolchain::{is_required, say};

/// Runs it; what it printed is shown. Nothing where something is missing here.
fn run(name: &str, program: &str, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(std::env::var("SQUALL_PYTHON").unwrap_or_else(|_| "python3".to_owned()));
    command.arg(folder(name).join(program)).args(arguments).args([
        "--output",
        "json",
        "--squall",
        env!("CARGO_BIN_EXE_squall"),
    ]);
    command.arg("--venv").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples").join(name));
    let started = squall::clock::now();
    let output = command.stdin(Stdio::null()).output();
    let missing = match &output {
        Err(e) => e.to_string(),
        Ok(output) if output.status.code() == Some(NOT_HERE) => text(&output.stderr),
        Ok(output) => {
            say(&format!("\n{name}: {} in {:.1} s\n", output.status, started.elapsed().as_secs_f64()));
            return Some(output.clone());
        }
    };
    assert!(!is_required("examples"), "{name} could not be run: {missing}");
    say(&format!("skipped: examples/{name}: {missing}\n"));
    None
}

/// What it found, with the exit code that it must have.
fn found(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How many entries a list has.
fn count(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

#[test]
fn a_lambda_function_that_retries_loses_no_row_and_one_that_does_not_is_seen_to_lose_some() {
    let Some(output) = run("chaos-resilience", "drill.py", &[]) else { return };
    let drill = found(&output, 0);
    let [calm, throttled, slow, naive] = drill["rounds"].as_array().unwrap().as_slice() else { panic!("{drill}") };
    for round in [calm, throttled, slow] {
        assert_eq!((&round["requests"], &round["ok"], count(&round["lost"])), (&50.into(), &50.into(), 0), "{round}");
    }
    assert_eq!((&calm["attempts"], &calm["throttled"]), (&50.into(), &0.into()));
    assert!(throttled["throttled"].as_u64().unwrap() > 0, "{throttled}");
    assert!(slow["p50_ms"].as_f64().unwrap() >= 300.0, "{slow}");
    assert_eq!((&naive["attempts"], count(&naive["acknowledged_and_lost"])), (&50.into(), 0), "{naive}");
    assert_eq!(count(&naive["lost"]), usize::try_from(naive["throttled"].as_u64().unwrap()).unwrap(), "{naive}");
    assert!(count(&naive["lost"]) > 0, "{naive}");
}

#[test]
fn a_shop_that_can_fall_back_loses_no_order_to_an_outage_of_its_database_and_one_that_cannot_does() {
    let Some(output) = run("graceful-degradation", "lab.py", &["--short"]) else { return };
    let lab = found(&output, 0);
    let [before, after, bad_day] = lab["rounds"].as_array().unwrap().as_slice() else { panic!("{lab}") };
    let answers = |round: &Value, what: &str, answer: &str| round[what][answer].as_u64().unwrap_or(0);
    // Without: errors while it lasts, and what was ordered meanwhile is nowhere.
    assert!(answers(before, "reads", "FAIL") > 0 && answers(before, "writes", "FAIL") > 0, "{before}");
    assert!(count(&before["lost"]) > 0, "{before}");
    assert_eq!((answers(before, "reads", "CACHE"), answers(before, "writes", "QUEUED")), (0, 0), "{before}");
    // With: the database again after it, and not before.
    for (what, answer) in [("reads", "DB"), ("reads", "CACHE"), ("writes", "OK"), ("writes", "QUEUED")] {
        assert!(answers(after, what, answer) > 0, "{what} {answer}: {after}");
    }
    for nothing in ["lost", "lost_after_promise", "miscounted"] {
        assert_eq!(count(&after[nothing]), 0, "{nothing}: {after}");
    }
    assert_eq!((&after["queue_left"], &after["dead_letters_left"]), (&0.into(), &0.into()), "{after}");
    // Each message came twice, and the stock was right all the same.
    assert!(after["struck"]["at-least-once"].as_u64().unwrap() > 0, "{after}");
    // What breaks on the bad day is told, whatever it is; but that it was one.
    assert!(bad_day["struck"]["cache-slow"].as_u64().unwrap() > 0, "{bad_day}");
}

#[test]
fn the_circuit_breaker_opens_tries_and_closes_as_it_says() {
    let mut command = Command::new(std::env::var("SQUALL_PYTHON").unwrap_or_else(|_| "python3".to_owned()));
    command.args(["-m", "unittest", "test_breaker"]).current_dir(folder("graceful-degradation"));
    match command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).output() {
        Ok(output) => assert!(output.status.success(), "{}", text(&output.stderr)),
        Err(e) => {
            assert!(!is_required("examples"), "there is no Python: {e}");
            say(&format!("skipped: the circuit breaker's tests: {e}\n"));
        }
    }
}

/// What an example says with its exit code where something is missing here.
const NOT_HERE: i32 = 69;
