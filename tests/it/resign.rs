//! In front of real AWS as its endpoint: the host becomes AWS's own, and the signature one for it, whatever way the client signs.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::{v4, v4a};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::http2::{self, Http2Upstream};
use crate::support::sigv4::{KEY_ID, SECRET, sha256, verify_signatures};
use crate::support::upstream::{Request, Upstream};
use crate::support::{client, eventually, soon, squall};

/// What a client signs, and how.
#[derive(Clone)]
struct Call {
    service: &'static str,
    target: &'static str,
    host: &'static str,
    body: Vec<u8>,
    /// `x-amz-content-sha256`, if it is told.
    payload: Option<String>,
    presigned: bool,
    many_regions: bool,
    token: Option<&'static str>,
    more: Vec<(&'static str, String)>,
}

fn call(service: &'static str, target: &'static str) -> Call {
    let (payload, more) = (None, Vec::new());
    let host = "127.0.0.1:4577";
    Call {
        service,
        target,
        host,
        body: b"hello".to_vec(),
        payload,
        presigned: false,
        many_regions: false,
        token: None,
        more,
    }
}

impl Call {
    /// With a client's own keys, which AWS does not know.
    fn request(&self) -> Vec<u8> {
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if self.payload.is_some() {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(900));
        }
        let identity =
            Credentials::new("AKIDOFTHECLIENT", "unknown", self.token.map(str::to_owned), None, "test").into();
        let time = SystemTime::from("2026-11-21T00:00:00Z".parse::<jiff::Timestamp>().unwrap());
        let params: SigningParams<'_> = if self.many_regions {
            let params = v4a::SigningParams::builder().identity(&identity).region_set("*").name(self.service);
            params.time(time).settings(settings).build().unwrap().into()
        } else {
            let params = v4::SigningParams::builder().identity(&identity).region("us-east-1").name(self.service);
            params.time(time).settings(settings).build().unwrap().into()
        };
        let body = match &self.payload {
            Some(given) => SignableBody::Precomputed(given.clone()),
            None if self.presigned && self.service == "s3" => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(&self.body),
        };
        let uri = format!("http://{}{}", self.host, self.target);
        let fields = self.more.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new("PUT", &uri, fields.chain([("host", self.host)]), body).unwrap();
        let mut request = http::Request::put(&uri).header("Host", self.host).header("User-Agent", "test/1");
        for (name, value) in &self.more {
            request = request.header(*name, value);
        }
        let mut request = request.header("Content-Length", self.body.len()).body(()).unwrap();
        sign(signable, &params).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
        let mut head = format!("PUT {} HTTP/1.1\r\n", request.uri().path_and_query().unwrap());
        for (name, value) in request.headers() {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        [head.into_bytes(), b"\r\n".to_vec(), self.body.clone()].concat()
    }
}

fn own_credentials() -> Credentials {
    Credentials::new(KEY_ID, SECRET, None, None, "test")
}

async fn aws() -> Upstream {
    Upstream::tls(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()).await
}

/// What reaches AWS of it.
async fn arrived(call: &Call) -> Request {
    let aws = aws().await;
    let squall = squall::calm().in_front_of_aws(&aws, own_credentials()).run();
    let answer = client::exchange(&mut client::connect(squall.address).await, call.request()).await;
    assert_eq!(answer.status(), 200, "{answer:?} {}", answer.text());
    aws.only_request()
}

#[tokio::test]
async fn every_way_of_signing_is_done_anew_for_awss_own_host() {
    let hashed = Some(sha256(b"hello"));
    let s3 = call("s3", "/bucket/a%20key//%C3%BC%2Fx?partNumber=1&a=%2B&acl");
    let dynamodb = call("dynamodb", "/?x=1");
    let given = |payload: &str| Call { payload: Some(payload.to_owned()), ..s3.clone() };
    for (what, call, host) in [
        ("a hash that is told", Call { payload: hashed.clone(), ..s3.clone() }, "s3.us-east-1.amazonaws.com"),
        ("a hash that is not told", dynamodb.clone(), "dynamodb.us-east-1.amazonaws.com"),
        ("no hash", given("UNSIGNED-PAYLOAD"), "s3.us-east-1.amazonaws.com"),
        ("chunks without signatures", given("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), "s3.us-east-1.amazonaws.com"),
        ("a presigned query", Call { presigned: true, ..s3.clone() }, "s3.us-east-1.amazonaws.com"),
        (
            "another service's",
            Call { presigned: true, body: Vec::new(), ..call("sts", "/?Action=GetCallerIdentity&Version=2011-06-15") },
            "sts.us-east-1.amazonaws.com",
        ),
        (
            "many regions",
            Call { many_regions: true, payload: hashed.clone(), ..s3.clone() },
            "s3.eu-west-1.amazonaws.com",
        ),
        (
            "many regions, presigned",
            Call { many_regions: true, presigned: true, ..s3.clone() },
            "s3.eu-west-1.amazonaws.com",
        ),
        (
            "a bucket's host",
            Call { host: "bucket.localhost:4577", payload: hashed.clone(), ..call("s3", "/key") },
            "bucket.s3.us-east-1.amazonaws.com",
        ),
        ("a global service", call("iam", "/"), "iam.amazonaws.com"),
    ] {
        let arrived = arrived(&call).await;
        assert_eq!(arrived.field("host"), Some(host), "{what}");
        let verified = verify_signatures(&arrived);
        let signed = verified.unwrap_or_else(|why| panic!("{what}: {why}\n{}", arrived.head));
        let algorithm = if call.many_regions { "AWS4-ECDSA-P256-SHA256" } else { "AWS4-HMAC-SHA256" };
        assert_eq!((signed.algorithm, signed.presigned), (algorithm, call.presigned), "{what}");
        assert_eq!(arrived.body, call.body, "{what}");
        assert_eq!(arrived.field("user-agent"), Some("test/1"));
        assert!(arrived.head.contains("20261121T000000Z"), "{what}: it is as old as it was: {}", arrived.head);
    }
}

/// An upload that signs its chunks with the client's keys: no signature of it is right to AWS.
fn chunks_of_the_client(trailer: bool) -> Call {
    let (first, second) = ("a".repeat(65536), "b".repeat(1024));
    let signature = "f".repeat(64);
    let mut body = format!(
        "10000;chunk-signature={signature}\r\n{first}\r\n400;chunk-signature={signature}\r\n{second}\r\n0;chunk-signature={signature}\r\n"
    );
    if trailer {
        body += &format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\n");
    }
    body += "\r\n";
    let kind =
        if trailer { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" } else { "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" };
    let length = (first.len() + second.len()).to_string();
    let more = vec![("content-encoding", "aws-chunked".to_owned()), ("x-amz-decoded-content-length", length)];
    Call { body: body.into_bytes(), payload: Some(kind.to_owned()), more, ..call("s3", "/bucket/key") }
}

#[tokio::test]
async fn signed_chunks_and_a_signed_trailer_are_signed_anew_and_keep_their_length() {
    for trailer in [false, true] {
        let call = chunks_of_the_client(trailer);
        let arrived = arrived(&call).await;
        verify_signatures(&arrived).unwrap_or_else(|why| panic!("{why}\n{}", arrived.head));
        assert_eq!(arrived.body.len(), call.body.len());
        assert_ne!(arrived.body, call.body);
    }
}

/// Tells of each piece of the body as it comes.
async fn tell_pieces(mut exchange: http2::Exchange, seen: UnboundedSender<usize>) {
    let body = exchange.request.body_mut();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        seen.send(data.len()).unwrap();
    }
    let mut respond = exchange.respond;
    respond.send_response(http::Response::new(()), true).unwrap();
}

#[tokio::test]
async fn a_signed_chunk_has_reached_aws_before_the_client_sends_the_next() {
    let (seen, mut pieces) = unbounded_channel();
    let aws = Http2Upstream::tls(move |exchange| tell_pieces(exchange, seen.clone())).await;
    let squall = squall::calm().in_front_of_aws_at(aws.address, aws.root(), own_credentials()).run();
    // That far end has a certificate for DynamoDB alone.
    let call = Call { service: "dynamodb", target: "/", ..chunks_of_the_client(false) };
    let whole = call.request();
    let second = call.body.windows(4).position(|window| window == b"400;").unwrap();
    let (first, rest) = whole.split_at(whole.len() - call.body.len() + second);
    let mut stream = client::connect(squall.address).await;
    stream.write_all(first).await.unwrap();
    let mut arrived = 0;
    while arrived < second {
        arrived += soon("the first chunk", pieces.recv()).await.unwrap();
    }
    assert_eq!(arrived, second);
    assert_eq!(client::exchange(&mut stream, rest).await.status(), 200);
}

#[tokio::test]
async fn a_body_of_signed_chunks_that_breaks_off_is_broken_off_towards_aws() {
    let aws = aws().await;
    let squall = squall::calm().in_front_of_aws(&aws, own_credentials()).run();
    let call = chunks_of_the_client(false);
    let whole = call.request();
    let mut stream = client::connect(squall.address).await;
    stream.write_all(&whole[..whole.len() - 40_000]).await.unwrap();
    eventually("a connection to AWS", || aws.connections() > 0).await;
    drop(stream);
    eventually("its end", || aws.ended() > 0).await;
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn a_session_token_is_squalls_own_and_never_the_clients() {
    let call = Call { token: Some("of-the-client"), payload: Some(sha256(b"hello")), ..call("s3", "/bucket/key") };
    let seen = arrived(&call).await;
    assert_eq!(seen.field("x-amz-security-token"), None);
    verify_signatures(&seen).unwrap();

    let aws = aws().await;
    let temporary = Credentials::new(KEY_ID, SECRET, Some("of-squall".to_owned()), None, "test");
    let squall = squall::calm().in_front_of_aws(&aws, temporary).run();
    for presigned in [false, true] {
        let call = Call { presigned, payload: None, ..call.clone() };
        assert_eq!(client::exchange(&mut client::connect(squall.address).await, call.request()).await.status(), 200);
    }
    let [header, query] = &aws.requests()[..] else { panic!("two were sent") };
    assert_eq!(header.field("x-amz-security-token"), Some("of-squall"));
    assert!(query.target().contains("X-Amz-Security-Token=of-squall") && !query.target().contains("of-the-client"));
    for request in [header, query] {
        verify_signatures(request).unwrap();
    }
}

#[tokio::test]
async fn what_was_not_signed_is_not_signed_and_still_gets_its_host() {
    let aws = aws().await;
    let squall = squall::calm().in_front_of_aws(&aws, own_credentials()).run();
    let target =
        "X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth\r\nContent-Type: application/x-amz-json-1.1";
    let request = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{target}\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(client::exchange(&mut client::connect(squall.address).await, request).await.status(), 200);
    let arrived = aws.only_request();
    assert_eq!(arrived.field("host"), Some("cognito-idp.eu-west-1.amazonaws.com"), "the region is Squall's own");
    assert_eq!(arrived.field("authorization"), None);
}

#[tokio::test]
async fn what_cannot_be_signed_anew_or_sent_anywhere_is_refused_in_words() {
    let aws = aws().await;
    let squall = squall::calm().in_front_of_aws(&aws, own_credentials()).run();
    let field = |value: &str| format!("Authorization: {value}\r\nX-Amz-Date: 20261121T000000Z\r\n");
    let scope =
        "AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/transcribe/aws4_request, SignedHeaders=host, Signature=f";
    let events = field(scope) + "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-EVENTS\r\n";
    for (target, fields, reason, says) in [
        ("/b/k", field("AWS AK:sig"), "cannot-sign", "Version 4"),
        ("/b/k?AWSAccessKeyId=AK&Expires=1&Signature=s", String::new(), "cannot-sign", "Version 2"),
        ("/", events, "cannot-sign", "EVENTS"),
        ("/", String::new(), "no-real-host", "speaks of a service"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        let answer = client::exchange(&mut client::connect(squall.address).await, request).await;
        assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some(reason)), "{answer:?}");
        assert!(answer.text().contains(says), "{}", answer.text());
    }
    assert!(aws.requests().is_empty());
}

#[tokio::test]
async fn faults_are_injected_in_front_of_real_aws_too() {
    let aws = aws().await;
    let rule = "{name: first, match: {service: s3}, when: {calls: first 1}, fault: throttle}";
    let profile = format!("name: test\nrules: [{rule}]\n");
    let squall = squall::profile(&profile).in_front_of_aws(&aws, own_credentials()).run();
    let call = Call { payload: Some(sha256(b"hello")), ..call("s3", "/bucket/key") };
    let mut stream = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut stream, call.request()).await.status(), 503);
    assert_eq!(client::exchange(&mut client::connect(squall.address).await, call.request()).await.status(), 200);
    verify_signatures(&aws.only_request()).unwrap();
}

#[tokio::test]
async fn a_batch_without_the_items_that_fail_is_signed_for_what_is_left() {
    let rule = "rules: [{name: lossy, match: {operation: BatchWriteItem}, fault: {partial: first 1}}]";
    let answer = |_: &Request| {
        let body = "{\"UnprocessedItems\": {}}";
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let body = br#"{"RequestItems": {"t": [{"DeleteRequest": {"Key": {"id": {"S": "1"}}}}, {"DeleteRequest": {"Key": {"id": {"N": "2.0"}}}}]}}"#;
    let more = vec![("x-amz-target", "DynamoDB_20120810.BatchWriteItem".to_owned())];
    let straight = "dynamodb.us-east-1.amazonaws.com";
    for (what, host, payload) in [
        ("to the endpoint", "127.0.0.1:4577", None),
        ("straight to AWS", straight, None),
        ("straight to AWS, with its hash", straight, Some(sha256(body))),
    ] {
        let aws = Upstream::tls(answer).await;
        let squall = squall::profile(rule).in_front_of_aws(&aws, own_credentials()).run();
        let call = Call { host, body: body.to_vec(), more: more.clone(), payload, ..call("dynamodb", "/") };
        let stream = client::connect(squall.address).await;
        let told = if host == straight {
            drop(stream);
            let stream = client::tunnel(squall.address, "dynamodb.us-east-1.amazonaws.com:443").await;
            let mut stream = client::secure(stream, host, &squall.trust_anchor).await.unwrap();
            client::exchange(&mut stream, call.request()).await
        } else {
            let mut stream = stream;
            client::exchange(&mut stream, call.request()).await
        };
        assert_eq!((told.status(), told.field("x-squall-fault").as_deref()), (200, Some("lossy")), "{what}: {told:?}");
        assert!(
            told.text().contains(r#"{"UnprocessedItems":{"t":[{"DeleteRequest": {"Key": {"id": {"S": "1"}}}}]}}"#),
            "{}",
            told.text()
        );
        let arrived = aws.only_request();
        let left = r#"{"RequestItems":{"t":[{"DeleteRequest": {"Key": {"id": {"N": "2.0"}}}}]}}"#;
        assert_eq!(
            (arrived.field("host"), String::from_utf8_lossy(&arrived.body).as_ref()),
            (Some(straight), left),
            "{what}"
        );
        verify_signatures(&arrived).unwrap_or_else(|why| panic!("{what}: {why}\n{}", arrived.head));
    }
}
