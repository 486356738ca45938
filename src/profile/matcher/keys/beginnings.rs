//! How what a request says must begin for keys to hold.

use compact_str::{CompactString, ToCompactString as _};

use super::{
    super::{
        aspect::{Aspect, Beginnings},
        pattern::Pattern,
    },
    Keys,
};
use crate::units::Ordinals;

impl Keys {
    /// For each thing that a request may say: the beginnings of which it must have one so that they hold. Things are left out that the
    /// keys do not ask about, or that may begin in any way.
    pub(in crate::profile::matcher) fn beginnings(&self) -> Vec<Beginnings> {
        let plain = [
            (Aspect::Resource, &self.resources),
            (Aspect::AccessKey, &self.access_keys),
            (Aspect::Principal, &self.principals),
            (Aspect::Account, &self.accounts),
            (Aspect::Region, &self.regions),
            (Aspect::Path, &self.paths),
        ];
        let plain = plain.into_iter().filter_map(|(aspect, patterns)| Some((aspect, patterns.as_ref()?)));
        let headers = self.headers.iter().map(|(name, patterns)| (Aspect::Header(name.clone()), patterns));
        let members = self.body.iter().map(|(pointer, patterns)| (Aspect::Member(pointer.clone()), patterns));
        let texts = plain.chain(headers).chain(members);
        let texts = texts.filter_map(|(aspect, patterns)| Some((aspect, of_patterns(patterns)?)));
        let attempts = self.attempts.as_deref().and_then(of_attempts).map(|numbers| (Aspect::Attempt, numbers));
        texts.chain(attempts).collect()
    }
}

fn of_patterns(patterns: &[Pattern]) -> Option<Vec<CompactString>> {
    let texts = || patterns.iter().map(Pattern::beginning);
    texts().all(|text| !text.is_empty()).then(|| texts().map(CompactString::from).collect())
}

fn of_attempts(ranges: &[Ordinals]) -> Option<Vec<CompactString>> {
    let numbers = ranges.iter().flat_map(|range| range.ends().0..=range.ends().1);
    let texts: Vec<CompactString> = numbers.take(MOST_ATTEMPTS + 1).map(|number| number.to_compact_string()).collect();
    (texts.len() <= MOST_ATTEMPTS).then_some(texts)
}

/// Whoever names more attempts than this does not mean certain ones.
const MOST_ATTEMPTS: usize = 64;
