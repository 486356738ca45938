//! What upstreams do: nothing, half of it, too much of it, or something else entirely.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::squall::net::target::{Scheme, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ANSWERED, Blame, CLIENT, Door, NOBODY, PROXY, UPSTREAM, blame, each, leftover, obliging, request, tasks};
use crate::support::squall::{Setup, Squall};
use crate::support::upstream::Upstream;
use crate::support::{client, eventually, panics, squall};

/// An upstream that deals with each connection as `serve` says.
pub(super) async fn upstream<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Target
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    Target::new(Scheme::Http, "127.0.0.1", port)
}

/// An upstream that hears a request's head, says this, and is gone.
async fn saying(answer: impl Into<Vec<u8>>) -> Target {
    let answer: Arc<[u8]> = answer.into().into();
    upstream(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            hear_head(&mut stream).await;
            let _closed_early = stream.write_all(&answer).await;
        }
    })
    .await
}

/// Whether a whole head came.
pub(super) async fn hear_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return false };
        head.push(byte);
    }
    true
}

/// A Squall in front of a bad upstream, and what must hold when the client has had its trouble with it.
pub(super) async fn survives<F>(bad: Setup, attack: impl FnOnce(Door) -> F, expected: Blame)
where
    F: Future<Output = ()>,
{
    panics::watch();
    let aws = obliging().await;
    let idle = tasks();
    let squall = bad.run();
    let door = door(&squall, aws);
    let serves = async || {
        let request = format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", door.aws.address);
        assert_eq!(client::exchange(&mut door.plain().await, request).await.text(), "hi");
    };
    serves().await;
    attack(door.clone()).await;
    serves().await;
    eventually("the end of all that the attack began", || tasks() == idle + 1 && squall.proxy().tasks.is_empty()).await;
    assert_eq!(blame(squall).await, expected);
    assert_eq!(panics::seen(), 0, "something panicked beside the tests");
}

fn door(squall: &Squall, aws: Upstream) -> Door {
    Door { squall: squall.address, trust_anchor: squall.trust_anchor.clone(), aws }
}

pub(super) fn before(target: Target) -> Setup {
    squall::calm().toward_target(target)
}

/// Sends a request with a body; what comes back until the connection ends.
async fn post(door: Door) -> String {
    let mut stream = door.plain().await;
    let request = super::with_fields("/", "Connection: close\r\nContent-Length: 2\r\n") + "{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    leftover(&mut stream).await
}

/// Nothing of an answer must reach the client.
async fn is_unanswered(door: Door) {
    assert_eq!(post(door).await, "");
}

/// The client must be told in Squall's own name.
async fn is_told_why(door: Door) {
    let told = post(door).await;
    assert!(told.starts_with("HTTP/1.1 502") && told.contains("x-squall-error: upstream-unreachable"), "{told}");
}

#[tokio::test]
async fn an_upstream_that_refuses_is_the_proxys_to_tell() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    survives(before(Target::new(Scheme::Http, "127.0.0.1", nobody.port())), is_told_why, PROXY).await;
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_silent_upstream_is_gone_and_so_is_its_connection() {
    let gone = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&gone);
    let silent = upstream(move |mut stream| {
        let noted = Arc::clone(&noted);
        async move {
            leftover(&mut stream).await;
            noted.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await;
    let impatient = async |door: Door| {
        let mut stream = door.plain().await;
        stream.write_all(request("/").as_bytes()).await.unwrap();
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_u8());
        assert!(waiting.await.is_err(), "an answer from nowhere");
        drop(stream);
        eventually("the end of the upstream connection", || gone.load(Ordering::Relaxed) == 1).await;
    };
    survives(before(silent), impatient, CLIENT).await;
}

#[test]
fn an_upstream_that_dies_before_or_within_a_head_leaves_its_client_unanswered_and_is_blamed() {
    each(["", "H", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le"], async |said| {
        survives(before(saying(said).await), is_unanswered, UPSTREAM).await;
    });
}

#[test]
fn an_upstream_that_dies_within_a_body_is_blamed() {
    each(["Content-Length: 1000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"], async |framing| {
        let said = format!("HTTP/1.1 200 OK\r\n{framing}");
        survives(before(saying(said).await), async |door| drop(post(door).await), UPSTREAM).await;
    });
}

#[test]
fn an_upstream_that_resets_is_blamed_wherever_it_does() {
    each(["", "HTTP/1.1 200 OK\r\nConte", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"], async |said| {
        let resetting = upstream(move |mut stream| async move {
            hear_head(&mut stream).await;
            let _closed_early = stream.write_all(said.as_bytes()).await;
            super::reset(&stream);
        });
        survives(before(resetting.await), async |door| drop(post(door).await), UPSTREAM).await;
    });
}

#[test]
fn garbage_for_an_answer_is_no_answer() {
    let answers = [
        "\0\x01\x02\x03\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
    ];
    each(answers, async |garbage| {
        survives(before(saying(garbage).await), is_unanswered, UPSTREAM).await;
    });
}

#[test]
fn garbage_for_a_chunk_breaks_the_answer_off() {
    each(["ZZ\r\n", "ffffffffffffffffffff\r\n", "-1\r\n", "2\r\nhi and more\r\n0\r\n\r\n"], async |garbage| {
        let said = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{garbage}");
        let is_broken = async |door| {
            let heard = post(door).await;
            assert!(!heard.ends_with("0\r\n\r\n"), "a broken answer passed for a whole one: {heard}");
        };
        survives(before(saying(said).await), is_broken, UPSTREAM).await;
    });
}

#[tokio::test]
async fn an_answer_before_the_request_is_taken_for_it_or_for_nothing() {
    let hasty = upstream(|mut stream| async move {
        let _closed_early = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        leftover(&mut stream).await;
    });
    let squall = before(hasty.await).run();
    let heard = post(door(&squall, obliging().await)).await;
    let blame = blame(squall).await;
    assert!(blame == if heard.is_empty() { UPSTREAM } else { ANSWERED }, "{blame:?}: {heard}");
    assert!(heard.is_empty() || heard.ends_with("\r\n\r\nhi"), "{heard}");
}

#[test]
fn a_pooled_connection_that_dies_between_requests_costs_no_request() {
    each(["close", "reset"], async |how| {
        let dying = upstream(move |mut stream| async move {
            if hear_head(&mut stream).await {
                let _closed_early = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            }
            if how == "reset" {
                // What was written has to be read before: a reset takes it away.
                let _readable = tokio::time::timeout(std::time::Duration::from_millis(20), stream.readable()).await;
                super::reset(&stream);
            }
        });
        let several = async |door: Door| {
            let get = request("/").replace("POST", "GET");
            for _ in 0..5 {
                assert_eq!(client::exchange(&mut door.plain().await, &get).await.text(), "hi");
            }
        };
        survives(before(dying.await), several, Blame { answered: 5, ..NOBODY }).await;
    });
}

#[tokio::test]
async fn more_than_was_announced_does_not_reach_the_client_or_the_next_request() {
    let talkative = upstream(|mut stream| async move {
        while hear_head(&mut stream).await {
            let _closed_early =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!!! HTTP/1.1 200 OK").await;
        }
    });
    let several = async |door: Door| {
        let mut stream = door.plain().await;
        for _ in 0..5 {
            assert_eq!(client::exchange(&mut stream, request("/").replace("POST", "GET")).await.text(), "hi");
        }
    };
    survives(before(talkative.await), several, Blame { answered: 5, ..NOBODY }).await;
}

#[test]
fn an_answers_head_without_end_is_cut_off() {
    let many: String = (0..5000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let long = format!("x-a: {}\r\n", "x".repeat(4 << 20));
    each([many, long], async |fields| {
        let said = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
        survives(before(saying(said).await), is_unanswered, UPSTREAM).await;
    });
}

#[tokio::test]
async fn interim_answers_without_end_are_waited_through() {
    let said = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let patient = async |door| assert!(post(door).await.ends_with("hi"));
    survives(before(saying(said).await), patient, ANSWERED).await;
}

#[test]
fn an_upstream_without_tls_or_without_trust_is_the_proxys_to_tell() {
    each(["plain", "closing", "untrusted"], async |kind| {
        let target = match kind {
            "plain" => saying("HTTP/1.1 400 Bad Request\r\n\r\nno TLS here").await,
            "closing" => upstream(|mut stream| async move { drop(stream.read_u8().await) }).await,
            _ => Upstream::tls(|_| Vec::new()).await.target(),
        };
        survives(before(Target { scheme: Scheme::Https, ..target }), is_told_why, PROXY).await;
    });
}
