//! Requests that are carried out and lost, or several times, and clients that come back too early.

use serde_json::json;

use super::{answer_of, body_and_end, lines, on_put_item, put, put_item};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

#[tokio::test]
async fn a_lost_answer_was_carried_out_and_the_client_meets_what_comes_then() {
    let dir = tempfile::tempdir().unwrap();
    for (n, (then, status, clean)) in
        [("reset", None, false), ("refuse", None, true), ("internal", Some(500), true), ("gateway", Some(503), true)]
            .into_iter()
            .enumerate()
    {
        let ledger = dir.path().join(format!("{n}.jsonl"));
        let aws = Upstream::plain(answer_of("done")).await;
        let squall = squall::profile(&on_put_item(&format!("{{lose: {{then: {then}}}}}"))).toward(&aws);
        let squall = squall.keeping(&ledger).run();
        let mut stream = client::connect(squall.address).await;
        match status {
            Some(status) => assert_eq!(client::exchange(&mut stream, put()).await.status(), status, "{then}"),
            None => {
                tokio::io::AsyncWriteExt::write_all(&mut stream, put().as_bytes()).await.unwrap();
                assert_eq!(body_and_end(&mut stream).await, (String::new(), clean), "{then}");
            }
        }
        drop(stream);
        assert_eq!(aws.requests().len(), 1, "{then}");
        let [line] = &lines(squall, &ledger).await[..] else { panic!() };
        assert_eq!(
            [&line["outcome"], &line["side"], &line["rules"], &line["upstream_status"]].map(Clone::clone),
            [json!("injected"), json!("injected"), json!(["r"]), json!(200)]
        );
    }
}

#[tokio::test]
async fn a_reset_instead_of_the_answer_comes_after_the_request_was_carried_out() {
    let aws = Upstream::plain(answer_of("done")).await;
    let squall = squall::profile(&on_put_item("{reset: {at: answer}}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, put().as_bytes()).await.unwrap();
    assert_eq!(body_and_end(&mut stream).await, (String::new(), false));
    assert_eq!(aws.requests().len(), 1);
}

#[tokio::test]
async fn what_does_not_reach_the_far_end_is_failed_and_not_lost() {
    let aws = Upstream::plain("").await;
    let squall = squall::profile(&on_put_item("{lose: {then: throttle}}")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, put().as_bytes()).await.unwrap();
    assert_eq!(body_and_end(&mut stream).await.0, "");
    drop(stream);
    let counts = squall.finish().await.proxy.ledger.summary(::squall::ledger::Run::default()).aws;
    assert_eq!((counts.upstream_failed, counts.injected, counts.lost), (1, 0, 0));
}

#[tokio::test]
async fn a_duplicate_arrives_several_times_the_same_and_the_client_gets_the_first_answer() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.jsonl");
    let answers = std::sync::atomic::AtomicU32::new(0);
    let aws = Upstream::plain_with(move |_| {
        answer_of(&answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()).into_bytes()
    });
    let aws = aws.await;
    let squall = squall::profile(&on_put_item("{duplicate: {times: 3}}")).toward(&aws).keeping(&ledger).run();
    let request = format!("{}{{\"n\":1}}", put_item("", 7));
    let mut stream = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut stream, &request).await.text(), "0");
    drop(stream);
    let seen = aws.requests();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter().all(|one| format!("{}{}", one.head, String::from_utf8_lossy(&one.body)) == request),
        "{seen:?}"
    );
    let [line] = &lines(squall, &ledger).await[..] else { panic!() };
    assert_eq!((&line["copies"], &line["outcome"], &line["request_bytes"]), (&json!(2), &json!("answered"), &json!(7)));
}

#[tokio::test]
async fn a_body_too_large_to_be_kept_is_sent_once_and_the_rule_says_so() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let squall = squall::profile(&on_put_item("duplicate")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let body = "x".repeat((1 << 20) + 1);
    let known = format!("{}{body}", put_item("", body.len()));
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let unknown = format!("{}{chunks}", put_item("", 0).replace("Content-Length: 0", "Transfer-Encoding: chunked"));
    for request in [known, unknown] {
        assert_eq!(client::exchange(&mut stream, request).await.text(), "hi");
    }
    drop(stream);
    assert_eq!(aws.requests().iter().map(|request| request.payload().len()).collect::<Vec<_>>(), [body.len(); 2]);
    let rule = squall.finish().await.run().rules.remove(0);
    assert_eq!((rule.matched, rule.fired), (2, 0));
    assert!(rule.why_never.unwrap().contains("more than 1 MiB"));
}

#[tokio::test]
async fn a_client_that_comes_back_too_early_is_counted_and_one_that_waits_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("ledger.jsonl");
    let aws = Upstream::plain(answer_of("hi")).await;
    let profile = on_put_item("[throttle, retry_after: {ms: 1100}]").replace("PutItem}", "PutItem, attempt: 1}");
    let squall = squall::profile(&profile).toward(&aws).keeping(&ledger).run();
    let mut stream = client::connect(squall.address).await;
    let attempt = |id: &str, n: u32| {
        format!(
            "{}{{}}",
            put_item(&format!("amz-sdk-invocation-id: {id}\r\namz-sdk-request: attempt={n}; max=3\r\n"), 2)
        )
    };
    let answer = client::exchange(&mut stream, attempt("hasty", 1)).await;
    let fields = ["x-amz-retry-after", "retry-after"].map(|name| answer.field(name));
    assert_eq!((answer.status(), fields), (400, [Some("1100".to_owned()), Some("2".to_owned())]));
    client::exchange(&mut stream, attempt("patient", 1)).await;
    assert_eq!(client::exchange(&mut stream, attempt("hasty", 2)).await.status(), 200);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await; // what the client was asked to do
    assert_eq!(client::exchange(&mut stream, attempt("patient", 2)).await.status(), 200);
    drop(stream);
    let early: Vec<_> = lines(squall, &ledger).await.iter().map(|line| line["early_us"].as_u64()).collect();
    assert!(matches!(early[..], [None, None, Some(1..=1_100_000), None]), "{early:?}");
}
