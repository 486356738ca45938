//! `squall serve` as supervisors run it: ready on one line of stdout, a pid file, logs for programs, settings from flags, variables
//! and a file, a panic button.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::upstream::Upstream;
use crate::support::{client, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const THROTTLE: &str = "name: t\nrules:\n  - {name: all, match: {service: dynamodb}, fault: throttle}\n";
const PUT: &str = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n\
                   Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n\r\n{}";

/// A `squall serve` in an empty environment but for these variables, with its home in `dir`.
fn squall(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.env_clear().env("HOME", dir).envs(variables.iter().copied()).arg("serve").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(std::fs::File::create(dir.join("stderr")).unwrap());
    command
}

struct Supervised {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The first line it wrote to stdout.
    ready: String,
}

impl Supervised {
    fn start(mut command: Command, dir: &Path) -> Self {
        let mut child = command.spawn().unwrap();
        let (mut stdout, mut ready) = (BufReader::new(child.stdout.take().unwrap()), String::new());
        stdout.read_line(&mut ready).unwrap();
        assert!(!ready.is_empty(), "not ready: {}", said(dir));
        Self { child, stdout, ready }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Ends it as supervisors do; what else it wrote to stdout.
    fn end(mut self) -> String {
        self.signal("TERM");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("stderr")).unwrap()
}

#[tokio::test]
async fn one_line_on_stdout_says_that_clients_are_served_and_the_pid_file_goes_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("squall.pid");
    let arguments = ["--listen", "127.0.0.1:0", "--pid-file", pid_file.to_str().unwrap()];
    let squall = Supervised::start(squall(dir.path(), &arguments, &[]), dir.path());
    let address = squall.ready.trim_end().strip_prefix("squall is ready: http://").unwrap().parse().unwrap();
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap().trim(), squall.child.id().to_string());
    let answer = client::exchange(&mut client::connect(address).await, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer.field("x-squall-error").as_deref(), Some("no-upstream"));
    assert_eq!(squall.end(), "");
    assert!(!pid_file.exists());
}

#[tokio::test]
async fn the_panic_button_lets_everything_pass_until_it_is_pressed_again() {
    let dir = tempfile::tempdir().unwrap();
    let emulator = Upstream::plain(OK).await;
    let profile = dir.path().join("throttle.yaml");
    std::fs::write(&profile, THROTTLE).unwrap();
    let upstream = format!("http://{}", emulator.address);
    let arguments = ["--listen", "127.0.0.1:0", "--upstream", &upstream, "--profile", profile.to_str().unwrap()];
    let squall = Supervised::start(squall(dir.path(), &arguments, &[]), dir.path());
    let address: std::net::SocketAddr = squall.ready.trim_end().rsplit('/').next().unwrap().parse().unwrap();
    let status = async || client::exchange(&mut client::connect(address).await, PUT).await.status();
    assert_eq!(status().await, 400);
    squall.signal("USR1");
    eventually("the word of the panic button", || said(dir.path()).contains("NOTHING IS INJECTED")).await;
    assert_eq!(status().await, 200);
    squall.signal("USR1");
    eventually("its release", || said(dir.path()).contains("FAULTS ARE INJECTED AGAIN")).await;
    assert_eq!(status().await, 400);
}

#[tokio::test]
async fn everything_said_is_json_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let emulator = Upstream::plain(OK).await;
    let upstream = format!("http://{}", emulator.address);
    let arguments = ["--log-format", "json", "--listen", "127.0.0.1:0", "--upstream", &upstream, "--log-level", "info"];
    let squall = Supervised::start(squall(dir.path(), &arguments, &[]), dir.path());
    let ready: Value = serde_json::from_str(&squall.ready).unwrap();
    let address = ready["listen"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(client::exchange(&mut client::connect(address).await, PUT).await.status(), 200);
    assert_eq!(squall.end(), "");
    let lines: Vec<Value> = said(dir.path()).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()), "{lines:?}");
    assert!(
        lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("PutItem"))),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap()["report"]["operations"][0]["operation"], "PutItem", "{lines:?}");
}

#[tokio::test]
async fn a_flag_comes_before_a_variable_and_a_variable_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("squall.yaml");
    let ready = dir.path().join("ready.json");
    std::fs::write(&file, format!("listen: 127.0.0.1:0\nseed: 1\nready-file: {}\nlog-level: info\n", ready.display()))
        .unwrap();
    let seed = |variables: &[(&str, &str)], more: &[&str]| {
        let arguments = [&["--settings", file.to_str().unwrap()], more].concat();
        Supervised::start(squall(dir.path(), &arguments, variables), dir.path()).end();
        let ready: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
        ready["seed"].as_u64().unwrap()
    };
    assert_eq!(seed(&[], &[]), 1);
    assert_eq!(seed(&[("SQUALL_SEED", "2")], &[]), 2);
    assert_eq!(seed(&[("SQUALL_SEED", "2")], &["--seed", "3"]), 3);
    std::fs::remove_file(&ready).unwrap();
    let variables = [("SQUALL_SETTINGS", file.to_str().unwrap())];
    Supervised::start(squall(dir.path(), &[], &variables), dir.path()).end();
    assert!(ready.exists());
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_told_without_its_password_and_left_out_aloud_where_squall_cannot_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "127.0.0.1:0"];
    let socks = [("HTTPS_PROXY", "socks5://proxy:1080")];
    Supervised::start(squall(dir.path(), &arguments, &socks), dir.path()).end();
    assert!(said(dir.path()).contains("HTTPS_PROXY of Squall's environment is left out"), "{}", said(dir.path()));
    let corp = [("HTTPS_PROXY", "http://me:secret@proxy.corp:3128")];
    Supervised::start(squall(dir.path(), &arguments, &corp), dir.path()).end();
    assert!(said(dir.path()).contains("going out through the proxy http://proxy.corp:3128"), "{}", said(dir.path()));
    assert!(!said(dir.path()).contains("secret"));
}

#[test]
fn a_wrong_settings_file_is_a_usage_error_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("squall.yaml");
    std::fs::write(&file, "seed: 1\nidle-timeout: soon\n").unwrap();
    let status = squall(dir.path(), &["--settings", file.to_str().unwrap()], &[]).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let said = said(dir.path());
    assert!(said.contains("squall.yaml:2:1: invalid value 'soon' for '--idle-timeout"), "{said}");
}

#[test]
fn a_rule_that_rewrites_requests_needs_credentials_in_front_of_real_aws_and_none_before_an_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let profile = dir.path().join("partial.yaml");
    std::fs::write(
        &profile,
        "name: p\nrules: [{name: lossy, match: {operation: BatchWriteItem}, fault: {partial: 25%}}]\n",
    )
    .unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--profile", profile.to_str().unwrap()];
    let nobody = [("AWS_EC2_METADATA_DISABLED", "true")];
    let status = squall(dir.path(), &arguments, &nobody).status().unwrap();
    let told = said(dir.path());
    assert!(
        !status.success() && told.contains("rule `lossy` rewrites requests") && told.contains("--upstream"),
        "{told}"
    );
    assert!(told.contains("AWS_ACCESS_KEY_ID"), "{told}");
    let somebody = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    Supervised::start(squall(dir.path(), &arguments, &somebody), dir.path()).end();
    assert!(
        said(dir.path()).contains("what rules rewrite is signed anew with AccessKeyId(AKIA…MPLE)"),
        "{}",
        said(dir.path())
    );
    let emulator = [&arguments[..], &["--upstream", "http://127.0.0.1:9"]].concat();
    Supervised::start(squall(dir.path(), &emulator, &nobody), dir.path()).end();
}

#[test]
fn no_credentials_for_real_aws_are_told_in_words() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let variables = [("AWS_EC2_METADATA_DISABLED", "true")];
        let arguments = ["--listen", "127.0.0.1:0", "--upstream", "aws"];
        let squall = Supervised::start(squall(dir.path(), &arguments, &variables), dir.path());
        let address = squall.ready.trim_end().rsplit('/').next().unwrap().parse().unwrap();
        let scope = "AKID/20261121/us-east-1/dynamodb/aws4_request";
        let signed = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=f\r\nX-Amz-Date: 20261121T000000Z\r\n"
        );
        let request = PUT.replace("Content-Type", &format!("{signed}Content-Type"));
        let answer = client::exchange(&mut client::connect(address).await, request).await;
        assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("no-credentials")), "{answer:?}");
        assert!(answer.text().contains("AWS_ACCESS_KEY_ID") && answer.text().contains("~/.aws"), "{}", answer.text());
    });
}
