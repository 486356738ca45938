//! Whom Squall signs as in front of real AWS: credentials from wherever every SDK looks for them.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::sigv4::{KEY_ID, SECRET, verify_signatures};
use crate::support::upstream::{Request, Upstream};
use crate::support::{client, soon};

/// A `squall serve --upstream aws`, ended with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SIGNED: &str = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nX-Amz-Date: 20261121T000000Z\r\n\
                      Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nAuthorization: AWS4-HMAC-SHA256 Credential=\
                      CLIENT/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
                      Signature=f\r\n\r\n{}";

/// What reaches AWS of a request to a Squall with this home and these variables.
async fn arrived(home: &Path, variables: &[(&str, &str)]) -> Request {
    let aws = Upstream::tls(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()).await;
    let (root, ready) = (home.join("root.pem"), home.join("ready.json"));
    std::fs::write(&root, aws.root_pem()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
    command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "aws",
        "--resolve",
        &format!("*:443:{}", aws.address),
    ]);
    command.arg("--upstream-ca").arg(&root).arg("--ready-file").arg(&ready);
    let said = std::fs::File::create(home.join("stderr")).unwrap();
    let _serving = Serving(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap());
    crate::support::eventually("squall's readiness", || ready.exists()).await;
    let ready: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let address = ready["listen"][0].as_str().unwrap().parse().unwrap();
    let answer = client::exchange(&mut client::connect(address).await, SIGNED).await;
    let said = std::fs::read_to_string(home.join("stderr")).unwrap();
    assert_eq!(answer.status(), 200, "{} {said}", answer.text());
    assert!(!said.contains(SECRET), "{said}");
    aws.only_request()
}

async fn signs_as_ours(what: &str, files: &[(&str, &str)], variables: &[(&str, &str)], token: Option<&str>) {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join(".aws").join(name), text).unwrap();
    }
    let request = soon(what, arrived(home.path(), variables)).await;
    verify_signatures(&request).unwrap_or_else(|why| panic!("{what}: {why}"));
    assert_eq!(request.field("x-amz-security-token"), token, "{what}");
}

#[tokio::test]
async fn variables_are_found() {
    let variables = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", "t")];
    signs_as_ours("variables", &[], &variables, Some("t")).await;
}

#[tokio::test]
async fn profiles_are_found_in_the_shared_files() {
    let keys = format!("aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n");
    let credentials = format!("[default]\naws_access_key_id = X\naws_secret_access_key = Y\n[work]\n{keys}");
    signs_as_ours("a profile", &[("credentials", &credentials)], &[("AWS_PROFILE", "work")], None).await;
    signs_as_ours("the configuration", &[("config", &format!("[default]\n{keys}"))], &[], None).await;
}

#[tokio::test]
async fn a_process_of_a_profile_is_asked() {
    let told = format!(
        "{{\"Version\": 1, \"AccessKeyId\": \"{KEY_ID}\", \"SecretAccessKey\": \"{SECRET}\", \"SessionToken\": \"p\"}}"
    );
    let config = format!("[default]\ncredential_process = echo '{told}'\n");
    signs_as_ours("a process", &[("config", &config)], &[], Some("p")).await;
}

#[tokio::test]
async fn a_container_is_asked() {
    let told = format!(
        "{{\"AccessKeyId\": \"{KEY_ID}\", \"SecretAccessKey\": \"{SECRET}\", \"Token\": \"c\", \"Expiration\": \"2099-01-01T00:00:00Z\"}}"
    );
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", told.len());
    let container = Upstream::plain(head + &told).await;
    let url = format!("http://{}/credentials", container.address);
    let variables =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret")];
    signs_as_ours("a container", &[], &variables, Some("c")).await;
    assert_eq!(container.requests()[0].field("authorization"), Some("secret"));
}

#[tokio::test]
async fn the_metadata_of_a_machine_are_asked() {
    let told = format!(
        "{{\"Code\": \"Success\", \"AccessKeyId\": \"{KEY_ID}\", \"SecretAccessKey\": \"{SECRET}\", \"Token\": \"m\", \
         \"Expiration\": \"2099-01-01T00:00:00Z\", \"LastUpdated\": \"2026-01-01T00:00:00Z\", \"Type\": \"AWS-HMAC\"}}"
    );
    let metadata = Upstream::plain_with(move |request| {
        let body = match request.target() {
            target if target.ends_with("/api/token") => "token",
            target if target.ends_with("/role") => told.as_str(),
            target if target.contains("/security-credentials") => "role",
            _ => "",
        };
        let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
        let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
        format!("HTTP/1.1 {status}\r\n{ttl}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let metadata = metadata.await;
    let url = format!("http://{}", metadata.address);
    let variables = [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    signs_as_ours("the metadata", &[], &variables, Some("m")).await;
}
