//! SimpleDB: query with an older form of error.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use crate::aws::protocol::Told;
use crate::aws::protocol::xml;

/// `<Response><Errors><Error>` with what the request cost in box usage, and no request id among the headers.
pub(in crate::aws) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    let mut body = String::from("<?xml version=\"1.0\"?>\n<Response><Errors><Error>");
    xml::element(&mut body, "Code", told.code_on_the_wire());
    xml::element(&mut body, "Message", &told.message);
    xml::element(&mut body, "BoxUsage", "0.0000219907");
    body.push_str("</Error></Errors>");
    xml::element(&mut body, "RequestID", &told.request_id);
    body.push_str("</Response>");
    body.into_bytes()
}
