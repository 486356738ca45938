//! The ways in: CONNECT, absolute form, endpoint, TLS directly; and what is none of Squall's business.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use ::squall::net::target::{Scheme, Target};

use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn get(host: &str) -> String {
    format!("GET /thing HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn a_connect_to_aws_is_terminated_and_forwarded_over_verified_tls() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let squall = squall::calm().resolving_to(&aws, HOST).run();
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:{}", aws.address.port())).await;
    let mut stream = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    let answer = client::exchange(&mut stream, get(HOST)).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hi"));
    assert!(aws.only_request().head.starts_with("GET /thing HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_bare_http_1_0_connect_without_headers_opens_a_tunnel_too() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, format!("CONNECT {HOST}:443 HTTP/1.0\r\n\r\n")).await;
    assert_eq!(answer.head.split("\r\n").next(), Some("HTTP/1.0 200 OK"));
    let mut stream = client::secure(stream, HOST, &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, get(HOST)).await.status(), 200);
}

#[tokio::test]
async fn a_client_hello_sent_together_with_the_connect_is_not_lost() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    let both = format!("CONNECT {HOST}:80 HTTP/1.1\r\nHost: {HOST}:80\r\n\r\n{}", get(HOST));
    let opened = client::exchange(&mut stream, both).await;
    assert_eq!(opened.status(), 200);
    assert_eq!(client::answer(&mut stream).await.text(), "hi");
}

#[tokio::test]
async fn an_absolute_form_request_goes_out_in_origin_form_without_proxy_fields() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::calm().run();
    let mut stream = client::connect(squall.address).await;
    let at = aws.address;
    let request =
        format!("GET http://{at}/a//b%2f?x= HTTP/1.1\r\nHost: {at}\r\nProxy-Connection: keep-alive\r\nX-A: 1\r\n\r\n");
    assert_eq!(client::exchange(&mut stream, request).await.status(), 200);
    assert_eq!(aws.only_request().head, format!("GET /a//b%2f?x= HTTP/1.1\r\nHost: {at}\r\nX-A: 1\r\n\r\n"));
}

#[tokio::test]
async fn endpoint_requests_go_to_the_upstream_with_their_host_unchanged() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::calm().toward(&aws).run();
    let mut stream = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut stream, get("bucket.localhost:4577")).await.text(), "hi");
    assert_eq!(aws.only_request().head, get("bucket.localhost:4577"));
}

#[tokio::test]
async fn tls_without_connect_is_an_endpoint_too_with_a_server_name_and_without() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::calm().toward(&aws).run();
    for name in ["localhost", "127.0.0.1", HOST] {
        let stream = client::connect(squall.address).await;
        let mut stream = client::secure(stream, name, &squall.trust_anchor).await.unwrap();
        assert_eq!(client::exchange(&mut stream, get(name)).await.text(), "hi", "{name}");
    }
    let forwarded = aws.requests();
    assert!(forwarded.iter().all(|r| r.head.contains("x-forwarded-proto: https\r\n")), "{forwarded:?}");
}

#[tokio::test]
async fn tls_without_connect_for_a_name_that_is_not_ours_is_not_terminated() {
    let squall = squall::calm().run();
    let stream = client::connect(squall.address).await;
    assert!(client::secure(stream, "www.example.com", &squall.trust_anchor).await.is_err());
    assert_eq!(squall.proxy().authority.minted(), 0);
}

#[tokio::test]
async fn an_endpoint_request_without_upstream_is_a_502_that_names_the_flag() {
    let squall = squall::calm().run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, get("localhost")).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("no-upstream")));
    assert!(answer.text().contains("--upstream"), "{answer:?}");
    assert_eq!(answer.field("x-squall-fault"), None);
}

#[tokio::test]
async fn an_unreachable_upstream_is_a_502_of_the_proxys_own() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let squall = squall::calm().toward_target(Target::new(Scheme::Http, "127.0.0.1", nobody.port())).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, get("localhost")).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("upstream-unreachable")));
    assert!(answer.text().contains(&nobody.port().to_string()), "{answer:?}");
}

#[tokio::test]
async fn an_upstream_whose_certificate_is_not_trusted_is_not_spoken_to() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let squall = squall::calm().toward_target(aws.target()).run();
    let mut stream = client::connect(squall.address).await;
    let answer = client::exchange(&mut stream, get("localhost")).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("TLS"), "{answer:?}");
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn a_connect_to_what_is_not_aws_is_carried_through_undecrypted_server_first_protocols_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let squall = squall::profile("name: t\nrules:\n  - name: all\n    fault: throttle\n").run();
    let authority = format!("localhost:{}", listener.local_addr().unwrap().port());
    let (far, mut near) = tokio::join!(
        async {
            let (mut far, _) = listener.accept().await.unwrap();
            far.write_all(b"220 speaks first\r\n").await.unwrap();
            far
        },
        client::tunnel(squall.address, &authority)
    );
    let mut far = far;
    let mut greeting = [0; 18];
    soon("the greeting", near.read_exact(&mut greeting)).await.unwrap();
    assert_eq!(&greeting, b"220 speaks first\r\n");
    // One side may end before the other.
    near.write_all(b"\x16\x03\x01 not TLS at all").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(client::rest(&mut far).await.unwrap(), b"\x16\x03\x01 not TLS at all");
    far.write_all(b"bye").await.unwrap();
    drop(far);
    assert_eq!(client::rest(&mut near).await.unwrap(), b"bye");
}

#[tokio::test]
async fn a_tunnel_or_an_upstream_that_leads_back_to_squall_is_refused() {
    let squall = squall::calm().run();
    let mut stream = client::connect(squall.address).await;
    let authority = format!("localhost:{}", squall.address.port());
    let answer =
        client::exchange(&mut stream, format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (508, Some("loop")));

    // An upstream that forwards to us looks like any other client, but for its address.
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = relay.local_addr().unwrap().port();
    let looping = squall::calm().toward_target(Target::new(Scheme::Http, "127.0.0.1", port));
    drop(relay);
    let looping = looping.listen_on(port).run();
    let mut stream = client::connect(looping.address).await;
    let answer = soon("the loop's end", client::exchange_or_end(&mut stream, get("localhost"))).await;
    assert!(answer.is_none_or(|answer| answer.status() == 502), "a loop must end at its first turn");
}
