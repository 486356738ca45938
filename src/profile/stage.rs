//! What a rule strikes at: requests, or connections before their first request.
//!
//! Most faults need a request. Those of connections see what a host's name tells and nothing more, so a rule that has one can ask for
//! nothing more either; that is found out when it is read. Rules that name a `tcp:` entry strike TCP connections of which nothing is read;
//! those that name a host or a port may strike such connections beside requests.

use super::{matcher::Matcher, schedule::Per, schedule::Schedule};
use crate::fault::{
    Draw, Fault, Stage,
    written::{At, Complaint},
};

/// What a rule strikes at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Struck {
    /// A connection, as soon as its host is known.
    Connection,
    /// A connection, when its TLS handshake begins.
    Handshake,
    /// A request.
    #[default]
    Request,
    /// A connection to a `tcp:` entry, of which nothing is read.
    Tcp,
}

/// What a rule strikes at; or why it can strike at nothing.
pub(super) fn struck(
    at: At,
    faults: &[Box<dyn Fault>],
    matcher: &Matcher,
    schedule: &Schedule,
) -> Result<Struck, Complaint> {
    if matcher.names_tcp() {
        return struck_on_tcp(at, faults, matcher, schedule);
    }
    if let (Some(key), false) = (faults.iter().find_map(|fault| fault.only_for_wires()), matcher.concerns_wires()) {
        let complaint =
            Complaint::new(at, format!("`{key}` is about TCP connections here, and this rule is about requests"));
        return Err(complaint.help("leave it out, or match connections by `tcp`, `host` or `port` alone"));
    }
    let asked = matcher.about_requests();
    let wants = |stage| faults.iter().find(|fault| fault.stage() == stage);
    let (connect, handshake) = (wants(Stage::Connect), wants(Stage::Handshake));
    let (fault, struck) = match (connect, handshake, wants(Stage::ConnectOrRequest)) {
        (Some(fault), ..) => (fault, Struck::Connection),
        (_, Some(fault), _) => (fault, Struck::Handshake),
        (.., Some(_)) if asked.is_none() && faults.len() == 1 && is_countable(schedule.per) => {
            return Ok(Struck::Connection);
        }
        _ => return Ok(Struck::Request),
    };
    if let Some(key) = asked {
        let message = format!("`{fault}` strikes before there is a request, and this rule's `match` asks for `{key}`");
        return Err(
            Complaint::new(at, message).help("match by service, region or host only, or write `reset: {at: request}`")
        );
    }
    if faults.len() > 1 {
        let message = format!("`{fault}` strikes before there is a request, and can have no other fault beside it");
        return Err(Complaint::new(at, message).help("give each its own rule"));
    }
    if !is_countable(schedule.per) {
        let message =
            format!("`{fault}` strikes before there is a request, which `per: {}` needs", schedule.per.as_str());
        return Err(Complaint::new(at, message).help("leave `per` out"));
    }
    Ok(struck)
}

/// The same for a rule that names a `tcp:` entry.
fn struck_on_tcp(
    at: At,
    faults: &[Box<dyn Fault>],
    matcher: &Matcher,
    schedule: &Schedule,
) -> Result<Struck, Complaint> {
    if let Some(key) = matcher.about_requests().or_else(|| matcher.about_aws()) {
        let message =
            format!("`tcp` matches connections, of which nothing is read, and this rule's `match` asks for `{key}`");
        return Err(Complaint::new(at, message).help("leave one of the two out"));
    }
    for fault in faults {
        if let Err(why) = fault.wire(&mut Draw::new([0; 32])) {
            let message = format!("`{fault}` cannot happen to a TCP connection: {why}");
            return Err(Complaint::new(at, message).help(ON_WIRES));
        }
    }
    if !is_countable(schedule.per) {
        let message = format!("TCP connections do not tell what `per: {}` counts", schedule.per.as_str());
        return Err(Complaint::new(at, message).help("leave `per` out, or write `per: client`"));
    }
    Ok(Struck::Tcp)
}

/// Whether a rule strikes TCP connections of which nothing is read.
pub(super) fn is_on_wires(struck: Struck, faults: &[Box<dyn Fault>], matcher: &Matcher, schedule: &Schedule) -> bool {
    let can_happen = |fault: &dyn Fault| fault.wire(&mut Draw::new([0; 32])).is_ok();
    let suits = matcher.concerns_wires() && is_countable(schedule.per);
    struck == Struck::Tcp || (suits && faults.iter().any(|fault| can_happen(fault.as_ref())))
}

fn is_countable(per: Per) -> bool {
    matches!(per, Per::Client | Per::Rule)
}

const ON_WIRES: &str = "`latency`, `bandwidth`, `dribble`, `refuse`, `hang`, `reset`, `truncate` and `slow_close` can";
