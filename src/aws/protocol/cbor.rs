//! Smithy RPC v2 CBOR: the operation is in the path, the error's name in `__type` of a CBOR map.

use crate::aws::catalog::{self, Service};
use crate::aws::request::{Evidence, Found, Protocol};

/// Reads `POST […]/service/<ServiceShape>/operation/<Operation>` with `smithy-protocol: rpc-v2-cbor`. The service shape is what stands in
/// `X-Amz-Target` of the JSON protocols, without a namespace.
pub(in crate::aws) fn read(request: &Evidence<'_>) -> Option<Found> {
    request.header("smithy-protocol").filter(|value| value.trim() == "rpc-v2-cbor")?;
    let mut from_end = request.head.path.rsplit('/');
    let (name, "operation") = (from_end.next()?, from_end.next()?) else { return None };
    let (shape, "service") = (from_end.next()?, from_end.next()?) else { return None };
    let readings = match catalog::by_target_prefix(shape) {
        [] => super::json::readings(request, &[namespaced(shape)?], name),
        services => super::json::readings(request, services, name),
    };
    Some(Found { protocol: Protocol::Cbor, readings })
}

fn namespaced(shape: &str) -> Option<&'static Service> {
    let ends = |prefix: &str| prefix.rsplit_once('.').is_some_and(|(_, last)| last == shape);
    catalog::services().iter().find(|service| service.target_prefix.is_some_and(ends))
}
