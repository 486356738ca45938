//! `refuse` as a port that is closed: the kernel's own refusal, counted as any other fault.

use super::{for_each_user, profile};

#[test]
fn a_service_that_is_down_refuses_connections_and_each_is_counted() {
    for_each_user(|user| {
        let profile = profile("rules: [{name: sqs-down, match: {service: sqs}, fault: refuse}]");
        let options = ["--upstream", "http://127.0.0.1:9", "--profile", profile.to_str().unwrap()];
        let ran = user.python(&options, CONNECT, &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.out, "sqs ECONNREFUSED\nsqs ECONNREFUSED\nsqs ECONNREFUSED\ns3 connected\n", "{ran:?}");
        assert!(ran.err.contains("3 connections ended by a rule"), "{}", ran.err);
        assert!(ran.err.contains("Rule sqs-down fired 3 times (3 matched)"), "{}", ran.err);
    });
}

const CONNECT: &str = r#"
import errno, socket
for service in ("sqs", "sqs", "sqs", "s3"):
    try:
        socket.create_connection((service + ".us-east-1.amazonaws.com", 443), 5)
        print(service, "connected")
    except OSError as error:
        print(service, errno.errorcode[error.errno])
"#;

#[test]
fn an_outage_ends_when_its_time_is_over() {
    for_each_user(|user| {
        let profile = profile("rules: [{name: outage, match: {service: sqs}, when: {between: 0s..1s}, fault: refuse}]");
        let options = ["--upstream", "http://127.0.0.1:9", "--profile", profile.to_str().unwrap()];
        let ran = user.python(&options, WAIT, &[]);
        assert!(ran.code == Some(0) && ran.out.starts_with("refused, then connected after "), "{ran:?}");
    });
}

const WAIT: &str = r#"
import socket, sys, time
start, refused = time.monotonic(), 0
while time.monotonic() < start + 20:
    try:
        socket.create_connection(("sqs.us-east-1.amazonaws.com", 443), 5)
        sys.exit(print("refused, then connected after", round(time.monotonic() - start, 1)) if refused else "never refused")
    except ConnectionRefusedError:
        refused += 1
        time.sleep(0.02)
sys.exit("never connected")
"#;
