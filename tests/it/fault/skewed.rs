//! A service whose clock is not the client's.

use ::squall::clock;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use super::{S3_AUTHORIZATION, on_put_item, put_item};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const DATED: &str = "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi";

/// The field that tells when a request was signed.
fn signed(at: Timestamp) -> String {
    format!("X-Amz-Date: {}\r\n", at.strftime("%Y%m%dT%H%M%SZ"))
}

/// How far an answer's clock is from the one here, to the minute.
fn minutes_off(answer: &client::Answer) -> i64 {
    let date = DateTimeParser::new().parse_timestamp(answer.field("date").unwrap()).unwrap();
    (date.duration_since(clock::wall()).as_secs() + 30).div_euclid(60)
}

#[tokio::test]
async fn what_is_signed_by_another_clock_is_refused_until_the_client_corrects_its_own() {
    let aws = Upstream::plain(DATED).await;
    let squall = squall::profile(&on_put_item("{skew: {by: -10m}}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let put = |at| format!("{}{{}}", put_item(&signed(at), 2));
    let answer = client::exchange(&mut stream, put(clock::wall())).await;
    assert_eq!((answer.status(), minutes_off(&answer)), (400, -10));
    let text = answer.text();
    assert!(text.contains("InvalidSignatureException") && text.contains("Signature not yet current: "), "{text}");
    assert!(aws.requests().is_empty());
    let corrected = clock::wall().checked_sub(SignedDuration::from_mins(10)).unwrap();
    let answer = client::exchange(&mut stream, put(corrected)).await;
    assert_eq!((answer.status(), answer.text().as_str(), minutes_off(&answer)), (200, "hi", -10));
    let [request] = &aws.requests()[..] else { panic!() };
    assert!(request.head.contains(&signed(corrected)), "{request:?}");
    // An operation that no rule matches keeps its time.
    let other = client::exchange(&mut stream, put(clock::wall()).replace("PutItem", "GetItem")).await;
    assert_eq!(other.field("date").as_deref(), Some("Sat, 21 Nov 2026 12:00:00 GMT"));
}

#[tokio::test]
async fn s3_tells_its_time_and_what_a_url_is_good_for_counts() {
    let aws = Upstream::plain(DATED).await;
    let squall = squall::profile("rules: [{name: r, fault: {skew: {by: 20m}}}]").toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let now = clock::wall();
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: s3.amazonaws.com\r\n{fields}\r\n");
    let answer = client::exchange(&mut stream, get("/b/k", &format!("{S3_AUTHORIZATION}{}", signed(now)))).await;
    let text = answer.text();
    assert_eq!((answer.status(), minutes_off(&answer)), (403, 20));
    for part in [
        "<Code>RequestTimeTooSkewed</Code>",
        "<ServerTime>",
        "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
        &format!("<RequestTime>{}</RequestTime>", now.strftime("%Y%m%dT%H%M%SZ")),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let url = |expires: u32| {
        let scope = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261121%2Fus-east-1%2Fs3%2Faws4_request";
        let at = now.strftime("%Y%m%dT%H%M%SZ");
        get(
            &format!("/b/k?{scope}&X-Amz-Date={at}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=0"),
            "",
        )
    };
    let late = client::exchange(&mut stream, url(600)).await;
    assert!(late.status() == 403 && late.text().contains("<Message>Request has expired</Message>"), "{late:?}");
    assert_eq!(client::exchange(&mut stream, url(3600)).await.text(), "hi");
}

#[tokio::test]
async fn what_a_rule_answers_stands_and_tells_the_same_time() {
    let aws = Upstream::plain(DATED).await;
    let squall = squall::profile(&on_put_item("[skew: 1h, throttle: ]")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, format!("{}{{}}", put_item(&signed(clock::wall()), 2))).await;
    assert!(answer.text().contains("ProvisionedThroughputExceededException"), "{answer:?}");
    assert_eq!(minutes_off(&answer), 60);
}
