//! The same against `squall serve` as it is started: its descriptors, its memory, its last words, and ten thousand connections at once.

use std::sync::Arc;
use std::time::Duration;

use ::squall::clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use super::{Door, clients, frames, handshakes, obliging, request, upstreams};
use crate::support::serving::{self, Serving};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{GLANCE, client, eventually, soon};

fn serve(aws: &Upstream) -> Serving {
    let port = aws.address.port();
    serving::serve(port, &["--resolve".to_owned(), format!("{HOST}:{port}:127.0.0.1")])
}

fn door(squall: &Serving, aws: Upstream) -> Door {
    Door { squall: squall.address, trust_anchor: squall.trust_anchor.clone(), aws }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_squall_of_its_own_process_survives_all_clients_and_keeps_no_descriptor() {
    let aws = obliging().await;
    let squall = serve(&aws);
    let door = door(&squall, aws);
    door.still_serves().await;
    let quiet = squall.descriptors();
    for attack in [clients::all(), handshakes::attacks(), frames::attacks()].into_iter().flatten() {
        (attack.run)(door.clone()).await;
        door.still_serves().await;
        eventually(&format!("{}: no descriptor more than before", attack.name), || squall.descriptors() <= quiet).await;
        assert!(!squall.stderr().contains("panicked"), "{}: {}", attack.name, squall.stderr());
    }
}

/// Half of them in the clear, between two requests; half in TLS, before their first.
struct Crowd {
    plain: Vec<TcpStream>,
    secure: Vec<TlsStream<TcpStream>>,
}

impl Crowd {
    async fn gather(door: &Door, size: usize) -> Self {
        let mut crowd = Self { plain: Vec::new(), secure: Vec::new() };
        let mut pending = JoinSet::new();
        for _ in 0..AT_ONCE {
            let door = door.clone();
            pending.spawn(async move {
                let (mut plain, mut secure) = (Vec::new(), Vec::new());
                for _ in 0..size / 2 / AT_ONCE {
                    let mut stream = door.plain().await;
                    assert_eq!(client::exchange(&mut stream, request("/kept")).await.text(), "hi");
                    plain.push(stream);
                    secure.push(door.secure().await);
                }
                (plain, secure)
            });
        }
        for (plain, secure) in pending.join_all().await {
            crowd.plain.extend(plain);
            crowd.secure.extend(secure);
        }
        crowd
    }

    fn len(&self) -> usize {
        self.plain.len() + self.secure.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn ten_thousand_idle_connections_are_held_at_once_answered_when_used_and_let_go() {
    let aws = obliging().await;
    let squall = serve(&aws);
    let door = door(&squall, aws);
    door.still_serves().await;
    let (quiet, before) = (squall.descriptors(), squall.status_kib("VmRSS"));
    let size = affordable();
    let started = clock::now();
    let mut crowd = Crowd::gather(&door, size).await;
    eventually("a descriptor for each", || squall.descriptors() >= quiet + size).await;
    assert_eq!(crowd.len(), size);
    let each = (squall.status_kib("VmRSS") - before) * 1024 / size as u64;
    println!("{size} idle connections, half of them TLS: {each} bytes each, after {:?}", started.elapsed());
    assert!(each < MOST_BYTES, "{each} bytes of resident memory for each idle connection");
    for stream in crowd.plain.iter_mut().step_by(97) {
        assert_eq!(client::exchange(stream, request("/")).await.text(), "hi");
    }
    for stream in crowd.secure.iter_mut().step_by(97) {
        assert_eq!(client::exchange(stream, request("/")).await.text(), "hi");
    }
    drop(crowd);
    eventually("all descriptors back", || squall.descriptors() <= quiet).await;
    door.still_serves().await;
    assert!(!squall.stderr().contains("panicked"), "{}", squall.stderr());
}

/// As many connections as may be open in one process, up to ten thousand.
fn affordable() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let allowed: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    let affordable = allowed.saturating_sub(ELSEWHERE).min(10_000) / (2 * AT_ONCE) * (2 * AT_ONCE);
    if affordable < 10_000 {
        println!("only {affordable} connections: this process may open no more than {allowed} files");
    }
    affordable
}

/// Other tests' descriptors, in the same process at the same time.
const ELSEWHERE: usize = 1000;
const AT_ONCE: usize = 20;
/// rustls and hyper hold buffers for each connection; ten times less than this would be a surprise, twice as much a leak.
const MOST_BYTES: u64 = 64 << 10;

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_terminate_signal_lets_open_exchanges_end_closes_idle_connections_and_exits_with_0() {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let halting = upstreams::upstream(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            upstreams::hear_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
            told.notified().await;
            stream.write_all(b"more").await.unwrap();
        }
    });
    let mut squall = serving::serve(halting.await.port, &[]);
    let (mut idle, mut open) = (client::connect(squall.address).await, client::connect(squall.address).await);
    assert_eq!(client::exchange(&mut idle, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), 400);
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut idle_secure = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    open.write_all(request("/").as_bytes()).await.unwrap();
    hear(&mut open, b"half").await;
    squall.terminate();
    assert_eq!(client::rest(&mut idle).await.unwrap(), b"");
    assert_eq!(client::rest(&mut idle_secure).await.unwrap(), b"");
    assert!(TcpStream::connect(squall.address).await.is_err(), "a connection was accepted after the end");
    assert!(squall.ended().is_none(), "ended with an exchange open");
    go_on.notify_one();
    assert_eq!(client::rest(&mut open).await.unwrap(), b"more");
    ends_well(&mut squall).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_connection_that_has_not_spoken_does_not_hold_up_the_end() {
    let aws = obliging().await;
    for state in ["nothing", "a tunnel", "half a ClientHello"] {
        let mut squall = serve(&aws);
        let door = door(&squall, aws.clone());
        door.still_serves().await;
        let mut silent = if state == "a tunnel" { door.tunnel().await } else { door.plain().await };
        if state == "half a ClientHello" {
            silent.write_all(&client::hello(HOST)[..100]).await.unwrap();
        }
        let started = clock::now();
        squall.terminate();
        ends_well(&mut squall).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{state}: {:?}", started.elapsed());
        drop(silent);
    }
}

async fn hear(stream: &mut TcpStream, end: &[u8]) {
    let mut heard = Vec::new();
    while !heard.ends_with(end) {
        soon("more of the answer", stream.read_buf(&mut heard)).await.unwrap();
    }
}

async fn ends_well(squall: &mut Serving) {
    let ending = async {
        loop {
            if let Some(status) = squall.ended() {
                return status;
            }
            tokio::time::sleep(GLANCE).await;
        }
    };
    let status = soon("the end of squall serve", ending).await;
    assert!(status.success(), "{status}: {}", squall.stderr());
    assert!(!squall.stderr().contains("panicked"), "{}", squall.stderr());
}
