//! Errors as AWS writes them: one directory a case under `tests/fixtures/errors`.
//!
//! `error.yaml` says what is to be answered, `response.http` is the answer byte for byte (a body of CBOR stands in hexadecimal). What
//! real clients make of such answers is shown elsewhere, by running them. `SQUALL_RECORD=1` writes the answers anew, for the diff to
//! be read.

#![expect(clippy::unwrap_used, reason = "fixtures that cannot be read fail the test")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use squall::aws::catalog::{self, Service};
use squall::aws::idiom::{Idiom, idiom};
use squall::aws::protocol::{AwsError, Stamp, SyntheticResponse, synthesize};
use squall::aws::request::{AwsRequest, Protocol, Reading};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    service: String,
    operation: String,
    protocol: Option<String>,
    /// A code, or `throttle`, `internal`, `unavailable`.
    code: String,
    status: Option<u16>,
    message: Option<String>,
}

impl Case {
    fn answer(&self) -> SyntheticResponse {
        let service = catalog::service(&self.service).unwrap();
        let operation = service.operation(&self.operation);
        assert!(operation.is_some(), "{}.{}", self.service, self.operation);
        let protocol = self.protocol.as_deref().map_or_else(|| preferred(service), |name| named(service, name));
        let request = AwsRequest::of(Reading { service, operation }, protocol);
        let error = match &*self.code {
            "internal" => idiom(&request, Idiom::Internal),
            "throttle" => idiom(&request, Idiom::Throttle),
            "unavailable" => idiom(&request, Idiom::Unavailable),
            code => AwsError {
                code: code.into(),
                status: self.status.map(|status| StatusCode::from_u16(status).unwrap()),
                message: self.message.as_deref().map(Into::into),
            },
        };
        let id = 0x0f1e_2d3c_4b5a_6978_8796_a5b4_c3d2_e1f0;
        synthesize(&request, &error, &Stamp { date: "2025-06-01T12:00:00Z".parse().unwrap(), id })
    }
}

/// The protocol that botocore would take.
fn preferred(service: &Service) -> Protocol {
    use Protocol::{Cbor, Ec2, Json10, Json11, Query, RestJson, RestXml};
    let order = [Json10, Json11, RestJson, RestXml, Cbor, Query, Ec2];
    order.into_iter().find(|protocol| service.speaks(*protocol)).unwrap()
}

fn named(service: &Service, name: &str) -> Protocol {
    service.protocols.iter().copied().find(|protocol| format!("{protocol:?}") == name).unwrap()
}

fn written(answer: &SyntheticResponse) -> String {
    let mut out = format!("HTTP/1.1 {}\n", answer.status.as_u16());
    for (name, value) in &answer.headers {
        writeln!(out, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    out.push('\n');
    match std::str::from_utf8(&answer.body).ok().filter(|_| answer.headers["content-type"] != "application/cbor") {
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
        let case: Case = serde_yaml::from_str(&fs::read_to_string(folder.join("error.yaml")).unwrap()).unwrap();
        let answer = written(&case.answer());
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

#[test]
fn lengths_are_exact_and_heads_are_bodiless() {
    for service in catalog::services() {
        for operation in service.operations() {
            let reading = Reading { service, operation: Some(operation) };
            let request = AwsRequest::of(reading, preferred(service));
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

/// Answers JSON lines of cases with JSON lines of status, headers and body, so that real clients can be asked about them.
#[test]
#[ignore = "reads the file that SQUALL_ERRORS names and writes beside it"]
fn errors_are_written_for_real_clients() {
    #[derive(Serialize)]
    struct Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    }
    let file = std::env::var("SQUALL_ERRORS").unwrap();
    let lines = fs::read_to_string(&file).unwrap();
    let answers = lines.lines().map(|line| {
        let answer = serde_json::from_str::<Case>(line).unwrap().answer();
        let headers = answer.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        let answer = Answer { status: answer.status.as_u16(), headers, body: answer.body.to_vec() };
        serde_json::to_string(&answer).unwrap() + "\n"
    });
    fs::write(format!("{file}.answers"), answers.collect::<String>()).unwrap();
}
