//! Bounds on connections: whoever is slow or idle beyond them is let go, and nobody else is.

use std::time::Duration;

use ::squall::clock;
use ::squall::net::limits::Limits;
use ::squall::net::target::{Scheme, Target};
use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::frames::Frames;
use crate::support::http2::{self, Http2Upstream};
use crate::support::squall::Squall;
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SHORT: Duration = Duration::from_millis(200);

async fn squall_within(limits: Limits) -> Squall {
    squall::calm().toward(&Upstream::plain(OK).await).within(limits).run()
}

/// How long it took until the other side had closed.
async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Duration {
    let started = clock::now();
    client::rest(stream).await.unwrap_or_default();
    started.elapsed()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up_wherever_it_comes() {
    let squall = squall_within(Limits { head: SHORT, ..Limits::default() }).await;
    let mut plain = client::connect(squall.address).await;
    let mut again = client::connect(squall.address).await;
    client::exchange(&mut again, GET).await;
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut secure = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    let mut handshake = client::connect(squall.address).await;
    for stream in [&mut plain, &mut again] {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-").await.unwrap();
    }
    secure.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-").await.unwrap();
    handshake.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    let late = Duration::from_secs(2);
    assert!(until_closed(&mut plain).await < late, "the first head");
    assert!(until_closed(&mut again).await < late, "a later head");
    assert!(until_closed(&mut secure).await < late, "a head in TLS");
    assert!(until_closed(&mut handshake).await < late, "a handshake");
}

#[tokio::test]
async fn an_idle_client_is_let_go_with_a_clean_end() {
    let squall = squall_within(Limits { idle: SHORT, head: SHORT, ..Limits::default() }).await;
    let mut silent = client::connect(squall.address).await;
    let mut plain = client::connect(squall.address).await;
    client::exchange(&mut plain, GET).await;
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut secure = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    let mut streams = Frames::open(client::connect(squall.address).await).await;
    assert_eq!(client::rest(&mut silent).await.unwrap(), b"");
    assert_eq!(client::rest(&mut plain).await.unwrap(), b"");
    assert_eq!(client::rest(&mut secure).await.unwrap(), b"", "with a close_notify");
    let end = soon("the end of an idle client of streams", async {
        loop {
            if let Err(e) = streams.next().await {
                break e.kind();
            }
        }
    });
    assert_eq!(end.await, std::io::ErrorKind::UnexpectedEof);
    let mut deaf = client::connect(squall.address).await;
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    client::rest(&mut deaf).await.unwrap();
}

/// The SDKs connect ahead, keep connections for long, and wait long for answers.
#[tokio::test]
async fn waiting_for_an_answer_is_no_idleness_and_a_connection_made_ahead_no_slow_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
    let limits = Limits { head: SHORT, idle: 2 * SHORT, ..Limits::default() };
    let squall = squall::calm().toward_target(target).within(limits).run();
    let mut waiting = client::connect(squall.address).await;
    waiting.write_all(GET.as_bytes()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    tokio::time::sleep(5 * SHORT).await;
    far.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(client::answer(&mut waiting).await.text(), "hi");

    let ahead = Limits { head: SHORT, ..Limits::default() };
    let squall = squall_within(ahead).await;
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut secure = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    for _ in 0..2 {
        tokio::time::sleep(3 * SHORT).await;
        assert_eq!(client::exchange(&mut secure, GET).await.text(), "hi");
    }
}

#[tokio::test]
async fn connections_beyond_the_most_wait_for_one_to_end() {
    let squall = squall_within(Limits { connections: 2, ..Limits::default() }).await;
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut first = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    let mut second = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut first, GET).await.text(), "hi");
    assert_eq!(client::exchange(&mut second, GET).await.text(), "hi");
    let mut third = client::connect(squall.address).await;
    third.write_all(GET.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(SHORT, third.read_u8()).await;
    assert!(early.is_err(), "it is served beside two others: {early:?}");
    // A tunnel holds its place for as long as it is open.
    drop(first);
    assert_eq!(soon("the third's turn", client::answer(&mut third)).await.text(), "hi");
}

#[tokio::test]
async fn an_exchange_that_outlasts_the_drain_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
    let squall = squall::calm().toward_target(target).within(Limits { drain: SHORT, ..Limits::default() }).run();
    let mut waiting = client::connect(squall.address).await;
    waiting.write_all(GET.as_bytes()).await.unwrap();
    let _far = listener.accept().await.unwrap();
    let started = clock::now();
    let finished = squall.finish().await;
    assert!((SHORT..10 * SHORT).contains(&started.elapsed()), "{:?}", started.elapsed());
    let exchanges = finished.proxy.ledger.summary(finished.run()).exchanges;
    assert_eq!(exchanges.total, 1, "what is cut is told all the same");
}

/// A stream of events that goes both ways, and has not ended when the run does.
#[tokio::test]
async fn a_conversation_that_outlasts_the_run_is_told_and_its_fault_with_it() {
    // As long as they say in their first four bytes.
    let [first, second, spoiled] =
        [b"\0\0\0\x08abcd", b"\0\0\0\x08efgh", b"\0\0\0\x08efgi"].map(|frame| Bytes::from_static(frame));
    for (fault, struck) in [
        ("duplicate", 0),
        ("{event_stream: {after: 9, then: cut}}", 0),
        ("{event_stream: {after: 1, then: bad_crc}}", 1),
    ] {
        let aws = Http2Upstream::tls(|mut exchange| async move {
            let mut sending = exchange.respond.send_response(Response::new(()), false).unwrap();
            while let Some(Ok(data)) = exchange.request.body_mut().data().await {
                sending.send_data(data, false).unwrap();
            }
        });
        let profile = format!("rules: [{{name: r, match: {{service: transcribe-streaming}}, fault: {fault}}}]");
        let squall =
            squall::profile(&profile).toward_http2(&aws.await).within(Limits { drain: SHORT, ..Limits::default() });
        let squall = squall.run();
        let tunnel = client::tunnel(squall.address, "transcribestreaming.us-east-1.amazonaws.com:443").await;
        let host = "transcribestreaming.us-east-1.amazonaws.com";
        let stream = client::secure_offering(tunnel, host, &squall.trust_anchor, &["h2"]).await.unwrap();
        let client = http2::connect(stream).await;
        let head = Request::post(format!("https://{host}/stream-transcription")).body(()).unwrap();
        let (answering, mut sending) = http2::begin(&client, head).await;
        let mut answer = soon("an answer", answering).await.unwrap().into_body();
        for (said, heard) in [(&first, &first), (&second, if struck == 1 { &spoiled } else { &second })] {
            sending.send_data(said.clone(), false).unwrap();
            assert_eq!(soon("an echo", answer.data()).await.unwrap().unwrap(), heard);
        }
        let finished = squall.finish().await;
        let counts = finished.proxy.ledger.summary(finished.run()).aws;
        assert_eq!((counts.attempts, counts.injected, counts.proxy_failed), (1, struck, 1 - struck), "{fault}");
        assert_eq!(counts.client_gone, 0);
    }
}

#[tokio::test]
async fn a_far_end_that_never_finishes_its_handshake_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(Scheme::Https, "127.0.0.1", listener.local_addr().unwrap().port());
    let squall = squall::calm().toward_silent(target, SHORT).run();
    let mut stream = client::connect(squall.address).await;
    let started = clock::now();
    let answer = client::exchange(&mut stream, GET).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("upstream-unreachable")));
    assert!(answer.text().contains("200ms"), "{}", answer.text());
    assert!(started.elapsed() < 10 * SHORT, "{:?}", started.elapsed());
}
