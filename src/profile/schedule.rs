//! `when`: which of the fitting requests a rule strikes.
//!
//! Not here: the counting itself, which is [`super::state`]'s, and the dice.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    fault::written::{Complaint, Node},
    units::{Ordinals, Percent, Window},
};

/// The keys of `when`.
pub(super) const KEYS: &[&str] = &["probability", "calls", "between", "limit", "per"];

/// The compiled `when` of a rule; all of it must hold. Without keys it always holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// How likely a request is struck.
    pub probability: Percent,
    /// Which requests are struck, by the order in which they came.
    pub calls: Option<Calls>,
    /// While the plan is so old.
    pub between: Option<Window>,
    /// At most this many are struck, over the whole rule.
    pub limit: Option<u64>,
    /// What `calls` and the dice count.
    pub per: Per,
}

/// Which requests, by number from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calls {
    /// Each n-th: `every 5th`.
    Every(u64),
    /// Those from the first to the last: `3..7`, and `first 2`.
    Within(Ordinals),
}

/// What is counted on its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Per {
    /// Each SDK call, over its attempts.
    Invocation,
    /// The rule as a whole.
    #[default]
    Rule,
}

impl Schedule {
    /// Reads a `when` map.
    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        let fields = node.fields("`when`", KEYS)?;
        let probability = fields.optional("probability")?.map(|node| node.parse("a chance")).transpose()?;
        Ok(Self {
            probability: probability.unwrap_or(Percent::ALWAYS),
            calls: fields.optional("calls")?.map(|node| node.parse("`first 2`, `every 5th` or `3..7`")).transpose()?,
            between: fields.optional("between")?.map(|node| node.parse("`30s..3m`")).transpose()?,
            limit: fields.optional("limit")?.map(read_limit).transpose()?,
            per: fields.optional("per")?.map(read_per).transpose()?.unwrap_or_default(),
        })
    }
}

impl Schedule {
    /// Whether the rule strikes at all when the plan is so old.
    pub fn holds_at(&self, now: Duration) -> bool {
        self.between.is_none_or(|between| between.contains(now))
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self { probability: Percent::ALWAYS, calls: None, between: None, limit: None, per: Per::default() }
    }
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

/// In words for people: `30%, calls first 2, at most 100 times, per invocation`; `always` where nothing narrows it.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chance = (self.probability != Percent::ALWAYS).then(|| self.probability.to_string());
        let calls = self.calls.map(|calls| format!("calls {calls}"));
        let between = self.between.map(|between| format!("between {between}"));
        let limit = self.limit.map(|limit| format!("at most {limit} {}", if limit == 1 { "time" } else { "times" }));
        let per = (self.per == Per::Invocation).then(|| "per invocation".to_owned());
        let parts: Vec<String> = [chance, calls, between, limit, per].into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "always" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

fn read_limit(node: &Node) -> Result<u64, Complaint> {
    let word = node.word("a count")?;
    let limit = word.parse().ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| Complaint::new(node.at, format!("`{word}` is not a count of at least 1")))
}

fn read_per(node: &Node) -> Result<Per, Complaint> {
    match node.word("`rule` or `invocation`")? {
        "invocation" => Ok(Per::Invocation),
        "rule" => Ok(Per::Rule),
        other => Err(Complaint::new(node.at, format!("unknown word `{other}` after `per`"))
            .nearest(other, ["rule", "invocation"])),
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
    use crate::fault::tests::tree;

    fn schedule(yaml: &str) -> Schedule {
        Schedule::read(&tree(yaml)).unwrap()
    }

    fn struck(calls: &str) -> Vec<u64> {
        let calls: Calls = calls.parse().unwrap();
        (1..=12).filter(|n| calls.holds(*n)).collect()
    }

    #[test]
    fn without_keys_it_always_holds() {
        assert_eq!(schedule("{}"), Schedule::default());
    }

    #[test]
    fn calls_are_counted_from_one_and_ranges_include_both_ends() {
        assert_eq!(struck("first 2"), [1, 2]);
        assert_eq!(struck("every 5th"), [5, 10]);
        assert_eq!(struck("every 1st").len(), 12);
        assert_eq!(struck("3..7"), [3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_schedule_is_told_as_it_is_written() {
        for (yaml, words) in [
            ("{}", "always"),
            ("{probability: 0.3, per: invocation}", "30%, per invocation"),
            ("{calls: every 22nd, limit: 1}", "calls every 22nd, at most 1 time"),
            ("{calls: 1..2, limit: 100}", "calls first 2, at most 100 times"),
            ("{calls: 3..7, per: rule}", "calls 3..7"),
            ("{between: 30s..3m, probability: 5%}", "5%, between 30s..3m"),
        ] {
            assert_eq!(schedule(yaml).to_string(), words);
        }
    }

    #[test]
    fn wrong_words_say_how_to_write_them() {
        for (yaml, message) in [
            ("{probability: 130%}", "`130%` is not a chance; it must lie between 0% and 100%"),
            ("{calls: 3}", "`3` does not say which calls; write `first 2`, `every 5th` or `3..7`"),
            ("{calls: first 0}", "`first 0` does not say which calls; write `first 2`, `every 5th` or `3..7`"),
            ("{calls: every 5}", "`every 5` does not say which calls; write `first 2`, `every 5th` or `3..7`"),
            ("{calls: 7..3}", "`7..3` ends before it begins; write `3..7`"),
            ("{limit: 0}", "`0` is not a count of at least 1"),
            ("{limit: -1}", "`-1` is not a count of at least 1"),
            ("{per: resource}", "unknown word `resource` after `per`"),
            ("{between: 3m..30s}", "`3m..30s` ends before it begins; write `30s..3m`"),
            ("{during: 30s..3m}", "unknown key `during` in `when`"),
            ("{probability: {from: 0%}}", "expected a chance, found a map"),
        ] {
            assert_eq!(Schedule::read(&tree(yaml)).unwrap_err().message, message, "{yaml}");
        }
    }
}
