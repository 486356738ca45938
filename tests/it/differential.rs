//! The same exchange, direct and through Squall, compared byte by byte on both ends; and what is known to differ, line by line.

mod differs;
mod rough;
mod script;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::support::squall::Squall;
use crate::support::upstream::{HOST, Request, Upstream};
use crate::support::{client, soon, squall};

/// What a client sends and an upstream answers.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Written a byte at a time.
    slow: bool,
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn case(name: impl Into<String>, request: impl Into<Vec<u8>>, answer: impl Into<Vec<u8>>) -> Case {
    Case { name: name.into(), request: request.into(), answer: answer.into(), slow: false }
}

/// Every method with every odd target.
fn targets() -> Vec<Case> {
    let targets = [
        "/",
        "//",
        "/a//b/",
        "/a/./b/../c",
        "/%2F%2f%7E~",
        "/ü",
        "/?",
        "/?a",
        "/?a=&b",
        "/?b=2&a=1&a=0",
        "/a;p=1?x=%20+%2B",
        "/a%zz%",
        "/bucket/key?uploads",
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/invocations",
        "/!$&'()*,-.:;=@_~",
        "/?list-type=2&prefix=a%2Fb&delimiter=/",
    ];
    let methods = ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "POST", "PATCH", "REPORT"];
    let all = methods.iter().flat_map(|method| targets.iter().map(move |target| (method, target)));
    all.map(|(method, target)| {
        case(format!("{method} {target}"), format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), EMPTY)
    })
    .collect()
}

/// Field sections of many shapes.
fn fields() -> Vec<Case> {
    let many: String = (0..200).map(|n| format!("x-amz-meta-{n}: {n}\r\n")).collect();
    let sections = [
        ("case", "hOST2: a\r\nX-AMZ-Date: 1\r\nx-amz-DATE2: 2\r\naccept-encoding: identity\r\n".to_owned()),
        ("duplicates", "X-A: 1\r\nX-A: 2\r\nx-a: 3\r\nX-B: 1\r\nX-B: 1\r\n".to_owned()),
        ("empty values", "X-Empty:\r\nX-Next: 1\r\nX-Last:\r\n".to_owned()),
        ("odd names", "!#$%&'*+-.^_`|~: 1\r\n1: 2\r\n".to_owned()),
        ("odd values", "X-V: a  b\t\"c\" ,;=\u{fc}\r\n".to_owned()),
        ("connection", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n".to_owned()),
        ("hop by hop", "Connection: TE\r\nTE: trailers\r\n".to_owned()),
        ("cookies", "Cookie: a=1; b=2\r\nCookie: c=3\r\n".to_owned()),
        ("long value", format!("X-Amz-Security-Token: {}\r\n", "t".repeat(64 << 10))),
        ("many fields", many),
        ("sdk", "amz-sdk-invocation-id: 1-2\r\namz-sdk-request: ttl=20261121T000000Z; attempt=2; max=4\r\nUser-Agent: Boto3/1 md/x#y\r\n".to_owned()),
        ("range", "Range: bytes=0-9\r\nIf-None-Match: \"x\", W/\"y\"\r\nIf-Modified-Since: Sat, 21 Nov 2026 00:00:00 GMT\r\n".to_owned()),
    ];
    let request =
        |section: &str| format!("GET /k HTTP/1.1\r\nZ-First: 0\r\nHost: {HOST}\r\n{section}A-Last: 9\r\n\r\n");
    let answer =
        |section: &str| format!("HTTP/1.1 200 OK\r\nZ-First: 0\r\n{section}Content-Length: 0\r\nA-Last: 9\r\n\r\n");
    let unfit_for_answers = ["connection", "hop by hop"];
    sections
        .iter()
        .flat_map(|(name, section)| {
            let asked = case(format!("request fields: {name}"), request(section), EMPTY);
            // hyper writes a space before an answer's empty value: white space, which it normalises.
            let told = case(format!("answer fields: {name}"), request(""), answer(&section.replace(":\r\n", ": \r\n")));
            [Some(asked), (!unfit_for_answers.contains(name)).then_some(told)]
        })
        .flatten()
        .collect()
}

/// Bodies of many sizes and framings, both ways.
fn bodies() -> Vec<Case> {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x4c\x4a\x06\x00\xc2\x41\x24\x35\x03\x00\x00\x00".to_vec();
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut cases = Vec::new();
    for (name, body) in
        [("no", Vec::new()), ("one byte of", b"x".to_vec()), ("gzip", gzip), ("binary", binary), ("large", large)]
    {
        for method in ["PUT", "POST", "PATCH", "DELETE"] {
            let head = format!("{method} /k HTTP/1.1\r\nHost: {HOST}\r\nContent-Encoding: gzip\r\n");
            cases.push(case(format!("{method} with {name} body"), with_length(&head, &body), EMPTY));
            cases.push(case(format!("{method} with {name} body in a chunk"), chunked(&head, &body), EMPTY));
        }
        for status in [
            "200 OK",
            "206 Partial Content",
            "400 Bad Request",
            "404 Not Found",
            "429 Too Many Requests",
            "503 Slow Down",
        ] {
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n");
            cases.push(case(format!("{status} with {name} body"), get(), with_length(&head, &body)));
            if body.len() < 1000 {
                cases.push(case(format!("{status} with {name} body in a chunk"), get(), chunked(&head, &body)));
            }
        }
    }
    cases
}

/// Statuses that have no body, reasons of all kinds, and old versions.
fn statuses() -> Vec<Case> {
    let answers = [
        "HTTP/1.1 204 No Content\r\nx-amz-id-2: a+b/c=\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 Something Else Entirely\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 301 Moved Permanently\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    ];
    let mut cases: Vec<_> = answers.iter().map(|answer| case(format!("answer {answer}"), get(), *answer)).collect();
    let head = format!("HEAD /k HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    for status in ["200 OK", "404 Not Found", "503 Slow Down"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n");
        cases.push(case(format!("HEAD answered {status}"), head.clone(), answer));
    }
    let mut slow =
        case("a byte at a time", with_length(&format!("PUT /k HTTP/1.1\r\nHost: {HOST}\r\n"), b"slowly"), EMPTY);
    slow.slow = true;
    cases.push(slow);
    cases
}

fn get() -> String {
    format!("GET /k HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

fn with_length(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn chunked(head: &str, body: &[u8]) -> Vec<u8> {
    let chunk =
        if body.is_empty() { Vec::new() } else { [format!("{:X}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat() };
    [head.as_bytes(), b"Transfer-Encoding: chunked\r\n\r\n", &chunk, b"0\r\n\r\n"].concat()
}

/// Sends a case and reads its answer's bytes.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, case: &Case) -> Vec<u8> {
    if case.slow {
        for byte in &case.request {
            stream.write_all(&[*byte]).await.unwrap();
            stream.flush().await.unwrap();
        }
    } else {
        stream.write_all(&case.request).await.unwrap();
    }
    stream.flush().await.unwrap();
    let mut seen = vec![0; case.answer.len()];
    soon(&case.name, stream.read_exact(&mut seen)).await.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    seen
}

/// The message with its chunks put together: chunk sizes are a hop's own affair.
fn unchunked(message: &Request) -> (String, Vec<u8>) {
    let mut body = message.body.clone();
    if message.head.contains("Transfer-Encoding: chunked") {
        let (mut joined, mut rest) = (Vec::new(), body.as_slice());
        while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            joined.extend_from_slice(&rest[end + 2..][..size]);
            rest = &rest[(end + 2 + size + 2).min(rest.len())..];
        }
        body = joined;
    }
    (message.head.clone(), body)
}

async fn compare(case: &Case, way: &str, through: impl AsyncFn(&Squall, &Case) -> Vec<u8>) {
    let answer = Arc::new(case.answer.clone());
    let given = Arc::clone(&answer);
    let aws = Upstream::plain_with(move |_| given.to_vec()).await;
    let squall = squall::calm().toward(&aws).run();
    let direct = exchange(&mut client::connect(aws.address).await, case).await;
    let carried = through(&squall, case).await;
    let requests = aws.requests();
    let [first, second] = requests.as_slice() else { panic!("{}: {requests:?}", case.name) };
    let second = Request { head: second.head.replace("x-forwarded-proto: https\r\n", ""), ..second.clone() };
    assert_eq!(unchunked(first), unchunked(&second), "{way}: the upstream sees another request: {}", case.name);
    assert!(
        direct == carried,
        "{way}: the client sees another answer: {}\n{}\n{}",
        case.name,
        show(&direct),
        show(&carried)
    );
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_200_exchanges_are_the_same_direct_and_through_squall() {
    let cases: Vec<_> = [targets(), fields(), bodies(), statuses()].concat();
    assert!(cases.len() > 200, "{}", cases.len());
    for case in &cases {
        compare(case, "endpoint", async |squall, case| {
            exchange(&mut client::connect(squall.address).await, case).await
        })
        .await;
        compare(case, "connect", async |squall, case| {
            let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
            exchange(&mut client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap(), case).await
        })
        .await;
    }
    println!("{} exchanges compared, each through the endpoint and through CONNECT", cases.len());
}

/// What `sent` is when it has come through, and why that is as it should be is said in docs/transparency.md.
#[tokio::test]
async fn what_hyper_normalises_is_this_and_no_more() {
    let request = |fields: &str| format!("GET /k HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let post = |fields: &str, body: &str| format!("POST /k HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    for (sent, arrives) in [
        (request("X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n"), request("X-A: 1\r\nX-A: 3\r\nX-B: 2\r\n")),
        (request("X-A:   1  \r\n"), request("X-A: 1\r\n")),
        (request("").replace("/k", "/k#part"), request("")),
        (request("").replace("\r\n", "\n"), request("")),
        (post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"), post("Content-Length: 2\r\n", "hi")),
        (
            post("Transfer-Encoding: chunked\r\n", "2;ext=1\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n"),
            post("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
        ),
    ] {
        let aws = Upstream::plain(EMPTY).await;
        let squall = squall::calm().toward(&aws).run();
        let mut stream = client::connect(squall.address).await;
        assert_eq!(client::exchange(&mut stream, &sent).await.status(), 200, "{sent}");
        let seen = aws.only_request();
        assert_eq!(format!("{}{}", seen.head, String::from_utf8(seen.body).unwrap()), arrives);
    }
}
