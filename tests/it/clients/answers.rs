//! The smallest answers that AWS's clients take for the service's own.

use crate::support::upstream::Request;

/// MD5 of the message that every program sends: clients check it.
const MESSAGE_MD5: &str = "6327f3c652059a00a3fded0fe5a5935f";

/// A whole answer in HTTP/1.1.
pub(super) fn answer(request: &Request) -> Vec<u8> {
    let (kind, body) = content(request);
    // An empty map in CBOR is no text.
    let body = if kind == "application/cbor" { vec![0xa0] } else { body.into_bytes() };
    let fixed = "ETag: \"e\"\r\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\nsmithy-protocol: rpc-v2-cbor";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{fixed}\r\nContent-Length: {}\r\n\r\n", body.len());
    let body = if request.method() == "HEAD" { Vec::new() } else { body };
    [head.into_bytes(), body].concat()
}

fn content(request: &Request) -> (&str, String) {
    let asked = request.field("content-type").unwrap_or_default();
    match asked {
        "application/cbor" => (asked, String::new()),
        _ if asked.starts_with("application/x-amz-json") => (asked, json(request)),
        _ if asked.starts_with("application/x-www-form-urlencoded") => ("text/xml", query(request)),
        _ if request.target().contains("/functions/") => ("application/json", "{}".to_owned()),
        _ => s3(request),
    }
}

fn json(request: &Request) -> String {
    match request.field("x-amz-target").unwrap_or_default().split('.').next_back() {
        Some("SendMessage") => format!("{{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"{MESSAGE_MD5}\"}}"),
        Some("PutRecord") => "{\"SequenceNumber\":\"1\",\"ShardId\":\"s\"}".to_owned(),
        _ => "{}".to_owned(),
    }
}

fn query(request: &Request) -> String {
    let action = form_urlencoded::parse(&request.body).find(|(name, _)| name == "Action").unwrap().1.into_owned();
    format!("<{action}Response><{action}Result/><ResponseMetadata/></{action}Response>")
}

fn s3(request: &Request) -> (&'static str, String) {
    let target = request.target();
    let xml = match request.method() {
        "POST" if target.contains("uploads") => {
            "<InitiateMultipartUploadResult><UploadId>upload</UploadId></InitiateMultipartUploadResult>"
        }
        "POST" if target.contains("uploadId=") => {
            "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"
        }
        "POST" => "<DeleteResult/>",
        "GET" if target.contains("list-type") => "<ListBucketResult/>",
        "GET" | "HEAD" => return ("application/octet-stream", "hello".to_owned()),
        _ => "",
    };
    ("application/xml", xml.to_owned())
}
