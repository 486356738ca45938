//! What each kind of trouble is: one file per kind, pure, carrying its own docs and example.
//!
//! A kind is a [`FaultKind`]: the word that names it in a profile, what it does, its settings, an example, and how they are read. Out of
//! that reading comes a [`Fault`], which answers a request with an [`Effect`] as data; only the proxy's injector acts on effects, so
//! a fault is tested without a socket. [`read`] reads all that may stand under `fault:`.
//!
//! To add a kind, write its file and add its word to [`kinds`]; its YAML key, its error messages and its part of `docs/faults.md`
//! follow from that. Whether and when a fault strikes is not decided here but in [`crate::profile`].

mod bandwidth;
pub mod capacity;
mod corrupt;
mod credentials;
mod draw;
mod dribble;
mod duplicate;
mod effect;
mod error;
mod error_in_ok;
mod event_stream;
mod expire;
mod function_error;
mod gateway;
mod hang;
mod idiom;
pub mod json_schema;
mod kind;
mod latency;
mod lose;
pub mod partial;
mod refuse;
mod reset;
mod retry_after;
mod skew;
mod slow_close;
mod stale;
mod truncate;
pub mod wire;
pub mod written;

use std::{fmt, time::Duration};

pub use draw::Draw;
pub use effect::{Breach, Corruption, Down, Dribble, Effect, Instead, Scope, Up};
pub use kind::{FaultKind, Read, Setting, Short, Value};
pub use latency::Lag;
pub use wire::{Way, Ways, Wire};
use written::{Complaint, Content, Node};

use crate::aws::{
    catalog::{Operation, Service},
    request::{AwsRequest, Head},
};

/// What there must be before a fault can strike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// A connection whose host is known.
    Connect,
    /// A connection, or a request if the rule asks for more than connections tell.
    ConnectOrRequest,
    /// A TLS ClientHello.
    Handshake,
    /// A request.
    Request,
}

/// Trouble of one kind with its settings, ready to strike. Its `Display` says it in words for people: `latency of 300ms`.
pub trait Fault: fmt::Debug + fmt::Display + Send + Sync {
    /// What must be done to this request; all chance in it comes from `draw`.
    fn effect(&self, request: &AwsRequest, draw: &mut Draw) -> Effect;

    /// Whether it decides who answers. Of the terminal faults that strike a request, the first in file order wins.
    fn is_terminal(&self) -> bool {
        false
    }

    /// What it strikes at.
    fn stage(&self) -> Stage {
        Stage::Request
    }

    /// The tokens it goes by, if it strikes only where they run out.
    fn capacity(&self) -> Option<&capacity::Capacity> {
        None
    }

    /// How far reads lag behind writes, if it answers out of the past.
    fn lag(&self) -> Option<Duration> {
        None
    }

    /// Whether it can do anything to this request. A rule of which no fault can does not strike.
    fn suits(&self, _request: &AwsRequest) -> bool {
        true
    }

    /// Whether only the body tells, of a request that it [suits](Self::suits), if it [finds](Self::finds) what it is about.
    fn looks_into_body(&self) -> bool {
        false
    }

    /// Whether this very request has what it is about, as far as its head and the beginning of its body tell.
    fn finds(&self, _request: &AwsRequest, _head: &Head<'_>, _body_prefix: &[u8]) -> bool {
        true
    }

    /// What it does to a TCP connection of which nothing is read; or why it can do nothing there. All chance in it comes from `draw`.
    fn wire(&self, _draw: &mut Draw) -> Result<Wire, &'static str> {
        Err("it is about requests, which nobody reads there")
    }

    /// The setting that it was given for TCP connections alone, if it was: it can then do nothing to a request.
    fn only_for_wires(&self) -> Option<&'static str> {
        None
    }

    /// Whether it sends the far end another request than the client's, whose signature then no longer holds.
    fn rewrites(&self) -> bool {
        false
    }

    /// What should be known before it is let loose on real AWS, if anything.
    fn on_real_aws(&self) -> Option<&'static str> {
        None
    }

    /// Why real AWS would not show the fault on any of these operations, if so; told as a warning when a profile is loaded.
    fn doubt(&self, _operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        None
    }
}

/// All kinds, in the order they are told.
pub fn kinds() -> impl Iterator<Item = &'static FaultKind> {
    idiom::IDIOMS.iter().chain(KINDS.iter().copied())
}

static KINDS: [&FaultKind; 23] = [
    &error::ERROR,
    &gateway::GATEWAY,
    &latency::LATENCY,
    &capacity::CAPACITY,
    &bandwidth::BANDWIDTH,
    &dribble::DRIBBLE,
    &hang::HANG,
    &refuse::REFUSE,
    &reset::RESET,
    &truncate::TRUNCATE,
    &slow_close::SLOW_CLOSE,
    &corrupt::CORRUPT,
    &lose::LOSE,
    &duplicate::DUPLICATE,
    &error_in_ok::ERROR_IN_OK,
    &function_error::FUNCTION_ERROR,
    &event_stream::EVENT_STREAM,
    &partial::PARTIAL,
    &stale::STALE,
    &expire::EXPIRE,
    &credentials::CREDENTIALS,
    &retry_after::RETRY_AFTER,
    &skew::SKEW,
];

/// Reads what stands under `fault:`: a bare word, a map with one key per fault, or a list of both; at most one of them terminal.
pub fn read(node: &Node) -> Result<Vec<Box<dyn Fault>>, Complaint> {
    let mut faults: Vec<Box<dyn Fault>> = Vec::new();
    for node in node.any_of().map_err(|_| Complaint::new(node.at, "an empty list is no fault"))? {
        read_one(node, &mut faults)?;
    }
    Ok(faults)
}

fn read_one(node: &Node, faults: &mut Vec<Box<dyn Fault>>) -> Result<(), Complaint> {
    match &node.content {
        Content::Word(_) => add(node, None, faults),
        Content::Map(entries) if !entries.is_empty() => {
            let names: Vec<&str> = kinds().map(|kind| kind.name).collect();
            for (key, _) in entries {
                kind(key)?;
            }
            node.fields("`fault`", &names)?;
            entries.iter().try_for_each(|(key, value)| add(key, Some(value), faults))
        }
        other => Err(Complaint::new(node.at, format!("expected a fault, found {other}")).nearest("", names())),
    }
}

fn add(name: &Node, settings: Option<&Node>, faults: &mut Vec<Box<dyn Fault>>) -> Result<(), Complaint> {
    let settings = settings.filter(|node| node.content != Content::Empty);
    let fault = (kind(name)?.read)(name, settings)?;
    if fault.is_terminal() && faults.iter().any(|earlier| earlier.is_terminal()) {
        return Err(Complaint::new(name.at, "a second fault that answers the request: only one answer can be given")
            .help("give each its own rule"));
    }
    faults.push(fault);
    Ok(())
}

fn kind(name: &Node) -> Result<&'static FaultKind, Complaint> {
    let word = name.word("the name of a fault")?;
    let known = kinds().find(|kind| kind.name == word);
    known.ok_or_else(|| Complaint::new(name.at, format!("unknown fault `{word}`")).nearest(word, names()))
}

fn names() -> impl Iterator<Item = &'static str> {
    kinds().map(|kind| kind.name)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::aws::{
        catalog,
        request::{Protocol, Reading},
    };

    /// A YAML value as a tree.
    pub(crate) fn tree(yaml: &str) -> Node {
        written::yaml::parse(yaml).unwrap()
    }

    /// A request for one operation, in its service's own protocol.
    pub(crate) fn request(service: &str, operation: &str) -> AwsRequest {
        let service = catalog::service(service).unwrap();
        let reading = Reading { service, operation: Some(service.operation(operation).unwrap()) };
        let protocol = service.protocols.first().copied().unwrap_or(Protocol::Json11);
        AwsRequest { head_only: false, region: Some("us-east-1".into()), ..AwsRequest::of(reading, protocol) }
    }

    /// What the first fault of a `fault:` does to a GetObject.
    pub(crate) fn effect(yaml: &str) -> Effect {
        parse(yaml).unwrap()[0].effect(&request("s3", "GetObject"), &mut Draw::new([7; 32]))
    }

    /// Reads a `fault:` written as a YAML value.
    pub(crate) fn parse(yaml: &str) -> Result<Vec<Box<dyn Fault>>, Complaint> {
        read(&tree(yaml))
    }

    #[test]
    fn every_kind_is_documented_and_its_example_reads() {
        let mut names = HashSet::new();
        for kind in kinds() {
            assert!(names.insert(kind.name), "{} is registered twice", kind.name);
            assert!(kind.about.ends_with('.') && kind.about.len() > 20, "{}: {}", kind.name, kind.about);
            assert!(kind.details.is_empty() || kind.details.ends_with('.'), "{}", kind.name);
            assert!(kind.clients.ends_with('.') && kind.clients.len() > 20, "{}: {}", kind.name, kind.clients);
            for setting in kind.settings {
                assert!(!setting.about.is_empty() && !setting.value.form().is_empty(), "{}: {setting:?}", kind.name);
            }
            let example = kind.example.strip_prefix("fault:").unwrap_or_else(|| panic!("{}", kind.example));
            assert!(example.contains(kind.name));
            assert!(!parse(example).unwrap().is_empty());
        }
    }

    #[test]
    fn every_kind_may_be_written_short_just_as_it_says() {
        for kind in kinds() {
            let bare = matches!(kind.short, Short::Bare | Short::BareOrValue(_));
            assert_eq!(parse(kind.name).is_ok(), bare, "{}", kind.name);
        }
    }

    #[test]
    fn faults_are_a_word_a_map_or_a_list() {
        let words = |yaml: &str| parse(yaml).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(words("throttle"), ["throttle"]);
        assert_eq!(words("{throttle: }"), ["throttle"]);
        assert_eq!(words("{latency: 300ms, throttle: }"), ["latency of 300ms", "throttle"]);
        assert_eq!(words("[throttle, latency: 300ms]"), ["throttle", "latency of 300ms"]);
        assert_eq!(words("[latency: 1s, latency: 2s]"), ["latency of 1s", "latency of 2s"]);
    }

    #[test]
    fn two_answers_to_one_request_are_refused_however_they_are_written() {
        for yaml in [
            "[throttle, internal]",
            "[hang, refuse]",
            "{lose: , gateway: }",
            "{throttle: , error: {code: X}}",
            "[error: {code: A}, error: {code: B}]",
        ] {
            let message = parse(yaml).unwrap_err().message;
            assert_eq!(message, "a second fault that answers the request: only one answer can be given", "{yaml}");
        }
    }

    #[test]
    fn unknown_faults_are_answered_with_the_nearest() {
        let complaint = parse("throtle").unwrap_err();
        assert_eq!(complaint.message, "unknown fault `throtle`");
        assert_eq!(complaint.help.as_deref(), Some("did you mean `throttle`?"));
        let complaint = parse("{explode: {for: 3s}}").unwrap_err();
        assert_eq!(complaint.message, "unknown fault `explode`");
    }

    #[test]
    fn what_is_no_fault_at_all_is_refused() {
        for (yaml, message) in [
            ("[]", "an empty list is no fault"),
            ("{}", "expected a fault, found a map"),
            ("[[throttle]]", "expected a fault, found a list"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message);
        }
    }
}
