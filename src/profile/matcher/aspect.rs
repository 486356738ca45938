//! What a request says, one thing at a time, and how it must begin for keys of `match` to hold.

use compact_str::{CompactString, ToCompactString as _};
use http::HeaderName;

use super::super::seen::Seen;
use crate::aws::member::{self, Pointer};

/// Something that a request may say in one or more texts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::profile) enum Aspect {
    AccessKey,
    Account,
    /// The number of the attempt, in figures.
    Attempt,
    Header(HeaderName),
    /// What stands in its body.
    Member(Pointer),
    Path,
    /// The access key, and the account that it was made for.
    Principal,
    Region,
    /// All names of what it is about.
    Resource,
}

/// The texts of which one must be the beginning of what a request says of this, so that a rule fits. Never empty ones.
pub(in crate::profile) type Beginnings = (Aspect, Vec<CompactString>);

impl Aspect {
    /// Whether the head of a request tells all that is ever known of it.
    pub(in crate::profile) fn is_of_head(&self) -> bool {
        !matches!(self, Self::Account | Self::Member(_) | Self::Resource)
    }

    /// Tells what a request says of it, text by text; nothing where it does not say.
    pub(in crate::profile) fn tell(&self, seen: &Seen<'_>, mut hear: impl FnMut(&str)) {
        let request = seen.request;
        match self {
            Self::AccessKey => request.access_key.iter().for_each(|key| hear(&key.0)),
            Self::Account => request.account.iter().for_each(|account| hear(account)),
            Self::Attempt => request.attempt.iter().for_each(|attempt| hear(&attempt.to_compact_string())),
            Self::Header(name) => {
                let values = seen.head.headers.get_all(name).iter();
                values.filter_map(|value| value.to_str().ok()).for_each(hear);
            }
            Self::Member(pointer) => {
                member::read(request, &seen.head, seen.body, pointer).iter().for_each(|text| hear(text));
            }
            Self::Path => hear(seen.head.path),
            Self::Principal => {
                request.access_key.iter().for_each(|key| hear(&key.0));
                request.callers_account().iter().for_each(|account| hear(account));
            }
            Self::Region => request.region.iter().for_each(|region| hear(region)),
            Self::Resource => request.resource.iter().flat_map(|resource| resource.names()).for_each(hear),
        }
    }
}
