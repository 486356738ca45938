use http::Method;

use super::*;

fn read(fields: &[(&'static str, &'static str)], query: Option<&str>) -> Result<Option<Claim>, Unsignable> {
    let headers: HeaderMap =
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    Claim::read(&Head { method: &Method::PUT, host: "localhost", path: "/", query, headers: &headers })
}

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=a/b/20261121/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=f";

#[test]
fn a_claim_tells_scope_time_and_payload() {
    let fields =
        [("authorization", SIGNED), ("x-amz-date", "20261121T042756Z"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    let claim = read(&fields, None).unwrap().unwrap();
    assert_eq!((claim.variant.clone(), claim.service.as_str()), (Variant::V4 { region: "eu-west-1".into() }, "s3"));
    assert_eq!(claim.payload, Payload::Given("UNSIGNED-PAYLOAD".into()));
    assert_eq!(claim.signed, ["host", "x-amz-date"]);
    assert!(!claim.needs_body());
    assert!(read(&fields[..2], None).unwrap().unwrap().needs_body());
}

#[test]
fn what_is_not_signed_is_left_alone() {
    assert_eq!(read(&[], None).unwrap(), None);
    assert_eq!(read(&[], Some("list-type=2")).unwrap(), None);
    assert_eq!(read(&[("authorization", "Bearer x")], None).unwrap(), None);
}

#[test]
fn older_schemes_and_signed_events_are_refused_in_words() {
    for (fields, query) in [
        (vec![("authorization", "AWS AK:sig")], None),
        (vec![("authorization", "AWS3-HTTPS AWSAccessKeyId=AK,Algorithm=HmacSHA1,Signature=s")], None),
        (vec![], Some("AWSAccessKeyId=AK&Signature=s&Expires=1")),
        (vec![("authorization", SIGNED)], None),
        (vec![("authorization", SIGNED), ("x-amz-date", "yesterday")], None),
        (
            vec![
                ("authorization", SIGNED),
                ("x-amz-date", "20261121T042756Z"),
                ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"),
            ],
            None,
        ),
    ] {
        assert!(read(&fields, query).is_err(), "{fields:?} {query:?}");
    }
}

#[test]
fn a_presigned_query_keeps_what_is_not_of_the_signature() {
    let mut request = Request::get("/k?x-id=GetObject&X-Amz-Date=1&a=%2B&X-Amz-Signature=f").body(()).unwrap();
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20261121%2Fus-east-1%2Fs3%2Faws4_request\
                 &X-Amz-Date=20261121T042756Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=f";
    let claim = read(&[], Some(query)).unwrap().unwrap();
    assert_eq!((claim.expires, claim.payload.clone()), (Some(Duration::from_secs(900)), Payload::Unsigned));
    claim.strip(&mut request).unwrap();
    assert_eq!(*request.uri(), "/k?x-id=GetObject&a=%2B");
}
