//! The rules that `squall iptables` prints, run by the kernel in namespaces of the test's own, with real clients before them.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::namespace::{self, Inside, Namespace, are_possible, program};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{PATIENCE, client, soon};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const THROTTLE: &str = "name: t\nrules:\n  - name: all\n    fault: throttle\n";
const CALM: &str = "name: calm\nrules: []\n";
const V4: &str = "203.0.113.9";
const V6: &str = "2001:db8::9";
/// Users that nobody is.
const SQUALL: u32 = 64_577;
const APP: u32 = 64_578;

/// A machine whose connections are redirected, and one behind it where AWS and others are.
fn machines() -> (Namespace, Namespace) {
    Namespace::pair(&["203.0.113.9/32", "2001:db8::9/128"])
}

fn rules(arguments: &[&str]) -> String {
    let printed = Command::new(program()).arg("iptables").args(arguments).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    String::from_utf8(printed.stdout).unwrap()
}

/// Curl's answer from AWS's host at this address, trusting whom the file vouches for.
fn curl(machine: &Namespace, user: u32, address: &str, trust: &std::path::Path) -> String {
    let (resolve, url) = (format!("{HOST}:443:{address}"), format!("https://{HOST}/"));
    let trust = trust.to_str().unwrap();
    let output =
        machine.curl(user, &["--cacert", trust, "--resolve", &resolve, "--header", TARGET, "--data", "{}", &url]);
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
}

const TARGET: &str = "X-Amz-Target: DynamoDB_20120810.PutItem";

#[tokio::test(flavor = "multi_thread")]
async fn redirected_clients_meet_faults_over_ipv4_and_ipv6_by_iptables_and_by_nft() {
    if !are_possible("REDIRECT") {
        return;
    }
    for language in [&[][..], &["--nft"]] {
        let (machine, _aws) = machines();
        machine.sh(&rules(&[&["--uid", "64577"], language].concat()));
        let squall = namespace::serve(&machine, SQUALL, THROTTLE, &["--upstream", "http://127.0.0.1:9"]);
        for address in [V4, &format!("[{V6}]")] {
            let answer = curl(&machine, APP, address, &squall.trust_anchor);
            assert!(answer.contains("\r\nx-squall-fault: all\r\n"), "{language:?} {address}: {answer}");
        }
        let ledger = squall.finish();
        let told: Vec<_> = ledger.iter().map(|line| (&line["mode"], &line["host"], &line["status"])).collect();
        assert!(told.iter().all(|line| (line.0, line.1) == (&"transparent".into(), &HOST.into())), "{told:?}");
        assert_eq!(told.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_squall_forwards_goes_to_the_very_address_that_the_client_had_found() {
    if !are_possible("REDIRECT") {
        return;
    }
    let (machine, there) = machines();
    machine.sh(&rules(&["--uid", "64577"]));
    for (place, address) in [(format!("{V4}:443"), V4.to_owned()), (format!("[{V6}]:443"), format!("[{V6}]"))] {
        let aws = Upstream::tls_on(there.listener(&place), OK).await;
        let roots = namespace::open_dir();
        let root = roots.path().join("aws.pem");
        fs::write(&root, aws.root_pem()).unwrap();
        let squall = namespace::serve(&machine, SQUALL, CALM, &["--upstream-ca", root.to_str().unwrap()]);
        let answer = curl(&machine, APP, &address, &squall.trust_anchor);
        assert!(answer.ends_with("\r\n\r\nhi"), "{answer}{}", squall.stderr());
        assert!(aws.only_request().head.contains(HOST));
        assert_eq!(squall.finish().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_awss_passes_untouched_whatever_it_speaks() {
    if !are_possible("REDIRECT") {
        return;
    }
    let (machine, there) = machines();
    machine.sh(&rules(&["--uid", "64577", "--ports", "all"]));
    let squall = namespace::serve(&machine, SQUALL, THROTTLE, &[]);
    // TLS of another name, and TLS that names nobody.
    let far = Upstream::tls_on(there.listener(&format!("{V4}:443")), OK).await;
    for name in ["www.example.test", "127.0.0.1"] {
        let stream = TcpStream::from_std(machine.connect(&format!("{V4}:443"))).unwrap();
        let mut stream = client::secure(stream, name, &far.root_pem()).await.unwrap();
        assert_eq!(client::exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.text(), "hi");
    }
    // Plain requests, of which not a byte may change, and protocols that are no HTTP.
    for (port, first) in [
        (80, "GET / HTTP/1.1\r\nhOst:  www.example.com\r\nA : b\r\n\r\n"),
        (5432, "\0\0\0\x08\x04\u{7f}"),
        (7000, "SET a b\r\n"),
    ] {
        for address in [format!("{V4}:{port}"), format!("[{V6}]:{port}")] {
            let far = accept_one(&there, &address);
            let mut near = TcpStream::from_std(machine.connect(&address)).unwrap();
            near.write_all(first.as_bytes()).await.unwrap();
            let mut far = soon("the connection", far).await.unwrap();
            let mut got = vec![0; first.len()];
            soon("its first bytes", far.read_exact(&mut got)).await.unwrap();
            assert_eq!(String::from_utf8(got).unwrap(), first);
        }
    }
    // A server that speaks first, on its usual port and on another.
    for port in [25, 7025] {
        let address = format!("{V4}:{port}");
        let far = accept_one(&there, &address);
        let mut near = TcpStream::from_std(machine.connect(&address)).unwrap();
        let mut far = soon("the connection", far).await.unwrap();
        far.write_all(b"220 speaks first\r\n").await.unwrap();
        let mut greeting = [0; 18];
        soon("the greeting", near.read_exact(&mut greeting)).await.unwrap();
        assert_eq!(&greeting, b"220 speaks first\r\n");
    }
    assert!(squall.finish().is_empty(), "nothing of it was looked into");
}

/// The connection that comes to this address.
fn accept_one(there: &Namespace, address: &str) -> tokio::task::JoinHandle<TcpStream> {
    let listener = there.listener(address);
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move { listener.accept().await.unwrap().0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_to_awss_host_meets_faults_too() {
    if !are_possible("REDIRECT") {
        return;
    }
    let (machine, _there) = machines();
    machine.sh(&rules(&["--uid", "64577"]));
    let squall = namespace::serve(&machine, SQUALL, THROTTLE, &[]);
    let (resolve, url) = (format!("{HOST}:80:{V4}"), format!("http://{HOST}/"));
    let output = machine.curl(APP, &["--resolve", &resolve, "--header", TARGET, "--data", "{}", &url]);
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("\r\nx-squall-fault: all\r\n"), "{answer}");
    assert_eq!(squall.finish()[0]["mode"], "transparent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exempt_user_and_an_exempt_mark_pass_by_squall() {
    if !are_possible("REDIRECT") {
        return;
    }
    for language in [&[][..], &["--nft"]] {
        let (machine, there) = machines();
        let aws = Upstream::tls_on(there.listener(&format!("{V4}:443")), OK).await;
        let roots = namespace::open_dir();
        let root = roots.path().join("aws.pem");
        fs::write(&root, aws.root_pem()).unwrap();
        machine.sh(&rules(&[&["--uid", "64577", "--mark", "0x77"], language].concat()));
        // Nobody serves, so that what is redirected fails at once.
        assert!(curl(&machine, APP, V4, &root).contains("Failed to connect"));
        assert!(curl(&machine, SQUALL, V4, &root).ends_with("hi"), "the user passes");
        assert!(
            marked(&machine, 0x77).is_ok() && marked(&machine, 0x78).is_err(),
            "{language:?}: only the mark passes"
        );
        // Squall sets that mark itself, as root whom no rule knows.
        let more = ["--mark", "0x77", "--upstream-ca", root.to_str().unwrap()];
        let squall = namespace::serve(&machine, 0, CALM, &more);
        let answer = curl(&machine, APP, V4, &squall.trust_anchor);
        assert!(answer.ends_with("hi"), "{answer}{}", squall.stderr());
        assert_eq!(squall.finish().len(), 1);
    }
}

/// Connects with this mark.
fn marked(machine: &Namespace, mark: u32) -> std::io::Result<()> {
    let address: SocketAddr = format!("{V4}:443").parse().unwrap();
    machine.inside(move || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_mark(mark).unwrap();
        socket.connect_timeout(&address.into(), std::time::Duration::from_secs(5))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squall_that_no_rule_exempts_refuses_its_own_connections_and_says_what_to_do() {
    if !are_possible("REDIRECT") {
        return;
    }
    let (machine, _there) = machines();
    // The wrong user.
    machine.sh(&rules(&["--uid", "1", "--ports", "all"]));
    let squall = namespace::serve(&machine, SQUALL, CALM, &[]);
    let answer = curl(&machine, APP, V4, &squall.trust_anchor);
    assert!(!answer.contains(" 200 "), "{answer}");
    // A port where the server would speak first, and one where nobody knows.
    for port in [25, 7025] {
        assert_eq!(heard(&machine, &format!("{V4}:{port}")), b"");
    }
    let said = squall.stderr();
    let refusals = said.matches("refused a connection of Squall's own").count();
    assert!((3..=6).contains(&refusals) && said.contains("squall iptables"), "{said}");
    squall.finish();
}

/// What a silent client hears from there until the connection ends, if it comes about at all.
fn heard(machine: &Namespace, address: &str) -> Vec<u8> {
    let address: SocketAddr = address.parse().unwrap();
    machine.inside(move || {
        let mut heard = Vec::new();
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            if let Err(e) = std::io::Read::read_to_end(&mut stream, &mut heard) {
                assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
            }
        }
        heard
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_through_a_machine_is_led_to_squall_by_tproxy() {
    if !are_possible("TPROXY") {
        return;
    }
    for language in [&[][..], &["--nft"]] {
        // The second machine is the client of the first, which is its way out.
        let (gateway, client) = Namespace::pair(&[]);
        gateway.sh(&rules(&[&["--tproxy"], language].concat()));
        let listen = "--listen=tproxy:0.0.0.0:4577,tproxy:[::]:4577";
        let squall = namespace::serve(&gateway, 0, THROTTLE, &[listen, "--upstream", "http://127.0.0.1:9"]);
        for address in [V4, &format!("[{V6}]")] {
            let answer = curl(&client, APP, address, &squall.trust_anchor);
            assert!(
                answer.contains("\r\nx-squall-fault: all\r\n"),
                "{language:?} {address}: {answer}{}",
                squall.stderr()
            );
        }
        assert!(squall.finish().iter().all(|line| line["mode"] == "transparent"));
    }
}

#[test]
fn running_the_rules_twice_changes_nothing_and_removing_them_leaves_the_tables_as_they_were() {
    if !are_possible("rules") {
        return;
    }
    let saved = |machine: &Namespace| {
        let all = "nft list ruleset 2>/dev/null; iptables-save; ip6tables-save
                   ip rule; ip -6 rule; ip route show table all; ip -6 route show table all";
        let text = machine.sh(all);
        // Dates, and counters of packets that came by.
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with(':'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for flags in [&["--uid", "1", "--mark", "7"][..], &["--nft", "--uid", "1"], &["--tproxy"], &["--tproxy", "--nft"]] {
        let machine = Namespace::new();
        machine.sh("for t in iptables ip6tables; do
                 $t -t nat -A OUTPUT -p tcp --dport 9 -j RETURN; $t -t mangle -A PREROUTING -p tcp --dport 9 -j RETURN
             done
             nft add table inet another");
        let before = saved(&machine);
        machine.sh(&rules(flags));
        let once = saved(&machine);
        assert_ne!(before, once, "{flags:?}");
        machine.sh(&rules(flags));
        assert_eq!(saved(&machine), once, "{flags:?}");
        let remove = rules(&[flags, &["--remove"]].concat());
        machine.sh(&remove);
        assert_eq!(saved(&machine), before, "{flags:?}");
        machine.sh(&remove);
    }
}

#[test]
fn what_needs_a_capability_says_so() {
    if !are_possible("capabilities") {
        return;
    }
    let machine = Namespace::new();
    for (flags, wanted) in [(["--listen", "tproxy:127.0.0.1:0"], "CAP_NET_ADMIN"), (["--mark", "7"], "CAP_NET_ADMIN")] {
        let mut command = machine.command_as(APP, program().to_str().unwrap());
        command.arg("serve").args(flags).env_clear().stdin(Stdio::null());
        let dir = namespace::open_dir();
        std::os::unix::fs::chown(dir.path(), Some(APP), Some(APP)).unwrap();
        let output = command.arg("--ca-dir").arg(dir.path().join("ca")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(wanted), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_to_a_place_for_redirected_clients_by_its_name_is_not_served() {
    if !are_possible("REDIRECT") {
        return;
    }
    let (machine, _there) = machines();
    machine.sh(&rules(&["--uid", "64577"]));
    let squall: Inside = namespace::serve(&machine, SQUALL, THROTTLE, &["--listen", "transparent:127.0.0.1:4577"]);
    let direct = machine.curl(APP, &["http://127.0.0.1:4577/"]);
    assert!(!direct.status.success() && direct.stdout.is_empty());
    assert!(curl(&machine, APP, V4, &squall.trust_anchor).contains("x-squall-fault: all"));
}
