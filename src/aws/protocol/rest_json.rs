//! REST with JSON bodies: the error's name is in `x-amzn-errortype`, its members in the body.

use http::{HeaderMap, HeaderName};

use super::json::Object;
use super::{Told, insert, insert_usual};

/// The header holds the bare name: Java's SDK strips what follows a colon there, but no namespace.
pub(super) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, "application/json", told);
    insert(headers, HeaderName::from_static("x-amzn-errortype"), told.code_on_the_wire());
    let mut body = Object::new();
    body.members(told);
    body.message(told);
    body.end()
}
