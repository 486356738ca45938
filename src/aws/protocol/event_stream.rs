//! Errors inside an event stream: Bedrock's, Kinesis' SubscribeToShard, S3 Select …
//!
//! Such an answer begins with 200, and what goes wrong afterwards comes as the stream's last frame: an exception that the stream's union
//! models (`:message-type: exception`, with a payload as in the protocol), or an error that it does not model (`:message-type: error`,
//! with code and message in header fields). [`exception`] is that frame alone; [`broken_off`] is a whole answer that breaks off before its
//! first event, and [`Interrupt`] breaks off one that is passing. Clients check both checksums of a frame.
//!
//! An error before the stream begins is an answer as any other: see [`synthesize`](super::synthesize).

mod interrupt;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue as Value, Message};
use http::header::DATE;
use http::{HeaderMap, HeaderValue, StatusCode};

pub use interrupt::{Interrupt, Passed};

use super::{AwsError, Stamp, SyntheticResponse, Told, insert_usual, json};
use crate::aws::quirk;
use crate::aws::request::{AwsRequest, Protocol};

/// How an event stream breaks off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Break {
    /// A frame's checksum is wrong.
    BadCrc,
    /// It ends within a frame, in good order.
    Cut,
    /// An exception is its last frame; the code is the exception's, or that of the union's member.
    Exception(AwsError),
}

/// The frame that breaks an event stream off; nothing where the operation's answer is none.
pub fn exception(request: &AwsRequest, error: &AwsError, stamp: &Stamp) -> Option<Vec<u8>> {
    let told = Told::new(request, error, stamp);
    let (service, operation) = (told.service?, told.operation.filter(|operation| operation.streams())?);
    let message = match service.stream_exception(operation, &error.code) {
        Some((member, shape)) => {
            let told = Told { shape: Some(shape), ..told };
            message(
                "exception",
                &[(":exception-type", member), (":content-type", media(request.protocol))],
                payload(&told),
            )
        }
        None => {
            message("error", &[(":error-code", told.code_on_the_wire()), (":error-message", &told.message)], Vec::new())
        }
    };
    frame(&message)
}

/// An answer that begins as the operation's do, and breaks off with its first frame; nothing where the operation's answer is no event stream.
pub fn broken_off(request: &AwsRequest, how: &Break, stamp: &Stamp) -> Option<SyntheticResponse> {
    let internal =
        || AwsError { code: "InternalServerException".into(), status: None, message: None, members: Vec::new() };
    let error = &if let Break::Exception(error) = how { error.clone() } else { internal() };
    let mut last = exception(request, error, stamp)?;
    match how {
        Break::BadCrc => {
            if let Some(byte) = last.last_mut() {
                *byte ^= 1;
            }
        }
        Break::Cut => last.truncate(last.len() / 2),
        Break::Exception(_) => {}
    }
    let mut headers = HeaderMap::with_capacity(4);
    let told = Told::new(request, error, stamp);
    if told.service.is_some_and(|service| service.name == "s3") {
        quirk::s3::insert_ids(&told, &mut headers);
    } else {
        insert_usual(&mut headers, STREAM, &told);
    }
    headers.insert(DATE, stamp.http_date());
    let body = match initial_response(request.protocol) {
        Some(first) => [first, last].concat(),
        None => last,
    };
    Some(SyntheticResponse { status: StatusCode::OK, headers, body: body.into() })
}

/// What RPC protocols send before the events: the rest of the operation's output, of which nothing is known.
fn initial_response(protocol: Protocol) -> Option<Vec<u8>> {
    let first =
        || message("event", &[(":event-type", "initial-response"), (":content-type", media(protocol))], b"{}".to_vec());
    opens_with_initial_response(protocol).then(first).as_ref().and_then(frame)
}

fn opens_with_initial_response(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Json10 | Protocol::Json11)
}

fn media(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        _ => "application/json",
    }
}

fn payload(told: &Told<'_>) -> Vec<u8> {
    let mut body = json::Object::new();
    body.members(told);
    body.message(told);
    body.end()
}

fn message(kind: &'static str, headers: &[(&'static str, &str)], payload: Vec<u8>) -> Message {
    let text = |name: &'static str, value: &str| Header::new(name, Value::String(value.to_owned().into()));
    let headers = headers.iter().map(|(name, value)| text(name, value));
    headers.fold(Message::new(payload).add_header(text(":message-type", kind)), Message::add_header)
}

/// A message as a frame; none of one that is too long for it.
fn frame(message: &Message) -> Option<Vec<u8>> {
    let mut frame = Vec::with_capacity(256);
    write_message_to(message, &mut frame).ok().map(|()| frame)
}

const STREAM: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::read_message_from;

    use super::*;
    use crate::aws::catalog;
    use crate::aws::request::Reading;

    pub(super) fn request(service: &str, operation: &str) -> AwsRequest {
        let service = catalog::service(service).unwrap();
        let reading = Reading { service, operation: Some(service.operation(operation).unwrap()) };
        AwsRequest::of(reading, service.protocols[0])
    }

    /// Every frame of an answer: its headers in order and its payload. Reading checks both checksums.
    fn frames(service: &str, operation: &str, code: &str) -> Vec<(Vec<(String, String)>, String)> {
        let error = AwsError { code: code.into(), status: None, message: Some("too fast".into()), members: Vec::new() };
        let stamp = Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 };
        let answer = broken_off(&request(service, operation), &Break::Exception(error), &stamp).unwrap();
        assert_eq!(answer.status, 200);
        let (mut body, mut frames) = (&answer.body[..], Vec::new());
        while !body.is_empty() {
            let message = read_message_from(&mut body).unwrap();
            let text = |value: &Value| value.as_string().unwrap().as_str().to_owned();
            let headers = message.headers().iter().map(|h| (h.name().as_str().to_owned(), text(h.value()))).collect();
            frames.push((headers, String::from_utf8(message.payload().to_vec()).unwrap()));
        }
        frames
    }

    fn header(frame: &(Vec<(String, String)>, String), name: &str) -> String {
        frame.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn modeled_exceptions_come_under_the_name_of_the_streams_member() {
        for code in ["ThrottlingException", "throttlingException"] {
            let frames = frames("bedrock-runtime", "ConverseStream", code);
            assert_eq!(frames.len(), 1);
            assert_eq!(header(&frames[0], ":message-type"), "exception");
            assert_eq!(header(&frames[0], ":exception-type"), "throttlingException");
            assert_eq!(header(&frames[0], ":content-type"), "application/json");
            assert_eq!(frames[0].1, r#"{"message":"too fast"}"#);
        }
    }

    #[test]
    fn streams_of_rpc_begin_with_the_initial_response() {
        let frames = frames("kinesis", "SubscribeToShard", "KMSThrottlingException");
        assert_eq!(header(&frames[0], ":event-type"), "initial-response");
        assert_eq!(header(&frames[1], ":exception-type"), "KMSThrottlingException");
        assert_eq!(header(&frames[1], ":content-type"), "application/x-amz-json-1.1");
    }

    #[test]
    fn what_the_stream_does_not_model_comes_as_an_error_without_payload() {
        let frames = frames("s3", "SelectObjectContent", "InternalError");
        assert_eq!(header(&frames[0], ":message-type"), "error");
        assert_eq!(
            (header(&frames[0], ":error-code"), header(&frames[0], ":error-message")),
            ("InternalError".into(), "too fast".into())
        );
        assert_eq!(frames[0].1, "");
    }

    #[test]
    fn other_answers_are_no_event_streams() {
        let error = AwsError { code: "X".into(), status: None, message: None, members: Vec::new() };
        let stamp = Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 };
        assert!(exception(&request("dynamodb", "PutItem"), &error, &stamp).is_none());
        let streams = catalog::services().iter().flat_map(|service| service.operations()).filter(|o| o.streams());
        assert_eq!(streams.count(), 29);
    }
}
