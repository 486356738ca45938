//! Requests as they are on the wire, read: one directory a case under `tests/fixtures/decode`.
//!
//! `request.http` is the request, head and body, lines ended as the file has them; `expect.yaml` says what must be read. Adding a case
//! adds files, no Rust.

#![expect(clippy::unwrap_used, reason = "fixtures that cannot be read fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use squall::aws::request::{AwsRequest, Foreign, Head, decode, needs_body};

/// A request in parts.
struct Written {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Written {
    fn new(method: &str, url: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let (_, rest) = url.split_once("://").unwrap();
        let (authority, target) =
            rest.split_once('/').map_or_else(|| (rest, "/".to_owned()), |(a, t)| (a, format!("/{t}")));
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (target, None),
        };
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Self { method: method.parse().unwrap(), host, path, query, headers: map, body }
    }

    fn of_text(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| (text.trim_end(), ""));
        let mut lines = head.lines();
        let mut start = lines.next().unwrap().split(' ');
        let (method, target) = (start.next().unwrap(), start.next().unwrap());
        let headers: Vec<_> =
            lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap().1.clone();
        Self::new(method, &format!("http://{host}{target}"), headers, body.trim_end_matches('\n').into())
    }

    /// As the proxy does it: the body only where it is asked for.
    fn decoded(&self) -> Result<AwsRequest, Foreign> {
        let (path, query) = (&*self.path, self.query.as_deref());
        let head = Head { method: &self.method, host: &self.host, path, query, headers: &self.headers };
        decode(&head, if needs_body(&head) { &self.body } else { &[] })
    }
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Expected {
    foreign: Option<String>,
    /// `service.Operation`, best first; a service alone where the operation is open.
    readings: Vec<String>,
    protocol: Option<String>,
    region: Option<String>,
    access_key: Option<String>,
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
        region: request.region.map(Into::into),
        access_key: request.access_key.map(|key| key.0.into()),
        invocation: request.invocation.map(Into::into),
        attempt: request.attempt,
        max_attempts: request.max_attempts,
    }
}

fn names(request: &AwsRequest) -> Vec<String> {
    let name = |service: &str, operation: Option<&str>| match operation {
        Some(operation) => format!("{service}.{operation}"),
        None => service.to_owned(),
    };
    request.readings.iter().map(|r| name(r.service.name, r.operation.map(|o| o.name))).collect()
}

#[test]
fn every_recorded_request_is_read_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decode");
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for case in &cases {
        let written = Written::of_text(&fs::read_to_string(case.join("request.http")).unwrap());
        let expected: Expected = serde_yaml::from_str(&fs::read_to_string(case.join("expect.yaml")).unwrap()).unwrap();
        let got = told(written.decoded());
        if got != expected {
            wrong.push(format!("{}:\n  expected {expected:?}\n  read     {got:?}", case.display()));
        }
    }
    assert!(cases.len() >= 30, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Measures reading against a corpus of one request per operation: JSON lines of method, url, headers, body_b64 and expect.
#[test]
#[ignore = "reads the files that SQUALL_CORPUS names, parted by colons"]
fn a_corpus_is_read() {
    #[derive(Deserialize)]
    struct Row {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body_b64: String,
        expect: BTreeMap<String, Option<String>>,
    }
    for file in std::env::var("SQUALL_CORPUS").unwrap().split(':') {
        let rows: Vec<Row> =
            fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let expect = |row: &Row, key: &str| row.expect[key].clone().unwrap_or_default();
        let mut n: BTreeMap<&str, usize> = BTreeMap::new();
        let mut misses = String::new();
        for row in &rows {
            let written = Written::new(&row.method, &row.url, row.headers.clone(), unbase64(&row.body_b64));
            let want = format!("{}.{}", expect(row, "service"), expect(row, "operation"));
            let decoded = written.decoded();
            let found = decoded.as_ref().map(names).unwrap_or_default();
            *n.entry("exact").or_default() += usize::from(found.first() == Some(&want));
            *n.entry("in").or_default() += usize::from(found.contains(&want));
            *n.entry("candidates").or_default() += found.len();
            *n.entry("wrong").or_default() += usize::from(found.len() == 1 && found[0] != want);
            if let Ok(request) = &decoded {
                *n.entry("region").or_default() +=
                    usize::from(request.region.as_deref() == Some(&*expect(row, "region")));
                let key = request.access_key.as_ref().map(|key| &*key.0);
                *n.entry("key").or_default() += usize::from(key == Some(&*expect(row, "access_key_id")));
            }
            if found.first() != Some(&want) {
                misses += &format!("{want}\t{found:?}\t{} {}\t{:?}\n", row.method, row.url, decoded.err());
            }
        }
        fs::write(format!("{file}.misses"), misses).unwrap();
        println!("{file}: {} rows, {n:?}", rows.len());
    }
}

fn unbase64(text: &str) -> Vec<u8> {
    let mut bits = 0u32;
    let mut held = 0;
    let mut out = Vec::new();
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let six = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|c| *c == byte);
        bits = bits << 6 | u32::try_from(six.unwrap()).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    out
}
