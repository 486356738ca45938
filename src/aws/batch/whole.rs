//! An answer without an error that AWS did not give: its header fields around a body that is known.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::aws::field;
use crate::aws::protocol::{Stamp, SyntheticResponse, insert};
use crate::aws::quirk;
use crate::aws::request::{AwsRequest, Protocol};

/// The answer to a request that has this body and no error.
pub fn answer(request: &AwsRequest, body: &[u8], stamp: &Stamp) -> SyntheticResponse {
    let service = request.reading().map(|reading| reading.service);
    let id = service.map_or_else(|| stamp.uuid(), |service| quirk::request_id(service, stamp));
    let body = with_id(body, &id);
    let mut headers = HeaderMap::with_capacity(8);
    let is_s3 = service.is_some_and(|service| service.name == "s3");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(request.protocol, is_s3)));
    if is_s3 {
        headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
        insert(&mut headers, field::AMZ_REQUEST_ID, &id);
        insert(&mut headers, field::AMZ_ID_2, quirk::s3::host_id(stamp));
    } else {
        insert(&mut headers, field::AMZN_REQUEST_ID, &id);
    }
    if request.protocol == Protocol::Cbor {
        headers.insert(field::SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
    }
    if service.is_some_and(|service| service.name == "lambda") {
        headers.insert(HeaderName::from_static("x-amz-executed-version"), HeaderValue::from_static("$LATEST"));
    }
    if service.is_some_and(|service| service.signing_name == "dynamodb") {
        headers.insert(SERVER, HeaderValue::from_static("Server"));
        headers.insert(field::AMZ_CRC32, HeaderValue::from(crc32fast::hash(&body)));
    }
    headers.insert(DATE, stamp.http_date());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    SyntheticResponse { status: StatusCode::OK, headers, body: body.into() }
}

/// Answers in query's XML hold their id.
fn with_id(body: &[u8], id: &str) -> Vec<u8> {
    const EMPTY: &[u8] = b"<RequestId></RequestId>";
    match body.windows(EMPTY.len()).rposition(|part| part == EMPTY) {
        Some(at) => [&body[..at], b"<RequestId>", id.as_bytes(), b"</RequestId>", &body[at + EMPTY.len()..]].concat(),
        None => body.to_vec(),
    }
}

fn content_type(protocol: Protocol, is_s3: bool) -> &'static str {
    match protocol {
        Protocol::Cbor => "application/cbor",
        Protocol::Ec2 => "text/xml;charset=UTF-8",
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::Http | Protocol::RestJson => "application/json",
        Protocol::RestXml if is_s3 => "application/xml",
        Protocol::Query | Protocol::RestXml => "text/xml",
    }
}
