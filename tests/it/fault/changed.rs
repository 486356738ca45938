//! Answers in which something is no longer right.

use super::{on_put_item, put};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const FIELDS: &str = "x-amz-crc32: 2745614147\r\nx-amz-checksum-sha256: AAAA\r\nETag: \"9b2cf5\"\r\n";
const BODY: &str = "{\"Item\":{\"id\":{\"S\":\"1\"}}}";

async fn corrupted(what: &str) -> (client::Answer, u64) {
    let answer = format!("HTTP/1.1 200 OK\r\n{FIELDS}Content-Length: {}\r\n\r\n{BODY}", BODY.len());
    let aws = Upstream::plain(answer).await;
    let squall = squall::profile(&on_put_item(&format!("{{corrupt: {what}}}"))).toward(&aws).run();
    let answer = client::exchange(&mut client::connect(squall.address).await, put()).await;
    let fired = squall.finish().await.run().rules[0].fired;
    (answer, fired)
}

/// How many bytes differ from those that were sent.
fn differing(body: &[u8]) -> usize {
    assert_eq!(body.len(), BODY.len());
    body.iter().zip(BODY.bytes()).filter(|(one, other)| **one != *other).count()
}

#[tokio::test]
async fn fields_become_others_and_the_body_stays() {
    for (what, field, value) in [
        ("crc32", "x-amz-crc32", "2745614146"),
        ("checksum", "x-amz-checksum-sha256", "BAAA"),
        ("etag", "etag", "\"8b2cf5\""),
    ] {
        let (answer, fired) = corrupted(what).await;
        assert_eq!((answer.field(field).as_deref(), fired), (Some(value), 1), "{what}");
        assert_eq!(differing(&answer.body), 0, "{what}");
    }
}

#[tokio::test]
async fn bytes_of_the_body_change_and_what_vouches_for_them_stays() {
    let (answer, fired) = corrupted("{what: body, bytes: 3}").await;
    assert_eq!((differing(&answer.body), fired), (3, 1));
    assert_eq!(answer.field("x-amz-crc32").as_deref(), Some("2745614147"));
    let (answer, _) = corrupted("syntax").await;
    assert_eq!((differing(&answer.body), answer.body[0].is_ascii()), (1, false));
}

#[tokio::test]
async fn an_answer_without_what_is_to_be_corrupted_passes_and_the_rule_has_not_fired() {
    let aws = Upstream::plain("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let squall = squall::profile(&on_put_item("{corrupt: crc32}")).toward(&aws).run();
    let answer = client::exchange(&mut client::connect(squall.address).await, put()).await;
    assert_eq!(answer.text(), "hi");
    let rule = squall.finish().await.run().rules.remove(0);
    assert_eq!((rule.matched, rule.fired), (1, 0));
}

#[tokio::test]
async fn a_checksum_in_a_trailer_becomes_another() {
    let answer = "HTTP/1.1 200 OK\r\nTrailer: x-amz-checksum-crc32\r\nTransfer-Encoding: chunked\r\n\r\n\
                  2\r\nhi\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n";
    let aws = Upstream::plain(answer).await;
    let squall = squall::profile(&on_put_item("{corrupt: checksum}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let put = put().replace("Content-Length", "TE: trailers\r\nContent-Length");
    tokio::io::AsyncWriteExt::write_all(&mut stream, put.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.ends_with("\r\n\r\n") || !seen.contains("0\r\n") {
        seen.push(char::from(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap()));
    }
    assert!(seen.to_lowercase().contains("x-amz-checksum-crc32: baaaaa=="), "{seen}");
}
