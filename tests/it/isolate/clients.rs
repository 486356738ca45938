//! Clients that obey no proxy variable, and static programs, unchanged: each reads an object that it may not read, and sees S3's own error.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{PYTHON, Ran, User, for_each_user};
use crate::support::toolchain::{self, is_required, say};

/// A client under one of its names, and what it says of the error.
struct Client {
    name: &'static str,
    /// The words that start it; or what is missing.
    words: fn(User, &Path) -> Result<Vec<String>, String>,
    says: &'static str,
    /// Whether `.ci/run` installs it.
    is_installed: bool,
}

const CLIENTS: &[Client] = &[
    Client { name: "curl", words: curl, says: "<Code>AccessDenied</Code>", is_installed: true },
    Client { name: "Python's ssl", words: hashed, says: "<Code>AccessDenied</Code>", is_installed: true },
    Client { name: "s3cmd", words: s3cmd, says: "S3 error: 403", is_installed: true },
    Client { name: "boto3", words: boto3, says: "AccessDenied", is_installed: true },
    Client { name: "minio-py", words: minio, says: "AccessDenied", is_installed: true },
    Client { name: "pyarrow", words: pyarrow, says: "ACCESS_DENIED", is_installed: true },
    Client { name: "the SDK for JavaScript v3", words: javascript, says: "AccessDenied", is_installed: true },
    Client { name: "the SDK for Ruby", words: ruby, says: "AccessDenied", is_installed: true },
    Client { name: "a static program in C", words: c, says: "<Code>AccessDenied</Code>", is_installed: true },
    Client { name: "a static program in Go", words: go, says: "<Code>AccessDenied</Code>", is_installed: false },
];

#[test]
fn clients_that_obey_nothing_are_seen_and_see_the_fault() {
    for_each_user(|user| {
        let failed: Vec<_> = CLIENTS.iter().filter_map(|client| run(client, user).err()).collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
}

fn run(client: &Client, user: User) -> Result<(), String> {
    let dir = user.dir();
    let words = match (client.words)(user, dir.path()) {
        Ok(words) => words,
        Err(why) if client.is_installed && is_required("isolate") => return Err(format!("{}: {why}", client.name)),
        Err(why) => {
            say(&format!("skipped: {} as {user:?}: {why}\n", client.name));
            return Ok(());
        }
    };
    let (profile, summary) = (dir.path().join("denied.yaml"), dir.path().join("summary.json"));
    fs::write(&profile, PROFILE).unwrap();
    let options = ["--upstream", "http://127.0.0.1:9", "--profile", profile.to_str().unwrap()];
    let options = [&options[..], &["--summary", summary.to_str().unwrap()]].concat();
    let mut command = user.isolate(&options, &words.iter().map(String::as_str).collect::<Vec<_>>());
    command.envs(KEYS).env("TMPDIR", dir.path()).stdin(Stdio::null());
    if let Ok(packages) = packages() {
        command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    }
    let ran = Ran::from(command.output().unwrap());
    let summary: Value = serde_json::from_slice(&fs::read(&summary).unwrap_or_default()).unwrap_or_default();
    let rows = summary["operations"].as_array().into_iter().flatten();
    let injected: u64 = rows.filter(|row| row["service"] == "s3").filter_map(|row| row["injected"].as_u64()).sum();
    let shown = ran.out.contains(client.says) || ran.err.contains(client.says);
    say(&format!("{} as {user:?}: {injected} injected, {}\n", client.name, if shown { "shown" } else { "not shown" }));
    if injected > 0 && shown { Ok(()) } else { Err(format!("{} as {user:?}: {ran:?}\n{summary}", client.name)) }
}

const PROFILE: &str =
    "rules: [{name: denied, match: {service: s3, resource: [denied, \"denied/*\"]}, fault: access_denied}]";
const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
];

fn curl(_: User, _: &Path) -> Result<Vec<String>, String> {
    found("curl")?;
    // Nothing but the system's own files may say whom to trust.
    Ok(words(&["env", "-u", "SSL_CERT_FILE", "-u", "CURL_CA_BUNDLE", "curl", "-sS", URL]))
}

/// It finds certificates by their hashes in a directory, where no variable names a file.
fn hashed(_: User, _: &Path) -> Result<Vec<String>, String> {
    found(PYTHON)?;
    let program = "import sys, urllib.error, urllib.request\n\
                   try: urllib.request.urlopen(sys.argv[1])\n\
                   except urllib.error.HTTPError as e: print(e.read().decode())";
    Ok(words(&["env", "-u", "SSL_CERT_FILE", PYTHON, "-c", program, URL]))
}

fn s3cmd(_: User, _: &Path) -> Result<Vec<String>, String> {
    found("s3cmd")?;
    Ok(words(&["s3cmd", "--config=/dev/null", "--region=us-east-1", "get", "s3://denied/key", "-"]))
}

fn boto3(user: User, _: &Path) -> Result<Vec<String>, String> {
    let program =
        "import boto3\ntry: boto3.client('s3').get_object(Bucket='denied', Key='key')\nexcept Exception as e: print(e)";
    python(user, program)
}

fn minio(user: User, _: &Path) -> Result<Vec<String>, String> {
    let program = "import minio, os\n\
                   client = minio.Minio('s3.amazonaws.com', os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'], region='us-east-1')\n\
                   try: client.get_object('denied', 'key')\n\
                   except minio.S3Error as e: print(e.code)";
    python(user, program)
}

fn pyarrow(user: User, _: &Path) -> Result<Vec<String>, String> {
    let program = "import pyarrow.fs\n\
                   try: pyarrow.fs.S3FileSystem(region='us-east-1').open_input_file('denied/key')\n\
                   except OSError as e: print(e)";
    python(user, program)
}

fn javascript(user: User, _: &Path) -> Result<Vec<String>, String> {
    let runner = toolchain::javascript(&toolchain::folder("javascript"))?;
    let command = runner.command("isolate/get.mjs");
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    readable(user, words.last().unwrap())?;
    Ok(words)
}

fn ruby(_: User, _: &Path) -> Result<Vec<String>, String> {
    found("ruby")?;
    let program = "require 'aws-sdk-s3'\n\
                   begin\n Aws::S3::Client.new.get_object(bucket: 'denied', key: 'key')\n\
                   rescue StandardError => e\n puts e.class\nend";
    succeeds(Command::new("ruby").args(["-e", "require 'aws-sdk-s3'"]))
        .map_err(|why| format!("there is no gem aws-sdk-s3: {why}"))?;
    Ok(words(&["ruby", "-e", program]))
}

/// It speaks plain HTTP, by an address that it looks up itself.
fn c(user: User, dir: &Path) -> Result<Vec<String>, String> {
    found("gcc")?;
    fs::write(dir.join("get.c"), C).unwrap();
    succeeds(Command::new("gcc").args(["-static", "-O1", "-w", "-o", "get", "get.c"]).current_dir(dir))?;
    executable(user, &dir.join("get"))
}

fn go(user: User, dir: &Path) -> Result<Vec<String>, String> {
    found("go")?;
    fs::write(dir.join("get.go"), GO).unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let mut build = Command::new("go");
    build.args(["build", "-o", "get", "get.go"]).current_dir(dir).env("CGO_ENABLED", "0").env("GOCACHE", cache);
    succeeds(build.env("GO111MODULE", "off").env("GOFLAGS", ""))?;
    // A static binary: the system's files alone say whom it trusts.
    let binary = executable(user, &dir.join("get"))?;
    Ok([words(&["env", "-u", "SSL_CERT_FILE"]), binary].concat())
}

/// A program for Python with the packages of the virtual environment, whose own Python may be where not everybody can reach it.
fn python(user: User, program: &str) -> Result<Vec<String>, String> {
    readable(user, &packages()?)?;
    Ok(words(&[PYTHON, "-c", program]))
}

/// Where the packages of the virtual environment are, if Debian's Python can load them.
fn packages() -> Result<String, String> {
    let venv = toolchain::venv(&toolchain::folder("python"))?;
    let version = "import sys; print('python%d.%d' % sys.version_info[:2])";
    let output = Command::new(PYTHON).args(["-c", version]).output().map_err(|e| format!("{PYTHON}: {e}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let packages = venv.parent().unwrap().parent().unwrap().join("lib").join(&version).join("site-packages");
    if !packages.is_dir() {
        return Err(format!("{PYTHON} is {version}, and the packages are for another"));
    }
    Ok(packages.to_str().unwrap().to_owned())
}

fn executable(user: User, file: &Path) -> Result<Vec<String>, String> {
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    let file = file.to_str().unwrap();
    readable(user, file)?;
    Ok(words(&[file]))
}

fn readable(user: User, file: &str) -> Result<(), String> {
    succeeds(user.command("test").args(["-r", file])).map_err(|_| format!("{file} cannot be read by this user"))
}

fn found(program: &str) -> Result<(), String> {
    succeeds(Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]))
        .map_err(|_| format!("there is no {program} (on Debian: see .ci/run)"))
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const URL: &str = "https://s3.us-east-1.amazonaws.com/denied/key";

const C: &str = r#"
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    const char *host = "s3.us-east-1.amazonaws.com";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, "80", &hints, &found)) return puts("no address"), 1;
    int s = socket(found->ai_family, found->ai_socktype, 0);
    if (connect(s, found->ai_addr, found->ai_addrlen)) return perror("connect"), 1;
    char text[4096];
    int length = sprintf(text, "GET /denied/key HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
    write(s, text, length);
    while ((length = read(s, text, sizeof text)) > 0) fwrite(text, 1, length, stdout);
    return 0;
}
"#;

const GO: &str = r#"
package main

import (
	"fmt"
	"io"
	"net/http"
)

func main() {
	answer, err := http.Get("https://s3.us-east-1.amazonaws.com/denied/key")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(string(body))
}
"#;
