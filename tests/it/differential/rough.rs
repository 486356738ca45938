//! Slow, torn and broken-off exchanges: both sides are to see of each other what they see without Squall.

use super::HOST;
use super::script::Step::{Await, Beckon, Close, HearEnd, Reset, Shut};
use super::script::{Step, Way, dribble, hear, play, say};

/// What two sides do.
#[derive(Clone)]
struct Scene {
    name: &'static str,
    client: Vec<Step>,
    upstream: Vec<Step>,
}

fn scene(name: &'static str, client: impl Into<Vec<Step>>, upstream: impl Into<Vec<Step>>) -> Scene {
    Scene { name, client: client.into(), upstream: upstream.into() }
}

/// Bytes enough to fill several reads, each number in it only once.
pub(super) fn some() -> Vec<u8> {
    (0..12_000_u32).flat_map(|n| format!("{n} ").into_bytes()).collect()
}

pub(super) fn head(start: &str, fields: &str) -> String {
    format!("{start} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

pub(super) fn get() -> String {
    head("GET /k", "")
}

/// The first twenty of its forty bytes.
fn half_upload() -> String {
    head("PUT /k", "Content-Length: 40\r\n") + HALF
}

fn upload() -> String {
    half_upload() + HALF
}

pub(super) fn ok(version: &str, fields: &str, body: &str) -> String {
    format!("HTTP/{version} 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn hi() -> String {
    ok("1.1", "", "hi")
}

/// A message of 5 GiB, of which only the beginning is sent.
fn begun(head: &str) -> Vec<u8> {
    [head.as_bytes(), b"Content-Length: 5368709120\r\n\r\n", &some()].concat()
}

pub(super) fn begun_upload() -> Step {
    say(begun(&format!("PUT /k HTTP/1.1\r\nHost: {HOST}\r\n")))
}

fn begun_answer() -> Step {
    say(begun("HTTP/1.1 200 OK\r\n"))
}

pub(super) const BLANK: &str = "\r\n\r\n";
const HALF: &str = "abcdefghijklmnopqrst";
pub(super) const OLD_GET: &str = "GET /k HTTP/1.0\r\nHost: a\r\n\r\n";

fn cut_short() -> Vec<Scene> {
    let chunk = || say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    vec![
        scene(
            "client announces 5 GiB and half-closes",
            [begun_upload(), Shut, HearEnd],
            [hear(some()), HearEnd, Close],
        ),
        scene("client announces 5 GiB and closes", [begun_upload(), Await, Close], [hear(some()), Beckon, HearEnd]),
        scene("client announces 5 GiB and closes at once", [begun_upload(), Close], [hear(some()), HearEnd]),
        scene(
            "client closes before the last chunk",
            [say(torn_chunk()), Await, Close],
            [hear("torn\r\n"), Beckon, HearEnd],
        ),
        scene(
            "upstream announces 5 GiB and closes at once",
            [say(get()), HearEnd],
            [hear(BLANK), begun_answer(), Close],
        ),
        scene(
            "upstream announces 5 GiB and closes later",
            [say(get()), hear(some()), Beckon, HearEnd],
            [hear(BLANK), begun_answer(), Await, Close],
        ),
        scene(
            "upstream ends a chunked answer early",
            [say(get()), hear("hi\r\n"), Beckon, HearEnd],
            [hear(BLANK), chunk(), Await, Close],
        ),
        scene("upstream closes instead of an answer", [say(upload()), HearEnd], [hear(HALF), hear(HALF), Close]),
        scene("upstream closes within a request", [say(half_upload()), HearEnd], [hear(HALF), Close]),
    ]
}

fn torn_chunk() -> String {
    head("PUT /k", "Transfer-Encoding: chunked\r\n") + "4\r\ntorn\r\n"
}

fn slow() -> Vec<Scene> {
    let asked = || [hear(HALF), hear(HALF)];
    vec![
        scene("head in pieces", [dribble(get()), hear("hi")], [hear(BLANK), say(hi())]),
        scene("body in pieces", [dribble(upload()), hear("hi")], [asked().as_slice(), &[say(hi())]].concat()),
        scene("answer in pieces", [say(get()), hear("hi")], [hear(BLANK), dribble(hi())]),
        scene("both in pieces", [dribble(upload()), hear("hi")], [asked().as_slice(), &[dribble(hi())]].concat()),
        scene(
            "pieces over a kept connection",
            [dribble(get()), hear("hi"), dribble(upload()), hear("hi")],
            [hear(BLANK), dribble(hi()), hear(HALF), hear(HALF), dribble(hi())],
        ),
    ]
}

fn early_and_many() -> Vec<Scene> {
    let three: String = ["/1", "/2", "/3"].map(|path| head(&format!("GET {path}"), "")).concat();
    let in_turn = ["1!", "2!", "3!"].map(|body| [hear(BLANK), say(ok("1.1", "", body))]).concat();
    let two = upload() + &upload();
    vec![
        scene("three requests at once", [say(three), hear("1!"), hear("2!"), hear("3!")], in_turn),
        scene(
            "two uploads at once",
            [say(two), hear("1!"), hear("2!")],
            [1, 2].map(|n| [hear(HALF), hear(HALF), say(ok("1.1", "", &format!("{n}!")))]).concat(),
        ),
        scene(
            "an answer before the body's end",
            [say(half_upload()), hear("hi"), say(HALF), Beckon],
            [hear(HALF), say(hi()), Await, hear(HALF)],
        ),
        scene(
            "an answer before the body's end, and the end of the connection",
            [say(half_upload()), HearEnd],
            [hear(HALF), say(ok("1.1", "Connection: close\r\n", "no")), Close],
        ),
        scene(
            "a request after Connection: close",
            [say(head("GET /1", "Connection: close\r\n")), hear("hi"), say(get()), HearEnd],
            [hear(BLANK), say(ok("1.1", "Connection: close\r\n", "hi")), Close],
        ),
        scene(
            "HTTP/1.0 upstream that keeps nothing and tells no length",
            [say(get()), HearEnd],
            [hear(BLANK), say("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhi"), Close],
        ),
        scene(
            "HTTP/1.0 on both sides, no length",
            [say(OLD_GET), HearEnd],
            [hear(BLANK), say("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhi"), Close],
        ),
        scene(
            "HTTP/1.0 on both sides, kept",
            [say(old_kept()), hear("1!"), say(old_kept()), hear("2!")],
            [hear(BLANK), say(ok("1.0", KEPT, "1!")), hear(BLANK), say(ok("1.0", KEPT, "2!"))],
        ),
    ]
}

pub(super) fn old_kept() -> String {
    format!("GET /k HTTP/1.0\r\nHost: a\r\n{KEPT}\r\n")
}

pub(super) const KEPT: &str = "Connection: keep-alive\r\n";

/// What is not as it is directly.
async fn differences(scene: &Scene, ways: &[Way]) -> Vec<String> {
    let Scene { name, client, upstream } = scene;
    let direct = play(name, Way::Direct, client, upstream).await;
    let mut found = Vec::new();
    for way in ways {
        let through = play(name, *way, client, upstream).await;
        if through != direct {
            found.push(format!("{name}:\n  direct {direct:?}\n  {way:?} {through:?}\n"));
        }
    }
    found
}

async fn all_differences(scenes: Vec<Scene>, ways: &[Way]) -> String {
    let mut found = Vec::new();
    for scene in &scenes {
        found.extend(differences(scene, ways).await);
    }
    found.concat()
}

#[tokio::test]
async fn slow_torn_and_broken_off_exchanges_are_the_same_direct_and_through_squall() {
    let scenes = [cut_short(), slow(), early_and_many()].concat();
    assert_eq!(all_differences(scenes, &[Way::Endpoint, Way::Connect, Way::Tunnel]).await, "");
}

#[tokio::test]
async fn an_upstreams_reset_instead_of_an_answer_reaches_the_client_as_a_reset() {
    let asked = [hear(HALF), hear(HALF), Reset];
    let scenes = vec![scene("reset instead of an answer", [say(upload()), HearEnd], asked)];
    assert_eq!(all_differences(scenes, &[Way::Endpoint, Way::Connect, Way::Tunnel]).await, "");
}

#[tokio::test]
async fn an_upstreams_reset_within_an_answer_reaches_the_client_as_a_reset() {
    let asking = [say(get()), hear(some()), Beckon, HearEnd];
    let scenes = vec![scene("reset within an answer", asking, [hear(BLANK), begun_answer(), Await, Reset])];
    assert_eq!(all_differences(scenes, &[Way::Endpoint, Way::Connect, Way::Tunnel]).await, "");
}
