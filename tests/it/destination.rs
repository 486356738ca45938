//! Where requests for AWS go: one far end for all, others for single services, and hosts that hold a bucket.

use std::sync::{Arc, OnceLock};

use crate::support::upstream::{HOST, Request, Upstream};
use crate::support::{client, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request to an endpoint under this name, signed (so to say) for a service.
fn signed_for(service: &str, host: &str) -> String {
    let scope = format!("AK/20261121/us-east-1/{service}/aws4_request");
    format!(
        "GET /thing HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=f\r\n\r\n"
    )
}

#[tokio::test]
async fn a_service_of_its_own_upstream_goes_there_and_all_others_where_all_go() {
    let (s3, all) = (Upstream::plain(OK).await, Upstream::plain(OK).await);
    let squall = squall::calm().toward(&all).sending("s3", &s3).run();
    let mut stream = client::connect(squall.address).await;
    for service in ["s3", "sqs", "dynamodb", "s3"] {
        let answer = client::exchange(&mut stream, signed_for(service, "127.0.0.1")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{service}");
    }
    assert_eq!((s3.requests().len(), all.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_service_without_an_upstream_is_told_so_at_the_endpoint_and_goes_to_its_own_host_through_connect() {
    let s3 = Upstream::plain(OK).await;
    let aws = Upstream::tls(|_| OK.into()).await;
    let squall = squall::calm().resolving_to(&aws, HOST).sending("s3", &s3).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, signed_for("sqs", "127.0.0.1")).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("no-upstream")), "{answer:?}");
    assert!(answer.text().contains("--upstream"), "{answer:?}");

    let tunnel = client::tunnel(squall.address, &format!("{HOST}:{}", aws.address.port())).await;
    let mut stream = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, signed_for("dynamodb", HOST)).await.status(), 200);
    assert_eq!(aws.requests().len(), 1);

    let tunnel = client::tunnel(squall.address, "b.s3.eu-west-1.amazonaws.com:443").await;
    let mut stream = client::secure(tunnel, "b.s3.eu-west-1.amazonaws.com", &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, signed_for("s3", "b.s3.eu-west-1.amazonaws.com")).await.status(), 200);
    assert_eq!(s3.only_request().field("x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn hosts_that_hold_a_bucket_reach_the_emulator_as_they_are_and_their_bucket_is_known() {
    let s3 = Upstream::plain(OK).await;
    let rule = "{name: mine, match: {service: s3, resource: \"bucket/*\"}, fault: throttle}";
    let squall = squall::profile(&format!("name: test\nrules: [{rule}]\n")).toward(&s3).run();
    let hosts = ["bucket.localhost:4577", "bucket.s3.localhost.localstack.cloud:4577", "bucket.s3.anything.example"];
    for host in hosts {
        let answer = client::exchange(&mut client::connect(squall.address).await, signed_for("s3", host)).await;
        assert_eq!(answer.field("x-squall-fault").as_deref(), Some("mine"), "{host}: {answer:?}");
        let other = host.replace("bucket", "other");
        let answer = client::exchange(&mut client::connect(squall.address).await, signed_for("s3", &other)).await;
        assert_eq!(answer.status(), 200);
    }
    let seen: Vec<_> = s3.requests().iter().map(|request| request.field("host").unwrap().to_owned()).collect();
    assert_eq!(seen, hosts.map(|host| host.replace("bucket", "other")));
}

#[tokio::test]
async fn a_bucket_under_localhost_is_spoken_to_over_tls_and_through_a_proxy_too() {
    let s3 = Upstream::plain(OK).await;
    let squall = squall::calm().toward(&s3).run();
    let stream = client::connect(squall.address).await;
    let mut stream = client::secure(stream, "bucket.localhost", &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, signed_for("s3", "bucket.localhost:4577")).await.status(), 200);
    let mut stream = client::connect(squall.address).await;
    let port = squall.address.port();
    let absolute = format!("GET http://bucket.localhost:{port}/k HTTP/1.1\r\nHost: bucket.localhost:{port}\r\n\r\n");
    assert_eq!(client::exchange(&mut stream, absolute).await.status(), 200);
    assert_eq!(s3.requests().len(), 2);
}

/// As some emulators do: from their own address, whoever asks.
fn own_queue_url(_: &Request, own: &str) -> Vec<u8> {
    let body = format!("{{\"QueueUrl\":\"http://{own}/123456789012/q\"}}");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn create_queue(host: &str) -> String {
    let scope = "AK/20261121/us-east-1/sqs/aws4_request";
    format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=f\r\n\
         X-Amz-Target: AmazonSQS.CreateQueue\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 17\r\n\r\n{{\"QueueName\":\"q\"}}"
    )
}

#[tokio::test]
async fn a_queue_url_of_the_emulators_own_is_led_back_to_squall() {
    let own = Arc::new(OnceLock::<String>::new());
    let told = Arc::clone(&own);
    let sqs = Upstream::plain_with(move |request| own_queue_url(request, told.get().unwrap())).await;
    own.set(sqs.address.to_string().replace("127.0.0.1", "localhost")).unwrap();
    let squall = squall::calm().toward(&sqs).run();
    let here = squall.address.to_string();
    let answer = client::exchange(&mut client::connect(squall.address).await, create_queue(&here)).await;
    assert_eq!(answer.text(), format!("{{\"QueueUrl\":\"http://{here}/123456789012/q\"}}"));
    let host = "sqs.us-east-1.amazonaws.com";
    let tunnel = client::tunnel(squall.address, &format!("{host}:443")).await;
    let mut stream = client::secure(tunnel, host, &squall.trust_anchor).await.unwrap();
    let answer = client::exchange(&mut stream, create_queue(host)).await;
    assert_eq!(answer.text(), format!("{{\"QueueUrl\":\"https://{host}/123456789012/q\"}}"));
    // What tells no URLs by its nature is not looked at.
    let answer = client::exchange(&mut stream, create_queue(host).replace("CreateQueue", "SendMessage")).await;
    assert!(answer.text().contains("localhost"), "{}", answer.text());
}

/// As emulators do: from the host that the client named.
fn queue_url(request: &Request) -> Vec<u8> {
    let scheme = request.field("x-forwarded-proto").unwrap_or("http");
    let body = format!("{{\"QueueUrl\":\"{scheme}://{}/123456789012/q\"}}", request.field("host").unwrap());
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_queue_url_that_the_emulator_builds_leads_through_squall_again() {
    let sqs = Upstream::plain_with(queue_url).await;
    let squall = squall::calm().toward(&sqs).run();
    let mut stream = client::connect(squall.address).await;
    let here = squall.address.to_string();
    let answer = client::exchange(&mut stream, signed_for("sqs", &here)).await;
    assert_eq!(answer.text(), format!("{{\"QueueUrl\":\"http://{here}/123456789012/q\"}}"));
    let host = "sqs.us-east-1.amazonaws.com";
    let tunnel = client::tunnel(squall.address, &format!("{host}:443")).await;
    let mut stream = client::secure(tunnel, host, &squall.trust_anchor).await.unwrap();
    let answer = client::exchange(&mut stream, signed_for("sqs", host)).await;
    assert_eq!(answer.text(), format!("{{\"QueueUrl\":\"https://{host}/123456789012/q\"}}"));
}
