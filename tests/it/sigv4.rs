//! The verifier of signatures itself: it finds right what AWS's documents and another signer sign, and wrong what was bent since.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::{v4, v4a};

use crate::support::aws_chunked::verify_checksums;
use crate::support::sigv4::{KEY_ID, SECRET, Signed, verify, verify_signatures};
use crate::support::upstream::{HOST, Request, Upstream};
use crate::support::{client, squall};

/// The example of "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" in Amazon's S3 API
/// Reference.
fn chunks_signed() -> Request {
    let a = |n: usize| "a".repeat(n);
    let body = format!(
        "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n{}\r\n\
         400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n{}\r\n\
         0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
        a(65536),
        a(1024)
    );
    let head = "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\n\
         x-amz-storage-class: REDUCED_REDUNDANCY\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\r\n\
         x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Encoding: aws-chunked\r\n\
         x-amz-decoded-content-length: 66560\r\nContent-Length: 66824\r\n\r\n";
    assert_eq!(body.len(), 66824);
    Request { head: head.to_owned(), body: body.into(), http2: None }
}

/// The example of "… Transferring Payload in Multiple Chunks with Trailing Headers" there.
fn trailer_signed() -> Request {
    let a = |n: usize| "a".repeat(n);
    let body = format!(
        "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n{}\r\n\
         400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n{}\r\n\
         0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n\
         x-amz-checksum-crc32c:sOO8/Q==\r\n\
         x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
        a(65536),
        a(1024)
    );
    let head = "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\n\
         x-amz-storage-class: REDUCED_REDUNDANCY\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e\r\n\
         x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\nContent-Encoding: aws-chunked\r\n\
         x-amz-decoded-content-length: 66560\r\nx-amz-trailer: x-amz-checksum-crc32c\r\nContent-Length: 66946\r\n\r\n";
    assert_eq!(body.len(), 66946);
    Request { head: head.to_owned(), body: body.into(), http2: None }
}

/// A PUT to S3 that another signer signs: in its header, or in its query.
fn signed(many_regions: bool, presigned: bool) -> Request {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if presigned {
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(900));
    }
    let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
    let time = SystemTime::from("2026-11-21T00:00:00Z".parse::<jiff::Timestamp>().unwrap());
    let params: SigningParams<'_> = if many_regions {
        let params = v4a::SigningParams::builder().identity(&identity).region_set("*").name("s3").time(time);
        params.settings(settings).build().unwrap().into()
    } else {
        let params = v4::SigningParams::builder().identity(&identity).region("us-east-1").name("s3").time(time);
        params.settings(settings).build().unwrap().into()
    };
    let body = b"hello".to_vec();
    let uri = format!("https://{HOST}/bucket/a%20key//%C3%BC%2Fx?partNumber=1&a=%2B");
    let signable_body = if presigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&body) };
    let signable =
        SignableRequest::new("PUT", &uri, [("host", HOST), ("x-spaced", "a   b")].into_iter(), signable_body);
    let mut request = http::Request::put(&uri).header("Host", HOST).header("X-Spaced", " a   b ");
    request = request.header("Content-Length", "5");
    let mut request = request.body(()).unwrap();
    sign(signable.unwrap(), &params).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
    let mut head = format!("PUT {} HTTP/1.1\r\n", request.uri().path_and_query().unwrap());
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    Request { head: head + "\r\n", body, http2: None }
}

fn says(algorithm: &'static str, presigned: bool, payload: &str) -> Result<Signed, String> {
    Ok(Signed { algorithm, presigned, payload: payload.to_owned() })
}

#[test]
fn what_aws_and_another_signer_signed_verifies() {
    let (v4, v4a) = ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    assert_eq!(verify(&chunks_signed()), says(v4, false, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    let trailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    assert_eq!(verify_signatures(&trailer_signed()), says(v4, false, trailer));
    assert_eq!(verify(&signed(false, false)), says(v4, false, "hash"));
    assert_eq!(verify(&signed(false, true)), says(v4, true, "none"));
    assert_eq!(verify(&signed(true, false)), says(v4a, false, "hash"));
    assert_eq!(verify(&signed(true, true)), says(v4a, true, "none"));
}

#[tokio::test]
async fn every_way_of_signing_still_verifies_behind_squall() {
    let aws = Upstream::tls(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()).await;
    let squall = squall::calm().toward(&aws).run();
    let (field, query) = (false, true);
    let signed = [signed(false, field), signed(false, query), signed(true, field), signed(true, query)];
    for request in [chunks_signed(), trailer_signed()].into_iter().chain(signed) {
        let host = request.field("host").unwrap();
        let tunnel = client::tunnel(squall.address, &format!("{host}:443")).await;
        let mut stream = client::secure(tunnel, host, &squall.trust_anchor).await.unwrap();
        let answer = client::exchange(&mut stream, [request.head.as_bytes(), &request.body].concat()).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        let arrived = aws.requests().pop().unwrap();
        assert_eq!(verify_signatures(&arrived), verify_signatures(&request));
        assert!(verify_signatures(&arrived).is_ok(), "{:?}", verify_signatures(&arrived));
    }
}

/// An upload as SDKs send it over TLS: chunks without signatures, a checksum in the trailer.
fn unsigned_chunks() -> Request {
    let head = "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip,aws-chunked\r\nX-Amz-Trailer: x-amz-checksum-crc32\r\n\
         X-Amz-Decoded-Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let inner = "3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let body = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    Request { head: head.to_owned(), body: body.into(), http2: None }
}

#[test]
fn a_checksum_that_is_not_the_bodys_is_found_in_fields_and_trailers() {
    let whole = unsigned_chunks();
    assert_eq!(verify_checksums(&whole), Ok(()));
    let changes = [
        ("hel\r\n", "hal\r\n"),
        ("NhCm", "NhCn"),
        ("x-amz-checksum-crc32:", "x-amz-checksum-crc3c:"),
        ("3\r\nhel", "4\r\nhel"),
    ];
    for (from, to) in
        changes.into_iter().chain([("Length: 5", "Length: 6"), ("Trailer: x-amz-checksum-crc32", "Trailer: x-amz")])
    {
        assert!(verify_checksums(&bent(&whole, from, to)).is_err(), "{from:?} became {to:?}, and it holds");
    }
    let head = "PUT /k HTTP/1.1\r\nHost: a\r\nx-amz-checksum-crc32: NhCmhg==\r\nContent-Length: 5\r\n\r\n".to_owned();
    let whole = Request { head, body: b"hello".to_vec(), http2: None };
    assert_eq!(verify_checksums(&whole), Ok(()));
    assert!(verify_checksums(&bent(&whole, "hello", "hullo")).is_err());
}

/// One change, in head or body, that must be found.
fn bent(whole: &Request, from: &str, to: &str) -> Request {
    if whole.head.contains(from) {
        return Request { head: whole.head.replacen(from, to, 1), ..whole.clone() };
    }
    let body = String::from_utf8(whole.body.clone()).unwrap();
    assert!(body.contains(from), "nothing to bend at {from:?} in {}", whole.head);
    Request { body: body.replacen(from, to, 1).into(), ..whole.clone() }
}

#[test]
fn a_bent_request_does_not_verify() {
    let anywhere = [("PUT ", "POST "), ("SignedHeaders=", "SignedHeaders=accept;"), ("AKIAIOSFODNN7", "AKIAIOSFODNN8")];
    let presigned = [("PUT ", "POST "), ("SignedHeaders=", "SignedHeaders=accept%3B"), ("20261121T", "20261122T")];
    let header =
        [("%2F", "/"), ("//", "/"), ("=%2B", "=%2C"), ("Number=1", "Number=2"), ("a   b", "ab"), ("hello", "hullo")];
    let query = [("%2F", "/"), ("//", "/"), ("=%2B", "="), ("Number=1", "Number=2"), ("Expires=900", "Expires=901")];
    let chunks = [
        ("10000;", "0ffff;"),
        ("signature=ad80", "signature=bd80"),
        ("signature=0055", "signature=0155"),
        ("signature=b6c6", "signature=c6c6"),
        ("a\r\n400", "b\r\n400"),
        ("PAYLOAD\r\n", "PAYLOAD-TRAILER\r\n"),
        ("REDUCED", "reduced"),
    ];
    let trailer = [
        ("signature=b474", "signature=c474"),
        ("signature=2ca2", "signature=3ca2"),
        ("sOO8/Q==", "sOO8/A=="),
        ("trailer-signature:d8", "trailer-signature:d9"),
        ("x-amz-trailer-signature", "x-amz-trailer-signatura"),
        ("a\r\n0;", "b\r\n0;"),
    ];
    let mut cases: Vec<(Request, &str, &str)> = Vec::new();
    let mut add = |whole: Request, changes: &[(&'static str, &'static str)]| {
        cases.extend(changes.iter().map(|(from, to)| (whole.clone(), *from, *to)));
    };
    add(chunks_signed(), &chunks);
    add(trailer_signed(), &trailer);
    for many_regions in [false, true] {
        add(signed(many_regions, false), &[&anywhere[..], &header].concat());
        add(signed(many_regions, true), &[&presigned[..], &query].concat());
    }
    for (whole, from, to) in &cases {
        let verified = verify_signatures(&bent(whole, from, to));
        assert!(verified.is_err(), "{from:?} became {to:?}, and it verifies: {}", whole.head);
    }
}
