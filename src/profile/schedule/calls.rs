//! `calls`: which requests, by the order in which they came; and `per`: what is counted together.

use std::{fmt, str::FromStr};

use crate::{
    fault::written::{Complaint, Node},
    units::Ordinals,
};

/// Which requests, by number from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calls {
    /// Each n-th: `every 5th`.
    Every(u64),
    /// Those from the first to the last: `3..7`, and `first 2`.
    Within(Ordinals),
}

/// What `calls` and the dice count on its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Per {
    /// Each client: an address, an access key and an SDK.
    Client,
    /// Each SDK call, over its attempts.
    Invocation,
    /// Each resource.
    Resource,
    /// The rule as a whole.
    #[default]
    Rule,
}

impl Calls {
    /// Whether the n-th is struck.
    pub fn holds(self, ordinal: u64) -> bool {
        match self {
            Self::Every(n) => ordinal.is_multiple_of(n),
            Self::Within(range) => range.contains(ordinal),
        }
    }
}

impl FromStr for Calls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` does not say which calls; write `first 2`, `every 5th` or `3..7`");
        let number = |text: &str| text.trim().parse().ok().filter(|number| *number > 0).ok_or_else(wrong);
        if let Some(count) = text.strip_prefix("first ") {
            return Ok(Self::Within(Ordinals::up_to(number(count)?)));
        }
        if let Some(nth) = text.strip_prefix("every ") {
            let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| nth.strip_suffix(ending));
            return Ok(Self::Every(number(digits.ok_or_else(wrong)?)?));
        }
        if text.contains("..") {
            text.parse().map(Self::Within).map_err(|error: crate::units::UnitError| error.to_string())
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(n) => write!(f, "every {n}{}", ending(*n)),
            Self::Within(range) => match range.ends() {
                (1, last) => write!(f, "first {last}"),
                (first, last) => write!(f, "{first}..{last}"),
            },
        }
    }
}

impl Per {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Invocation => "invocation",
            Self::Resource => "resource",
            Self::Rule => "rule",
        }
    }

    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        let word = node.word("`rule`, `invocation`, `resource` or `client`")?;
        let all = [Self::Rule, Self::Invocation, Self::Resource, Self::Client];
        all.into_iter().find(|per| per.as_str() == word).ok_or_else(|| {
            Complaint::new(node.at, format!("unknown word `{word}` after `per`")).nearest(word, all.map(Self::as_str))
        })
    }
}

fn ending(number: u64) -> &'static str {
    match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(calls: &str) -> Vec<u64> {
        let calls: Calls = calls.parse().unwrap();
        (1..=12).filter(|n| calls.holds(*n)).collect()
    }

    #[test]
    fn calls_are_counted_from_one_and_ranges_include_both_ends() {
        assert_eq!(struck("first 2"), [1, 2]);
        assert_eq!(struck("every 5th"), [5, 10]);
        assert_eq!(struck("every 1st").len(), 12);
        assert_eq!(struck("3..7"), [3, 4, 5, 6, 7]);
    }
}
