//! Random requests, and recorded ones with random wounds: nothing panics, and what is read hangs together.

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use squall::aws::idiom::{Idiom, idiom};
use squall::aws::protocol::{Stamp, synthesize};
use squall::aws::request::{Head, decode, needs_body};
use squall::aws::why::explain;

use crate::support::written::cases;

/// Pieces of which requests are made: what decoding looks for, and what might trip it.
const PIECES: &[&str] = &[
    "/",
    "//",
    "?",
    "&",
    "=",
    ".",
    "..",
    ",",
    ";",
    "%",
    "%2F",
    "%00",
    "%zz",
    "ü",
    "a",
    "-",
    "s3",
    "s3express-",
    "amazonaws.com",
    "us-east-1",
    "DynamoDB_20120810",
    "PutItem",
    "dynamodb",
    "execute-api",
    "service",
    "operation",
    "AWS4-HMAC-SHA256 ",
    "AWS4-ECDSA-P256-SHA256 ",
    "AWS ",
    "Credential=",
    "aws4_request",
    "Bearer ",
    "Action=",
    "Version=",
    "2011-06-15",
    "X-Amz-Credential=",
    "AWSAccessKeyId=",
    "Expires=1",
    "x-id=",
    "GetObject",
    "lifecycle",
    "uploads",
    "api/",
    "api/s3#3",
    "attempt=",
    "max=",
    "99999999999",
    "rpc-v2-cbor",
    "application/x-amz-json-1.0",
    "application/x-www-form-urlencoded",
    "vpce-",
    "arn:",
    "arn%3A",
    "123456789012",
    "gzip",
    "Boto3/1",
    "lang/",
    "cfg/retry-mode#",
    "(go1;",
    "-fips",
    "localhost",
    " ",
    "\u{1f}",
];

const HEADERS: &[&str] = &[
    "authorization",
    "x-amz-target",
    "content-type",
    "smithy-protocol",
    "amz-sdk-request",
    "amz-sdk-invocation-id",
    "user-agent",
    "x-amz-user-agent",
    "x-amz-region-set",
    "x-amz-copy-source",
    "x-amz-account-id",
    "content-encoding",
];

const METHODS: &[&str] = &["GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH", "BREW"];

fn pieces(most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// Reads the request as the proxy would, and answers it where it can be read.
fn read(method: &str, host: &str, path: &str, query: Option<&str>, headers: &[(&str, String)], body: &[u8]) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes())) {
            map.append(name, value);
        }
    }
    let method: Method = method.parse().unwrap_or(Method::GET);
    let head = Head { method: &method, host, path, query, headers: &map };
    let _ = needs_body(&head);
    let Ok(request) = decode(&head, body) else { return };
    assert!(!request.readings.is_empty());
    assert!(request.why.clues().count() > 0 && explain(&request, &head, body).len() == request.why.clues().count());
    assert!(request.account.as_ref().is_none_or(|account| account.len() == 12));
    for reading in &request.readings {
        let operation = reading.operation.map(|operation| operation.name);
        assert!(operation.is_none_or(|name| reading.service.operation(name) == reading.operation), "{reading:?}");
    }
    assert!(request.region.as_ref().is_none_or(|region| !region.is_empty()));
    for kind in [Idiom::Internal, Idiom::Throttle, Idiom::Unavailable] {
        let answer = synthesize(&request, &idiom(&request, kind), &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 });
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
        assert!(answer.status.as_u16() >= 400);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_requests_are_read_or_foreign(
        method in prop::sample::select(METHODS),
        host in pieces(6),
        path in pieces(8),
        query in prop::option::of(pieces(10)),
        headers in prop::collection::vec((prop::sample::select(HEADERS), pieces(8)), 0..6),
        body in prop_oneof![pieces(10).prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..64)],
    ) {
        read(method, &host, &path, query.as_deref(), &headers, &body);
    }

    #[test]
    fn wounded_requests_are_read_or_foreign(
        case in any::<prop::sample::Index>(),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, pieces(2)), 1..4),
    ) {
        let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decode"));
        let mut text: Vec<char> = fs::read_to_string(case.get(&cases).join("request.http")).unwrap().chars().collect();
        for (at, length, instead) in wounds {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, instead.chars());
        }
        let text: String = text.into_iter().collect();
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let mut start = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (start.next().unwrap_or_default(), start.next().unwrap_or_default());
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers: Vec<(&str, String)> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name, value.to_owned())).collect();
        let host = headers.iter().find(|(name, _)| *name == "Host").map_or("", |(_, host)| host);
        read(method, host, path, query, &headers, body.as_bytes());
    }
}

/// A request of `size` repetitions of everything that is looked at, and how long reading it took at best.
fn huge(size: usize) -> Duration {
    let authorization =
        format!("AWS4-HMAC-SHA256 {}Credential=AK/1/us-east-1/s3/aws4_request", "Credential ".repeat(size));
    let agent = "api/ (go1; lang/ cfg/retry-mode# Boto3/1 ".repeat(size);
    let headers = [
        ("authorization", authorization),
        ("x-amz-user-agent", agent),
        ("x-amz-target", "a.".repeat(size)),
        ("amz-sdk-request", "attempt=;".repeat(size)),
        ("content-type", "application/x-www-form-urlencoded;".repeat(size)),
    ];
    let path = "/a/arn:arn%3A".repeat(size);
    let (query, host) = ("a&arn:=%".repeat(size), "a.".repeat(size) + "amazonaws.com");
    let body = "Action=&".repeat(size);
    let timed = |_| {
        let started = squall::clock::now();
        read("POST", &host, &path, Some(&query), &headers, body.as_bytes());
        read("PUT", &host, &path, Some(&query), &headers[..2], body.as_bytes());
        started.elapsed()
    };
    (0..3).map(timed).min().unwrap_or_default()
}

#[test]
fn huge_requests_are_read_in_linear_time() {
    huge(1);
    let (small, large) = (huge(4_000), huge(64_000));
    // Sixteen times the size: sixteen times the time, and room for a busy machine; quadratic would be 256 times.
    assert!(large < small.max(Duration::from_millis(1)) * 64, "{small:?} and {large:?}");
}
