//! The services that a machine of AWS's asks for its own credentials: instance metadata and container credentials.
//!
//! They answer at link-local addresses, over plain HTTP, to requests that nobody signs, and AWS's models do not describe them. The
//! operations of `imds` are called as AWS's SDK for Go calls them (its package `imds`: GetToken, GetMetadata, GetIAMInfo …), the one of
//! `container-credentials` as that SDK's client of such endpoints does (GetCredentials); what that SDK asks for by GetMetadata but every
//! chain of credentials depends on has names of its own here: ListRoles, GetCredentials, GetRegion, GetAvailabilityZone. Paths and
//! addresses are those of EC2's and ECS's user guides and of the EKS Pod Identity agent.
//!
//! A request is for them if it names one of their addresses. At another host it must say so itself, for SDKs can be told to ask
//! elsewhere (`AWS_EC2_METADATA_SERVICE_ENDPOINT`, `AWS_CONTAINER_CREDENTIALS_FULL_URI`): by the field of a metadata token, or by its path
//! at an address or a name of this machine's neighbourhood. What is signed, and what an SDK's client of S3 sends, is never taken for it.

use std::net::IpAddr;

use http::Method;
use smallvec::{SmallVec, smallvec};

use super::catalog::{self, Service};
use super::host;
use super::request::{Evidence, Foreign, Found, Protocol, Reading, lower_case};
use super::why::Clue;

/// Where the real one of these services answers a request: in its own network place, on port 80.
pub fn real_host(service: &Service, path: &str) -> &'static str {
    match service.name {
        "imds" => "169.254.169.254",
        // EKS's agent has the first version of the path, ECS's the second.
        _ if path.trim_start_matches('/').starts_with("v1/") => "169.254.170.23",
        _ => "169.254.170.2",
    }
}

/// Whether one of these services answers at a host of its own, by address or by name.
pub fn is_host(host: &str) -> bool {
    service_at(&lower_case(host)).is_some()
}

/// Whether a host is an address in this machine's neighbourhood, this machine itself, or a name without dots: nobody else's.
pub fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => !host.is_empty() && (!host.contains('.') || host::is_local(host)),
    }
}

/// Whether a path is one at which containers get their credentials.
pub fn is_containers_path(path: &str) -> bool {
    let containers = catalog::service("container-credentials");
    containers.is_some_and(|service| matches!(operation(service, &Method::GET, path), Ok(Some(_))))
}

/// The service at a link-local address, or at the name that EC2's DNS gives it.
pub(super) fn service_at(host: &str) -> Option<&'static Service> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = match host {
        "169.254.169.254" | "fd00:ec2::254" | "instance-data" | "instance-data.ec2.internal" => "imds",
        "169.254.170.2" | "169.254.170.23" | "fd00:ec2::23" => "container-credentials",
        _ => return None,
    };
    catalog::service(name)
}

/// Reads a request for one of them; `None`: it is for none.
pub(super) fn read(request: &Evidence<'_>) -> Option<Result<Found, Foreign>> {
    if request.scope.access_key.is_some() || request.scope.service.is_some() {
        return None;
    }
    let head = request.head;
    if let Some(service) = service_at(request.host) {
        request.note(Clue::Host);
        return Some(operation(service, head.method, head.path).map(|operation| found(request, service, operation)));
    }
    let has_token = TOKEN_FIELDS.iter().any(|name| head.headers.contains_key(*name));
    let may_be = is_version(first_part(head.path)) || is_numbered(first_part(head.path));
    if !may_be || (!has_token && (!is_near(request.host) || is_of_s3(request))) || is_elsewhere(request) {
        return None;
    }
    if has_token {
        request.note(Clue::MetadataToken);
    }
    let readings = ["imds", "container-credentials"].into_iter().filter_map(catalog::service);
    let mut readings =
        readings.filter_map(|service| Some((service, operation(service, head.method, head.path).ok()??)));
    let (service, operation) = readings.next()?;
    Some(Ok(found(request, service, Some(operation))))
}

/// Fields that clients of instance metadata send, and nobody else.
pub(super) const TOKEN_FIELDS: [&str; 2] = ["x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"];

fn found(request: &Evidence<'_>, service: &'static Service, operation: Option<&'static str>) -> Found {
    if operation.is_some() {
        request.note(Clue::Route);
    }
    let operation = operation.and_then(|name| service.operation(name));
    Found { protocol: Protocol::Http, readings: smallvec![Reading { service, operation }] }
}

/// The host is one of AWS's, or has a bucket in front.
fn is_elsewhere(request: &Evidence<'_>) -> bool {
    let endpoint = request.endpoint();
    !endpoint.services.is_empty() || endpoint.bucket.is_some()
}

/// An SDK's call of an operation, unsigned: S3 may have a bucket called `latest`.
fn is_of_s3(request: &Evidence<'_>) -> bool {
    match request.fields.service_in_user_agent() {
        Some(id) => !id.eq_ignore_ascii_case("imds"),
        None => request.fields.invocation_id.is_there(),
    }
}

/// The operation, where the path names one; an error, where the path is none of the service's at all: others' metadata services share
/// its address, and ECS tells of tasks beside their credentials.
fn operation(service: &Service, method: &Method, path: &str) -> Result<Option<&'static str>, Foreign> {
    let parts: SmallVec<[&str; 6]> = path.split('/').filter(|part| !part.is_empty()).take(6).collect();
    let reads = method == Method::GET || method == Method::HEAD;
    if service.name != "imds" {
        return match parts.as_slice() {
            [version, "credentials"] | [version, "credentials", _] if reads && is_numbered(version) => {
                Ok(Some("GetCredentials"))
            }
            _ => Err(Foreign::NoEvidence),
        };
    }
    let Some((version, rest)) = parts.split_first() else { return Ok(None) };
    if !is_version(version) {
        return Err(Foreign::NoEvidence);
    }
    Ok(match rest {
        ["api", "token"] if method == Method::PUT => Some("GetToken"),
        _ if !reads => None,
        ["meta-data", "iam", "security-credentials" | "security-credentials-extended"] => Some("ListRoles"),
        ["meta-data", "iam", "security-credentials" | "security-credentials-extended", _] => Some("GetCredentials"),
        ["meta-data", "iam", "info"] => Some("GetIAMInfo"),
        ["meta-data", "placement", "region"] => Some("GetRegion"),
        ["meta-data", "placement", "availability-zone"] => Some("GetAvailabilityZone"),
        ["meta-data", ..] => Some("GetMetadata"),
        ["dynamic", "instance-identity", "document"] => Some("GetInstanceIdentityDocument"),
        ["dynamic", ..] => Some("GetDynamicData"),
        ["user-data"] => Some("GetUserData"),
        _ => None,
    })
}

fn first_part(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// `latest`, `1.0`, `2021-07-15`
fn is_version(part: &str) -> bool {
    let dated = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    part == "latest" || (part.len() > 2 && part.starts_with(|c: char| c.is_ascii_digit()) && dated(part))
}

/// `v1`, `v2`
fn is_numbered(part: &str) -> bool {
    matches!(part.as_bytes(), [b'v', digit] if digit.is_ascii_digit())
}

/// Whether a request, before it is decoded, is for one of these services by all that its head says.
pub fn is_for(head: &super::request::Head<'_>) -> bool {
    let host = lower_case(head.host);
    let fields = super::field::Fields::of(head.headers);
    let scope = super::credential::Scope::read(head, &fields);
    let request = Evidence::new(head, &fields, &scope, &host);
    matches!(read(&request), Some(Ok(_)))
}

#[cfg(test)]
mod tests;
