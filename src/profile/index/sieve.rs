//! Rules by what a request must say for them to fit: of many rules about other tables, regions or attempts than a request's, none is
//! looked at.
//!
//! Patterns are sought by their beginnings up to the first wildcard, so what is found may fit and need not; what is not found does not.

use std::collections::BTreeMap;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::profile::{
    matcher::{Aspect, Beginnings},
    seen::Seen,
};

/// Rules by number, each list in file order.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// Those that are not sought by anything.
    rest: Box<[usize]>,
    by: Box<[(Aspect, Places)]>,
}

/// Lists of rules.
pub(super) type Found<'i> = SmallVec<[&'i [usize]; 4]>;

/// Rules by one of the beginnings that something must have, sorted by that.
#[derive(Debug)]
struct Places(Box<[Place]>);

#[derive(Debug)]
struct Place {
    beginning: CompactString,
    /// Where the longest other beginning stands that this one begins with.
    within: Option<usize>,
    rules: Sieve,
}

/// A rule on its way to its places.
#[derive(Clone, Copy)]
pub(super) struct Sought<'r> {
    number: usize,
    beginnings: &'r [Beginnings],
    /// In how many places it will stand.
    copies: usize,
}

impl Sieve {
    /// Of these rules, in file order; sought only by what `may_seek` allows.
    pub(super) fn new<'r>(rules: impl Iterator<Item = Sought<'r>>, may_seek: &dyn Fn(&Aspect) -> bool) -> Self {
        let mut rest: Vec<Sought<'r>> = rules.collect();
        let mut by = Vec::new();
        while let Some(aspect) = most_telling(&rest, may_seek) {
            let (sought, others) = rest.into_iter().partition(|rule| rule.of(aspect).is_some());
            by.push((aspect.clone(), Places::new(sought, aspect, may_seek)));
            rest = others;
        }
        Self { rest: rest.iter().map(|rule| rule.number).collect(), by: by.into() }
    }

    /// The rules that may fit a request.
    pub(super) fn find<'i>(&'i self, seen: &Seen<'_>, found: &mut Found<'i>) {
        if !self.rest.is_empty() {
            found.push(&self.rest);
        }
        for (aspect, places) in &self.by {
            aspect.tell(seen, |text| places.of(text).for_each(|rules| rules.find(seen, found)));
        }
    }
}

impl Places {
    fn new(rules: Vec<Sought<'_>>, aspect: &Aspect, may_seek: &dyn Fn(&Aspect) -> bool) -> Self {
        let mut sorted: BTreeMap<&CompactString, Vec<Sought<'_>>> = BTreeMap::new();
        for rule in &rules {
            let beginnings = rule.of(aspect).unwrap_or_default();
            for beginning in beginnings {
                let place = sorted.entry(beginning).or_default();
                if place.last().is_none_or(|last| last.number != rule.number) {
                    place.push(Sought { copies: rule.copies * beginnings.len(), ..*rule });
                }
            }
        }
        let may_seek_further = |other: &Aspect| other != aspect && may_seek(other);
        let mut places: Vec<Place> = Vec::with_capacity(sorted.len());
        for (beginning, rules) in sorted {
            let before = places.len().checked_sub(1);
            let within = upwards(&places, before).find(|at| beginning.starts_with(&*places[*at].beginning));
            let rules = Sieve::new(rules.into_iter(), &may_seek_further);
            places.push(Place { beginning: beginning.clone(), within, rules });
        }
        Self(places.into())
    }

    /// Those at all beginnings of a text. The last place in order before it stands within each of them, or is the longest.
    fn of(&self, text: &str) -> impl Iterator<Item = &Sieve> {
        let before = self.0.partition_point(|place| &*place.beginning <= text).checked_sub(1);
        let longest = upwards(&self.0, before).find(|at| text.starts_with(&*self.0[*at].beginning));
        upwards(&self.0, longest).map(|at| &self.0[at].rules)
    }
}

/// A place, and all that it stands within.
fn upwards(places: &[Place], from: Option<usize>) -> impl Iterator<Item = usize> {
    std::iter::successors(from, |at| places[*at].within)
}

impl<'r> Sought<'r> {
    pub(super) fn new(number: usize, beginnings: &'r [Beginnings]) -> Self {
        Self { number, beginnings, copies: 1 }
    }

    /// How that must begin for it to fit, if it can be sought by that.
    fn of(&self, aspect: &Aspect) -> Option<&'r [CompactString]> {
        let (_, texts) = self.beginnings.iter().find(|(other, _)| other == aspect)?;
        (self.copies * texts.len() <= MOST_COPIES).then_some(texts)
    }
}

/// What most rules can be told apart by, if by anything.
fn most_telling<'r>(rules: &[Sought<'r>], may_seek: &dyn Fn(&Aspect) -> bool) -> Option<&'r Aspect> {
    let mut counted: Vec<(&Aspect, usize)> = Vec::new();
    for rule in rules {
        for (aspect, _) in rule.beginnings.iter().filter(|(aspect, _)| may_seek(aspect) && rule.of(aspect).is_some()) {
            match counted.iter_mut().find(|(other, _)| *other == aspect) {
                Some((_, count)) => *count += 1,
                None => counted.push((aspect, 1)),
            }
        }
    }
    counted.into_iter().filter(|(_, count)| *count > FEW).max_by_key(|(_, count)| *count).map(|(aspect, _)| aspect)
}

/// So many rules are looked at sooner than sought.
const FEW: usize = 8;
/// A rule stands in so many places at most.
const MOST_COPIES: usize = 64;
