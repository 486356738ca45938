//! Where a request is for, told from the form of its target and the connection it came on.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use compact_str::CompactString;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Version};

use super::Proxy;
use super::destination::Destination;
use super::own::Reason;
use crate::aws::catalog::Service;
use crate::aws::host::{self, RealHost};
use crate::aws::request::{AwsRequest, Head};
use crate::aws::{link_local, partition};
use crate::ledger::Mode;
use crate::net::control::ConnectionControl;
use crate::net::streams::Streams;
use crate::net::target::{Scheme, Target};
use crate::profile::RuleName;

/// What is known of a connection before its first request.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The client's address.
    pub client: SocketAddr,
    /// Ends the connection.
    pub control: Arc<ConnectionControl>,
    /// Whether the client spoke TLS with us.
    pub secure: bool,
    /// Where all its requests go: the CONNECT authority, or the name in SNI.
    pub target: Option<Arc<Target>>,
    /// How the client came, unless the request's form says otherwise.
    pub mode: Mode,
    /// Its HTTP/2 connections upstream.
    pub streams: Arc<Streams>,
    /// How far it has come.
    pub progress: Arc<Progress>,
}

/// How far a connection has come, for the rules that strike connections.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whether rules have seen that it was opened.
    pub seen: AtomicBool,
    /// The rule that is about to end it: it takes no more requests.
    pub silenced_by: OnceLock<RuleName>,
}

/// What a request says of where it goes, before it is understood.
#[derive(Clone, Debug)]
pub struct Addressed {
    /// How the client reached us.
    pub mode: Mode,
    /// The host the client named, without port.
    pub host: CompactString,
    /// The far end the client means; `None`: us, as its endpoint.
    pub target: Option<Arc<Target>>,
}

/// Where one request goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where it is sent: the host itself, or another in its place.
    pub to: Arc<Target>,
    /// Whether the client spoke TLS and `to` does not: an emulator must be told, as it builds URLs from it.
    pub tls_ends_here: bool,
    /// Whether an emulator's answer tells URLs, which should lead through here again.
    pub leads_back: bool,
    /// What the request must name and be signed for instead of what it says.
    pub real: Option<RealHost>,
}

/// A request that goes nowhere, and why.
#[derive(Clone, Debug)]
pub struct NoRoute {
    /// The kind of answer.
    pub reason: Reason,
    /// What to tell the client.
    pub text: String,
}

/// Reads where a request is for.
pub fn addressed<B>(proxy: &Proxy, connection: &Connection, request: &Request<B>) -> Result<Addressed, NoRoute> {
    if request.method() == Method::CONNECT {
        let text = "CONNECT works on a plain connection to Squall, not inside TLS or another tunnel".to_owned();
        return Err(NoRoute { reason: Reason::BadRequest, text });
    }
    if let Some(target) = &connection.target {
        let host = named_host(request).unwrap_or(&target.host).into();
        return Ok(Addressed { mode: connection.mode, host, target: Some(Arc::clone(target)) });
    }
    // In HTTP/2 the form says nothing: every request names scheme and authority.
    let names_another = request.version() != Version::HTTP_2;
    if let (Some(scheme), Some(authority), true) =
        (request.uri().scheme_str(), request.uri().authority(), names_another)
    {
        let target = absolute(scheme, authority)?;
        if !proxy.is_self(&target.host, target.port) {
            return Ok(Addressed { mode: Mode::Absolute, host: target.host.clone(), target: Some(Arc::new(target)) });
        }
    }
    if proxy.destinations.is_empty() && !link_local::is_for(&head_of(request)) {
        return Err(no_upstream("Squall does not know where to send it"));
    }
    let host = named_host(request).unwrap_or_default().into();
    Ok(Addressed { mode: connection.mode, host, target: None })
}

/// Finds the route of a request that may be understood by now. An emulator stands in for AWS's hosts and for the endpoint; where AWS
/// itself does for the endpoint, its host is put together from what the request means.
pub async fn route(
    proxy: &Proxy,
    connection: &Connection,
    addressed: &Addressed,
    aws: Option<&AwsRequest>,
    path: &str,
) -> Result<Route, NoRoute> {
    if let Some(service) = aws.and_then(AwsRequest::reading).map(|reading| reading.service)
        && service.is_link_local()
    {
        return to_link_local(proxy, connection, addressed, service, path);
    }
    let readings = aws.map(|aws| aws.readings.as_slice()).unwrap_or_default();
    let services = readings.iter().map(|reading| reading.service);
    let Some(target) = &addressed.target else {
        return match proxy.destinations.of(services) {
            Some(Destination::Emulator(emulator)) => Ok(to_emulator(connection, emulator, aws)),
            Some(Destination::RealAws) => to_real_aws(proxy, addressed, aws).await,
            None => Err(no_upstream("no --upstream is given for its service")),
        };
    };
    if proxy.destinations.is_empty() {
        return Ok(straight(target));
    }
    let stand_in = if aws.is_some() && partition::is_api_host(&target.host) {
        proxy.destinations.of(services)
    } else {
        stand_in(proxy, target)
    };
    Ok(match stand_in {
        Some(Destination::Emulator(emulator)) => to_emulator(connection, emulator, aws),
        Some(Destination::RealAws) | None => straight(target),
    })
}

fn no_upstream(why: &str) -> NoRoute {
    let text = format!(
        "this request came to Squall as an endpoint, and {why}; start it with --upstream http://HOST:PORT (your emulator) or \
         --upstream aws, or set HTTPS_PROXY instead of AWS_ENDPOINT_URL"
    );
    NoRoute { reason: Reason::NoUpstream, text }
}

fn absolute(scheme: &str, authority: &http::uri::Authority) -> Result<Target, NoRoute> {
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            let text = format!("cannot forward a request for the scheme `{other}`; http and https are spoken here");
            return Err(NoRoute { reason: Reason::BadRequest, text });
        }
    };
    Ok(Target::from_authority(scheme, authority))
}

fn straight(target: &Arc<Target>) -> Route {
    Route { to: Arc::clone(target), tls_ends_here: false, leads_back: false, real: None }
}

fn to_emulator(connection: &Connection, emulator: &Arc<Target>, aws: Option<&AwsRequest>) -> Route {
    let tls_ends_here = connection.secure && emulator.scheme == Scheme::Http;
    let leads_back = aws.is_some_and(host::answers_with_urls);
    Route { to: Arc::clone(emulator), tls_ends_here, leads_back, real: None }
}

/// Where a service of the machine itself answers: where the client means it, or where its real one is, for clients on this machine.
fn to_link_local(
    proxy: &Proxy,
    connection: &Connection,
    addressed: &Addressed,
    service: &'static Service,
    path: &str,
) -> Result<Route, NoRoute> {
    if let Some(Destination::Emulator(emulator)) = proxy.destinations.own_of(service) {
        return Ok(to_emulator(connection, emulator, None));
    }
    if let Some(target) = &addressed.target {
        return Ok(straight(target));
    }
    // Whoever asks gets this machine's credentials: no other machine, and no page in a browser that calls this one by a name of its own.
    let is_ours = connection.client.ip().to_canonical().is_loopback() && link_local::is_near(&addressed.host);
    if !is_ours && proxy.destinations.own_of(service).is_none() {
        let name = service.name;
        return Err(no_upstream(&format!(
            "this machine's own `{name}` is not shown to others (--upstream {name}=aws would do that)"
        )));
    }
    let real = RealHost { name: link_local::real_host(service, path).into(), region: None };
    let to = Arc::new(Target::new(Scheme::Http, &real.name, 80));
    Ok(Route { to, tls_ends_here: false, leads_back: false, real: Some(real) })
}

async fn to_real_aws(proxy: &Proxy, addressed: &Addressed, aws: Option<&AwsRequest>) -> Result<Route, NoRoute> {
    // A client that names AWS's host, and came here all the same, has signed for it.
    if partition::is_api_host(&addressed.host) {
        return Ok(straight(&Arc::new(Target::new(Scheme::Https, &addressed.host, 443))));
    }
    let unknown = |why: &dyn std::fmt::Display| NoRoute {
        reason: Reason::NoRealHost,
        text: format!("AWS's own host for this request cannot be told: {why}"),
    };
    let aws = aws.ok_or_else(|| unknown(&"nothing in it speaks of a service of AWS's"))?;
    let own = if aws.region.is_none() { proxy.identity.region().await } else { None };
    let real = host::real(aws, &addressed.host, own.as_deref()).map_err(|why| unknown(&why))?;
    let to = Arc::new(Target::new(Scheme::Https, &real.name, 443));
    Ok(Route { to, tls_ends_here: false, leads_back: false, real: Some(real) })
}

/// Where everything on this connection goes, as far as that is known before its first request.
pub fn far_end<'a>(proxy: &'a Proxy, connection: &'a Connection) -> Option<&'a Arc<Target>> {
    let stand_in = match &connection.target {
        Some(target) => stand_in(proxy, target),
        None => proxy.destinations.only(),
    };
    match stand_in {
        Some(Destination::Emulator(emulator)) => Some(emulator),
        Some(Destination::RealAws) | None => connection.target.as_ref(),
    }
}

/// What stands in for this host, if anything does: told from the host alone.
fn stand_in<'a>(proxy: &'a Proxy, target: &Target) -> Option<&'a Destination> {
    let is_aws = !proxy.destinations.is_empty() && partition::is_api_host(&target.host);
    is_aws.then(|| proxy.destinations.of(host::services_at(&target.host))).flatten()
}

/// The host the request is for, without port and brackets: HTTP/2's `:authority`, or the Host field.
fn named_host<B>(request: &Request<B>) -> Option<&str> {
    let authority = request.uri().host().filter(|_| request.version() == Version::HTTP_2);
    authority.map(|host| host.trim_start_matches('[').trim_end_matches(']')).or_else(|| host_header(request.headers()))
}

fn head_of<B>(request: &Request<B>) -> Head<'_> {
    let (uri, host) = (request.uri(), named_host(request).unwrap_or_default());
    Head { method: request.method(), host, path: uri.path(), query: uri.query(), headers: request.headers() }
}

/// The host in the Host field, without port.
fn host_header(headers: &HeaderMap) -> Option<&str> {
    Some(bare_host(headers.get(HOST)?.to_str().ok()?)).filter(|h| !h.is_empty())
}

/// The host of an authority, without port and brackets.
pub(super) fn bare_host(authority: &str) -> &str {
    let bare = match authority.rfind(':') {
        Some(colon) if authority[colon + 1..].bytes().all(|b| b.is_ascii_digit()) => &authority[..colon],
        _ => authority,
    };
    bare.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_host_header_loses_its_port_and_brackets() {
        for (given, wanted) in [("a.b:443", "a.b"), ("a.b", "a.b"), ("[::1]:8080", "::1"), ("[::1]", "::1")] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(given))]);
            assert_eq!(host_header(&headers), Some(wanted), "{given}");
        }
    }
}
