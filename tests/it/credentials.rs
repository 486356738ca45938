//! What hands out credentials: instance metadata, containers, STS and SSO; at the wire, under `squall run`, and in the guide.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ::squall::clock;
use ::squall::net::target::{Scheme, Target};
use serde_json::Value;

use crate::support::squall::Squall;
use crate::support::upstream::{Request, Upstream};
use crate::support::{client, squall};

const CREDENTIALS: &str = r#"{"Code":"Success","AccessKeyId":"ASIAEXAMPLE000000001","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;

fn with_body(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into()
}

/// Answers as instance metadata does, without looking at tokens.
async fn metadata() -> Upstream {
    Upstream::plain_with(|request: &Request| match (request.method(), request.target()) {
        ("PUT", _) => with_body("a-token"),
        (_, path) if path.ends_with("security-credentials/") => with_body("web"),
        _ => with_body(CREDENTIALS),
    })
    .await
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:4577\r\n{fields}\r\n")
}

async fn asked(squall: &Squall, request: impl AsRef<[u8]>) -> client::Answer {
    client::exchange(&mut client::connect(squall.address).await, request).await
}

const ROLE: &str = "/latest/meta-data/iam/security-credentials/web";

#[tokio::test]
async fn what_comes_to_the_endpoint_goes_to_the_upstream_of_its_own_and_nothing_else_does() {
    let (imds, emulator) = (metadata().await, Upstream::plain(with_body("{}")).await);
    let squall = squall::calm().toward(&emulator).sending("imds", &imds).run();
    let token = "PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1:4577\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\
                 Content-Length: 0\r\n\r\n";
    assert_eq!(asked(&squall, token).await.text(), "a-token");
    assert_eq!(asked(&squall, get(ROLE, "X-aws-ec2-metadata-token: a-token\r\n")).await.text(), CREDENTIALS);
    let object = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/s3/aws4_request, \
                  SignedHeaders=host, Signature=0\r\n";
    assert_eq!(asked(&squall, get(ROLE, object)).await.text(), "{}");
    let arrived: Vec<_> = imds.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(arrived, ["/latest/api/token", ROLE]);
    assert_eq!(imds.requests()[1].field("x-aws-ec2-metadata-token"), Some("a-token"));
    assert_eq!(emulator.only_request().target(), ROLE);
}

#[tokio::test]
async fn an_emulator_of_awss_hosts_does_not_stand_in_for_a_machines_own_metadata() {
    let (imds, emulator) = (metadata().await, Upstream::plain(with_body("{}")).await);
    let at = |host: &str| format!("{host}:80:{}", imds.address).parse().unwrap();
    let addresses = ["169.254.169.254", "169.254.170.2", "169.254.170.23"].map(at);
    let squall = squall::calm().toward(&emulator).resolving(addresses).run();
    for (path, host) in
        [(ROLE, "169.254.169.254"), ("/v2/credentials/0a1b", "169.254.170.2"), ("/v1/credentials", "169.254.170.23")]
    {
        let before = imds.requests().len();
        assert_eq!(asked(&squall, get(path, "Authorization: secret\r\n")).await.text(), CREDENTIALS, "{path}");
        let arrived = &imds.requests()[before];
        assert_eq!((arrived.field("host"), arrived.field("authorization")), (Some(host), Some("secret")));
    }
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn a_page_that_calls_this_machine_by_its_own_name_gets_no_credentials() {
    let imds = metadata().await;
    let address = format!("169.254.169.254:80:{}", imds.address).parse().unwrap();
    let squall = squall::calm().resolving([address]).run();
    let rebound = get(ROLE, "X-aws-ec2-metadata-token: a-token\r\n").replace("127.0.0.1:4577", "evil.example");
    let answer = asked(&squall, rebound).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("no-upstream")));
    assert!(answer.text().contains("--upstream imds=aws") && imds.requests().is_empty(), "{}", answer.text());
    assert_eq!(asked(&squall, get(ROLE, "X-aws-ec2-metadata-token: a-token\r\n")).await.status(), 200);
}

#[tokio::test]
async fn through_a_proxy_its_address_is_read_and_can_be_led_elsewhere() {
    let (imds, other) = (metadata().await, metadata().await);
    let absolute = format!("GET http://169.254.169.254{ROLE} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
    let address = format!("169.254.169.254:80:{}", imds.address).parse().unwrap();
    let squall = squall::calm().resolving([address]).run();
    assert_eq!(asked(&squall, &absolute).await.status(), 200);
    assert_eq!((imds.requests().len(), other.requests().len()), (1, 0));
    let squall = squall::calm().sending("imds", &other).run();
    assert_eq!(asked(&squall, &absolute).await.status(), 200);
    assert_eq!((imds.requests().len(), other.requests().len()), (1, 1));
    assert_eq!(other.only_request().field("host"), Some("169.254.169.254"));
}

#[tokio::test]
async fn in_a_tunnel_to_its_address_what_is_said_in_the_clear_is_read() {
    let imds = metadata().await;
    let rules = "rules: [{name: gone, match: {service: imds, operation: ListRoles}, fault: not_found}]";
    for address in ["169.254.169.254", "[fd00:ec2::254]"] {
        let squall = squall::profile(rules).sending("imds", &imds).run();
        let mut stream = client::tunnel(squall.address, &format!("{address}:80")).await;
        let named = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        assert_eq!(client::exchange(&mut stream, named(ROLE)).await.text(), CREDENTIALS);
        let roles = named("/latest/meta-data/iam/security-credentials/");
        let answer = client::exchange(&mut stream, roles).await;
        assert_eq!((answer.status(), answer.field("x-squall-fault").as_deref()), (404, Some("gone")), "{address}");
    }
}

#[tokio::test]
async fn errors_are_the_services_own_where_nothing_answers_at_all() {
    let rules = "rules: [
        {name: token, match: {service: imds, operation: GetToken}, fault: access_denied},
        {name: role, match: {service: imds, resource: web}, fault: throttle},
        {name: task, match: {service: container-credentials}, fault: unavailable}]";
    let squall = squall::profile(rules).run();
    let token = "PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    let answer = asked(&squall, token).await;
    assert_eq!((answer.status(), answer.field("x-squall-fault").as_deref()), (403, Some("token")));
    assert!(answer.text().contains("<title>403 - Forbidden</title>"), "{}", answer.text());
    assert_eq!(asked(&squall, get(ROLE, "")).await.status(), 429);
    let answer = asked(&squall, get("/v1/credentials", "Authorization: secret\r\n")).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status(), body["code"].as_str()), (503, Some("CredentialsUninitialized")));
}

#[tokio::test]
async fn credentials_are_told_to_expire_when_the_profile_says_and_stay_what_they_are() {
    let imds = metadata().await;
    let rules = "rules: [{name: soon, match: {service: imds}, fault: {credentials: {expire_in: -1m}}}]";
    let squall = squall::profile(rules).sending("imds", &imds).run();
    let answer = asked(&squall, get(ROLE, "")).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let expiration: jiff::Timestamp = body["Expiration"].as_str().unwrap().parse().unwrap();
    let late = clock::wall().duration_since(expiration).as_secs();
    assert!((59..120).contains(&late), "{late}");
    let before: Value = serde_json::from_str(CREDENTIALS).unwrap();
    assert_eq!((&body["AccessKeyId"], &body["Token"]), (&before["AccessKeyId"], &before["Token"]));
    assert_eq!(asked(&squall, get("/latest/meta-data/iam/security-credentials/", "")).await.text(), "web");
    let finished = squall.finish().await;
    let rule = &finished.run().rules[0];
    assert_eq!((rule.matched, rule.fired), (2, 1), "what gives no credentials is not hit");
}

#[tokio::test]
async fn an_answer_that_tells_no_time_passes_and_the_rule_has_not_fired() {
    let rules = "rules: [{name: soon, fault: {credentials: {expire_in: 2m}}}]";
    let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
    let error = "HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{\"Expiration\":\"x\"}";
    for answer in [with_body("{}"), with_body(""), gzip.into(), error.into()] {
        let imds = Upstream::plain(answer.clone()).await;
        let squall = squall::profile(rules).sending("imds", &imds).run();
        let got = asked(&squall, get(ROLE, "")).await;
        assert!(answer.ends_with(&got.body), "{}", got.text());
        assert_eq!(squall.finish().await.run().rules[0].fired, 0);
    }
}

/// As SDKs send them: unsigned, two with a bearer's token.
const FOR_CREDENTIALS: [(&str, &str, &str); 4] = [
    (
        "sts.AssumeRole",
        "POST / HTTP/1.1\r\nHost: sts.us-east-1.amazonaws.com\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, \
         Signature=0\r\n",
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fweb&RoleSessionName=s",
    ),
    (
        "sts.AssumeRoleWithWebIdentity",
        "POST / HTTP/1.1\r\nHost: sts.us-east-1.amazonaws.com\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fweb&WebIdentityToken=e",
    ),
    (
        "sso.GetRoleCredentials",
        "GET /federation/credentials?role_name=web&account_id=123456789012 HTTP/1.1\r\nHost: portal.sso.us-east-1.amazonaws.com\r\n\
         x-amz-sso_bearer_token: secret\r\n",
        "",
    ),
    (
        "sso-oidc.CreateToken",
        "POST /token HTTP/1.1\r\nHost: oidc.us-east-1.amazonaws.com\r\nContent-Type: application/json\r\n",
        r#"{"clientId":"c","clientSecret":"s","grantType":"refresh_token","refreshToken":"r"}"#,
    ),
];

#[tokio::test]
async fn sts_and_sso_are_read_as_well_and_fail_in_their_own_words() {
    let rules = "rules: [
        {name: role, match: {service: sts, operation: AssumeRole}, fault: access_denied},
        {name: web, match: {operation: AssumeRoleWithWebIdentity}, fault: {error: {code: ExpiredTokenException}}},
        {name: sso, match: {service: sso, operation: GetRoleCredentials}, fault: {error: {code: UnauthorizedException}}},
        {name: oidc, match: {service: sso-oidc, operation: CreateToken}, fault: {error: {code: InvalidGrantException}}}]";
    let squall = squall::profile(rules).toward_target(Target::new(Scheme::Http, "127.0.0.1", 9)).run();
    let mut told = Vec::new();
    for (call, head, body) in FOR_CREDENTIALS {
        let host = head.split("Host: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let absolute = head.replacen(" /", &format!(" http://{host}/"), 1);
        let answer = asked(&squall, format!("{absolute}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        told.push((call, answer.status(), answer.field("x-squall-fault").unwrap_or_default(), answer.text()));
    }
    let seen: Vec<_> = told.iter().map(|(_, status, rule, _)| (*status, rule.as_str())).collect();
    assert_eq!(seen, [(403, "role"), (400, "web"), (401, "sso"), (400, "oidc")], "{told:?}");
    assert!(told[1].3.contains("<Code>ExpiredTokenException</Code>"), "{}", told[1].3);
    assert!(told[3].3.contains(r#""error":"#) || told[3].3.contains("message"), "{}", told[3].3);
}

/// `squall run`, in a clean environment but for these variables.
fn run(options: &[&str], variables: &[(&str, &str)], program: &str) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent");
    command.envs(variables.iter().copied()).args(["run", "--listen", "127.0.0.1:0"]).args(options);
    let ran = command.args(["--", "sh", "-c", program]).stdin(Stdio::null()).output().unwrap();
    (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
}

const SHOW: &str = "echo ${AWS_EC2_METADATA_SERVICE_ENDPOINT-none} ${AWS_CONTAINER_CREDENTIALS_FULL_URI-none} \
                    ${AWS_EC2_METADATA_DISABLED-none} ${AWS_CONTAINER_AUTHORIZATION_TOKEN-none}";

#[test]
fn a_program_is_led_here_where_there_is_a_stand_in_or_a_rule_and_nowhere_else() {
    let off = [("AWS_EC2_METADATA_DISABLED", "true")];
    assert_eq!(run(&[], &off, SHOW).0, "none none true none\n");
    let (shown, said) = run(&["--upstream", "imds=stand-in"], &off, SHOW);
    assert!(shown.starts_with("http://127.0.0.1:") && shown.ends_with("/ none none none\n"), "{shown}");
    assert!(
        said.contains("AWS_EC2_METADATA_DISABLED would have kept") && said.contains("standing in for imds"),
        "{said}"
    );
    let (shown, _) = run(&["--upstream", "container-credentials=stand-in"], &[], SHOW);
    let [imds, containers, _, token] = shown.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert!(containers.starts_with("http://127.0.0.1:") && containers.ends_with("/v1/credentials"), "{shown}");
    assert_eq!((imds, token), ("none", "squall-stand-in"));
    let (shown, _) = run(&["--profile", "imds-outage"], &[], SHOW);
    assert!(shown.starts_with("http://127.0.0.1:") && shown.ends_with("/ none none none\n"), "{shown}");
    let (_, said) = run(&["--upstream", "s3=stand-in"], &[], SHOW);
    assert!(said.contains("there is a stand-in for imds and container-credentials only"), "{said}");
}

/// `SQUALL_BLESS=1` writes the table anew.
#[test]
fn the_page_on_credentials_says_what_sdks_were_seen_to_do() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/credentials.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(SEEN).unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    let whole = format!("{before}{SEEN}{}\n{after}", seen());
    if std::env::var_os("SQUALL_BLESS").is_some() {
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(page == whole, "docs/credentials.md is not what SQUALL_BLESS=1 writes");
}

/// The table's rows, from the facts that the SDKs' cases are held to.
fn seen() -> String {
    let facts: Value = serde_json::from_str(include_str!("../sdk/credentials.json")).unwrap();
    let mut rows = String::new();
    for row in facts["rows"].as_array().unwrap() {
        let fault = if row["fault"].is_null() { "nothing".to_owned() } else { format!("`{}`", in_yaml(&row["fault"])) };
        let once = row["when"]["calls"].as_str().map(|calls| format!(", {calls}")).unwrap_or_default();
        let what = format!("{} {}", row["at"].as_str().unwrap(), row["operation"].as_str().unwrap());
        let sdks = ["python", "javascript", "rust"].map(|sdk| told(&row[sdk])).join(" | ");
        writeln!(rows, "| {what} | {fault}{once} | {sdks} |").unwrap();
    }
    rows
}

/// `NoCredentialsError; 1 GetToken, 1 ListRoles; 1 s`
fn told(sdk: &Value) -> String {
    if let Some(several) = sdk.as_array() {
        return several.iter().map(told).collect::<Vec<_>>().join(", or ");
    }
    let saw = sdk["saw"].as_str().unwrap();
    let asked = ["GetToken", "ListRoles", "GetCredentials"]
        .iter()
        .filter_map(|name| Some((name, sdk["asked"][name].as_u64()?)));
    let asked: Vec<_> = asked.map(|(name, times)| format!("{times} {name}")).collect();
    let with: Vec<_> = sdk["calls_with"].as_array().unwrap().iter().map(|key| format!("{key}")).collect();
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    let seconds =
        sdk["seconds"].as_u64().filter(|seconds| *seconds > 0).map(|s| format!("; {s} s")).unwrap_or_default();
    format!("{saw}{with}; {}{seconds}", asked.join(", "))
}

fn in_yaml(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("{key}: {}", in_yaml(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Above the rows.
const SEEN: &str = "| asked for | fault | boto3 1.44.5 | JavaScript v3 | Rust |\n|---|---|---|---|---|\n";
