//! The program's network: its own servers, the machine's, and everything else.

use std::io::Write as _;
use std::net::TcpListener;

use super::{User, for_each_user, profile};
use crate::support::connect;

/// A server of this machine that says a word to whoever comes.
fn server(word: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _left_already = stream.unwrap().write_all(word.as_bytes());
        }
    });
    port
}

#[test]
fn a_server_of_the_programs_own_is_reached_untouched() {
    for_each_user(|user| {
        let ran = user.python(&[], OWN_SERVERS, &[]);
        assert!(ran.code == Some(0) && ran.out == "own own own own own\n", "{ran:?}");
        assert!(!ran.err.contains("tunnel"), "they went past Squall: {}", ran.err);
    });
}

#[test]
fn a_port_that_squall_uses_outside_is_free_inside() {
    // Tells each client the port that it comes from, and keeps the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let told = listener.incoming().map(|stream| {
            let mut stream = stream.unwrap();
            writeln!(stream, "{}", stream.peer_addr().unwrap().port()).unwrap();
            stream
        });
        told.collect::<Vec<_>>()
    });
    for_each_user(|user| {
        let ran = user.python(&[], SAME_PORT, &[&port]);
        assert!(ran.code == Some(0) && ran.out == "served\n", "{ran:?}");
    });
}

const SAME_PORT: &str = r#"
import socket, sys
there = ("127.0.0.1", int(sys.argv[1]))
first = socket.create_connection(there, 5)
outside = int(first.makefile().readline())
second = socket.create_connection(there, 5, source_address=("127.0.0.1", outside))
print("served" if second.makefile().readline() else "closed")
"#;

const OWN_SERVERS: &str = r#"
import socket, threading
def serve(listener):
    while True:
        listener.accept()[0].sendall(b"own")
def reach(family, bound, *named):
    listener = socket.create_server((bound, 0), family=family)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    for host in named:
        print(socket.create_connection((host, listener.getsockname()[1]), 5).recv(9).decode(), end=" ")
reach(socket.AF_INET, "127.0.0.1", "127.0.0.1")
reach(socket.AF_INET, "0.0.0.0", "localhost", socket.gethostname())
reach(socket.AF_INET6, "::1", "::1")
s = socket.socket(socket.AF_INET6); s.setsockopt(41, 26, 0); s.bind(("::", 0)); s.listen()
threading.Thread(target=serve, args=(s,), daemon=True).start()
print(socket.create_connection(("127.0.0.1", s.getsockname()[1]), 5).recv(9).decode())
"#;

#[test]
fn servers_of_the_machine_are_reached_and_its_closed_ports_refuse() {
    for_each_user(|user| {
        let port = server("machine").to_string();
        let ran = user.python(&[], MACHINE, &[&port]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "machine machine ECONNREFUSED\n"), "{ran:?}");
        assert!(ran.err.contains("2 tunnels"), "{}", ran.err);
    });
}

const MACHINE: &str = r#"
import errno, socket, sys
port = int(sys.argv[1])
for host in ("127.0.0.1", "localhost"):
    print(socket.create_connection((host, port), 5).recv(9).decode(), end=" ")
try:
    socket.create_connection(("127.0.0.1", 1), 5)
except OSError as error:
    print(errno.errorcode[error.errno])
"#;

#[test]
fn a_server_of_the_machine_that_starts_later_is_found_and_one_that_stops_refuses_again() {
    for_each_user(|user| {
        let dir = user.dir();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let [refused, found] = ["refused", "found"].map(|name| dir.path().join(name));
        let (refused, found) = (refused.to_str().unwrap().to_owned(), found.to_str().unwrap().to_owned());
        let running = std::thread::spawn({
            let (refused, found) = (refused.clone(), found.clone());
            move || user.python(&[], LATER, &[&free.to_string(), &refused, &found])
        });
        let await_file = |file: &str| {
            while !std::path::Path::new(file).exists() && !running.is_finished() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        };
        await_file(&refused);
        let listener = TcpListener::bind(("127.0.0.1", free)).unwrap();
        await_file(&found);
        drop(listener);
        let ran = running.join().unwrap();
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "refused found refused "), "{ran:?}");
    });
}

const LATER: &str = r#"
import socket, sys, time
port, refused, found = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def until(wanted):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 5)
            seen = "found"
        except ConnectionRefusedError:
            seen = "refused"
        except ConnectionResetError:
            seen = "not told yet"
        if seen == wanted:
            return print(seen, end=" ", flush=True)
        time.sleep(0.01)
    sys.exit("never " + wanted)
until("refused")
open(refused, "w").close()
until("found")
open(found, "w").close()
until("refused")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_carried_under_the_name_that_was_asked_for() {
    let port = server("the database");
    let (proxy, asked) = connect::recording(([127, 0, 0, 1], port).into()).await;
    for_each_user(|user: User| {
        let via = format!("http://{proxy}");
        let ran = user.python(
            &["--via", &via],
            "import socket; print(socket.create_connection(('db.corp.test', 5432), 5).recv(99).decode())",
            &[],
        );
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "the database\n"), "{ran:?}");
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked, ["db.corp.test:5432"], "{}", ran.err);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_by_host_and_port_strikes_what_is_no_http_and_nothing_else() {
    let port = server("the database");
    let (proxy, _asked) = connect::recording(([127, 0, 0, 1], port).into()).await;
    for_each_user(|user: User| {
        let profile = profile("rules: [{name: db-down, match: {host: db.corp.test, port: 5432}, fault: refuse}]");
        let via = format!("http://{proxy}");
        let options = ["--via", &via, "--profile", profile.to_str().unwrap()];
        let ran = user.python(&options, DATABASES, &[]);
        let wanted = "db.corp.test 5432 gone\ndb.corp.test 5433 the database\ndb2.corp.test 5432 the database\n";
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), wanted), "{ran:?}");
        assert!(ran.err.contains("Rule db-down fired once"), "{}", ran.err);
    });
}

const DATABASES: &str = r#"
import socket
for host, port in ("db.corp.test", 5432), ("db.corp.test", 5433), ("db2.corp.test", 5432):
    try:
        said = socket.create_connection((host, port), 5).recv(99).decode() or "gone"
    except ConnectionError:
        said = "gone"
    print(host, port, said)
"#;

#[test]
fn the_machines_metadata_is_asked_at_its_own_address_and_meets_faults() {
    for_each_user(|user| {
        let profile =
            profile("rules: [{name: no-role, match: {service: imds, operation: GetCredentials}, fault: not_found}]");
        let options = ["--upstream", "imds=stand-in", "--profile", profile.to_str().unwrap()];
        let ran = user.python(&options, METADATA, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "401 200 200 404 \n"), "{ran:?}");
    });
}

const METADATA: &str = r#"
import urllib.error, urllib.request
def ask(path, method="GET", **fields):
    request = urllib.request.Request("http://169.254.169.254/latest/" + path, method=method, headers=fields)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            print(answer.status, end=" ")
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        print(error.code, end=" ")
ROLES = "meta-data/iam/security-credentials/"
ask(ROLES)
token = {"X-aws-ec2-metadata-token": ask("api/token", "PUT", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})}
ask(ROLES + ask(ROLES, **token), **token)
print()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_but_for_names_are_refused_at_once() {
    for_each_user(|user| {
        let program = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 443)); s.settimeout(5); s.send(b'x')\ntry: s.recv(9)\nexcept OSError as e: print(type(e).__name__)";
        let ran = user.python(&[], program, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "ConnectionRefusedError\n"), "{ran:?}");
    });
}

#[test]
fn an_emulator_at_its_own_address_is_squalls_endpoint() {
    for_each_user(|user| {
        let emulator = format!("http://127.0.0.1:{}", server("never asked"));
        let profile = profile("rules: [{name: t, match: {service: dynamodb}, fault: throttle}]");
        let options = ["--upstream", &emulator, "--profile", profile.to_str().unwrap()];
        let ran = user.python(&options, LIST_TABLES, &[&emulator]);
        assert!(ran.code == Some(0) && ran.out.contains("ThrottlingException"), "{ran:?}");
        assert!(ran.err.contains("| dynamodb | ListTables"), "{}", ran.err);
    });
}

const LIST_TABLES: &str = r#"
import sys, urllib.error, urllib.request
fields = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], b"{}", fields), timeout=10)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"#;
