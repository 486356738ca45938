//! Requests and answers that end before their time, or never.

use std::time::Duration;

use ::squall::ledger::{Counts, Run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{AUTHORIZATION, answer_of, body_and_end, chunked, on_put_item, put, put_item};
use crate::support::frames::{self, END_HEADERS, END_STREAM, Frames, HEADERS};
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, squall};

async fn counts(squall: squall::Squall) -> Counts {
    squall.finish().await.proxy.ledger.summary(Run::default()).aws
}

/// What a client sees of an answer to PutItem, whether the connection ended in good order, what is counted, and what the far end got.
async fn seen(fault: &str, answer: impl Into<Vec<u8>>) -> (String, bool, Counts, usize) {
    let aws = Upstream::plain(answer).await;
    let squall = squall::profile(&on_put_item(fault)).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(put().as_bytes()).await.unwrap();
    let (body, clean) = body_and_end(&mut stream).await;
    drop(stream);
    (body, clean, counts(squall).await, aws.requests().len())
}

#[tokio::test]
async fn a_truncated_answer_ends_at_its_byte_in_good_order_and_is_the_rules_doing() {
    for (fault, bytes) in [("{truncate: {after: 50%}}", 500), ("{truncate: 10B}", 10), ("{truncate: 0B}", 0)] {
        let (body, clean, counts, requests) = seen(fault, answer_of(&"x".repeat(1000))).await;
        assert_eq!((body.len(), clean, requests), (bytes, true, 1), "{fault}");
        assert_eq!((counts.injected, counts.upstream_failed, counts.answered), (1, 0, 0), "{fault}");
    }
}

#[tokio::test]
async fn a_reset_within_the_answer_comes_at_its_byte() {
    for (fault, bytes) in [("{reset: {at: 25%}}", 250), ("{reset: {at: 1B}}", 1)] {
        let (body, clean, counts, _) = seen(fault, answer_of(&"x".repeat(1000))).await;
        assert_eq!((body.len(), clean, counts.injected), (bytes, false, 1), "{fault}");
    }
}

#[tokio::test]
async fn of_several_cuts_the_first_comes() {
    let (body, clean, ..) =
        seen("[truncate: 60%, reset: {at: 700B}, truncate: 650B]", answer_of(&"x".repeat(1000))).await;
    assert_eq!((body.len(), clean), (600, true));
    let (body, clean, ..) = seen("[truncate: 60%, reset: {at: 500B}]", answer_of(&"x".repeat(1000))).await;
    assert_eq!((body.len(), clean), (500, false));
}

#[tokio::test]
async fn a_share_of_a_body_of_unknown_length_is_one_of_its_first_piece() {
    let (body, clean, counts, _) = seen("{truncate: 50%}", chunked("12345678", "9")).await;
    let data: String = body.lines().filter(|line| line.contains('1')).collect();
    assert!(clean && (data == "1234" || data == "12345"), "{body:?}");
    assert_eq!(counts.injected, 1);
}

#[tokio::test]
async fn an_answer_shorter_than_the_cut_passes_whole_and_the_rule_has_not_fired() {
    let aws = Upstream::plain(answer_of("short")).await;
    let squall = squall::profile(&on_put_item("{truncate: 1KB}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut stream, put()).await.text(), "short");
    drop(stream);
    let finished = squall.finish().await;
    let rule = finished.run().rules.remove(0);
    assert_eq!((rule.matched, rule.fired), (1, 0));
    assert!(rule.why_never.unwrap().contains("nothing for it to change"));
    assert_eq!(finished.proxy.ledger.summary(Run::default()).aws.answered, 1);
}

#[tokio::test]
async fn an_injected_answer_is_cut_as_well() {
    let (body, clean, counts, requests) = seen("[throttle, truncate: 10B]", "").await;
    assert_eq!((body.len(), clean, counts.injected, requests), (10, true, 1, 0));
}

#[tokio::test]
async fn refuse_and_reset_end_a_request_unanswered_and_nothing_goes_on() {
    for (fault, clean) in [("refuse", true), ("reset", false), ("{reset: {at: request, scope: stream}}", false)] {
        let (body, ended_clean, counts, requests) = seen(fault, answer_of("hi")).await;
        assert_eq!((body.as_str(), ended_clean, requests), ("", clean, 0), "{fault}");
        assert_eq!((counts.injected, counts.attempts), (1, 1), "{fault}");
    }
}

#[tokio::test]
async fn a_stream_is_reset_alone_and_the_next_goes_on() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let profile = on_put_item("{reset: {scope: stream}}").replace("    fault", "    when: {limit: 1}\n    fault");
    let squall = squall::profile(&profile).toward(&aws).run();
    let mut frames = Frames::open(client::connect(squall.address).await).await;
    let authorization = AUTHORIZATION.trim_end().split_once(": ").unwrap().1;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", HOST),
        (":path", "/"),
        ("x-amz-target", "DynamoDB_20120810.PutItem"),
        ("authorization", authorization),
    ];
    for (stream, reset) in [(1, Some(2)), (3, None)] {
        frames.send(&frames::Frame::new(HEADERS, END_STREAM | END_HEADERS, stream, frames::head(&fields))).await;
        let seen = frames.all_of(stream).await;
        assert_eq!((seen.reset, seen.closed), (reset, None), "stream {stream}");
    }
    assert_eq!(aws.requests().len(), 1);
}

#[tokio::test]
async fn a_hang_takes_the_whole_request_says_nothing_and_is_the_rules_doing() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let squall = squall::profile(&on_put_item("hang")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let size = 8 << 20;
    stream.write_all(put_item("", size).as_bytes()).await.unwrap();
    // More than all buffers on the way take.
    stream.write_all(&vec![b'x'; size]).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), stream.read_u8()).await;
    assert!(early.is_err(), "{early:?}");
    drop(stream);
    let counts = counts(squall).await;
    assert_eq!((counts.injected, counts.client_gone, aws.requests().len()), (1, 0, 0));
}

#[tokio::test]
async fn a_hang_for_a_while_ends_in_good_order() {
    let started = ::squall::clock::now();
    let (body, clean, counts, requests) = seen("{hang: {for: 150ms}}", answer_of("hi")).await;
    assert_eq!((body.as_str(), clean, requests, counts.injected), ("", true, 0, 1));
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_body_that_waits_to_be_asked_for_is_not_asked_for_by_a_hang() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let squall = squall::profile(&on_put_item("{hang: {for: 150ms}}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(put_item("Expect: 100-continue\r\n", 5).as_bytes()).await.unwrap();
    assert_eq!(client::rest(&mut stream).await.expect("a clean end"), b"");
}

#[tokio::test]
async fn the_page_of_a_load_balancer_is_sent_byte_for_byte() {
    let aws = Upstream::plain("").await;
    let squall = squall::profile(&on_put_item("gateway")).toward(&aws).unmarked().run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, put()).await;
    assert!(answer.head.starts_with("HTTP/1.1 503 Service Temporarily Unavailable\r\n"), "{}", answer.head);
    let fields = ["server", "content-type", "content-length"].map(|name| answer.field(name).unwrap());
    assert_eq!(fields, ["awselb/2.0", "text/html", "162"]);
    assert!(answer.text().starts_with("<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"));
    assert!(!answer.head.contains("amzn"), "{}", answer.head);
}
