//! EC2's form of query errors: `<Response><Errors><Error>`, `RequestID` with a capital D. EC2 models no errors at all.

use http::{HeaderMap, HeaderValue};

use super::{Told, insert_usual, members, xml};

pub(super) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, const { HeaderValue::from_static("text/xml;charset=UTF-8") }, told);
    let mut body = String::with_capacity(400);
    body.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>");
    xml::element(&mut body, "Code", told.code);
    xml::element(&mut body, "Message", &told.message);
    members::elements(&mut body, told);
    body.push_str("</Error></Errors>");
    xml::element(&mut body, "RequestID", &told.request_id);
    body.push_str("</Response>");
    body.into_bytes()
}
