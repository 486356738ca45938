//! REST, in JSON and XML alike: the operation is a method, a path and constant queries.

use smallvec::SmallVec;

use super::{json, query};
use crate::aws::catalog::{self, Service};
use crate::aws::quirk;
use crate::aws::request::{Evidence, Foreign, Found, Protocol, Reading};
use crate::aws::uri::{self, Target};
use crate::aws::why::Clue;

type Services = SmallVec<[&'static Service; 2]>;

/// Reads by route among the services that the credential scope or the host names, and last among all, if an SDK made the request.
///
/// All routes of all those services are matched together. Where the service is known and no route fits, the operation stays open.
pub(in crate::aws) fn read(request: &Evidence<'_>) -> Result<Found, Foreign> {
    let endpoint = request.endpoint();
    let signed = signed(request);
    let services = if signed.is_empty() { endpoint.services.clone() } else { signed };
    if services.is_empty() {
        return unsigned(request);
    }
    request.note(if request.scope.service.is_some() { Clue::Scope } else { Clue::Host });
    let hosted: Services = services.iter().filter(|service| endpoint.services.contains(service)).copied().collect();
    let bucket = endpoint.bucket.filter(|_| services.iter().any(|service| service.name == "s3"));
    let mut readings = routed(request, &hosted, bucket);
    if !readings.is_empty() && hosted.len() < services.len() {
        request.note(Clue::Host);
        let others = services.iter().filter(|service| !hosted.contains(service));
        let twin =
            readings.first().and_then(|best| others.filter_map(|service| prefixed_twin(request, service, best)).next());
        readings.extend(twin);
    }
    if readings.is_empty() {
        readings = routed(request, &services, bucket);
    }
    if readings.is_empty() {
        // Behind execute-api stand customers' own APIs: only the models' routes are AWS's.
        if services.iter().any(|service| service.signing_name == "execute-api") {
            return Err(Foreign::UnknownService);
        }
        let known = if hosted.is_empty() { services } else { hosted };
        readings = known.into_iter().map(|service| Reading { service, operation: None }).collect();
    }
    prefer(request, &mut readings);
    found(request, readings).ok_or(Foreign::NoEvidence)
}

/// The same operation of another service that comes to the same host by its host prefix: Signer's GetRevocationStatus goes to
/// `data-` and Signer's host, which is Signer Data's own.
fn prefixed_twin(request: &Evidence<'_>, service: &'static Service, best: &Reading) -> Option<Reading> {
    let operation = service.operation(best.operation?.name)?;
    let behind = request.host.strip_prefix(operation.host_prefix?)?;
    let same = operation.route == best.operation?.route && behind.starts_with(service.endpoint_prefix);
    same.then_some(Reading { service, operation: Some(operation) })
}

/// Puts the likeliest first: what the User-Agent names, what the host names, the service that is called as it signs.
pub(super) fn prefer(request: &Evidence<'_>, readings: &mut SmallVec<[Reading; 1]>) {
    if readings.len() < 2 {
        return;
    }
    if let Some(id) = request.fields.service_in_user_agent() {
        let named = |reading: &Reading| same_id(reading.service.id, id);
        if readings.iter().any(named) && !readings.iter().all(named) {
            readings.retain(|reading| named(reading));
            request.note(Clue::UserAgent);
        }
    }
    let hosts = &request.endpoint().services;
    let rank = |reading: &Reading| {
        let deprecated = reading.operation.is_some_and(|operation| operation.deprecated);
        let own = reading.service.name == reading.service.signing_name;
        (!hosts.is_empty() && !hosts.contains(&reading.service), deprecated, !own)
    };
    readings.sort_by_key(rank);
    let hosted = |reading: &Reading| hosts.contains(&reading.service);
    if readings.iter().any(hosted) && !readings.iter().all(hosted) {
        request.note(Clue::Host);
    }
}

fn found(request: &Evidence<'_>, readings: SmallVec<[Reading; 1]>) -> Option<Found> {
    Some(Found { protocol: protocol(request, readings.first()?.service)?, readings })
}

/// The REST protocol of a service that has one. An RPC service is met here where its operation stays open (no target, a compressed
/// form): then the content type tells the protocol, else botocore's preference.
fn protocol(request: &Evidence<'_>, service: &Service) -> Option<Protocol> {
    use Protocol::{Cbor, Ec2, Json10, Json11, Query, RestJson, RestXml};
    let is_form = || query::takes_forms(request.head) && query::is_form(request.fields.content_type);
    let form = || is_form().then(|| [Query, Ec2].into_iter().find(|form| service.speaks(*form))).flatten();
    let named = json::named_version(request).or_else(form).filter(|named| service.speaks(*named));
    let mut usual = [Json10, Json11, RestJson, RestXml, Cbor, Query, Ec2].into_iter();
    named.or_else(|| usual.find(|usual| service.speaks(*usual)))
}

/// The services of the credential scope. S3 signs some of its hosts under names of their own.
fn signed(request: &Evidence<'_>) -> Services {
    let Some(name) = request.scope.service.as_deref() else { return Services::new() };
    let family = match name {
        "s3express" | "s3-object-lambda" | "s3-outposts" => catalog::by_signing_name("s3"),
        _ => &[],
    };
    match catalog::by_signing_name(name) {
        [] if family.is_empty() => catalog::service(name).into_iter().collect(),
        found => found.iter().chain(family).copied().collect(),
    }
}

fn target_of<'a>(request: &'a Evidence<'_>, bucket: Option<&'a str>) -> Target<'a> {
    let head = request.head;
    Target::new(head.method.as_str(), bucket, head.path, head.query, head.headers)
}

/// The readings by route, what quirks settle first; with the bucket that the host names before the path, then without it (what stands
/// before S3's Object Lambda host is a route to some operations, and a bucket to others).
fn routed(request: &Evidence<'_>, services: &[&'static Service], bucket: Option<&str>) -> SmallVec<[Reading; 1]> {
    if services.is_empty() {
        return SmallVec::new();
    }
    if let Some(reading) = quirk::cloudsearchdomain::search(services, request.head) {
        request.note(Clue::Route);
        return SmallVec::from_elem(reading, 1);
    }
    let target = target_of(request, bucket);
    let s3 = services.iter().find(|service| service.name == "s3");
    if let Some(reading) = s3.and_then(|service| quirk::s3::named(service, &target)) {
        request.note(Clue::XId);
        return SmallVec::from_elem(reading, 1);
    }
    let mut readings = uri::best(services, &target);
    if readings.is_empty() && bucket.is_some() {
        readings = uri::best(services, &target_of(request, None));
    }
    if !readings.is_empty() {
        request.note(Clue::Route);
    }
    quirk::s3::settle(request, &mut readings);
    readings
}

/// Nobody signed, and the host does not name the service: some operations are never signed, and emulators take unsigned requests. An
/// SDK's own headers must be there, and a route that fits: an unsigned operation's, then one that its path names, then S3's, which fit
/// nearly everything.
fn unsigned(request: &Evidence<'_>) -> Result<Found, Foreign> {
    if request.scope.service.is_some() {
        return Err(Foreign::UnknownService);
    }
    let named = request.fields.service_in_user_agent();
    let by_sdk = named.is_some() || request.fields.invocation_id.is_there();
    if !by_sdk {
        let aws = crate::aws::partition::is_aws_host(request.host);
        return Err(if aws { Foreign::UnknownService } else { Foreign::NoEvidence });
    }
    if named.is_some() {
        request.note(Clue::UserAgent);
    }
    request.note(Clue::Route);
    let target = target_of(request, None);
    let named = |service: &Service| named.is_none_or(|id| same_id(service.id, id));
    let other = |service: &Service| service.name != "s3" && named(service);
    let mut readings = uri::best_anywhere(&target, |service, route| route.is_unsigned() && other(service));
    if readings.is_empty() {
        readings = uri::best_anywhere(&target, |service, route| route.has_literal() && other(service));
    }
    if readings.is_empty() {
        let s3: Services = catalog::service("s3").into_iter().filter(|service| named(service)).collect();
        readings = uri::best(&s3, &target_of(request, request.endpoint().bucket));
    }
    prefer(request, &mut readings);
    found(request, readings).ok_or(Foreign::NoEvidence)
}

/// SDKs write service ids in their own case and with their own separators.
fn same_id(id: &str, written: &str) -> bool {
    let letters = |text: &str| -> SmallVec<[u8; 32]> {
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect()
    };
    letters(id) == letters(written)
}
