//! Where a request is for, told from the form of its target and the connection it came on.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use compact_str::CompactString;
use http::header::HOST;
use http::{HeaderMap, Method, Request, Version};

use super::Proxy;
use super::own::Reason;
use crate::aws::partition;
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

/// Where one request goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// How the client reached us.
    pub mode: Mode,
    /// The host the client named, without port.
    pub host: CompactString,
    /// Where it is sent: the host itself, or the emulator in its place.
    pub to: Arc<Target>,
    /// Whether the client spoke TLS and `to` does not: an emulator must be told, as it builds URLs from it.
    pub tls_ends_here: bool,
}

/// A request that goes nowhere, and why.
#[derive(Clone, Debug)]
pub struct NoRoute {
    /// The kind of answer.
    pub reason: Reason,
    /// What to tell the client.
    pub text: String,
}

/// Finds a request's route. The emulator, if there is one, stands in for every AWS host and for the endpoint.
pub fn route<B>(proxy: &Proxy, connection: &Connection, request: &Request<B>) -> Result<Route, NoRoute> {
    if request.method() == Method::CONNECT {
        let text = "CONNECT works on a plain connection to Squall, not inside TLS or another tunnel".to_owned();
        return Err(NoRoute { reason: Reason::BadRequest, text });
    }
    if let Some(target) = &connection.target {
        let host = named_host(request).unwrap_or(&target.host).into();
        return Ok(replace(proxy, connection, connection.mode, host, target));
    }
    // In HTTP/2 the form says nothing: every request names scheme and authority.
    let names_another = request.version() != Version::HTTP_2;
    match (request.uri().scheme_str(), request.uri().authority()) {
        (Some(scheme), Some(authority)) if names_another => {
            let target = absolute(scheme, authority)?;
            if proxy.is_self(&target.host, target.port) {
                return endpoint(proxy, connection, request);
            }
            let host = target.host.clone();
            Ok(replace(proxy, connection, Mode::Absolute, host, &Arc::new(target)))
        }
        _ => endpoint(proxy, connection, request),
    }
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

fn endpoint<B>(proxy: &Proxy, connection: &Connection, request: &Request<B>) -> Result<Route, NoRoute> {
    let Some(emulator) = &proxy.emulator else {
        let text = "this request came to Squall as an endpoint, and Squall does not know where to send it; \
                    start it with --upstream http://HOST:PORT (your emulator), or set HTTPS_PROXY instead of AWS_ENDPOINT_URL"
            .to_owned();
        return Err(NoRoute { reason: Reason::NoUpstream, text });
    };
    let host = named_host(request).unwrap_or_default().into();
    Ok(to_emulator(connection, connection.mode, host, emulator))
}

fn to_emulator(connection: &Connection, mode: Mode, host: CompactString, emulator: &Arc<Target>) -> Route {
    let tls_ends_here = connection.secure && emulator.scheme == Scheme::Http;
    Route { mode, host, to: Arc::clone(emulator), tls_ends_here }
}

fn replace(proxy: &Proxy, connection: &Connection, mode: Mode, host: CompactString, target: &Arc<Target>) -> Route {
    match stand_in(proxy, target) {
        Some(emulator) => to_emulator(connection, mode, host, emulator),
        None => Route { mode, host, to: Arc::clone(target), tls_ends_here: false },
    }
}

/// Where everything on this connection goes, as far as that is known before its first request.
pub fn far_end<'a>(proxy: &'a Proxy, connection: &'a Connection) -> Option<&'a Arc<Target>> {
    match &connection.target {
        Some(target) => stand_in(proxy, target).or(Some(target)),
        None => proxy.emulator.as_ref(),
    }
}

/// The emulator, if it stands in for this host.
fn stand_in<'a>(proxy: &'a Proxy, target: &Target) -> Option<&'a Arc<Target>> {
    proxy.emulator.as_ref().filter(|_| partition::is_api_host(&target.host))
}

/// The host the request is for, without port and brackets: HTTP/2's `:authority`, or the Host field.
fn named_host<B>(request: &Request<B>) -> Option<&str> {
    let authority = request.uri().host().filter(|_| request.version() == Version::HTTP_2);
    authority.map(|host| host.trim_start_matches('[').trim_end_matches(']')).or_else(|| host_header(request.headers()))
}

/// The host in the Host field, without port.
fn host_header(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let bare = match host.rfind(':') {
        Some(colon) if host[colon + 1..].bytes().all(|b| b.is_ascii_digit()) => &host[..colon],
        _ => host,
    };
    Some(bare.trim_start_matches('[').trim_end_matches(']')).filter(|h| !h.is_empty())
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
