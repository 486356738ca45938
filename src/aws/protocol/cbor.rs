//! Smithy RPC v2 CBOR: the operation is in the path, the error's name in `__type` of a CBOR map.

use http::{HeaderMap, HeaderValue};
use minicbor::Encoder;
use minicbor::encode::Error;

use super::{Told, insert_usual, json, members};
use crate::aws::catalog::{self, Service};
use crate::aws::field;
use crate::aws::quirk;
use crate::aws::request::{Evidence, Found, Protocol};
use crate::aws::why::Clue;

/// Reads `POST […]/service/<ServiceShape>/operation/<Operation>` with `smithy-protocol: rpc-v2-cbor`. The service shape is what stands in
/// `X-Amz-Target` of the JSON protocols, without a namespace.
pub(in crate::aws) fn read(request: &Evidence<'_>) -> Option<Found> {
    request.fields.smithy_protocol.text().filter(|value| value.trim_ascii() == "rpc-v2-cbor")?;
    let mut from_end = request.head.path.rsplit('/');
    let (name, "operation") = (from_end.next()?, from_end.next()?) else { return None };
    let (shape, "service") = (from_end.next()?, from_end.next()?) else { return None };
    let readings = match catalog::by_target_prefix(shape) {
        [] => json::readings(request, &[namespaced(shape)?], name),
        services => json::readings(request, services, name),
    };
    request.note(Clue::CborPath);
    Some(Found { protocol: Protocol::Cbor, readings })
}

fn namespaced(shape: &str) -> Option<&'static Service> {
    let ends = |prefix: &str| prefix.rsplit_once('.').is_some_and(|(_, last)| last == shape);
    catalog::services().iter().find(|service| service.target_prefix.is_some_and(ends))
}

/// A map of `__type` and the message. Without `smithy-protocol` clients reject the answer.
pub(super) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    insert_usual(headers, const { HeaderValue::from_static("application/cbor") }, told);
    headers.insert(field::SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
    json::insert_query_code(told, headers);
    // Writing into memory cannot fail.
    map(told).unwrap_or_default()
}

fn map(told: &Told<'_>) -> Result<Vec<u8>, Error<std::convert::Infallible>> {
    let mut out = Encoder::new(Vec::with_capacity(256));
    let namespace = told.service.map(quirk::namespace).unwrap_or_default();
    let message = told.shape.and_then(|shape| shape.message_member).unwrap_or("message");
    out.map(2 + told.body_members().count() as u64)?
        .str("__type")?
        .str(&[&*namespace, "#", json::type_name(told)].concat())?;
    out.str(message)?.str(&told.message)?;
    for member in told.body_members() {
        out.str(member.name)?;
        members::encode(&mut out, &member.value)?;
    }
    Ok(out.into_writer())
}
