//! REST with XML bodies, as Route 53, CloudFront and S3 Control write errors: `<ErrorResponse>` in the service's namespace. S3 itself
//! departs from it (see its quirk).

use http::HeaderMap;

use super::{Told, insert_usual, query, xml};
use crate::aws::quirk;

pub(super) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, xml::CONTENT_TYPE, told);
    if told.service.is_some_and(|service| service.name == "s3control") {
        quirk::s3::insert_ids(told, headers);
    }
    let mut body = String::with_capacity(400);
    body.push_str("<?xml version=\"1.0\"?>\n");
    query::error_response(told, &mut body);
    body.into_bytes()
}
