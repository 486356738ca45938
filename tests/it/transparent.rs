//! Untouched means untouched: the bytes that arrive are the bytes that were sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::squall::net::target::{Scheme, Target};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What `request` looks like at the upstream.
async fn seen_through_squall(request: &str) -> String {
    let aws = Upstream::plain(EMPTY).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    client::exchange(&mut stream, request).await;
    let seen = aws.only_request();
    format!("{}{}", seen.head, String::from_utf8(seen.body).unwrap())
}

/// What `answer` looks like at the client.
async fn answered_through_squall(answer: &str) -> String {
    let aws = Upstream::plain(answer).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    format!("{}{}", answer.head, answer.text())
}

#[tokio::test]
async fn requests_keep_target_header_case_order_values_framing_and_body() {
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET //double//slash/%2F%7e%zz/?b=2&a=1&a=&&x HTTP/1.1\r\nHOST: a\r\nX-Amz-Date: 1\r\nx-AMZ-target: T\r\n\r\n",
        "GET /? HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /b/k HTTP/1.1\r\nZ: 1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 x\r\nA: 2\r\nuser-agent: Boto3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "PUT /k HTTP/1.1\r\nHost: a\r\nX-Same: 1\r\nX-Same: 2\r\nExpect: 100-continue\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /empty HTTP/1.1\r\nHost: a\r\nX-Empty:\r\n\r\n",
    ] {
        let seen = seen_through_squall_with_continue(request).await;
        assert_eq!(seen, request);
    }
}

/// As [`seen_through_squall`], for requests that may wait for a 100.
async fn seen_through_squall_with_continue(request: &str) -> String {
    if !request.contains("100-continue") {
        return seen_through_squall(request).await;
    }
    let aws = Upstream::plain(EMPTY).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let go_on = client::exchange(&mut stream, request).await;
    assert_eq!(go_on.status(), 100);
    assert_eq!(client::answer(&mut stream).await.status(), 200);
    let seen = aws.only_request();
    format!("{}{}", seen.head, String::from_utf8(seen.body).unwrap())
}

#[tokio::test]
async fn answers_keep_status_reason_header_case_order_framing_and_body() {
    for answer in [
        "HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nX-Amz-Crc32: 2\r\nServer: Server\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 503 Slow Down\r\nx-amz-request-id: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nx-amz-id-2: a+b/c=\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
    ] {
        assert_eq!(answered_through_squall(answer).await, answer);
    }
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_content_length_and_has_no_body() {
    let aws = Upstream::plain("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n").await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    for _ in 0..2 {
        stream.write_all(b"HEAD /b/k HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut head = vec![0; "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n".len()];
        soon("the head", stream.read_exact(&mut head)).await.unwrap();
        assert_eq!(String::from_utf8(head).unwrap(), "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"x\"\r\n\r\n");
    }
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let aws = Upstream::tls(|_| EMPTY.into()).await;
    let squall = squall::calm().toward(&aws).run();
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut stream = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    for _ in 0..5 {
        let request = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\n{{}}");
        assert_eq!(client::exchange(&mut stream, request).await.status(), 200);
    }
    assert_eq!((aws.requests().len(), aws.connections()), (5, 1));
}

#[tokio::test]
async fn an_upstream_that_hangs_up_without_an_answer_is_seen_as_just_that() {
    let aws = Upstream::plain("").await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    assert_eq!(client::rest(&mut stream).await.unwrap_or_default(), b"");
    assert_eq!(aws.requests().len(), 1, "a request with a body is never sent twice");
}

#[tokio::test]
async fn a_body_cut_short_upstream_is_cut_short_for_the_client() {
    let aws = Upstream::plain("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf").await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    // The upstream closes after its answer, six bytes early.
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let seen = client::rest(&mut stream).await.unwrap_or_default();
    let seen = String::from_utf8(seen).unwrap();
    assert!(!seen.contains("half") || seen.ends_with("half"), "{seen}");
    assert!(!seen.contains("0\r\n\r\n"), "{seen}");
}

/// An upstream that grants any upgrade, then says everything twice.
async fn upgrading() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                assert!(String::from_utf8(head).unwrap().contains("\r\nUpgrade: echo/1\r\n"));
                stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n")
                    .await
                    .unwrap();
                while let Ok(byte) = stream.read_u8().await {
                    stream.write_all(&[byte, byte]).await.unwrap();
                }
            });
        }
    });
    Target::new(Scheme::Http, "127.0.0.1", port)
}

#[tokio::test]
async fn an_upgrade_passes_and_what_follows_is_carried_in_the_clear_and_over_tls() {
    let squall = squall::calm().toward_target(upgrading().await).run();
    let request = format!("GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n");
    let plain = client::connect(squall.address).await;
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let secure = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    for mut stream in [Box::new(plain) as Box<dyn Stream>, Box::new(secure)] {
        let answer = client::exchange(&mut stream, &request).await;
        assert_eq!((answer.status(), answer.field("upgrade").as_deref()), (101, Some("echo/1")));
        stream.write_all(b"hi").await.unwrap();
        stream.flush().await.unwrap();
        let mut echoed = [0; 4];
        soon("the echo", stream.read_exact(&mut echoed)).await.unwrap();
        assert_eq!(&echoed, b"hhii");
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

#[tokio::test]
async fn announced_trailers_of_an_answer_reach_a_client_that_takes_them() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n";
    let aws = Upstream::plain(chunked).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await.unwrap();
    let mut seen = vec![0; chunked.len()];
    soon("the answer", stream.read_exact(&mut seen)).await.unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), chunked);
}

#[tokio::test]
async fn an_upstream_that_closes_after_each_answer_without_a_word_costs_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(EMPTY.as_bytes()).await.unwrap();
        }
    });
    let squall = squall::calm().toward_target(target).run();
    let mut stream = client::connect(squall.address).await;
    for _ in 0..50 {
        assert_eq!(client::exchange(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), 200);
    }
}

#[tokio::test]
async fn a_request_that_had_left_is_sent_once_more_however_many_connections_are_stale() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
    let (together, requests) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&requests);
    // The first request of a connection is answered (of the first three connections when all three have come), the second is not.
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (together, seen) = (Arc::clone(&together), Arc::clone(&seen));
            tokio::spawn(async move {
                for request in 0..2 {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    seen.fetch_add(1, Ordering::Relaxed);
                    if request == 0 {
                        if connection < 3 {
                            together.wait().await;
                        }
                        stream.write_all(EMPTY.as_bytes()).await?;
                    }
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    let squall = squall::calm().toward_target(target).run();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let one = async || client::exchange(&mut client::connect(squall.address).await, get).await.status();
    assert_eq!(tokio::join!(one(), one(), one()), (200, 200, 200));
    assert_eq!(one().await, 200);
    assert_eq!(requests.load(Ordering::Relaxed), 3 + 2);
}
