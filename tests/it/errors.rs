//! Errors as AWS writes them: one directory a case under `tests/fixtures/errors`.
//!
//! `error.yaml` says what is to be answered, `response.http` is the answer byte for byte (a body of CBOR stands in hexadecimal). What
//! real clients make of such answers is shown elsewhere, by running them. `SQUALL_RECORD=1` writes the answers anew, for the diff to
//! be read.

#![expect(clippy::unwrap_used, reason = "fixtures that cannot be read fail the test")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;
use squall::aws::catalog;
use squall::aws::idiom::{Idiom, idiom};
use squall::aws::protocol::{Stamp, SyntheticResponse, synthesize};
use squall::aws::request::{AwsRequest, Reading};
use squall::command::error::Wanted;

/// The same moment and request id for all.
fn stamp() -> Stamp {
    let id = 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0;
    Stamp { date: "2025-06-01T12:00:00Z".parse().unwrap(), id }
}

fn written(answer: &SyntheticResponse) -> String {
    let mut out = format!("HTTP/1.1 {}\n", answer.status.as_u16());
    for (name, value) in &answer.headers {
        writeln!(out, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    out.push('\n');
    match std::str::from_utf8(&answer.body)
        .ok()
        .filter(|_| answer.headers.get("content-type").is_none_or(|media| media != "application/cbor"))
    {
        Some(text) => out + text,
        None => answer.body.iter().fold(out, |out, byte| out + &format!("{byte:02x}")),
    }
}

#[test]
fn every_error_is_written_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/errors");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 15, "{} cases", cases.len());
    let mut wrong = String::new();
    for folder in cases {
        let wanted: Wanted = serde_yaml::from_str(&fs::read_to_string(folder.join("error.yaml")).unwrap()).unwrap();
        let answer = written(&wanted.answer(stamp()).unwrap());
        if std::env::var_os("SQUALL_RECORD").is_some() {
            fs::write(folder.join("response.http"), format!("{}\n", answer.trim_end())).unwrap();
        }
        let expected = fs::read_to_string(folder.join("response.http")).unwrap_or_default();
        if answer.trim_end() != expected.trim_end() {
            write!(wrong, "{}:\n{answer}\n--- recorded:\n{expected}\n", folder.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The rows that all clients are held to, as the documentation shows them.
fn table() -> String {
    let facts = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/errors.json")).unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let mut out = "| service | operation | fault | code | status | class | attempts |\n|---|---|---|---|--:|---|--:|\n"
        .to_owned();
    for row in facts["errors"].as_array().unwrap() {
        let fault = row["fault"].as_str().or_else(|| row["fault"]["error"]["code"].as_str()).unwrap();
        let [code, status, class, attempts] = ["code", "status", "class", "attempts"].map(|key| cell(row, key));
        let (service, operation) = (row["service"].as_str().unwrap(), row["operation"].as_str().unwrap());
        writeln!(out, "| {service} | {operation} | `{fault}` | {code} | {status} | {class} | {attempts} |").unwrap();
    }
    out
}

/// The streams that break off, each with a table of its own.
fn tables_of_streams() -> String {
    let facts = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/event-streams.json")).unwrap();
    let streams: Vec<Value> = serde_json::from_str(&facts).unwrap();
    let mut out = String::new();
    for stream in streams {
        let clients: Vec<_> = [("python", "boto3"), ("javascript", "JavaScript"), ("rust", "Rust")]
            .into_iter()
            .filter_map(|(client, name)| Some((client, format!("{name} ({})", stream["http"][client].as_str()?))))
            .collect();
        let (of, operation) = (stream["of"].as_str().unwrap(), stream["operation"].as_str().unwrap());
        let names: Vec<_> = clients.iter().map(|(_, name)| &**name).collect();
        write!(out, "\n{of}'s {operation}:\n\n| `event_stream` | events seen | {} |\n", names.join(" | ")).unwrap();
        writeln!(out, "|---|--:|{}", "---|".repeat(names.len())).unwrap();
        for row in stream["rows"].as_array().unwrap() {
            let seen: Vec<_> = clients.iter().map(|(client, _)| row[*client][0].as_str().unwrap()).collect();
            writeln!(out, "| `{}` | {} | {} |", row["fault"], row["events"], seen.join(" | ")).unwrap();
        }
    }
    out
}

/// What the clients see, once where they agree.
fn cell(row: &Value, key: &str) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace("null", "–");
    let mut seen: Vec<_> = ["python", "javascript", "rust"]
        .iter()
        .map(|client| text(row[client].get(key).unwrap_or_else(|| &row[key])))
        .collect();
    if seen.iter().all(|value| *value == seen[0]) {
        seen.truncate(1);
    }
    seen.join(" / ")
}

fn tables() -> String {
    format!("{}\n{STREAMS}\n{}", table(), tables_of_streams())
}

const STREAMS: &str = "\
Inside an event stream of five events, what comes behind the events that passed, over the version of HTTP that the client speaks with a far
end that knows both. Nobody tries again but JavaScript with Bedrock, where an exception is the first frame (three attempts).
Transcribe's stream goes both ways: each piece of audio is sent when what the one before it said has come back, so neither waits for the end
of the other. boto3 has no client for such streams.";

#[test]
fn the_documentation_shows_what_clients_are_held_to() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let page = fs::read_to_string(&path).unwrap();
    let (text, shown) = page.split_once("-->\n").unwrap();
    if std::env::var_os("SQUALL_RECORD").is_some() {
        fs::write(path, format!("{text}-->\n\n{}", tables())).unwrap();
        return;
    }
    assert_eq!(shown.trim(), tables().trim());
}

#[test]
fn lengths_are_exact_and_heads_are_bodiless() {
    for service in catalog::services() {
        for operation in service.operations() {
            let reading = Reading { service, operation: Some(operation) };
            let request = AwsRequest::of(reading, service.protocols[0]);
            let answer = synthesize(
                &request,
                &idiom(&request, Idiom::Throttle),
                &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 },
            );
            let length =
                answer.headers.get("content-length").map(|length| length.to_str().unwrap().parse::<usize>().unwrap());
            assert_eq!(length, (!request.head_only).then_some(answer.body.len()), "{reading:?}");
            assert_eq!(answer.body.is_empty(), request.head_only, "{reading:?}");
            assert!(answer.headers.contains_key("date"));
        }
    }
}
