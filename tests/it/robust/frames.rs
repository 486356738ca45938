//! HTTP/2, frame by frame (RFC 9113), from clients and upstreams that do not mean well.

use std::sync::Arc;

use ::squall::net::target::Target;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{ANSWERED, Attack, Blame, Door, NOBODY, UPSTREAM, attack, each, leftover, reset, survive_all, upstreams};
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, Seen, WINDOW_UPDATE,
    head,
};
use crate::support::upstream::HOST;
use crate::support::{eventually, soon};

const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).encode()
}

/// The field section of an AWS request to this path.
fn section(path: &str) -> Vec<u8> {
    let target = ("x-amz-target", "DynamoDB_20120810.PutItem");
    head(&[(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", HOST), target])
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &section(path))
}

/// Odd numbers: the streams that clients open.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|n| 2 * n + 1)
}

/// A connection on which the preface has been said.
async fn greeted(door: &Door) -> Frames<TcpStream> {
    Frames::open(door.plain().await).await
}

pub(super) fn attacks() -> Vec<Attack> {
    vec![
        attack("a hundred streams", Blame { answered: 100, ..NOBODY }, a_hundred_streams),
        attack("half a preface", NOBODY, half_a_preface),
        attack("garbage behind the preface", NOBODY, garbage_behind_the_preface),
        attack("frames that must not be", NOBODY, forbidden_frames),
        attack("a flood of SETTINGS", ANSWERED, |door| flood(door, frame(SETTINGS, 0, 0, &[]))),
        attack("a flood of PING", ANSWERED, |door| flood(door, frame(PING, 0, 0, &[7; 8]))),
        attack("a flood of empty DATA", NOBODY, empty_data),
        attack("rapid reset", None, rapid_reset),
        attack("a flood of CONTINUATION", NOBODY, continuation_flood),
        attack("fields without end", NOBODY, a_field_repeated_by_its_index),
        attack("fields that cannot be decoded", NOBODY, undecodable_fields),
        attack("no window for the answer", None, no_window),
        attack("half a frame", NOBODY, half_a_frame),
        attack("GOAWAY with a request open", ANSWERED, goaway),
        attack("reset with ten streams open", Blame { client_gone: 10, ..NOBODY }, reset_with_ten_streams),
        attack("each of ten streams reset", Blame { client_gone: 10, ..NOBODY }, ten_streams_reset),
    ]
}

async fn a_hundred_streams(door: Door) {
    let mut client = greeted(&door).await;
    let all: Vec<u8> = streams(100).flat_map(|id| request(id, "/kept")).collect();
    client.stream.write_all(&all).await.unwrap();
    let mut whole = 0;
    while whole < 100 {
        let frame = soon("a frame", client.next()).await.unwrap();
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        whole += u32::from(frame.kind <= HEADERS && frame.flags & END_STREAM != 0);
    }
}

async fn half_a_preface(door: Door) {
    for length in [1, 3, 14, PREFACE.len() - 1] {
        let mut stream = door.plain().await;
        stream.write_all(&PREFACE[..length]).await.unwrap();
        stream.shutdown().await.unwrap();
        leftover(&mut stream).await;
    }
}

async fn garbage_behind_the_preface(door: Door) {
    for garbage in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &[0xff; 64], &[0xaa; 64 << 10]] {
        let mut stream = door.plain().await;
        let _closed_early = stream.write_all(&[PREFACE, garbage].concat()).await;
        leftover(&mut stream).await;
    }
}

/// Each must end the connection.
async fn forbidden_frames(door: Door) {
    for bytes in [
        frame(DATA, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS | END_STREAM, 2, &section("/")),
        frame(RST_STREAM, 0, 7, &[0; 4]),
        frame(PING, 0, 0, &[0; 7]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(SETTINGS, 1, 0, &[0; 6]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        frame(CONTINUATION, END_HEADERS, 1, &section("/")),
        [frame(HEADERS, END_STREAM, 1, &section("/")), frame(DATA, 0, 1, b"x")].concat(),
        frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 8]),
        frame(DATA, 0, 1, &[0; 17 << 10]),
    ] {
        let mut client = greeted(&door).await;
        let _closed_early = client.stream.write_all(&bytes).await;
        leftover(&mut client.stream).await;
    }
}

/// Ten thousand of these, and then a good request.
async fn flood(door: Door, bytes: Vec<u8>) {
    let mut client = greeted(&door).await;
    let all = [bytes.repeat(FLOOD), request(1, "/kept")].concat();
    soon("the flood", client.stream.write_all(&all)).await.unwrap();
    assert_eq!(client.all_of(1).await.data, b"hi");
}

async fn empty_data(door: Door) {
    let mut client = greeted(&door).await;
    let _closed_early = client.stream.write_all(&frame(DATA, 0, 1, &[]).repeat(FLOOD)).await;
    leftover(&mut client.stream).await;
}

async fn rapid_reset(door: Door) {
    let mut client = greeted(&door).await;
    let all: Vec<u8> = streams(2000)
        .flat_map(|id| [request(id, "/kept"), frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())].concat())
        .collect();
    let _closed_early = client.stream.write_all(&all).await;
    let _closed_early = client.stream.shutdown().await;
    leftover(&mut client.stream).await;
}

async fn continuation_flood(door: Door) {
    let mut client = greeted(&door).await;
    let _closed_early = client.stream.write_all(&frame(HEADERS, END_STREAM, 1, &section("/"))).await;
    let more = frame(CONTINUATION, 0, 1, &head(&[("x-a", &"x".repeat(100))]).repeat(100));
    for _ in 0..1000 {
        if client.stream.write_all(&more).await.is_err() {
            break;
        }
    }
    let _closed_early = client.stream.shutdown().await;
    leftover(&mut client.stream).await;
}

/// A few bytes that come to megabytes: one large field put into the table, then named by its index again and again.
async fn a_field_repeated_by_its_index(door: Door) {
    let mut client = greeted(&door).await;
    let value = [b'v'; 120];
    let indexed = [&[0x40, 3], b"x-a".as_slice(), &[120], &value].concat();
    let block = [section("/"), indexed, vec![0xbe; 12_000]].concat();
    client.stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await.unwrap();
    let seen = client.all_of(1).await;
    assert_eq!(seen.data, b"", "it was answered");
}

async fn undecodable_fields(door: Door) {
    for block in [&[0x80][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x00, 0x7f], &[0x3f, 0xff, 0xff, 0xff, 0x7f]] {
        let mut client = greeted(&door).await;
        client.stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, block)).await.unwrap();
        leftover(&mut client.stream).await;
    }
}

async fn no_window(door: Door) {
    let mut client = greeted(&door).await;
    let initial_window_size = [0, 4, 0, 0, 0, 0];
    let all = [frame(SETTINGS, 0, 0, &initial_window_size), request(1, "/kept")].concat();
    client.stream.write_all(&all).await.unwrap();
    loop {
        let frame = soon("the answer's head", client.next()).await.unwrap();
        assert_ne!(frame.kind, DATA);
        if frame.kind == HEADERS {
            return;
        }
    }
}

async fn half_a_frame(door: Door) {
    let whole = request(1, "/");
    for length in [1, 8, 9, 20, whole.len() - 1] {
        let mut client = greeted(&door).await;
        client.stream.write_all(&whole[..length]).await.unwrap();
    }
}

async fn goaway(door: Door) {
    let mut client = greeted(&door).await;
    client.stream.write_all(&[request(1, "/kept"), frame(GOAWAY, 0, 0, &[0; 8])].concat()).await.unwrap();
    assert_eq!(client.all_of(1).await.data, b"hi");
}

/// Ten requests that wait upstream.
async fn ten_waiting(door: &Door) -> Frames<TcpStream> {
    let mut client = greeted(door).await;
    let waiting = || door.aws.requests().iter().filter(|request| request.head.contains("/never")).count();
    let before = waiting();
    let all: Vec<u8> = streams(10).flat_map(|id| request(id, "/never")).collect();
    client.stream.write_all(&all).await.unwrap();
    eventually("ten requests upstream", || waiting() == before + 10).await;
    client
}

async fn reset_with_ten_streams(door: Door) {
    reset(&ten_waiting(&door).await.stream);
}

async fn ten_streams_reset(door: Door) {
    let mut client = ten_waiting(&door).await;
    let all: Vec<u8> = streams(10).flat_map(|id| frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes())).collect();
    client.stream.write_all(&all).await.unwrap();
    // The connection itself goes on.
    client.stream.write_all(&frame(PING, 0, 0, &[1; 8])).await.unwrap();
    while soon("the answer to a PING", client.next()).await.unwrap().kind != PING {}
}

const CANCEL: u32 = 8;
const FLOOD: usize = 10_000;

#[test]
fn squall_survives_what_clients_do_in_http2() {
    survive_all(attacks());
}

/// An upstream of HTTP/2 that waits for a request and then says these frames, and ends the connection if it is to.
async fn saying(frames: Vec<u8>, and_leaves: bool) -> Target {
    let frames: Arc<[u8]> = frames.into();
    upstreams::upstream(move |stream| {
        let frames = Arc::clone(&frames);
        async move {
            let Ok(mut server) = Frames::accept(stream).await else { return };
            while let Ok(frame) = server.next().await {
                if frame.kind == HEADERS {
                    let _closed_early = server.stream.write_all(&frames).await;
                    if and_leaves {
                        return;
                    }
                }
            }
        }
    })
    .await
}

/// An answer's head: `:status 200` stands in HPACK's static table.
fn answer() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &[0x88])
}

async fn ends_with(door: Door, expected: impl Fn(&Seen) -> bool) {
    let mut client = greeted(&door).await;
    client.stream.write_all(&request(1, "/")).await.unwrap();
    let seen = client.all_of(1).await;
    assert!(expected(&seen), "{seen:?}");
}

#[test]
fn an_upstreams_reset_of_a_stream_reaches_the_client_with_its_reason() {
    let reasons = [1_u32, 2, 3, 5, 8, 10, 11, 12, 13];
    let cases: Vec<_> = reasons.iter().flat_map(|reason| [(*reason, false), (*reason, true)]).collect();
    each(cases, async |(reason, within)| {
        let reset = frame(RST_STREAM, 0, 1, &reason.to_be_bytes());
        let said = if within { [answer(), frame(DATA, 0, 1, b"half"), reset].concat() } else { reset };
        let same = |seen: &Seen| seen.reset == Some(reason);
        let target = saying(said, false).await;
        upstreams::survives(upstreams::before(target), |door| ends_with(door, same), UPSTREAM).await;
    });
}

#[test]
fn an_upstream_that_breaks_off_in_http2_is_blamed() {
    let goaway = |last: u8| frame(GOAWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, 2]);
    let half = || [answer(), frame(DATA, 0, 1, b"half")].concat();
    let cases = vec![
        ("GOAWAY before the answer", goaway(1)),
        ("GOAWAY within the answer", [half(), goaway(1)].concat()),
        ("garbage", vec![0xff; 64]),
        ("garbage within the answer", [half(), vec![0xff; 64]].concat()),
        ("HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("fields that cannot be decoded", frame(HEADERS, END_HEADERS, 1, &[0x80])),
        ("an answer to nobody", frame(HEADERS, END_HEADERS, 3, &[0x88])),
        ("the end", Vec::new()),
        ("the end within the answer", half()),
    ];
    each(cases, async |(_, said)| {
        let broken = |seen: &Seen| !seen.finished;
        let target = saying(said, true).await;
        upstreams::survives(upstreams::before(target), |door| ends_with(door, broken), UPSTREAM).await;
    });
}
