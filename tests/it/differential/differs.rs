//! What rough exchanges look like where Squall's HTTP, which is hyper's, is not the far end's. Each line stands in docs/transparency.md.

use super::HOST;
use super::rough::{BLANK, KEPT, OLD_GET, begun_upload, get, head, hi, ok, old_kept, some};
use super::script::Step::{Await, Beckon, Close, HearEnd, Reset, Shut};
use super::script::{Both, End, Seen, Step, Way, hear, play, say};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};
use tokio::io::AsyncWriteExt;

fn seen(text: impl Into<Vec<u8>>, end: End) -> Seen {
    Seen { bytes: text.into(), end }
}

/// Plays a scene directly, where `direct` is what the client sees, and through Squall, where both sides see `through`.
async fn differs(name: &str, client: &[Step], upstream: &[Step], direct: Seen, through: Both) {
    assert_eq!(play(name, Way::Direct, client, upstream).await.client, direct, "{name}: directly");
    for way in [Way::Endpoint, Way::Connect] {
        assert_eq!(play(name, way, client, upstream).await, through, "{name}: {way:?}");
    }
}

#[tokio::test]
async fn an_http_1_0_client_is_answered_in_http_1_0() {
    let both = Both { client: seen(ok("1.0", "", "hi"), End::Closed), upstream: vec![seen(OLD_GET, End::Unseen)] };
    let (client, upstream) = ([say(OLD_GET), HearEnd], [hear(BLANK), say(hi()), Close]);
    differs("old client", &client, &upstream, seen(hi(), End::Closed), both).await;
    let kept = [say(old_kept()), hear("hi"), say(OLD_GET), HearEnd];
    let answers = [hear(BLANK), say(ok("1.1", KEPT, "hi")), hear(BLANK), say(hi()), Close];
    let both = Both {
        client: seen(ok("1.0", KEPT, "hi") + &ok("1.0", "", "hi"), End::Closed),
        upstream: vec![seen(old_kept() + OLD_GET, End::Unseen)],
    };
    differs("old client that keeps", &kept, &answers, seen(ok("1.1", KEPT, "hi") + &hi(), End::Closed), both).await;
}

#[tokio::test]
async fn a_kept_connection_to_an_http_1_0_upstream_goes_on_in_http_1_0() {
    let client = [say(get()), hear("1!"), say(get()), hear("2!")];
    let upstream = [hear(BLANK), say(ok("1.0", KEPT, "1!")), hear(BLANK), say(ok("1.0", KEPT, "2!"))];
    let answers = seen(ok("1.0", KEPT, "1!") + &ok("1.0", KEPT, "2!"), End::Unseen);
    let second = format!("GET /k HTTP/1.0\r\nHost: {HOST}\r\nconnection: keep-alive\r\n\r\n");
    let both = Both { client: answers.clone(), upstream: vec![seen(get() + &second, End::Unseen)] };
    differs("old upstream that keeps", &client, &upstream, answers, both).await;
}

#[tokio::test]
async fn an_upstream_that_closes_after_an_answer_without_saying_so_leaves_the_client_connected() {
    for version in ["1.0", "1.1"] {
        let client = [say(get()), hear("hi"), say(get()), hear("hi")];
        let upstream = [hear(BLANK), say(ok(version, "", "hi")), Close];
        let once = || seen(get(), End::Unseen);
        let both = Both { client: seen(ok(version, "", "hi").repeat(2), End::Unseen), upstream: vec![once(), once()] };
        let name = "upstream that closes";
        let through = play(name, Way::Endpoint, &client, &upstream).await;
        assert_eq!(through, both, "HTTP/{version}");
        let direct = play(name, Way::Direct, &client, &upstream).await.client;
        assert!(direct.end != End::Unseen && direct.bytes == ok(version, "", "hi").into_bytes(), "{direct:?}");
    }
}

#[tokio::test]
async fn half_a_head_is_not_passed_on() {
    let client = [say(get()), HearEnd];
    let upstream = [hear(BLANK), say("HTTP/1.1 200 OK\r\nConte"), Close];
    let both = Both { client: seen("", End::Closed), upstream: vec![seen(get(), End::Unseen)] };
    differs("half a head", &client, &upstream, seen("HTTP/1.1 200 OK\r\nConte", End::Closed), both).await;
}

#[tokio::test]
async fn an_answer_whose_end_is_the_connections_end_becomes_chunked() {
    let request = head("GET /k", "Connection: close\r\n");
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi";
    let chunked = "HTTP/1.1 200 OK\r\nConnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let both = Both { client: seen(chunked, End::Closed), upstream: vec![seen(request.clone(), End::Unseen)] };
    let (client, upstream) = ([say(request), HearEnd], [hear(BLANK), say(answer), Close]);
    differs("no length", &client, &upstream, seen(answer, End::Closed), both).await;
}

#[tokio::test]
async fn bytes_beyond_the_announced_length_stay_behind() {
    let request = head("GET /k", "Connection: close\r\n");
    let answer = ok("1.1", "Connection: close\r\n", "hi");
    let more = answer.clone() + ", and more";
    let both = Both { client: seen(answer, End::Closed), upstream: vec![seen(request.clone(), End::Unseen)] };
    let (client, upstream) = ([say(request), HearEnd], [hear(BLANK), say(more.clone()), Close]);
    differs("too much", &client, &upstream, seen(more, End::Closed), both).await;
}

#[tokio::test]
async fn what_a_client_sends_behind_a_request_that_closes_the_connection_stays_behind() {
    let closing = head("GET /k", "Connection: close\r\n");
    let answer = ok("1.1", "Connection: close\r\n", "hi");
    let client = [say(closing.clone() + &get()), HearEnd];
    let upstream = [hear(BLANK), say(answer.clone()), Close];
    let through = play("behind", Way::Endpoint, &client, &upstream).await;
    assert_eq!(through.client.bytes, answer.into_bytes());
    assert_eq!(through.upstream, [seen(closing.as_str(), End::Unseen)]);
    let direct = play("behind", Way::Direct, &client, &upstream).await;
    assert!(direct.upstream[0].bytes.len() > closing.len(), "{direct:?}");
}

#[tokio::test]
async fn a_client_that_ends_its_half_before_the_answer_counts_as_gone() {
    let aws = Upstream::plain(hi()).await;
    let squall = squall::calm().toward(&aws).run();
    for (address, answer) in [(aws.address, hi()), (squall.address, String::new())] {
        let mut stream = client::connect(address).await;
        stream.write_all(get().as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(String::from_utf8(client::rest(&mut stream).await.unwrap()).unwrap(), answer);
    }
    // In a tunnel whose bytes are nobody's business, it has its answer.
    let scene = [say(get()), Shut, HearEnd];
    let heard = play("half-closed", Way::Tunnel, &scene, &[hear(BLANK), say(hi()), Close]).await.client;
    assert_eq!(heard, seen(hi(), End::Closed));
}

#[tokio::test]
async fn a_clients_reset_within_a_request_reaches_the_upstream_as_a_close_and_through_a_tunnel_as_it_is() {
    let (client, upstream) = ([begun_upload(), Await, Reset], [hear(some()), Beckon, HearEnd]);
    let direct = play("reset", Way::Direct, &client, &upstream).await;
    assert_eq!(direct.upstream[0].end, End::Reset);
    for way in [Way::Endpoint, Way::Connect] {
        let through = play("reset", way, &client, &upstream).await;
        assert_eq!(through.upstream, [Seen { end: End::Closed, ..direct.upstream[0].clone() }], "{way:?}");
    }
    assert_eq!(play("reset", Way::Tunnel, &client, &upstream).await.upstream, direct.upstream);
}
