//! An answer that the far end gave, kept to be given once more.
//!
//! [`Recorded::keep`] takes what is worth keeping: what a read told, and that something was not there. [`Recorded::again`] is the same
//! answer to another request, with a request id and a date of its own wherever the service had written some.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Extensions, HeaderMap, StatusCode, response};

use super::field;
use super::protocol::Stamp;
use super::quirk;
use super::request::{AwsRequest, Protocol};

/// An answer from the past.
#[derive(Clone, Debug)]
pub struct Recorded {
    status: StatusCode,
    headers: HeaderMap,
    /// How HTTP/1 spelled the fields' names, and what else is not in them.
    extensions: Extensions,
    body: Bytes,
}

impl Recorded {
    /// Keeps an answer, if it tells what was true: not that a request was refused, or came too soon.
    pub fn keep(head: &response::Parts, body: Bytes) -> Option<Self> {
        let status = head.status;
        let tells = status.is_success()
            || matches!(status, StatusCode::NOT_FOUND | StatusCode::NOT_MODIFIED)
            || (status == StatusCode::BAD_REQUEST && says_not_there(&head.headers, &body));
        if !tells {
            return None;
        }
        let of_connection = [CONNECTION, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")];
        let mut headers = HeaderMap::with_capacity(head.headers.len());
        for (name, value) in head.headers.iter().filter(|(name, _)| !of_connection.contains(name)) {
            // A copy: the value as it came would keep the whole buffer that it was read into.
            headers.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        if !body.is_empty() && head.headers.contains_key(TRANSFER_ENCODING) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Some(Self { status, headers, extensions: head.extensions.clone(), body })
    }

    /// How much memory it takes, about.
    pub fn size(&self) -> usize {
        let fields = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 16);
        self.body.len() + fields.sum::<usize>() + 256
    }

    /// The answer to this request.
    pub fn again(&self, request: &AwsRequest, stamp: &Stamp) -> http::Response<Bytes> {
        let mut answer = http::Response::new(self.body.clone());
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers.clone();
        *answer.extensions_mut() = self.extensions.clone();
        if let Some(date) = answer.headers_mut().get_mut(DATE) {
            *date = stamp.http_date();
        }
        let Some(reading) = request.reading() else { return answer };
        let (id, host_id) = (quirk::request_id(reading.service, stamp), quirk::s3::host_id(stamp));
        for name in IDS {
            let value = HeaderValue::try_from(if name == field::AMZ_ID_2 { &host_id } else { &id });
            if let (Some(field), Ok(value)) = (answer.headers_mut().get_mut(name), value) {
                *field = value;
            }
        }
        if let Some(body) = self.with_ids(request, &id, &host_id) {
            if self.headers.contains_key(CONTENT_LENGTH) {
                answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
            *answer.body_mut() = body.into();
        }
        answer
    }

    /// The body with other ids, where a service writes them there: forms are answered so, and errors of S3.
    fn with_ids(&self, request: &AwsRequest, id: &str, host_id: &str) -> Option<String> {
        let is_form = matches!(request.protocol, Protocol::Ec2 | Protocol::Query);
        let is_error = !self.status.is_success() && request.protocol == Protocol::RestXml;
        if !(is_form || is_error) || self.headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let mut text = std::str::from_utf8(&self.body).ok()?.to_owned();
        let mut found = false;
        for (name, value) in [("RequestId", id), ("requestId", id), ("RequestID", id), ("HostId", host_id)] {
            let (open, close) = (format!("<{name}>"), format!("</{name}>"));
            if let Some(start) = text.rfind(&open).map(|at| at + open.len())
                && let Some(length) = text.get(start..).and_then(|rest| rest.find(&close))
            {
                text.replace_range(start..start + length, value);
                found = true;
            }
        }
        found.then_some(text)
    }
}

/// Two answers are the same if their clients see the same.
impl PartialEq for Recorded {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && self.headers == other.headers && self.body == other.body
    }
}

/// Whether an error's code says that something does not exist.
fn says_not_there(headers: &HeaderMap, body: &[u8]) -> bool {
    let code = headers.get("x-amzn-errortype").and_then(|code| code.to_str().ok()).unwrap_or_default();
    let beginning = String::from_utf8_lossy(body.get(..BEGINNING).unwrap_or(body));
    NOT_THERE.iter().any(|word| code.contains(word) || beginning.contains(word))
}

const IDS: [HeaderName; 3] = [field::AMZN_REQUEST_ID, field::AMZ_REQUEST_ID, field::AMZ_ID_2];
/// An error's code comes early.
const BEGINNING: usize = 1 << 10;
const NOT_THERE: [&str; 6] = ["NotFound", "NoSuch", "DoesNotExist", "NonExistent", "NotExist", "Nonexistent"];

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::aws::catalog;
    use crate::aws::request::Reading;

    fn request(service: &str, operation: &str) -> AwsRequest {
        let service = catalog::service(service).unwrap();
        let reading = Reading { service, operation: Some(service.operation(operation).unwrap()) };
        AwsRequest { head_only: false, ..AwsRequest::of(reading, service.protocols[0]) }
    }

    fn keep(status: u16, fields: &[(&'static str, &'static str)], body: &'static str) -> Option<Recorded> {
        let mut answer = Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        Recorded::keep(&answer.body(()).unwrap().into_parts().0, Bytes::from_static(body.as_bytes()))
    }

    fn stamp() -> Stamp {
        Stamp { date: "2025-06-01T09:05:03Z".parse().unwrap(), id: 7 }
    }

    #[test]
    fn the_answer_is_the_same_but_for_its_id_and_its_date() {
        let fields = [
            ("date", "Sat, 31 May 2025 00:00:00 GMT"),
            ("x-amzn-requestid", "old"),
            ("x-amz-crc32", "123"),
            ("content-length", "2"),
            ("connection", "keep-alive"),
        ];
        let again = keep(200, &fields, "{}").unwrap().again(&request("dynamodb", "GetItem"), &stamp());
        let field = |name: &str| again.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((again.status().as_u16(), &again.body()[..]), (200, b"{}".as_slice()));
        assert_eq!(["x-amz-crc32", "content-length", "connection"].map(field), [Some("123"), Some("2"), None]);
        assert_eq!(field("date"), Some("Sun, 01 Jun 2025 09:05:03 GMT"));
        assert!(field("x-amzn-requestid").is_some_and(|id| id.len() == 52));
        let bare = keep(200, &[], "{}").unwrap().again(&request("dynamodb", "GetItem"), &stamp());
        assert!(bare.headers().is_empty());
    }

    #[test]
    fn an_id_in_the_body_is_renewed_with_the_length_and_a_user_s_own_is_not() {
        let body = "<R><Name>x</Name><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></R>";
        let again = keep(200, &[("content-length", "82")], body).unwrap().again(&request("iam", "GetRole"), &stamp());
        let told = std::str::from_utf8(again.body()).unwrap();
        assert!(told.starts_with("<R><Name>x</Name><ResponseMetadata><RequestId>00000000-0000-4000-"), "{told}");
        assert_eq!(again.headers()["content-length"].to_str().unwrap(), told.len().to_string());
        let object = "<x><RequestId>mine</RequestId></x>";
        let again = keep(200, &[], object).unwrap().again(&request("s3", "GetObject"), &stamp());
        assert_eq!(again.body(), object);
        let error = "<Error><Code>NoSuchKey</Code><RequestId>A</RequestId><HostId>B</HostId></Error>";
        let again = keep(404, &[], error).unwrap().again(&request("s3", "GetObject"), &stamp());
        let told = std::str::from_utf8(again.body()).unwrap();
        assert!(!told.contains(">A<") && !told.contains(">B<"), "{told}");
    }

    #[test]
    fn what_came_in_chunks_has_a_length_when_it_is_given_again() {
        let kept = keep(200, &[("transfer-encoding", "chunked")], "abc").unwrap();
        let again = kept.again(&request("s3", "GetObject"), &stamp());
        assert_eq!(again.headers().len(), 1);
        assert_eq!(again.headers()["content-length"], "3");
    }

    #[test]
    fn only_what_tells_of_a_state_is_kept() {
        for (status, body, kept) in [
            (200, "", true),
            (404, "", true),
            (400, r#"{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}"#, true),
            (400, "<Code>InvalidInstanceID.NotFound</Code>", true),
            (400, r#"{"__type": "ThrottlingException"}"#, false),
            (403, "", false),
            (500, "", false),
        ] {
            assert_eq!(keep(status, &[], body).is_some(), kept, "{status} {body}");
        }
        assert!(keep(400, &[("x-amzn-errortype", "ResourceNotFoundException")], "{}").is_some());
    }
}
