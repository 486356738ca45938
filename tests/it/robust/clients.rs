//! What clients do in HTTP: slowly, wrongly, too much, and halfway.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    ANSWERED, Attack, Blame, CLIENT, Door, NOBODY, attack, is_refused, leftover, request, reset, survive_all,
    with_fields,
};
use crate::support::upstream::HOST;
use crate::support::{client, eventually, soon};

/// All of them; who is to blame for a body that was broken off is asked elsewhere.
pub(super) fn all() -> Vec<Attack> {
    let unblamed = broken_off_bodies().into_iter().map(|attack| Attack { blame: None, ..attack });
    attacks().into_iter().chain(unblamed).collect()
}

fn attacks() -> Vec<Attack> {
    vec![
        attack("a head in pieces, answered", ANSWERED, a_slow_head),
        attack("a head that never ends", NOBODY, half_a_head),
        attack("too many fields", NOBODY, too_many_fields),
        attack("too long a field", NOBODY, too_long_a_field),
        attack("too long a target", NOBODY, too_long_a_target),
        attack("garbage instead of a request", NOBODY, garbage),
        attack("garbage behind a good request", ANSWERED, garbage_behind_a_request),
        attack("a hundred requests at once", Blame { answered: 100, ..NOBODY }, a_hundred_at_once),
        attack("a hundred requests and not a look at the answers", None, a_hundred_unheard),
        attack("NUL and non-ASCII bytes in heads", ANSWERED, odd_bytes),
        attack("lengths that contradict each other", NOBODY, contradictory_lengths),
        attack("CONNECT and away", NOBODY, connect_and_leave),
        attack("CONNECT to nowhere", NOBODY, connect_to_nowhere),
        attack("reset before a byte", NOBODY, reset_at_once),
        attack("reset within a head", NOBODY, reset_within_a_head),
        attack("reset before the answer", CLIENT, reset_before_the_answer),
        attack("close before the answer", CLIENT, close_before_the_answer),
        attack("reset within the answer", CLIENT, reset_within_the_answer),
        attack("close within the answer", CLIENT, close_within_the_answer),
        attack("reset within a tunnel", NOBODY, reset_within_a_tunnel),
    ]
}

fn broken_off_bodies() -> Vec<Attack> {
    vec![
        attack("reset within a body", CLIENT, reset_within_a_body),
        attack("close within a body", CLIENT, close_within_a_body),
        attack("garbage within a chunked body", CLIENT, garbage_within_a_chunked_body),
    ]
}

async fn a_slow_head(door: Door) {
    let mut stream = door.plain().await;
    for byte in request("/").into_bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(client::answer(&mut stream).await.text(), "hi");
}

async fn half_a_head(door: Door) {
    for part in [1, 5, 30, 90] {
        let mut stream = door.plain().await;
        stream.write_all(&request("/").as_bytes()[..part]).await.unwrap();
    }
}

async fn too_many_fields(door: Door) {
    let mut fields = String::new();
    for n in 0..1000 {
        write!(fields, "x-amz-meta-{n}: {n}\r\n").unwrap();
    }
    is_refused(door.plain().await, with_fields("/", &fields)).await;
    is_refused(door.secure().await, with_fields("/", &fields)).await;
}

async fn too_long_a_field(door: Door) {
    is_refused(door.plain().await, with_fields("/", &format!("x-amz-meta: {}\r\n", "x".repeat(4 << 20)))).await;
    is_refused(door.plain().await, with_fields("/", &format!("{}: x\r\n", "x".repeat(4 << 20)))).await;
}

async fn too_long_a_target(door: Door) {
    is_refused(door.plain().await, request(&format!("/{}", "x".repeat(100_000)))).await;
    is_refused(door.plain().await, "x".repeat(4 << 20)).await;
}

async fn garbage(door: Door) {
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    is_refused(door.plain().await, [b"\0", noise.as_slice()].concat()).await;
    is_refused(door.plain().await, [b"GET ", noise.as_slice()].concat()).await;
    is_refused(door.secure().await, [b"\0", noise.as_slice()].concat()).await;
    is_refused(door.secure().await, [b"GET ", noise.as_slice()].concat()).await;
    for line in
        ["GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x05\x01\x00", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "SSH-2.0-x\r\n"]
    {
        is_refused(door.plain().await, line).await;
    }
}

async fn garbage_behind_a_request(door: Door) {
    let mut stream = door.plain().await;
    stream.write_all(format!("{}\0\x01garbage\r\n\r\n", request("/kept")).as_bytes()).await.unwrap();
    assert_eq!(client::answer(&mut stream).await.text(), "hi");
    let rest = leftover(&mut stream).await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{rest}");
}

async fn a_hundred_at_once(door: Door) {
    let mut stream = door.plain().await;
    let requests = request("/kept").repeat(99) + &request("/");
    let (mut reading, mut writing) = stream.split();
    let sending = async { writing.write_all(requests.as_bytes()).await.unwrap() };
    let hearing = async {
        for _ in 0..100 {
            assert_eq!(client::answer(&mut reading).await.text(), "hi");
        }
    };
    tokio::join!(sending, hearing);
}

async fn a_hundred_unheard(door: Door) {
    let mut stream = door.plain().await;
    stream.write_all(request("/kept").repeat(100).as_bytes()).await.unwrap();
    let before = door.aws.requests().len();
    eventually("a first request upstream", || door.aws.requests().len() > before).await;
    reset(&stream);
}

async fn odd_bytes(door: Door) {
    for fields in [&b"x-a: a\0b\r\n"[..], b"x\0a: b\r\n", "ü: b\r\n".as_bytes(), b"x-a\x80: b\r\n", b" x: y\r\n"] {
        let start = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n");
        is_refused(door.plain().await, [start.as_bytes(), fields, b"\r\n"].concat()).await;
    }
    is_refused(door.plain().await, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // In a value, bytes above ASCII are allowed (obs-text).
    let allowed = with_fields("/", "x-a: \u{fc}\u{1f980}\r\n");
    assert_eq!(client::exchange(&mut door.plain().await, allowed).await.text(), "hi");
}

async fn contradictory_lengths(door: Door) {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip\r\n",
    ] {
        is_refused(door.plain().await, with_fields("/", fields) + "xx").await;
    }
}

async fn connect_and_leave(door: Door) {
    drop(door.tunnel().await);
    drop(client::tunnel(door.squall, &door.aws.address.to_string()).await);
    let mut unheard = door.plain().await;
    unheard.write_all(format!("CONNECT {} HTTP/1.1\r\n\r\n", door.authority()).as_bytes()).await.unwrap();
    drop(unheard);
    let unheard = door.tunnel().await;
    reset(&unheard);
}

async fn connect_to_nowhere(door: Door) {
    for target in ["127.0.0.1:1", "127.0.0.1:0", "localhost", ":443", "a:b:c", "*", "/", "http://127.0.0.1/"] {
        is_no_tunnel(door.plain().await, target).await;
    }
}

async fn is_no_tunnel(mut stream: tokio::net::TcpStream, target: &str) {
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let said = leftover(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 5"), "{target}: {said}");
}

async fn reset_at_once(door: Door) {
    for _ in 0..20 {
        reset(&door.plain().await);
    }
}

async fn reset_within_a_head(door: Door) {
    let mut stream = door.plain().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nX-").await.unwrap();
    reset(&stream);
    let mut stream = door.secure().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nX-").await.unwrap();
    stream.flush().await.unwrap();
    reset(stream.get_ref().0);
}

/// A request of which ten bytes of a thousand have left.
async fn begun(door: &Door) -> tokio::net::TcpStream {
    let mut stream = door.plain().await;
    let request = with_fields("/", "Content-Length: 1000\r\n") + "0123456789";
    door.under_way(async { stream.write_all(request.as_bytes()).await.unwrap() }).await;
    stream
}

async fn reset_within_a_body(door: Door) {
    reset(&begun(&door).await);
}

async fn close_within_a_body(door: Door) {
    drop(begun(&door).await);
}

async fn garbage_within_a_chunked_body(door: Door) {
    let mut stream = door.plain().await;
    let request = with_fields("/", "Transfer-Encoding: chunked\r\n") + "2\r\nhi\r\n";
    door.under_way(async { stream.write_all(request.as_bytes()).await.unwrap() }).await;
    let _closed_early = stream.write_all(b"ZZZ\r\n\xff\xff\xff\r\n").await;
    assert_eq!(leftover(&mut stream).await, "");
}

/// A request that has arrived upstream and waits there.
async fn awaiting(door: &Door) -> tokio::net::TcpStream {
    let mut stream = door.plain().await;
    let before = door.aws.requests().len();
    stream.write_all(request("/never").as_bytes()).await.unwrap();
    eventually("the request upstream", || door.aws.requests().len() > before).await;
    stream
}

async fn reset_before_the_answer(door: Door) {
    reset(&awaiting(&door).await);
}

async fn close_before_the_answer(door: Door) {
    drop(awaiting(&door).await);
}

/// A request of whose answer the first bytes have come.
async fn half_answered(door: &Door) -> tokio::net::TcpStream {
    let mut stream = door.plain().await;
    stream.write_all(request("/half").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"half") {
        soon("half an answer", stream.read_buf(&mut heard)).await.unwrap();
    }
    stream
}

async fn reset_within_the_answer(door: Door) {
    reset(&half_answered(&door).await);
}

async fn close_within_the_answer(door: Door) {
    drop(half_answered(&door).await);
}

async fn reset_within_a_tunnel(door: Door) {
    let mut stream = client::tunnel(door.squall, &door.aws.address.to_string()).await;
    stream.write_all(request("/never").as_bytes()).await.unwrap();
    let before = door.aws.requests().len();
    eventually("the request upstream", || door.aws.requests().len() > before).await;
    reset(&stream);
}

#[test]
fn squall_survives_what_clients_do_in_http() {
    survive_all(all());
}

#[test]
fn a_client_that_leaves_with_a_next_request_sent_is_let_go() {
    survive_all(vec![
        attack("close with a next request sent", CLIENT, |door| async move { drop(awaiting_two(&door).await) }),
        attack("reset with a next request sent", CLIENT, |door| async move { reset(&awaiting_two(&door).await) }),
    ]);
}

async fn awaiting_two(door: &Door) -> tokio::net::TcpStream {
    let mut stream = door.plain().await;
    let before = door.aws.requests().len();
    stream.write_all(request("/never").repeat(2).as_bytes()).await.unwrap();
    eventually("the request upstream", || door.aws.requests().len() > before).await;
    stream
}

#[test]
fn a_client_that_breaks_off_a_body_is_blamed_for_it() {
    survive_all(broken_off_bodies());
}
