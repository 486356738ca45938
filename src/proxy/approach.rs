//! A connection before its first request: whether a rule ends it there, and how that is remembered.
//!
//! Rules see it as soon as its host is known, once: at its CONNECT, at its TLS ClientHello, or with its first request where neither
//! comes. Only hosts whose requests are looked into are looked at.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::route::Connection;
use super::{Proxy, Sightings};
use crate::aws::request::{AwsRequest, Head};
use crate::clock;
use crate::fault::Instead;
use crate::ledger::{Entry, Mode, Outcome, Side};
use crate::net::cut::ConnectionEnding;
use crate::net::name::HostName;
use crate::profile::{RuleName, Seen, Struck};

/// How a rule ends a connection.
pub(super) struct Ended {
    /// The rule.
    pub(super) rule: RuleName,
    /// How.
    pub(super) ending: ConnectionEnding,
}

/// Whether a rule ends a connection to `host` now that it is known.
pub(super) fn at_connect(proxy: &Proxy, connection: &Connection, host: &str) -> Option<Ended> {
    if connection.progress.seen.swap(true, Ordering::Relaxed) {
        return None;
    }
    decide(proxy, connection, host, Struck::Connection)
}

/// Whether a rule ends it now that its TLS handshake begins, which may be the first that is known of its host.
pub(super) fn at_hello(proxy: &Arc<Proxy>, connection: &Connection, name: &HostName) -> Option<Ended> {
    let host = name.to_string();
    let ended = at_connect(proxy, connection, &host).or_else(|| decide(proxy, connection, &host, Struck::Handshake))?;
    record(proxy, connection.mode, None, &host, &ended);
    Some(ended)
}

/// A connection to this host never came: the kernel refused it, as [`crate::profile::Plan::refuses`] foretold for that moment. It counts as one
/// that a rule ended.
pub fn refused(proxy: &Arc<Proxy>, host: &str, port: u16, client: IpAddr, moment: Duration) {
    if let Some(ended) = strikes(proxy, (host, Some(port)), client, Struck::Connection, moment) {
        record(proxy, Mode::Transparent, None, host, &ended);
    }
}

/// A connection of which there is no exchange was ended: it has a line of its own in the ledger, and is counted.
pub(super) fn record(proxy: &Arc<Proxy>, mode: Mode, method: Option<&Method>, host: &str, ended: &Ended) {
    let mut entry = Entry::open(proxy.ledger.next_seq(), clock::wall(), mode);
    let aws = AwsRequest::of_host(host);
    (entry.host, entry.method) = (host.into(), method.map_or("", Method::as_str).into());
    entry.service = aws.reading().map(|reading| reading.service.name);
    entry.region = aws.region;
    (entry.outcome, entry.side, entry.before_request) = (Outcome::Injected, Some(Side::Injected), true);
    entry.rules.push(ended.rule.clone());
    tracing::info!(target: "squall::exchange", "{entry}");
    Sightings::count(&proxy.sightings.ended);
    proxy.ledger.record(entry);
}

fn decide(proxy: &Proxy, connection: &Connection, host: &str, struck: Struck) -> Option<Ended> {
    if proxy.lets_all_pass() {
        return None;
    }
    let port = connection.target.as_ref().map(|target| target.port);
    strikes(proxy, (host, port), connection.client.ip(), struck, proxy.live.now())
}

/// The rule that strikes at such a connection at this moment, if one does.
fn strikes(
    proxy: &Proxy,
    (host, port): (&str, Option<u16>),
    client: IpAddr,
    struck: Struck,
    now: Duration,
) -> Option<Ended> {
    let ruling = proxy.live.load();
    if !ruling.plan.has_rules_of_connections() {
        return None;
    }
    let (request, headers) = (AwsRequest::of_host(host), HeaderMap::new());
    let head = Head { method: &Method::CONNECT, host, path: "", query: None, headers: &headers };
    let seen = Seen { peer: Some(client), port, ..Seen::new(&request, head) };
    let verdict = ruling.decide_connection(&seen, struck, now);
    let (rule, instead) = verdict.instead?;
    let ending = match instead {
        Instead::Reset(_) => ConnectionEnding::Reset,
        _ => ConnectionEnding::Close,
    };
    Some(Ended { rule, ending })
}
