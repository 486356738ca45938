//! What a rule strikes at: requests, or connections before their first request.
//!
//! Most faults need a request. Those of connections see what a host's name tells and nothing more, so a rule that has one can ask for
//! nothing more either; that is found out when it is read.

use super::{matcher::Matcher, schedule::Per, schedule::Schedule};
use crate::fault::{
    Fault, Stage,
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
}

/// What a rule strikes at; or why it can strike at nothing.
pub(super) fn struck(
    at: At,
    faults: &[Box<dyn Fault>],
    matcher: &Matcher,
    schedule: &Schedule,
) -> Result<Struck, Complaint> {
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

fn is_countable(per: Per) -> bool {
    matches!(per, Per::Client | Per::Rule)
}
