//! HTTP/2, frame by frame (RFC 9113), from clients and upstreams that do not mean well.

use std::sync::Arc;

use ::squall::net::target::Target;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ANSWERED, Attack, Blame, Door, NOBODY, UPSTREAM, attack, each, leftover, reset, survive_all, upstreams};
use crate::support::upstream::HOST;
use crate::support::{eventually, soon};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field that is never indexed (RFC 7541 §6.2.3), with lengths below 127.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0x10, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// The field section of an AWS request to this path.
fn section(path: &str) -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", HOST),
        ("x-amz-target", "DynamoDB_20120810.PutItem"),
    ]
    .iter()
    .flat_map(|(name, value)| field(name, value))
    .collect()
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &section(path))
}

/// Odd numbers: the streams that clients open.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|n| 2 * n + 1)
}

async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await?;
    let id = u32::from_be_bytes(head[5..].try_into().unwrap());
    Ok(Frame { kind: head[3], flags: head[4], stream: id, payload })
}

/// A connection on which the preface has been said.
async fn greeted(door: &Door) -> TcpStream {
    let mut stream = door.plain().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    stream
}

/// Reads on to the last frame of this stream, or to the connection's end (`None`).
async fn last_of(stream: &mut TcpStream, id: u32) -> Option<Frame> {
    let reading = async {
        loop {
            let frame = read_frame(stream).await.ok()?;
            let ends = frame.kind == RST_STREAM || (frame.kind <= HEADERS && frame.flags & END_STREAM != 0);
            if frame.stream == id && ends {
                return Some(frame);
            }
        }
    };
    soon("the end of a stream", reading).await
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
    let mut stream = greeted(&door).await;
    let all: Vec<u8> = streams(100).flat_map(|id| request(id, "/kept")).collect();
    stream.write_all(&all).await.unwrap();
    let mut whole = 0;
    while whole < 100 {
        let frame = soon("a frame", read_frame(&mut stream)).await.unwrap();
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
        frame(8, 0, 0, &[0; 4]),
        frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        frame(CONTINUATION, END_HEADERS, 1, &section("/")),
        [frame(HEADERS, END_STREAM, 1, &section("/")), frame(DATA, 0, 1, b"x")].concat(),
        frame(5, END_HEADERS, 1, &[0; 8]),
        frame(DATA, 0, 1, &[0; 17 << 10]),
    ] {
        let mut stream = greeted(&door).await;
        let _closed_early = stream.write_all(&bytes).await;
        leftover(&mut stream).await;
    }
}

/// Ten thousand of these, and then a good request.
async fn flood(door: Door, bytes: Vec<u8>) {
    let stream = greeted(&door).await;
    let (mut reading, mut writing) = stream.into_split();
    let sending = async {
        writing.write_all(&bytes.repeat(FLOOD)).await.unwrap();
        writing.write_all(&request(1, "/kept")).await.unwrap();
    };
    let hearing = async {
        loop {
            let frame = soon("a frame", read_frame(&mut reading)).await.unwrap();
            if frame.kind == DATA && frame.flags & END_STREAM != 0 {
                return;
            }
        }
    };
    tokio::join!(sending, hearing);
}

async fn empty_data(door: Door) {
    let mut stream = greeted(&door).await;
    let _closed_early = stream.write_all(&frame(DATA, 0, 1, &[]).repeat(FLOOD)).await;
    leftover(&mut stream).await;
}

async fn rapid_reset(door: Door) {
    let mut stream = greeted(&door).await;
    let cancel = 8_u32.to_be_bytes();
    let all: Vec<u8> =
        streams(2000).flat_map(|id| [request(id, "/kept"), frame(RST_STREAM, 0, id, &cancel)].concat()).collect();
    let _closed_early = stream.write_all(&all).await;
    let _closed_early = stream.shutdown().await;
    leftover(&mut stream).await;
}

async fn continuation_flood(door: Door) {
    let mut stream = greeted(&door).await;
    let _closed_early = stream.write_all(&frame(HEADERS, END_STREAM, 1, &section("/"))).await;
    let more = frame(CONTINUATION, 0, 1, &field("x-a", &"x".repeat(100)).repeat(100));
    for _ in 0..1000 {
        if stream.write_all(&more).await.is_err() {
            break;
        }
    }
    let _closed_early = stream.shutdown().await;
    leftover(&mut stream).await;
}

/// A few bytes that come to megabytes: one large field put into the table, then named by its index again and again.
async fn a_field_repeated_by_its_index(door: Door) {
    let mut stream = greeted(&door).await;
    let value = [b'v'; 120];
    let indexed = [&[0x40, 3], b"x-a".as_slice(), &[120], &value].concat();
    let block = [section("/"), indexed, vec![0xbe; 12_000]].concat();
    stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)).await.unwrap();
    let frame = last_of(&mut stream, 1).await;
    assert!(frame.is_none_or(|frame| frame.kind != DATA), "it was answered");
}

async fn undecodable_fields(door: Door) {
    for block in [&[0x80][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x00, 0x7f], &[0x3f, 0xff, 0xff, 0xff, 0x7f]] {
        let mut stream = greeted(&door).await;
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, block)).await.unwrap();
        leftover(&mut stream).await;
    }
}

async fn no_window(door: Door) {
    let mut stream = door.plain().await;
    let initial_window_size = [0, 4, 0, 0, 0, 0];
    let all = [PREFACE, &frame(SETTINGS, 0, 0, &initial_window_size), &request(1, "/kept")].concat();
    stream.write_all(&all).await.unwrap();
    loop {
        let frame = soon("the answer's head", read_frame(&mut stream)).await.unwrap();
        assert_ne!(frame.kind, DATA);
        if frame.kind == HEADERS {
            return;
        }
    }
}

async fn half_a_frame(door: Door) {
    let whole = request(1, "/");
    for length in [1, 8, 9, 20, whole.len() - 1] {
        let mut stream = greeted(&door).await;
        stream.write_all(&whole[..length]).await.unwrap();
    }
}

async fn goaway(door: Door) {
    let mut stream = greeted(&door).await;
    stream.write_all(&[request(1, "/kept"), frame(GOAWAY, 0, 0, &[0; 8])].concat()).await.unwrap();
    assert_eq!(last_of(&mut stream, 1).await.map(|frame| frame.kind), Some(DATA));
}

/// Ten requests that wait upstream.
async fn ten_waiting(door: &Door) -> TcpStream {
    let mut stream = greeted(door).await;
    let waiting = || door.aws.requests().iter().filter(|request| request.head.contains("/never")).count();
    let before = waiting();
    let all: Vec<u8> = streams(10).flat_map(|id| request(id, "/never")).collect();
    stream.write_all(&all).await.unwrap();
    eventually("ten requests upstream", || waiting() == before + 10).await;
    stream
}

async fn reset_with_ten_streams(door: Door) {
    reset(&ten_waiting(&door).await);
}

async fn ten_streams_reset(door: Door) {
    let mut stream = ten_waiting(&door).await;
    let all: Vec<u8> = streams(10).flat_map(|id| frame(RST_STREAM, 0, id, &[0, 0, 0, 8])).collect();
    stream.write_all(&all).await.unwrap();
    // The connection itself goes on.
    stream.write_all(&frame(PING, 0, 0, &[1; 8])).await.unwrap();
    while soon("the answer to a PING", read_frame(&mut stream)).await.unwrap().kind != PING {}
}

const FLOOD: usize = 10_000;

#[test]
fn squall_survives_what_clients_do_in_http2() {
    survive_all(attacks());
}

/// An upstream of HTTP/2 that waits for a request and then says these frames, and ends the connection if it is to.
async fn saying(frames: Vec<u8>, and_leaves: bool) -> Target {
    let frames: Arc<[u8]> = frames.into();
    upstreams::upstream(move |mut stream| {
        let frames = Arc::clone(&frames);
        async move {
            let _closed_early = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
            let mut preface = [0; PREFACE.len()];
            if stream.read_exact(&mut preface).await.is_err() {
                return;
            }
            while let Ok(frame) = read_frame(&mut stream).await {
                if frame.kind == HEADERS {
                    let _closed_early = stream.write_all(&frames).await;
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

async fn ends_with(door: Door, allowed: impl Fn(Option<&Frame>) -> bool) {
    let mut stream = greeted(&door).await;
    stream.write_all(&request(1, "/")).await.unwrap();
    let last = last_of(&mut stream, 1).await;
    assert!(allowed(last.as_ref()), "{last:?}");
}

#[test]
fn an_upstreams_reset_of_a_stream_reaches_the_client_with_its_reason() {
    let reasons = [1_u32, 2, 3, 5, 8, 10, 11, 12, 13];
    let cases: Vec<_> = reasons.iter().flat_map(|reason| [(*reason, false), (*reason, true)]).collect();
    each(cases, async |(reason, within)| {
        let reset = frame(RST_STREAM, 0, 1, &reason.to_be_bytes());
        let said = if within { [answer(), frame(DATA, 0, 1, b"half"), reset].concat() } else { reset };
        let same =
            |last: Option<&Frame>| last.is_some_and(|f| f.kind == RST_STREAM && f.payload == reason.to_be_bytes());
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
        let broken = |last: Option<&Frame>| last.is_none_or(|frame| frame.kind == RST_STREAM);
        let target = saying(said, true).await;
        upstreams::survives(upstreams::before(target), |door| ends_with(door, broken), UPSTREAM).await;
    });
}
