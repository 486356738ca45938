//! Answers that come late, slowly, or bit by bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::squall::clock;
use ::squall::net::target::{Scheme, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{answer_of, chunked, on_put_item, put, put_item};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

/// How long the head takes, how long all of it, and the answer.
async fn timed(fault: &str, answer: impl Into<Vec<u8>>) -> (Duration, Duration, String) {
    let aws = Upstream::plain(answer).await;
    let squall = squall::profile(&on_put_item(fault)).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let started = clock::now();
    stream.write_all(put().as_bytes()).await.unwrap();
    let first = stream.read_u8().await.unwrap();
    let head = started.elapsed();
    let answer = client::answer(&mut [first].as_slice().chain(&mut stream)).await;
    (head, started.elapsed(), answer.text())
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[tokio::test]
async fn latency_lies_before_the_first_byte_or_over_the_body() {
    let body = "x".repeat(1000);
    let (head, _, text) = timed("{latency: {fixed: 120ms, at: first_byte}}", answer_of(&body)).await;
    assert!(head >= MS(120) && text == body, "{head:?}");
    let (head, all, text) = timed("{latency: {fixed: 300ms, at: body}}", answer_of(&body)).await;
    assert!(head < MS(250) && all >= MS(300) && text == body, "{head:?} {all:?}");
}

#[tokio::test]
async fn latency_over_a_body_of_unknown_length_lies_before_its_end() {
    let (head, all, text) = timed("{latency: {fixed: 300ms, at: body}}", chunked("one", "two")).await;
    assert!(head < MS(250) && text.contains("one") && text.contains("two"), "{head:?} {text}");
    assert!(all >= MS(300), "{all:?}");
}

#[tokio::test]
async fn latency_first_byte_and_body_shape_injected_answers_too() {
    let fault = "[throttle, latency: {fixed: 100ms, at: first_byte}, latency: {fixed: 150ms, at: body}]";
    let (head, all, text) = timed(fault, "").await;
    assert!(head >= MS(100) && all >= MS(250), "{head:?} {all:?}");
    assert!(text.contains("ProvisionedThroughputExceeded"), "{text}");
}

#[tokio::test]
async fn bandwidth_slows_answers_and_the_lowest_of_several_holds() {
    let body = "x".repeat(4000);
    let (_, all, text) = timed("[bandwidth: 1MB/s, bandwidth: 10KB/s]", answer_of(&body)).await;
    assert!(all >= MS(390) && text == body, "{all:?}");
}

#[tokio::test]
async fn bandwidth_up_slows_requests_and_keeps_their_framing() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let squall = squall::profile(&on_put_item("{bandwidth: {rate: 10KB/s, direction: up}}")).toward(&aws).run();
    let (started, body) = (clock::now(), "y".repeat(4000));
    let mut stream = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut stream, format!("{}{body}", put_item("", 4000))).await.text(), "hi");
    assert!(started.elapsed() >= MS(390), "{:?}", started.elapsed());
    let seen = aws.only_request();
    assert_eq!((seen.field("content-length"), seen.body.as_slice()), (Some("4000"), body.as_bytes()));
}

#[tokio::test]
async fn a_dribble_comes_in_pieces_with_pauses() {
    let (_, all, text) = timed("{dribble: {chunk: 100B, every: 50ms}}", answer_of(&"z".repeat(500))).await;
    assert!(all >= MS(200) && text.len() == 500, "{all:?}");
}

#[tokio::test]
async fn the_end_of_a_chunked_answer_comes_late_and_closes_the_connection() {
    let (_, all, text) = timed("{slow_close: 200ms}", chunked("one", "two")).await;
    assert!(all >= MS(200) && text.ends_with("0\r\n\r\n"), "{all:?} {text}");
}

#[tokio::test]
async fn after_an_answer_with_a_length_the_connection_takes_a_request_in_silence_and_closes() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let squall = squall::profile(&on_put_item("{slow_close: 200ms}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let started = clock::now();
    assert_eq!(client::exchange(&mut stream, put()).await.text(), "hi");
    stream.write_all(put().as_bytes()).await.unwrap();
    assert_eq!(client::rest(&mut stream).await.expect("a clean end"), b"");
    assert!(started.elapsed() >= MS(200), "{:?}", started.elapsed());
    assert_eq!(aws.requests().len(), 1);
    let counts = squall.finish().await.proxy.ledger.summary(::squall::ledger::Run::default()).aws;
    assert_eq!((counts.answered, counts.injected, counts.client_gone), (1, 1, 0));
}

/// What the kernel's buffers on both hops take is some megabytes; all the rest waits at the sender.
#[tokio::test]
async fn a_slow_pace_reaches_back_to_the_sender_and_nothing_is_collected() {
    const WHOLE: usize = 256 << 20;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&sent);
    let sending: tokio::task::JoinHandle<std::io::Result<()>> = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 4096];
        let _head = stream.read(&mut request).await?;
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n").as_bytes()).await?;
        let piece = vec![b'x'; 1 << 16];
        loop {
            counting.fetch_add(stream.write(&piece).await?, Ordering::Relaxed);
        }
    });
    let squall = squall::profile(&on_put_item("{bandwidth: 1MB/s}")).toward_target(target).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(put().as_bytes()).await.unwrap();
    // Half a second's worth.
    stream.read_exact(&mut vec![0; 500_000]).await.unwrap();
    let so_far = sent.load(Ordering::Relaxed);
    assert!(so_far < 32 << 20, "{so_far} bytes were taken from the far end");
    drop(stream);
    assert!(sending.await.unwrap().is_err(), "its connection ends with the client's");
}
