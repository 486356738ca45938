//! `squall run` around a real child process.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use squall::clock;

/// `squall run ARGS` in a clean environment.
fn squall_run(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent");
    command.args(["run", "--listen", "127.0.0.1:0"]).args(args);
    command
}

fn output(args: &[&str]) -> Output {
    squall_run(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Polls until `holds`, or fails after a while.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = clock::now() + Duration::from_secs(10);
    while !holds() {
        assert!(clock::now() < until, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    state.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[test]
fn the_childs_exit_code_and_streams_pass_through_and_squall_speaks_on_stderr() {
    let ran = output(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(ran.status.code(), Some(7));
    assert_eq!(text(&ran.stdout), "out\n");
    let stderr = text(&ran.stderr);
    assert!(stderr.contains("err\n") && stderr.contains("upstream: REAL AWS"), "{stderr}");
    assert!(stderr.contains("0 AWS requests seen"), "{stderr}");
    assert!(stderr.contains("language does not show: HTTPS_PROXY"), "{stderr}");
}

#[test]
fn squall_may_open_what_the_machine_allows_and_the_child_what_it_could_before() {
    let command = format!(
        "ulimit -S -n 300; exec {} run --listen 127.0.0.1:0 -- sh -c 'ulimit -S -n; grep \"open files\" /proc/$PPID/limits'",
        env!("CARGO_BIN_EXE_squall")
    );
    let mut shell = Command::new("sh");
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent").args(["-c", &command]);
    let printed = text(&shell.stdin(Stdio::null()).output().unwrap().stdout);
    let (child, squall) = printed.split_once('\n').unwrap();
    let limits: Vec<_> = squall.split_whitespace().collect();
    let [_, _, _, soft, hard, _] = limits[..] else { panic!("{squall}") };
    assert_eq!((child, soft), ("300", hard), "{printed}");
}

#[test]
fn stdin_reaches_the_child() {
    let mut child =
        squall_run(&["--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"through\n").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "through\n");
}

#[test]
fn a_child_ended_by_a_signal_gives_128_and_its_number() {
    assert_eq!(output(&["--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
}

#[test]
fn what_cannot_be_started_has_the_shells_exit_codes() {
    let missing = output(&["--", "/no/such/program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).contains("/no/such/program"), "{}", text(&missing.stderr));
    assert_eq!(output(&["--", "/etc/passwd"]).status.code(), Some(126));
}

#[test]
fn squalls_own_failure_is_125_and_says_what_to_do() {
    let ran = output(&["--profile", "no-such-profile", "--", "true"]);
    assert_eq!(ran.status.code(), Some(125));
    assert!(text(&ran.stderr).contains("no-such-profile"), "{}", text(&ran.stderr));
}

#[test]
fn the_child_finds_proxy_and_certificates_and_they_are_gone_afterwards() {
    let script = "echo $HTTPS_PROXY $https_proxy; echo $NO_PROXY; stat -c %a $(dirname $AWS_CA_BUNDLE); \
                  grep -c BEGIN $AWS_CA_BUNDLE; grep -c BEGIN $NODE_EXTRA_CA_CERTS; dirname $AWS_CA_BUNDLE";
    let ran = output(&["--", "sh", "-c", script]);
    let stdout = text(&ran.stdout);
    let lines: Vec<_> = stdout.lines().collect();
    let (first, second) = lines[0].split_once(' ').unwrap();
    assert!(first == second && first.starts_with("http://127.0.0.1:"), "{stdout}");
    assert_eq!(lines[1], "localhost,127.0.0.1,::1");
    assert_eq!((lines[2], lines[4]), ("700", "1"));
    assert!(lines[3].parse::<u32>().unwrap() > 1, "the system's roots are missing: {stdout}");
    assert!(!Path::new(lines[5]).exists(), "{} was left behind", lines[5]);
}

#[test]
fn rclone_is_not_given_the_bundle_that_it_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let rclone = dir.path().join("rclone");
    std::fs::write(&rclone, "#!/bin/sh\necho ${AWS_CA_BUNDLE-none} $SSL_CERT_FILE\n").unwrap();
    std::fs::set_permissions(&rclone, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = squall_run(&["--", rclone.to_str().unwrap()]);
    let ran = command.env("AWS_CA_BUNDLE", "/nonexistent").stdin(Stdio::null()).output().unwrap();
    let stdout = text(&ran.stdout);
    assert!(stdout.starts_with("none /") && stdout.ends_with("bundle.pem\n"), "{stdout}");
    assert!(text(&ran.stderr).contains("AWS_CA_BUNDLE, which it refuses, is left out"), "{}", text(&ran.stderr));
}

#[test]
fn as_its_endpoint_the_child_finds_squall_and_no_other_endpoint() {
    let script = "echo $AWS_ENDPOINT_URL ${HTTPS_PROXY-none} ${AWS_ENDPOINT_URL_S3-none} $NO_PROXY";
    let mut command = squall_run(&["--upstream", "http://127.0.0.1:9", "--endpoint", "--", "sh", "-c", script]);
    let ran = command.env("AWS_ENDPOINT_URL_S3", "http://minio:9000").stdin(Stdio::null()).output().unwrap();
    let stdout = text(&ran.stdout);
    assert!(
        stdout.starts_with("http://127.0.0.1:") && stdout.ends_with(" none none localhost,127.0.0.1,::1\n"),
        "{stdout}"
    );
    assert!(text(&ran.stderr).contains("AWS_ENDPOINT_URL_S3 was http://minio:9000"), "{}", text(&ran.stderr));
    let without = output(&["--endpoint", "--", "true"]);
    assert_eq!(without.status.code(), Some(125));
    assert!(text(&without.stderr).contains("--upstream"), "{}", text(&without.stderr));
}

#[test]
fn a_jvm_reaches_aws_through_squall_and_trusts_it() {
    let java = |arguments: &[&str]| Command::new("java").args(arguments).stdin(Stdio::null()).output();
    if !java(&["-version"]).is_ok_and(|ran| ran.status.success())
        || Command::new("javac").arg("-version").output().is_err()
    {
        return println!("skipped: there is no JDK");
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("Get.java");
    std::fs::write(&program, GET).unwrap();
    // The endpoint's 502 is Squall's own; what matters is that the JVM got there, and believed it.
    let ran = output(&["--upstream", "http://127.0.0.1:9", "--", "java", program.to_str().unwrap()]);
    assert_eq!(text(&ran.stdout), "502 upstream-unreachable\n", "{}", text(&ran.stderr));
    assert!(text(&ran.stderr).contains("JAVA_TOOL_OPTIONS tells it"), "{}", text(&ran.stderr));
}

const GET: &str = r#"
public class Get {
    public static void main(String[] args) throws Exception {
        var url = new java.net.URL("https://dynamodb.us-east-1.amazonaws.com/");
        var connection = (javax.net.ssl.HttpsURLConnection) url.openConnection();
        System.out.println(connection.getResponseCode() + " " + connection.getHeaderField("x-squall-error"));
    }
}
"#;

#[test]
fn a_terminate_signal_is_passed_on_and_the_childs_answer_counts() {
    let ready = tempfile::NamedTempFile::new().unwrap();
    let script = format!("trap 'exit 42' TERM; echo up > {}; while :; do sleep 0.05; done", ready.path().display());
    let mut squall = squall_run(&["--", "sh", "-c", &script]).stderr(Stdio::null()).spawn().unwrap();
    eventually("the child's start", || std::fs::read_to_string(ready.path()).unwrap().contains("up"));
    signal("TERM", squall.id());
    assert_eq!(squall.wait().unwrap().code(), Some(42));
}

#[test]
fn a_second_interrupt_ends_a_child_that_ignores_the_first() {
    let ready = tempfile::NamedTempFile::new().unwrap();
    let script = format!("trap '' INT TERM; echo up > {}; while :; do sleep 0.05; done", ready.path().display());
    let mut squall = squall_run(&["--", "sh", "-c", &script]).stderr(Stdio::null()).spawn().unwrap();
    eventually("the child's start", || std::fs::read_to_string(ready.path()).unwrap().contains("up"));
    signal("INT", squall.id());
    std::thread::sleep(Duration::from_millis(100));
    assert!(squall.try_wait().unwrap().is_none(), "the first interrupt is the child's to answer");
    signal("INT", squall.id());
    assert_eq!(squall.wait().unwrap().code(), Some(137));
}

#[test]
#[cfg(target_os = "linux")]
fn the_child_does_not_outlive_a_squall_that_is_killed() {
    let ready = tempfile::NamedTempFile::new().unwrap();
    let script = format!("echo $$ > {}; while :; do sleep 0.05; done", ready.path().display());
    let mut squall = squall_run(&["--", "sh", "-c", &script]).stderr(Stdio::null()).spawn().unwrap();
    eventually("the child's start", || std::fs::read_to_string(ready.path()).unwrap().ends_with('\n'));
    let child = std::fs::read_to_string(ready.path()).unwrap();
    assert!(is_alive(&child));
    squall.kill().unwrap();
    squall.wait().unwrap();
    eventually("the child's end", || !is_alive(&child));
}

#[test]
fn a_terminal_is_the_childs_own() {
    // `script` gives Squall a terminal; the child must find it on all three streams.
    if Command::new("script").arg("--version").output().is_err() {
        return println!("skipped: there is no script(1) to make a terminal with");
    }
    let squall = format!(
        "{} run --listen 127.0.0.1:0 -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo TERMINAL'",
        env!("CARGO_BIN_EXE_squall")
    );
    let ran = Command::new("script").args(["-qec", &squall, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    assert!(text(&ran.stdout).contains("TERMINAL"), "{}", text(&ran.stdout));
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap().success());
}
