//! Failures inside answers of status 200.

use serde_json::json;

use super::{S3_AUTHORIZATION, answer_of, lines};
use crate::support::upstream::Upstream;
use crate::support::{client, squall};

const INVOKE: &str = "/2015-03-31/functions/resize/invocations";

fn profile(fault: &str) -> String {
    format!("rules: [{{name: r, fault: {fault}}}]")
}

fn copy(extra: &str) -> String {
    format!(
        "PUT /bucket/to HTTP/1.1\r\nHost: s3.amazonaws.com\r\n{S3_AUTHORIZATION}x-amz-copy-source: bucket/from\r\n\
         {extra}Content-Length: 0\r\n\r\n"
    )
}

fn invoke(extra: &str) -> String {
    let authorization = S3_AUTHORIZATION.replace("/s3/", "/lambda/");
    format!(
        "POST {INVOKE} HTTP/1.1\r\nHost: lambda.us-east-1.amazonaws.com\r\n{authorization}{extra}Content-Length: 2\r\n\r\n{{}}"
    )
}

#[tokio::test]
async fn s3_says_200_and_then_that_it_has_failed_and_the_far_end_has_done_it_or_not() {
    let dir = tempfile::tempdir().unwrap();
    for carried_out in [false, true] {
        let ledger = dir.path().join(format!("{carried_out}.jsonl"));
        let aws = Upstream::plain(answer_of("<CopyObjectResult/>")).await;
        let fault = format!("{{error_in_ok: {{code: SlowDown, message: later, carried_out: {carried_out}}}}}");
        let squall = squall::profile(&profile(&fault)).toward(&aws).keeping(&ledger).run();
        let mut stream = client::connect(squall.address).await;
        for times in 1..=2 {
            let answer = client::exchange(&mut stream, copy("")).await;
            assert_eq!((answer.status(), answer.field("x-squall-fault").as_deref()), (200, Some("r")));
            let fields = ["transfer-encoding", "content-length", "connection"].map(|name| answer.field(name));
            assert_eq!(fields, [Some("chunked".to_owned()), None, None]);
            let text = answer.text();
            let (_size, chunk) = text.split_once("\r\n").unwrap();
            let (declaration, error) = chunk.split_once("?>").unwrap();
            assert_eq!(declaration, "<?xml version=\"1.0\" encoding=\"UTF-8\"");
            assert!(
                error.starts_with("\n   \n<Error><Code>SlowDown</Code><Message>later</Message><RequestId>"),
                "{error}"
            );
            assert_eq!(aws.requests().len(), if carried_out { times } else { 0 });
        }
        drop(stream);
        for line in lines(squall, &ledger).await {
            let told = ["outcome", "side", "status", "upstream_status"].map(|key| line[key].clone());
            let upstream = if carried_out { json!(200) } else { json!(null) };
            assert_eq!(told, [json!("injected"), json!("injected"), json!(200), upstream]);
        }
    }
}

#[tokio::test]
async fn what_s3_does_not_answer_early_passes_and_the_report_says_why() {
    let aws = Upstream::plain(answer_of("hi")).await;
    let squall = squall::profile(&profile("error_in_ok")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let put = copy("").replace("x-amz-copy-source: bucket/from\r\n", "");
    assert_eq!(client::exchange(&mut stream, put).await.text(), "hi");
    drop(stream);
    let rule = squall.finish().await.run().rules.remove(0);
    assert_eq!((rule.matched, rule.fired), (1, 0));
    assert!(rule.why_never.unwrap().contains("an operation to which its fault cannot happen"));
}

#[tokio::test]
async fn a_function_fails_inside_a_200_and_has_run_or_not() {
    for (carried_out, kind) in [(false, "Unhandled"), (true, "Handled")] {
        let aws = Upstream::plain(answer_of("{}")).await;
        let fault =
            format!("{{function_error: {{type: {kind}, payload: {{errorType: E}}, carried_out: {carried_out}}}}}");
        let squall = squall::profile(&profile(&fault)).toward(&aws).run();
        let mut stream = client::connect(squall.address).await;
        let answer = client::exchange(&mut stream, invoke("")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "{\"errorType\":\"E\"}"));
        assert_eq!(answer.field("x-amz-function-error").as_deref(), Some(kind));
        let run = aws.requests();
        assert_eq!(run.len(), usize::from(carried_out));
        assert!(run.iter().all(|request| request.body == b"{}"));
    }
}

#[tokio::test]
async fn an_invocation_that_nobody_waits_for_passes() {
    let aws = Upstream::plain("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let squall = squall::profile(&profile("function_error")).toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, invoke("X-Amz-Invocation-Type: Event\r\n")).await;
    assert_eq!((answer.status(), answer.field("x-amz-function-error")), (202, None));
    assert_eq!(aws.requests().len(), 1);
}
