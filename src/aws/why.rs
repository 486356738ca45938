//! From which evidence a reading came.
//!
//! Decoding notes each [`Clue`] as it lets it decide; [`Why`] is their set, one word in memory, and [`explain`] tells what each of
//! them said.

use std::fmt;

use super::coding::Plain;
use super::credential::Scope;
use super::field::Fields;
use super::protocol::query::Form;
use super::request::{AwsRequest, Head};
use super::{link_local, uri};

/// One kind of evidence for what a request means, in the order of telling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Clue {
    /// `X-Amz-Target`.
    Target,
    /// The path of rpc-v2-cbor.
    CborPath,
    /// Action of a form or query.
    Action,
    /// Version beside it.
    Version,
    /// The service of the credential scope.
    Scope,
    /// The host.
    Host,
    /// Method, path and query, held against the routes of the models.
    Route,
    /// The operation in the query key `x-id`.
    XId,
    /// `api/` in the User-Agent.
    UserAgent,
    /// A field that only clients of instance metadata send.
    MetadataToken,
    /// An alias of the profile.
    Alias,
}

/// The evidence that a reading came from. Displayed, it is the names of the clues: `scope+route`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Why(u16);

impl Clue {
    /// All, in the order of telling.
    const ALL: [Self; 11] = [
        Self::Target,
        Self::CborPath,
        Self::Action,
        Self::Version,
        Self::Scope,
        Self::Host,
        Self::Route,
        Self::XId,
        Self::UserAgent,
        Self::MetadataToken,
        Self::Alias,
    ];

    /// Its name in ledgers and in what `squall decode` writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::CborPath => "cbor-path",
            Self::Action => "action",
            Self::Version => "version",
            Self::Scope => "scope",
            Self::Host => "host",
            Self::Route => "route",
            Self::XId => "x-id",
            Self::UserAgent => "user-agent",
            Self::MetadataToken => "metadata-token",
            Self::Alias => "alias",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Why {
    /// With a clue more.
    #[must_use]
    pub fn and(self, clue: Clue) -> Self {
        Self(self.0 | clue.bit())
    }

    /// Whether a clue is among them.
    pub fn holds(self, clue: Clue) -> bool {
        self.0 & clue.bit() != 0
    }

    /// The clues, in the order of telling.
    pub fn clues(self) -> impl Iterator<Item = Clue> {
        Clue::ALL.into_iter().filter(move |clue| self.holds(*clue))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, clue) in self.clues().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { "+" }, clue.as_str())?;
        }
        Ok(())
    }
}

/// What each clue of a request said, of the same head and beginning of the body that it was decoded from.
pub fn explain(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> Vec<(Clue, String)> {
    request.why.clues().map(|clue| (clue, said(clue, request, head, body_prefix))).collect()
}

fn said(clue: Clue, request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> String {
    let text = |found: Option<&str>| found.unwrap_or_default().to_owned();
    let body = Plain::of(head, body_prefix);
    let fields = Fields::of(head.headers);
    let form = || Form::read(head, &fields, &body.bytes).unwrap_or_default();
    match clue {
        Clue::Action => form().action.into_owned(),
        Clue::Alias => text(request.reading().map(|reading| reading.service.name)),
        Clue::CborPath => head.path.to_owned(),
        Clue::Host => head.host.to_owned(),
        // Whoever holds a token's value may ask for credentials.
        Clue::MetadataToken => text(link_local::TOKEN_FIELDS.into_iter().find(|name| head.headers.contains_key(*name))),
        Clue::Route => {
            let route = request.reading().and_then(|reading| reading.operation?.route);
            route.map(|(method, template)| format!("{method} {template}")).unwrap_or_default()
        }
        Clue::Scope => {
            let scope = Scope::read(head, &fields);
            let service = scope.service.unwrap_or_default();
            scope.region.map_or_else(|| service.to_string(), |region| format!("{region}/{service}"))
        }
        Clue::Target => text(fields.target.text()),
        Clue::UserAgent => text(fields.service_in_user_agent()),
        Clue::Version => form().version.unwrap_or_default().into_owned(),
        Clue::XId => text(head.query.and_then(|query| uri::query_value(query, "x-id"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clues_are_told_in_their_order_however_they_came() {
        let why = Why::default().and(Clue::Route).and(Clue::Scope).and(Clue::Route);
        assert_eq!(why.to_string(), "scope+route");
        assert!(why.holds(Clue::Scope) && !why.holds(Clue::Host));
        assert_eq!(Why::default().to_string(), "");
    }

    #[test]
    fn every_clue_has_a_bit_and_a_name_of_its_own() {
        let all = Clue::ALL.into_iter().fold(Why::default(), Why::and);
        assert_eq!(all.0.count_ones() as usize, Clue::ALL.len());
        assert_eq!(all.clues().collect::<Vec<_>>(), Clue::ALL);
        assert_eq!(
            all.to_string(),
            "target+cbor-path+action+version+scope+host+route+x-id+user-agent+metadata-token+alias"
        );
    }
}
