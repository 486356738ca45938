//! `match`: which requests a rule is about.
//!
//! A [`Matcher`] is read from what was written and holds services and operations already looked up in the catalog, wildcards expanded,
//! so that matching compares addresses and rarely text. All [`Keys`] must hold, and those under `not` must not. A key about something
//! the request does not tell (no operation, no attempt number) does not hold. Where a request can be read in several ways, one fitting
//! way is enough. [`Matcher::misfit`] says which key it was that did not hold.

mod aspect;
mod keys;
mod pattern;
mod read;

use std::fmt;

pub(super) use aspect::{Aspect, Beginnings};
pub(super) use keys::KEYS;
use keys::{Keys, Part};
pub(super) use pattern::Pattern;
pub use read::no_such_service;

use super::seen::Seen;
use crate::{
    aws::catalog::{self, Operation, Service},
    fault::written::{At, Complaint, Content, Node},
};

/// The compiled `match` of a rule. Without keys it fits every request.
#[derive(Debug, Default)]
pub struct Matcher {
    keys: Keys,
    /// None of these may fit.
    not: Vec<Keys>,
}

/// The first key of a `match` that does not hold for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Misfit {
    /// The key: `operation`, `not`.
    pub key: &'static str,
    /// Whether the request does not tell what the key is about.
    pub unknown: bool,
}

impl Matcher {
    /// Reads a `match` map.
    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        let known: Vec<&str> = names().chain(["not"]).collect();
        let fields = node.fields("`match`", &known)?;
        let mut matcher = Self { keys: Keys::read(&fields)?, not: Vec::new() };
        if let Some(node) = fields.optional("not")? {
            matcher.not = node.any_of()?.iter().map(read_not).collect::<Result<_, _>>()?;
        }
        Ok(matcher)
    }

    /// Whether a request fits.
    pub fn fits(&self, seen: &Seen<'_>) -> bool {
        self.misfit(seen).is_none()
    }

    /// Why a request does not fit, if it does not.
    pub fn misfit(&self, seen: &Seen<'_>) -> Option<Misfit> {
        self.keys.misfit(seen, Part::Whole).or_else(|| {
            let excluded = self.not.iter().any(|keys| keys.misfit(seen, Part::Whole).is_none());
            excluded.then_some(Misfit { key: "not", unknown: false })
        })
    }

    /// Whether all fits that the head of a request tells.
    pub(super) fn may_fit(&self, seen: &Seen<'_>) -> bool {
        self.keys.misfit(seen, Part::Head).is_none()
            && !self.not.iter().any(|keys| !keys.reach_into_body() && keys.misfit(seen, Part::Whole).is_none())
    }

    /// The first key that asks for more than a connection tells before its first request, if one does.
    pub(super) fn about_requests(&self) -> Option<&'static str> {
        self.all_keys().find_map(Keys::about_requests)
    }

    /// Whether it is about connections to `tcp:` entries.
    pub(super) fn names_tcp(&self) -> bool {
        self.keys.tcp().is_some()
    }

    /// Whether it may fit TCP connections of which nothing is read: it must say so by `tcp`, `host` or `port`, and ask for nothing else.
    pub(super) fn concerns_wires(&self) -> bool {
        self.keys.name_far_ends() && self.about_requests().is_none() && self.about_aws().is_none()
    }

    /// The first key that is about AWS, of those that a host's name tells.
    pub(super) fn about_aws(&self) -> Option<&'static str> {
        self.all_keys().find_map(Keys::about_aws)
    }

    /// The names of `tcp:` entries in it, where each stands, and whether one fits it.
    pub(super) fn tcp_entries(&self) -> impl Iterator<Item = &(At, Pattern)> {
        self.all_keys().filter_map(Keys::tcp).flatten()
    }

    /// How what a request says must begin so that it fits, where its keys tell.
    pub(super) fn beginnings(&self) -> Vec<Beginnings> {
        self.keys.beginnings()
    }

    /// Whether it depends on what a request is about, which may have to be looked up in its body.
    pub(super) fn is_about_resource(&self) -> bool {
        self.all_keys().any(Keys::are_about_resource)
    }

    /// Whether it depends on members of a request's body.
    pub(super) fn is_about_body(&self) -> bool {
        self.all_keys().any(Keys::are_about_body)
    }

    /// The services a request must be for to fit, where `service` or `operation` says; sorted by name, and so by address.
    pub(super) fn services(&self) -> Option<Vec<&'static Service>> {
        self.keys.is_bound_to_services().then(|| {
            catalog::services().iter().filter(|service| !self.keys.operations_of(service).is_empty()).collect()
        })
    }

    /// The operations of a service that fit, where `operation` says.
    pub(super) fn operations_of(&self, service: &'static Service) -> Option<Vec<&'static Operation>> {
        self.keys.name_operations().then(|| self.keys.operations_of(service))
    }

    /// The operations that fit, each with its service; empty where neither service nor operation was named.
    pub(super) fn operations(&self) -> Vec<(&'static Service, &'static Operation)> {
        let services = self.services().unwrap_or_default();
        let all = services.into_iter().flat_map(|service| {
            self.keys.operations_of(service).into_iter().map(move |operation| (service, operation))
        });
        all.collect()
    }

    /// Whether its `not` lets nothing in that its keys let in.
    pub(super) fn excludes_all(&self) -> bool {
        self.not.iter().any(|not| not.cover(&self.keys))
    }

    /// Whether it fits all that another fits, as far as that shows in what was written.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.not.is_empty() && self.keys.cover(&other.keys)
    }

    fn all_keys(&self) -> impl Iterator<Item = &Keys> {
        std::iter::once(&self.keys).chain(&self.not)
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(name, _)| *name)
}

fn read_not(node: &Node) -> Result<Keys, Complaint> {
    let fields = node.fields("`not`", &names().collect::<Vec<_>>())?;
    match &node.content {
        Content::Map(entries) if entries.is_empty() => {
            Err(Complaint::new(node.at, "`not` without keys would exclude every request").help("leave it out"))
        }
        _ => Keys::read(&fields),
    }
}

/// In words for people: `dynamodb PutItem or Batch* in us-east-1 on attempt 1..2`; `anything but s3`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.to_string();
        f.write_str(&keys)?;
        if self.not.is_empty() {
            return Ok(());
        }
        let not: Vec<String> = self.not.iter().map(|keys| keys.to_string()).collect();
        let joint = if keys == keys::ANYTHING { " but " } else { " but not " };
        write!(f, "{joint}{}", any(&not))
    }
}

/// `a`, `a or b`, `a, b or c`.
fn any<T: fmt::Display>(items: &[T]) -> String {
    let mut text = String::new();
    for (position, item) in items.iter().enumerate() {
        let last = position + 1 == items.len();
        let joint = if position == 0 {
            ""
        } else if last {
            " or "
        } else {
            ", "
        };
        text.push_str(joint);
        text.push_str(&item.to_string());
    }
    text
}

#[cfg(test)]
mod tests;
