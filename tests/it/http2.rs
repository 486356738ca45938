//! HTTP/2 on either leg or both: who is offered what, and that nothing but the framing changes.

use std::time::Duration;

use ::squall::net::cut::ConnectionEnding;
use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio_rustls::client::TlsStream;

use crate::support::http2::{self, Exchange, Http2Upstream, fields};
use crate::support::squall::Squall;
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

async fn hi(exchange: Exchange) {
    exchange.answer(Response::new(()), "hi").await;
}

/// A client inside a tunnel to [`HOST`], and the protocol it got of those it offered.
async fn tunnelled(squall: &Squall, offers: &[&str]) -> (TlsStream<tokio::net::TcpStream>, Option<String>) {
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let stream = client::secure_offering(tunnel, HOST, &squall.trust_anchor, offers).await.unwrap();
    let chosen = stream.get_ref().1.alpn_protocol().map(|protocol| String::from_utf8(protocol.to_vec()).unwrap());
    (stream, chosen)
}

async fn http2_client(squall: &Squall) -> SendRequest<Bytes> {
    let (stream, chosen) = tunnelled(squall, &["h2", "http/1.1"]).await;
    assert_eq!(chosen.as_deref(), Some("h2"));
    http2::connect(stream).await
}

fn get(path: &str) -> Request<&'static str> {
    Request::get(format!("https://{HOST}{path}")).body("").unwrap()
}

#[tokio::test]
async fn a_client_gets_what_its_far_end_speaks_from_the_first_connection_on() {
    let new = Http2Upstream::tls(hi).await;
    let squall = squall::calm().toward_http2(&new).run();
    for (offers, got) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        assert_eq!(tunnelled(&squall, offers).await.1.as_deref(), got, "{offers:?} to a far end of HTTP/2");
    }
    let old = Upstream::tls(|_| OK.into()).await;
    let squall = squall::calm().toward(&old).run();
    for (offers, got) in [
        (&["h2", "http/1.1"][..], Some("http/1.1")),
        (&["http/1.1"], Some("http/1.1")),
        (&["h2"], Some("h2")),
        (&[], None),
    ] {
        assert_eq!(tunnelled(&squall, offers).await.1.as_deref(), got, "{offers:?} to a far end of HTTP/1.1");
    }
}

#[tokio::test]
async fn the_connection_that_asked_serves_the_first_request_and_all_streams_of_its_client() {
    let aws = Http2Upstream::tls(hi).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let first = http2_client(&squall).await;
    assert_eq!(aws.connections(), 1, "asked once");
    let streams = (0..20).map(|n| {
        let first = first.clone();
        async move { http2::exchange(&first, get(&format!("/{n}"))).await.unwrap().1 }
    });
    for body in futures_join(streams).await {
        assert_eq!(body, b"hi");
    }
    assert_eq!(aws.connections(), 1);
    let second = http2_client(&squall).await;
    http2::exchange(&second, get("/")).await.unwrap();
    assert_eq!(aws.connections(), 2, "another client has a connection of its own");
}

/// All at once, in their order.
async fn futures_join<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let running: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut all = Vec::new();
    for one in running {
        all.push(one.await.unwrap());
    }
    all
}

/// Fields that differ between the versions, or have been dropped by some proxy somewhere.
fn odd_fields() -> Vec<(&'static str, String)> {
    vec![
        ("z-first", "0".to_owned()),
        ("authorization", "AWS4-HMAC-SHA256 Credential=A/20261121/us-east-1/dynamodb/aws4_request".to_owned()),
        ("cookie", "a=1".to_owned()),
        ("cookie", "b=2".to_owned()),
        ("te", "trailers".to_owned()),
        ("x-same", "1".to_owned()),
        ("x-same", "2".to_owned()),
        ("x-empty", String::new()),
        ("x-amz-security-token", "t".repeat(64 << 10)),
        ("amz-sdk-invocation-id", "5-5".to_owned()),
        ("a-last", "9".to_owned()),
    ]
}

fn odd_request() -> Request<&'static str> {
    let uri = format!("https://{HOST}//b%2Fc/./?list-type=2&x=%20+&&y");
    odd_fields()
        .into_iter()
        .fold(Request::put(uri), |request, (name, value)| request.header(name, value))
        .header("content-length", "5")
        .body("hello")
        .unwrap()
}

#[tokio::test]
async fn a_stream_goes_through_as_it_is() {
    let answer = |exchange: Exchange| async {
        let response = Response::builder().status(418).header("z", "1").header("x-a", "1").header("x-a", "2");
        exchange.answer(response.header("a", "").body(()).unwrap(), "body").await;
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    let (response, body, _) = http2::exchange(&client, odd_request()).await.unwrap();
    assert_eq!(aws.only_head(), http2::Head::of(&odd_request()));
    assert_eq!((response.status().as_u16(), body), (418, b"body".to_vec()));
    assert_eq!(fields(response.headers()), ["z: 1", "x-a: 1", "x-a: 2", "a: "]);
}

#[tokio::test]
async fn empty_requests_and_answers_stay_empty_and_unadorned() {
    let answer = |exchange: Exchange| async {
        let status = exchange.request.uri().path()[1..].parse::<u16>().unwrap();
        let response = Response::builder().status(status).header("content-length", "7").body(()).unwrap();
        exchange.answer(response, "").await;
    };
    for (method, status) in [("HEAD", 200), ("HEAD", 404), ("GET", 304)] {
        let aws = Http2Upstream::tls(answer).await;
        let squall = squall::calm().toward_http2(&aws).run();
        let client = http2_client(&squall).await;
        let request = Request::builder().method(method).uri(format!("https://{HOST}/{status}")).body("").unwrap();
        let (response, body, _) = http2::exchange(&client, request.clone()).await.unwrap();
        assert_eq!(aws.only_head(), http2::Head::of(&request), "{method}");
        assert_eq!(fields(response.headers()), ["content-length: 7"], "{method} {status}");
        assert_eq!((response.status().as_u16(), body.len()), (status, 0));
    }
    for method in ["POST", "PUT", "DELETE", "GET"] {
        let aws = Http2Upstream::tls(hi).await;
        let squall = squall::calm().toward_http2(&aws).run();
        let client = http2_client(&squall).await;
        let request = Request::builder().method(method).uri(format!("https://{HOST}/")).body("").unwrap();
        http2::exchange(&client, request.clone()).await.unwrap();
        assert_eq!(aws.only_head(), http2::Head::of(&request), "no length was added to {method}");
    }
}

#[tokio::test]
async fn http2_is_translated_for_a_far_end_of_http1() {
    let answer = "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nZ: 1\r\n\
                  Transfer-Encoding: chunked\r\nA: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let aws = Upstream::tls(move |_| answer.into()).await;
    let squall = squall::calm().toward(&aws).run();
    let (stream, _) = tunnelled(&squall, &["h2"]).await;
    let client = http2::connect(stream).await;
    let (response, body, _) = http2::exchange(&client, odd_request()).await.unwrap();
    let seen = aws.only_request();
    let token = "t".repeat(64 << 10);
    let expected = format!(
        "PUT //b%2Fc/./?list-type=2&x=%20+&&y HTTP/1.1\r\nhost: {HOST}\r\nz-first: 0\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=A/20261121/us-east-1/dynamodb/aws4_request\r\ncookie: a=1; b=2\r\nte: trailers\r\nx-same: 1\r\nx-same: 2\r\n\
         x-empty: \r\nx-amz-security-token: {token}\r\namz-sdk-invocation-id: 5-5\r\na-last: 9\r\ncontent-length: 5\r\n\r\n"
    );
    assert_eq!((seen.head, seen.body), (expected, b"hello".to_vec()));
    assert_eq!((response.status().as_u16(), body), (200, b"hi".to_vec()));
    assert_eq!(fields(response.headers()), ["z: 1", "a: 2"], "nothing of the connection's");
}

#[tokio::test]
async fn http1_is_translated_for_a_far_end_that_speaks_only_http2() {
    let answer = |mut exchange: Exchange| async move {
        http2::read(exchange.request.body_mut()).await.unwrap();
        let response =
            Response::builder().header("z", "1").header("trailer", "x-sum").header("a", "2").body(()).unwrap();
        let mut sending = exchange.respond.send_response(response, false).unwrap();
        sending.send_data(Bytes::from_static(b"hi"), false).unwrap();
        sending
            .send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("1"))]))
            .unwrap();
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let (mut stream, _) = tunnelled(&squall, &["http/1.1"]).await;
    let request = format!(
        "POST /k?x HTTP/1.1\r\nZ: 1\r\nHost: {HOST}\r\nConnection: keep-alive, TE\r\nTE: trailers\r\n\
         Transfer-Encoding: chunked\r\nA: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    for round in 1..=2 {
        use tokio::io::AsyncWriteExt as _;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        while !text.ends_with("x-sum: 1\r\n\r\n") {
            use tokio::io::AsyncReadExt as _;
            text.push(char::from(soon("the answer", stream.read_u8()).await.unwrap()));
        }
        let expected = "HTTP/1.1 200 OK\r\nz: 1\r\ntrailer: x-sum\r\na: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n";
        assert_eq!(text, expected, "round {round}");
    }
    assert_eq!(aws.connections(), 2, "one that was refused by ALPN, one for both requests");
    let head = aws.heads().pop().unwrap();
    assert_eq!(head.line, format!("POST https://{HOST}/k?x"));
    assert_eq!(head.fields, ["z: 1", "te: trailers", "a: 2"]);
}

#[tokio::test]
async fn the_endpoint_speaks_http2_with_prior_knowledge_to_emulators_of_either_version() {
    let old = Upstream::plain(OK).await;
    let new = Http2Upstream::plain(hi).await;
    for squall in [squall::calm().toward(&old).run(), squall::calm().toward_http2(&new).run()] {
        let client = http2::connect(client::connect(squall.address).await).await;
        for _ in 0..2 {
            let request = Request::post(format!("http://{}/", squall.address)).body("{}").unwrap();
            assert_eq!(http2::exchange(&client, request).await.unwrap().1, b"hi");
        }
    }
    let head = new.heads().pop().unwrap();
    assert!(head.line.starts_with("POST http://127.0.0.1:"), "{head:?}");
    let request = old.requests().pop().unwrap();
    assert!(request.head.starts_with("POST / HTTP/1.1\r\nhost: 127.0.0.1:"), "{request:?}");
    // One connection to ask, and one to speak; the first has read a preface that it could not make sense of.
    assert_eq!(new.connections(), 2);
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let answer = |mut exchange: Exchange| async move {
        let (body, trailers) = http2::read(exchange.request.body_mut()).await.unwrap();
        let mut sending = exchange.respond.send_response(Response::new(()), false).unwrap();
        sending.send_data(Bytes::from(body), false).unwrap();
        sending.send_trailers(trailers.unwrap()).unwrap();
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    let request = Request::put(format!("https://{HOST}/k")).body(()).unwrap();
    let (answering, mut sending) = http2::begin(&client, request).await;
    sending.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let trailers = HeaderMap::from_iter([("x-amz-checksum-crc32".parse().unwrap(), HeaderValue::from_static("1=="))]);
    sending.send_trailers(trailers.clone()).unwrap();
    let mut answer = answering.await.unwrap();
    assert_eq!(http2::read(answer.body_mut()).await.unwrap(), (b"hello".to_vec(), Some(trailers)));
}

/// An event stream as Transcribe's or Kinesis's: each side waits for the other's last event before it sends its next.
#[tokio::test]
async fn streams_run_both_ways_at_once_without_a_buffer_between() {
    let answer = |mut exchange: Exchange| async move {
        let mut sending = exchange.respond.send_response(Response::new(()), false).unwrap();
        while let Some(event) = exchange.request.body_mut().data().await {
            sending.send_data(event.unwrap(), false).unwrap();
        }
        sending.send_data(Bytes::new(), true).unwrap();
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    let request = Request::post(format!("https://{HOST}/stream-transcription")).body(()).unwrap();
    let (answering, mut sending) = http2::begin(&client, request).await;
    let mut answer = soon("an answer before the request has ended", answering).await.unwrap();
    for n in 0..100_u8 {
        sending.send_data(Bytes::from(vec![n; 10]), false).unwrap();
        let event = soon("the echo of an event", answer.body_mut().data()).await.unwrap().unwrap();
        assert_eq!(event, vec![n; 10]);
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert_eq!(http2::read(answer.body_mut()).await.unwrap(), (Vec::new(), None));
}

const THROTTLE_WRITES: &str = "name: t\nrules:\n  - name: throttle-writes\n    match: {service: dynamodb, operation: PutItem}\n    fault: throttle\n  \
                               - name: slow-scans\n    match: {service: dynamodb, operation: Scan}\n    fault: {latency: 400ms}\n";

#[tokio::test]
async fn each_stream_has_its_own_fate() {
    let aws = Http2Upstream::tls(hi).await;
    let squall = squall::profile(THROTTLE_WRITES).toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    let call = |operation: &str| {
        let request = Request::post(format!("https://{HOST}/"))
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("content-length", "2");
        let (client, request) = (client.clone(), request.body("{}").unwrap());
        async move {
            let started = ::squall::clock::now();
            let (response, body, _) = http2::exchange(&client, request).await.unwrap();
            (response, String::from_utf8(body).unwrap(), started.elapsed())
        }
    };
    let calls = futures_join(["Scan", "PutItem", "GetItem", "PutItem"].map(call)).await;
    let statuses: Vec<_> = calls.iter().map(|(response, ..)| response.status().as_u16()).collect();
    assert_eq!(statuses, [200, 400, 200, 400]);
    let [scan, put, get, _] = calls.as_slice() else { unreachable!() };
    assert!(scan.2 >= Duration::from_millis(400) && get.2 < Duration::from_millis(400), "{:?} {:?}", scan.2, get.2);
    assert!(put.1.contains("ProvisionedThroughputExceededException"), "{}", put.1);
    assert_eq!(put.0.headers()["x-squall-fault"], "throttle-writes");
    assert_eq!((get.1.as_str(), aws.heads().len()), ("hi", 2));
}

/// Sends the request on `/whole` whole first, so that a connection stands.
async fn broken(by: impl Fn(Exchange) + Clone + Send + Sync + 'static) -> (h2::Error, Result<Vec<u8>, h2::Error>) {
    let answer = move |exchange: Exchange| {
        let by = by.clone();
        async move { if exchange.request.uri().path() == "/whole" { hi(exchange).await } else { by(exchange) } }
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    http2::exchange(&client, get("/whole")).await.unwrap();
    let request = Request::post(format!("https://{HOST}/broken")).body("{}").unwrap();
    let error = http2::exchange(&client, request).await.map(|_| ()).unwrap_err();
    (error, http2::exchange(&client, get("/whole")).await.map(|(_, body, _)| body))
}

#[tokio::test]
async fn a_stream_that_the_far_end_resets_is_reset_with_its_reason_and_no_other_is() {
    for reason in [Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::NO_ERROR] {
        let (error, after) = broken(move |mut exchange| exchange.respond.send_reset(reason)).await;
        assert_eq!((error.is_reset(), error.reason()), (true, Some(reason)), "before the answer");
        assert_eq!(after.unwrap(), b"hi");
        let within = move |mut exchange: Exchange| {
            let mut sending = exchange.respond.send_response(Response::new(()), false).unwrap();
            sending.send_data(Bytes::from_static(b"some"), false).unwrap();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                sending.send_reset(reason);
            });
        };
        let (error, after) = broken(within).await;
        assert_eq!((error.is_reset(), error.reason()), (true, Some(reason)), "within the answer");
        assert_eq!(after.unwrap(), b"hi");
    }
}

#[tokio::test]
async fn a_connection_that_the_far_end_ends_is_ended_likewise() {
    let (error, _) = broken(|exchange| exchange.connection.end(ConnectionEnding::Reset)).await;
    assert_eq!(error.get_io().map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
    let (error, _) = broken(|exchange| exchange.connection.end(ConnectionEnding::Close)).await;
    let kind = error.get_io().map(std::io::Error::kind);
    assert!(error.is_io() && kind != Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
}

#[tokio::test]
async fn a_client_that_gives_up_a_stream_takes_it_from_the_far_end_too() {
    let (told, mut given_up) = tokio::sync::mpsc::unbounded_channel();
    let answer = move |mut exchange: Exchange| {
        let told = told.clone();
        async move {
            let reason = std::future::poll_fn(|cx| exchange.respond.poll_reset(cx)).await;
            told.send(reason.unwrap()).unwrap();
        }
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    let (answering, mut sending) =
        http2::begin(&client, Request::get(format!("https://{HOST}/")).body(()).unwrap()).await;
    while aws.heads().is_empty() {
        tokio::task::yield_now().await;
    }
    sending.send_reset(Reason::CANCEL);
    drop(answering);
    assert_eq!(soon("the far end's notice", given_up.recv()).await, Some(Reason::CANCEL));
    drop((client, sending));
    let aws = squall.finish().await.proxy.ledger.summary(Default::default()).aws;
    assert_eq!((aws.client_gone, aws.upstream_failed), (1, 0));
}

#[tokio::test]
async fn a_cancelled_upload_never_passes_for_a_whole_one() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let answer = move |mut exchange: Exchange| {
            let told = told.clone();
            async move {
                let _sending = exchange.respond.send_response(Response::new(()), false).unwrap();
                told.send(http2::read(exchange.request.body_mut()).await.map(drop)).unwrap();
            }
        };
        let aws = Http2Upstream::tls(answer).await;
        let squall = squall::calm().toward_http2(&aws).run();
        let client = http2_client(&squall).await;
        let request = Request::put(format!("https://{HOST}/half")).body(()).unwrap();
        let (answering, mut sending) = http2::begin(&client, request.clone()).await;
        sending.send_data(Bytes::from_static(b"half"), false).unwrap();
        // Until there is an answer, it is the exchange as a whole that is given up.
        let _answer = soon("an answer before the request has ended", answering).await.unwrap();
        sending.send_reset(reason);
        let end = soon("the end of the upload", ends.recv()).await.unwrap();
        assert!(end.is_err_and(|e| e.is_reset()), "{reason:?} came as a whole body");

        let old = Upstream::tls(|_| OK.into()).await;
        let squall = squall::calm().toward(&old).run();
        let client = http2::connect(tunnelled(&squall, &["h2"]).await.0).await;
        let (_answering, mut sending) = http2::begin(&client, request).await;
        sending.send_data(Bytes::from_static(b"half"), false).unwrap();
        while old.connections() == 0 {
            tokio::task::yield_now().await;
        }
        sending.send_reset(reason);
        drop(sending);
        soon("the end of the far end's connection", async {
            while old.ended() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(old.requests().is_empty(), "{reason:?}: {:?}", old.requests());
    }
}

/// What nobody reads is held back at the client, but for the windows on the way.
#[tokio::test]
async fn an_upload_waits_for_a_far_end_that_does_not_read() {
    let answer = |exchange: Exchange| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(exchange);
    };
    let aws = Http2Upstream::tls(answer).await;
    let squall = squall::calm().toward_http2(&aws).run();
    let client = http2_client(&squall).await;
    let (_answering, mut sending) =
        http2::begin(&client, Request::put(format!("https://{HOST}/")).body(()).unwrap()).await;
    let mut sent = 0;
    sending.reserve_capacity(1 << 20);
    while let Ok(Some(granted)) =
        tokio::time::timeout(Duration::from_millis(500), std::future::poll_fn(|cx| sending.poll_capacity(cx))).await
    {
        let granted = granted.unwrap();
        sending.send_data(Bytes::from(vec![0; granted]), false).unwrap();
        sent += granted;
        assert!(sent < 16 << 20, "nothing holds it back");
        sending.reserve_capacity(1 << 20);
    }
    assert!(sent >= 1 << 20, "{sent} bytes are less than one window");
    assert!(sent < 3 << 20, "{sent} bytes were taken in for a far end that reads none");
}
