//! Real clients cannot tell, and neither can AWS: what they send through Squall is what they send without it.
//!
//! Each program is run twice: straight to a recording upstream (over CONNECT by way of a proxy that only copies bytes), and through
//! Squall. All its requests are compared, in the version of HTTP they come in, and in both runs every signature must verify.

mod answers;
mod normal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use aws_credential_types::Credentials;

use crate::support::sigv4::{KEY_ID, SECRET, Signed, verify};
use crate::support::toolchain::{self, Runner, say};
use crate::support::upstream::{Http2, Request, Upstream};
use crate::support::{connect, squall};

/// A program under `tests/sdk/<language>/`.
struct Client {
    name: &'static str,
    language: &'static str,
    program: &'static str,
    set_up: fn(&Path) -> Result<Runner, String>,
    over_https: Expected,
    over_http: Expected,
}

/// How many requests it sends, and what must be among their ways of signing.
struct Expected {
    requests: usize,
    signed: &'static [&'static str],
}

const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const MANY_REGIONS: &str = "AWS4-ECDSA-P256-SHA256";

const BOTO3: Client = Client {
    name: "boto3",
    language: "python",
    program: "transparent/client.py",
    set_up: toolchain::python,
    over_https: Expected { requests: 22, signed: &[UNSIGNED_CHUNKS, "hash", "presigned"] },
    over_http: Expected { requests: 22, signed: &["hash", "presigned"] },
};

const CLI: Client = Client {
    name: "the AWS CLI",
    program: "transparent/cli.py",
    over_https: Expected { requests: 14, signed: &[UNSIGNED_CHUNKS, "hash"] },
    over_http: Expected { requests: 14, signed: &["hash"] },
    ..BOTO3
};

const JAVASCRIPT: Client = Client {
    name: "the SDK for JavaScript v3",
    language: "javascript",
    program: "transparent/client.mjs",
    set_up: toolchain::javascript,
    over_https: Expected { requests: 19, signed: &[UNSIGNED_CHUNKS, "hash", "presigned"] },
    over_http: Expected { requests: 19, signed: &[UNSIGNED_CHUNKS, "hash", "presigned"] },
};

const RUST: Client = Client {
    name: "the SDK for Rust",
    language: "rust",
    program: "transparent/client.rs",
    set_up: toolchain::rust,
    over_https: Expected { requests: 17, signed: &[UNSIGNED_CHUNKS, "hash", MANY_REGIONS] },
    over_http: Expected { requests: 15, signed: &[SIGNED_CHUNKS, "hash"] },
};

#[tokio::test(flavor = "multi_thread")]
async fn boto3_sends_through_connect_what_it_sends_without_squall() {
    through_connect(&BOTO3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_sends_to_squall_as_its_endpoint_what_it_sends_without_squall() {
    to_the_endpoint(&BOTO3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_sends_through_connect_what_it_sends_without_squall() {
    through_connect(&CLI).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_sends_to_squall_as_its_endpoint_what_it_sends_without_squall() {
    to_the_endpoint(&CLI).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_sends_through_connect_what_it_sends_without_squall() {
    through_connect(&JAVASCRIPT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_sends_to_squall_as_its_endpoint_what_it_sends_without_squall() {
    to_the_endpoint(&JAVASCRIPT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_sends_through_connect_what_it_sends_without_squall() {
    through_connect(&RUST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_sends_to_squall_as_its_endpoint_what_it_sends_without_squall() {
    to_the_endpoint(&RUST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_boto3_sends_to_the_endpoint_reaches_aws_signed_for_it() {
    in_front_of_aws(&BOTO3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_aws_cli_sends_to_the_endpoint_reaches_aws_signed_for_it() {
    in_front_of_aws(&CLI).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sdk_for_javascript_sends_to_the_endpoint_reaches_aws_signed_for_it() {
    in_front_of_aws(&JAVASCRIPT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sdk_for_rust_sends_to_the_endpoint_reaches_aws_signed_for_it() {
    in_front_of_aws(&RUST).await;
}

/// The program has keys of its own, which AWS does not know, and no other address than Squall's.
async fn in_front_of_aws(client: &'static Client) {
    let Some(runner) = ready(client).await else { return };
    let aws = Upstream::tls_http2(answers::answer).await;
    let own = Credentials::new(KEY_ID, SECRET, None, None, "test");
    let squall = squall::calm().in_front_of_aws(&aws, own).run();
    let keys = ("AKIDOFTHECLIENT", "unknown to AWS");
    let seen = run_with(keys, client, &runner, ("AWS_ENDPOINT_URL", squall.address), "", &aws).await;
    assert_eq!(seen.requests.len(), client.over_http.requests);
    for request in &seen.requests {
        let host = request.field("host").unwrap();
        assert!(host.ends_with(".amazonaws.com"), "{host}");
    }
    let kinds = signed(&seen.requests);
    let kinds: String = kinds.iter().map(|(kind, count)| format!("\n  {count:3} {kind}")).collect();
    say(&format!("{} in front of AWS: {} requests{kinds}\n", client.name, seen.requests.len()));
}

async fn through_connect(client: &'static Client) {
    let Some(runner) = ready(client).await else { return };
    let aws = Upstream::tls_http2(answers::answer).await;
    let without = over_connect(client, &runner, &aws).await;
    let aws = Upstream::tls_http2(answers::answer).await;
    let through = over_squall(client, &runner, &aws).await;
    let (one, other) = compare(&format!("{} through CONNECT", client.name), &client.over_https, &without, &through);
    assert_eq!(one, other, "requests over HTTP/2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_speaks_http1_through_squall_where_it_would_without() {
    let Some(runner) = ready(&RUST).await else { return };
    let aws = Upstream::tls(answers::answer).await;
    let without = over_connect(&RUST, &runner, &aws).await;
    let aws = Upstream::tls(answers::answer).await;
    let through = over_squall(&RUST, &runner, &aws).await;
    let versions = compare("the SDK for Rust with an upstream of HTTP/1.1", &RUST.over_https, &without, &through);
    assert_eq!(versions, (0, 0), "requests over HTTP/2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_takes_a_throttle_over_http2_for_real_and_tries_again() {
    let Some(runner) = ready(&RUST).await else { return };
    let aws = Upstream::tls_http2(answers::answer).await;
    let first_tries = "{name: first-tries, match: {service: dynamodb, attempt: 1}, fault: throttle}";
    let squall = squall::profile(&format!("name: test\nrules: [{first_tries}]\n")).toward(&aws).run();
    let seen = run(&RUST, &runner, ("HTTPS_PROXY", squall.address), &squall.trust_anchor, &aws).await;
    assert_eq!(seen.requests.len(), RUST.over_https.requests);
    for request in seen.requests {
        let is_dynamodb = request.field("x-amz-target").is_some_and(|target| target.starts_with("DynamoDB"));
        let attempt = if is_dynamodb { "attempt=2; max=3" } else { "attempt=1; max=3" };
        assert_eq!(request.field("amz-sdk-request"), Some(attempt), "{}", request.head);
        assert!(request.http2.is_some(), "{}", request.head);
        verify(&request).unwrap();
    }
}

/// Without Squall, by way of a proxy that only copies bytes.
async fn over_connect(client: &Client, runner: &Runner, aws: &Upstream) -> Seen {
    let proxy = connect::proxy(aws.address).await;
    run(client, runner, ("HTTPS_PROXY", proxy), &aws.root_pem(), aws).await
}

async fn over_squall(client: &Client, runner: &Runner, aws: &Upstream) -> Seen {
    let squall = squall::calm().toward(aws).run();
    run(client, runner, ("HTTPS_PROXY", squall.address), &squall.trust_anchor, aws).await
}

async fn to_the_endpoint(client: &'static Client) {
    let Some(runner) = ready(client).await else { return };
    let without = at_upstream(client, &runner).await;
    let through = at_squall(client, &runner, &Upstream::plain_http2(answers::answer).await).await;
    let (one, other) = compare(&format!("{} to the endpoint", client.name), &client.over_http, &without, &through);
    assert_eq!(one, other, "requests over HTTP/2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sdk_for_javascript_sends_over_http2_verifies_at_an_emulator_of_http1_too() {
    let Some(runner) = ready(&JAVASCRIPT).await else { return };
    let without = at_upstream(&JAVASCRIPT, &runner).await;
    let through = at_squall(&JAVASCRIPT, &runner, &Upstream::plain_with(answers::answer).await).await;
    let what = "the SDK for JavaScript v3 to the endpoint, translated";
    let versions = compare(what, &JAVASCRIPT.over_http, &without, &through);
    assert_eq!(versions, (1, 0), "requests over HTTP/2: Kinesis alone begins with it");
}

async fn at_upstream(client: &Client, runner: &Runner) -> Seen {
    let aws = Upstream::plain_http2(answers::answer).await;
    run(client, runner, ("AWS_ENDPOINT_URL", aws.address), "", &aws).await
}

async fn at_squall(client: &Client, runner: &Runner, aws: &Upstream) -> Seen {
    let squall = squall::calm().toward(aws).run();
    run(client, runner, ("AWS_ENDPOINT_URL", squall.address), "", aws).await
}

/// Nothing if the toolchain is not there and need not be.
async fn ready(client: &'static Client) -> Option<Runner> {
    let folder = toolchain::folder(client.language);
    match tokio::task::spawn_blocking(move || (client.set_up)(&folder)).await.unwrap() {
        Ok(runner) => Some(runner),
        Err(why) if toolchain::is_required(client.language) => panic!("{}: {why}", client.language),
        Err(why) => {
            say(&format!("skipped: what {} sends: {why}\n", client.name));
            None
        }
    }
}

/// What one run sent.
struct Seen {
    requests: Vec<Request>,
    /// Where the client was sent.
    way: String,
}

/// Runs the program to its end, with the variable that leads it to `way`.
async fn run(client: &Client, runner: &Runner, way: (&str, SocketAddr), root: &str, aws: &Upstream) -> Seen {
    run_with((KEY_ID, SECRET), client, runner, way, root, aws).await
}

/// As [`run`], with these keys.
async fn run_with(
    keys: (&str, &str),
    client: &Client,
    runner: &Runner,
    way: (&str, SocketAddr),
    root: &str,
    aws: &Upstream,
) -> Seen {
    let own = tempfile::tempdir().unwrap();
    let ca = own.path().join("ca.pem");
    std::fs::write(&ca, root).unwrap();
    let mut program = runner.command(client.program);
    program.env("HOME", own.path()).env("TMPDIR", own.path()).current_dir(own.path());
    program.env("AWS_ACCESS_KEY_ID", keys.0).env("AWS_SECRET_ACCESS_KEY", keys.1);
    // Python's sets else have an order of their own on each run, and botocore writes one into User-Agent.
    program.env("PYTHONHASHSEED", "0");
    program.env("AWS_EC2_METADATA_DISABLED", "true").env(way.0, format!("http://{}", way.1));
    if !root.is_empty() {
        program.envs(["AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"].map(|name| (name, &ca)));
    }
    let ran = tokio::task::spawn_blocking(move || program.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let lines: Vec<_> = aws.requests().iter().map(|r| r.head.lines().next().unwrap().to_owned()).collect();
    assert!(ran.status.success(), "{}, {way:?}: {}\n{said}{}", client.name, ran.status, lines.join("\n"));
    Seen { requests: aws.requests(), way: way.1.to_string() }
}

/// Request by request; and says what was compared. Gives how many requests came over HTTP/2 in either run.
fn compare(what: &str, expected: &Expected, without: &Seen, through: &Seen) -> (usize, usize) {
    let kinds = signed(&without.requests);
    assert_eq!(kinds, signed(&through.requests), "{what}");
    let [without, through] = [without, through].map(|seen| normal::normal(&seen.requests, &seen.way));
    let line = |request: &Request| format!("{} {}", request.method(), request.target());
    let lines: Vec<_> = without.iter().map(line).collect();
    assert_eq!(lines, through.iter().map(line).collect::<Vec<_>>(), "{what}");
    let mut differences = without.iter().zip(&through).filter_map(|(one, other)| normal::difference(one, other));
    if let Some(first) = differences.next() {
        panic!("{what}: {} differ; the first:\n{first}", 1 + differences.count());
    }
    let http2 = |requests: &[Request]| requests.iter().filter(|request| request.http2.is_some()).count();
    let versions = (http2(&without), http2(&through));
    let kinds: String = kinds.iter().map(|(kind, count)| format!("\n  {count:3} {kind}")).collect();
    let over = format!("over HTTP/2: {} without Squall, {} through it", versions.0, versions.1);
    say(&format!("{what}: {} requests the same ({over}){kinds}\n", lines.len()));
    assert_eq!(lines.len(), expected.requests, "{what}: {lines:#?}");
    for kind in expected.signed {
        assert!(kinds.contains(kind), "{what}: none was signed with {kind}");
    }
    versions
}

/// How often each way of signing came. Every signature verifies.
fn signed(requests: &[Request]) -> BTreeMap<Signed, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let signed = verify(request).unwrap_or_else(|why| panic!("{why}\n{}", request.head));
        *counts.entry(signed).or_default() += 1;
    }
    counts
}

#[test]
fn a_bent_request_is_a_difference() {
    let head = "PUT /k HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-b: 2\r\n\r\n";
    let whole = Request { head: head.to_owned(), body: b"hello".to_vec(), http2: None };
    let bent = |from: &str, to: &str| Request { head: head.replace(from, to), ..whole.clone() };
    let http2 = Some(Http2 { authority: "a".to_owned(), ..Http2::default() });
    let over_http2 = Request { http2: http2.clone(), ..bent("Host: a\r\n", "") };
    assert_eq!(normal::difference(&whole, &whole), None);
    assert_eq!(normal::difference(&whole, &over_http2), None, "the same in two versions");
    let fields_swapped = bent("X-A: 1\r\nx-b: 2", "x-b: 2\r\nX-A: 1");
    for other in [&fields_swapped, &bent("X-A: 1", "X-A: 2"), &bent("/k", "/k?"), &bent("X-A: 1\r\n", "")] {
        assert!(normal::difference(&whole, other).is_some(), "{other:?}");
        assert!(normal::difference(&over_http2, other).is_some(), "{other:?}");
    }
    let trailers = vec!["x-sum: 1".to_owned()];
    let with_trailer = Request { http2: http2.map(|h2| Http2 { trailers, ..h2 }), ..over_http2.clone() };
    for (one, other) in [
        (&whole, &bent("X-A", "x-a")),
        (&whole, &Request { body: b"hullo".to_vec(), ..whole.clone() }),
        (&over_http2, &Request { body: b"hell".to_vec(), ..whole.clone() }),
        (&over_http2, &bent("Host: a", "Host: b")),
        (&over_http2, &with_trailer),
    ] {
        assert!(normal::difference(one, other).is_some(), "{other:?}");
    }
}
