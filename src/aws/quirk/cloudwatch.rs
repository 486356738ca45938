//! CloudWatch: query once, JSON and CBOR now. Its throttling keeps query's code beside a shape that its model does not list.

use crate::aws::protocol::Told;

pub(super) fn shape_name<'a>(told: &Told<'a>) -> &'a str {
    match told.code {
        "Throttling" => "ThrottlingException",
        _ => told.shape_name(),
    }
}
