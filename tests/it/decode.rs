//! Requests as they are on the wire, read: one directory a case under `tests/fixtures/decode`.
//!
//! `request.http` is the request, head and body, lines ended as the file has them (a body that is no text stands in `body.b64`);
//! `expect.yaml` says what must be read. Adding a case adds files, no Rust.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use squall::aws::client::Client;
use squall::aws::request::{AwsRequest, Foreign, decode, needs_body};

use crate::support::written::{Written, cases};

/// As the proxy does it: the body only where it is asked for.
fn decoded(written: &Written) -> Result<AwsRequest, Foreign> {
    let head = written.head();
    decode(&head, if needs_body(&head) { &written.body } else { &[] })
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    foreign: Option<String>,
    /// `service.Operation`, best first; a service alone where the operation is open.
    readings: Vec<String>,
    protocol: Option<String>,
    /// The clues that the readings came from: `scope+route`.
    why: Option<String>,
    region: Option<String>,
    access_key: Option<String>,
    account: Option<String>,
    /// In words, with language and retry mode.
    client: Option<String>,
    invocation: Option<String>,
    attempt: Option<u32>,
    max_attempts: Option<u32>,
}

fn told(decoded: Result<AwsRequest, Foreign>) -> Expected {
    let request = match decoded {
        Ok(request) => request,
        Err(foreign) => return Expected { foreign: Some(format!("{foreign:?}")), ..Expected::default() },
    };
    Expected {
        foreign: None,
        readings: names(&request),
        protocol: Some(format!("{:?}", request.protocol)),
        why: Some(request.why.to_string()),
        client: request.client.as_deref().map(in_words),
        account: request.account.map(Into::into),
        region: request.region.map(Into::into),
        access_key: request.access_key.map(|key| key.0.into()),
        invocation: request.invocation.map(Into::into),
        attempt: request.attempt,
        max_attempts: request.max_attempts,
    }
}

fn names(request: &AwsRequest) -> Vec<String> {
    request.readings.iter().map(ToString::to_string).collect()
}

/// `boto3 1.44.5, python 3.11.7, standard`
fn in_words(client: &Client) -> String {
    let mut words = client.to_string();
    if let Some(language) = client.language {
        words += &format!(", {language}");
    }
    if let Some(version) = &client.language_version {
        words += &format!(" {version}");
    }
    if let Some(mode) = client.retry_mode {
        words += &format!(", {}", mode.as_str());
    }
    words
}

#[test]
fn every_recorded_request_is_read_as_recorded() {
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decode"));
    let mut wrong = Vec::new();
    for case in &cases {
        let expected: Expected = serde_yaml::from_str(&fs::read_to_string(case.join("expect.yaml")).unwrap()).unwrap();
        let got = told(decoded(&Written::of_case(case)));
        if got != expected {
            wrong.push(format!("{}:\n  expected {expected:?}\n  read     {got:?}", case.display()));
        }
    }
    assert!(cases.len() >= 90, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One line of `botocore.jsonl`: a request as botocore made it, which operation it was, and what must be read.
#[derive(Deserialize)]
struct Sent {
    /// Why it is there.
    rules: Vec<String>,
    sent: String,
    /// Best first.
    candidates: Vec<String>,
    protocol: String,
    /// The signed one where it is signed with SigV4.
    region: Option<String>,
    account: Option<String>,
}

/// The corpus holds a request for each protocol, each shared signing name, host prefix, unsigned service, shape of route, kind of host
/// and set of twins, cut out of one request for every operation there is.
#[test]
fn every_kind_of_request_that_botocore_makes_is_read() {
    let corpus = include_str!("../fixtures/botocore.jsonl");
    let mut out = Vec::new();
    assert!(squall::command::decode::decode(corpus.as_bytes(), &mut out, false).unwrap());
    let told: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent: Vec<Sent> = corpus.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), sent.len());
    let mut wrong = Vec::new();
    for (sent, told) in sent.iter().zip(&told) {
        let expected = json!([sent.candidates, sent.protocol, sent.region, sent.account]);
        let read = json!([told["candidates"], told["protocol"], told["region"], told["account"]]);
        if read != expected || !sent.candidates.contains(&sent.sent) {
            wrong.push(format!("{} ({}):\n  expected {expected}\n  read     {read}", sent.sent, sent.rules.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
