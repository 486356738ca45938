//! REST with JSON bodies: the error's name is in `x-amzn-errortype`, its members in the body.

use http::{HeaderMap, HeaderValue};

use super::json::Object;
use super::{Told, insert, insert_usual};
use crate::aws::field;

/// The header holds the bare name: Java's SDK strips what follows a colon there, but no namespace.
pub(super) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, const { HeaderValue::from_static("application/json") }, told);
    insert(headers, field::AMZN_ERROR_TYPE, told.code_on_the_wire());
    let mut body = Object::new();
    body.members(told);
    body.message(told);
    body.end()
}
