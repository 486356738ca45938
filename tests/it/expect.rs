//! `Expect: 100-continue` is the far end's to answer.

use std::time::Duration;

use ::squall::clock;
use ::squall::net::target::{Scheme, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{client, soon, squall};

const HEAD: &str = "PUT /b/k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A far end for one connection, and what it saw in the end.
async fn far_end<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> (Target, JoinHandle<Vec<u8>>)
where
    F: Future<Output = Vec<u8>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    (Target::new(Scheme::Http, "127.0.0.1", port), serving)
}

async fn head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

async fn body(stream: &mut TcpStream) -> Vec<u8> {
    let mut body = vec![0; 5];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(OK).await.unwrap();
    body
}

#[tokio::test]
async fn a_client_is_told_to_go_on_when_the_far_end_says_so_and_not_before() {
    // On a busy machine one try may take as long as the wait that it must not be mistaken for.
    for _ in 0..3 {
        let (target, serving) = far_end(|mut stream| async move {
            head(&mut stream).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            body(&mut stream).await
        })
        .await;
        let waited = upload(target, serving).await;
        assert!(waited >= Duration::from_millis(200), "told after {waited:?}");
        if waited < Duration::from_millis(900) {
            return;
        }
    }
    panic!("a 100 of the far end's is not passed on at once");
}

/// Sends a body once told to, sees it arrive, and says how long it took to be told.
async fn upload(target: Target, serving: JoinHandle<Vec<u8>>) -> Duration {
    let squall = squall::calm().toward_target(target).run();
    let mut stream = client::connect(squall.address).await;
    let started = clock::now();
    assert_eq!(client::exchange(&mut stream, HEAD).await.status(), 100);
    let waited = started.elapsed();
    assert_eq!(client::exchange(&mut stream, "hello").await.status(), 200);
    assert_eq!(soon("the body", serving).await.unwrap(), b"hello");
    waited
}

#[tokio::test]
async fn a_final_answer_instead_of_a_100_reaches_a_client_that_was_never_told_to_go_on() {
    let (target, serving) = far_end(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        let mut rest = Vec::new();
        let _reset_or_end = stream.read_to_end(&mut rest).await;
        rest
    })
    .await;
    let squall = squall::calm().toward_target(target).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, HEAD).await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    assert_eq!(client::rest(&mut stream).await.unwrap(), b"");
    assert_eq!(
        soon("the end of the far connection", serving).await.unwrap(),
        b"",
        "no byte of the body was to be sent"
    );
}

#[tokio::test]
async fn a_far_end_that_knows_no_100_gets_the_body_after_a_second() {
    let (target, serving) = far_end(|mut stream| async move {
        head(&mut stream).await;
        body(&mut stream).await
    })
    .await;
    let waited = upload(target, serving).await;
    assert!((900..5000).contains(&waited.as_millis()), "{waited:?}");
}
