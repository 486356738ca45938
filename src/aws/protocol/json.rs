//! AWS JSON 1.0 and 1.1: the operation is in `X-Amz-Target`, the error's name in `__type`.

use smallvec::SmallVec;

use crate::aws::catalog::{self, Service};
use crate::aws::request::{Evidence, Found, Head, Protocol, Reading};

pub(in crate::aws) fn has_target(head: &Head<'_>) -> bool {
    head.headers.contains_key("x-amz-target")
}

/// Reads `X-Amz-Target: prefix.Operation`. It is split at the last dot: CloudTrail's prefix holds dots. A prefix that no model has
/// (an older API version's) is read by the credential scope, if that service has such an operation.
pub(in crate::aws) fn read(request: &Evidence<'_>) -> Option<Found> {
    let (prefix, name) = request.header("x-amz-target")?.rsplit_once('.')?;
    let services = match catalog::by_target_prefix(prefix) {
        [] => by_scope(request, name)?,
        found => found,
    };
    let readings = readings(request, services, name);
    let model = readings.first()?.service;
    Some(Found { protocol: version(request, model), readings })
}

/// The readings of an operation name among services: those that have it; where none has, the services alone.
pub(super) fn readings(request: &Evidence<'_>, services: &[&'static Service], name: &str) -> SmallVec<[Reading; 1]> {
    let all = services.iter().map(|service| Reading { service, operation: service.operation(name) });
    let mut known: SmallVec<[Reading; 1]> = all.clone().filter(|reading| reading.operation.is_some()).collect();
    if known.is_empty() {
        known = all.collect();
    }
    super::rest::prefer(request, &mut known);
    known
}

fn by_scope(request: &Evidence<'_>, name: &str) -> Option<&'static [&'static Service]> {
    let services = catalog::by_signing_name(request.scope.service.as_deref()?);
    services.iter().any(|service| service.operation(name).is_some()).then_some(services)
}

/// The version that the request's content type names, or the model's.
fn version(request: &Evidence<'_>, model: &Service) -> Protocol {
    let media = request.header("content-type").and_then(|value| value.split(';').next()).map(str::trim);
    match media {
        Some(media) if media.eq_ignore_ascii_case("application/x-amz-json-1.0") => Protocol::Json10,
        Some(media) if media.eq_ignore_ascii_case("application/x-amz-json-1.1") => Protocol::Json11,
        _ if model.speaks(Protocol::Json10) => Protocol::Json10,
        _ => Protocol::Json11,
    }
}
