//! `when`: which of the fitting requests a rule strikes.
//!
//! Not here: the counting itself, which is [`super::state`]'s, and the dice.

mod calls;
mod chance;
mod windows;

use std::{fmt, time::Duration};

pub use calls::{Calls, Per};
pub use chance::Chance;
pub use windows::Windows;

use crate::{
    fault::written::{Complaint, Node},
    units::{Percent, Window},
};

/// The keys of `when`, and what they mean.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("probability", "How likely each is struck: 30%, 0.3, or {from: 0%, to: 50%, over: 2m}."),
    ("calls", "Which are struck, by the order in which they come: first 2, every 5th, 3..7."),
    ("per", "What `calls` and the dice count by."),
    ("between", "Only while so much time has passed since the plan went live: 30s..3m."),
    ("windows", "Only in recurring stretches: every 10m for 30s."),
    ("limit", "At most so many, over the whole rule."),
    ("max_active", "At most so many at once."),
];

/// The compiled `when` of a rule; all of it must hold. Without keys it always holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// How likely a request is struck.
    pub probability: Chance,
    /// Which requests are struck, by the order in which they came.
    pub calls: Option<Calls>,
    /// What `calls` and the dice count.
    pub per: Per,
    /// While the plan is so old.
    pub between: Option<Window>,
    /// In these recurring stretches.
    pub windows: Option<Windows>,
    /// At most this many are struck, over the whole rule.
    pub limit: Option<u64>,
    /// At most this many that were struck are under way at once.
    pub max_active: Option<u64>,
}

impl Schedule {
    /// Reads a `when` map.
    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        let fields = node.fields("`when`", &names)?;
        Ok(Self {
            probability: fields.optional("probability")?.map(Chance::read).transpose()?.unwrap_or(Chance::ALWAYS),
            calls: fields.optional("calls")?.map(|node| node.parse("`first 2`, `every 5th` or `3..7`")).transpose()?,
            per: fields.optional("per")?.map(Per::read).transpose()?.unwrap_or_default(),
            between: fields.optional("between")?.map(|node| node.parse("`30s..3m`")).transpose()?,
            windows: fields.optional("windows")?.map(|node| node.parse("`every 10m for 30s`")).transpose()?,
            limit: fields.optional("limit")?.map(read_count).transpose()?,
            max_active: fields.optional("max_active")?.map(read_count).transpose()?,
        })
    }

    /// The chance when the plan is so old. A ramp begins with `between`, or with the plan.
    pub fn chance_at(&self, now: Duration) -> Percent {
        self.probability.at(now.saturating_sub(self.between.map(Window::from).unwrap_or_default()))
    }
}

impl Schedule {
    /// Whether `between` and `windows` hold at this moment.
    pub(super) fn is_in_time(&self, now: Duration) -> bool {
        self.between.is_none_or(|between| between.contains(now))
            && self.windows.is_none_or(|windows| windows.contain(now))
    }

    /// When that may next be otherwise, if ever.
    pub(super) fn next_change(&self, now: Duration) -> Option<Duration> {
        let (from, until) = self.between.map_or((None, None), |between| (Some(between.from()), Some(between.until())));
        let is_over = until.is_some_and(|until| until <= now);
        let of_windows = self.windows.map(|windows| windows.next_change(now)).filter(|_| !is_over);
        [from, until, of_windows].into_iter().flatten().filter(|moment| *moment > now).min()
    }

    /// Whether it strikes all that fits while its time lasts.
    pub(super) fn is_certain(&self) -> bool {
        *self == Self { between: self.between, windows: self.windows, ..Self::default() }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            probability: Chance::ALWAYS,
            calls: None,
            per: Per::default(),
            between: None,
            windows: None,
            limit: None,
            max_active: None,
        }
    }
}

/// In words for people: `30%, calls first 2, at most 100 times, per invocation`; `always` where nothing narrows it.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            (self.probability != Chance::ALWAYS).then(|| self.probability.to_string()),
            self.calls.map(|calls| format!("calls {calls}")),
            self.between.map(|between| format!("between {between}")),
            self.windows.map(|windows| windows.to_string()),
            self.limit.map(|limit| format!("at most {limit} {}", if limit == 1 { "time" } else { "times" })),
            self.max_active.map(|most| format!("at most {most} at once")),
            (self.per != Per::Rule).then(|| format!("per {}", self.per.as_str())),
        ]
        .into_iter()
        .flatten()
        .collect();
        f.write_str(if parts.is_empty() { "always" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

fn read_count(node: &Node) -> Result<u64, Complaint> {
    let word = node.word("a count")?;
    let count = word.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| Complaint::new(node.at, format!("`{word}` is not a count of at least 1")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::tree;

    fn schedule(yaml: &str) -> Schedule {
        Schedule::read(&tree(yaml)).unwrap()
    }

    #[test]
    fn without_keys_it_always_holds() {
        assert_eq!(schedule("{}"), Schedule::default());
    }

    #[test]
    fn a_ramp_begins_with_between_or_with_the_plan() {
        let at = |yaml: &str, second| schedule(yaml).chance_at(Duration::from_secs(second)).to_string();
        let ramp = "probability: {from: 0%, to: 50%, over: 10s}";
        assert_eq!(at(&format!("{{{ramp}}}"), 5), "25%");
        let later = format!("{{{ramp}, between: 1m..2m}}");
        assert_eq!([at(&later, 60), at(&later, 65), at(&later, 80)], ["0%", "25%", "50%"]);
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
            ("{probability: {from: 0%, to: 50%, over: 2m}, per: client}", "from 0% to 50% over 2m, per client"),
            ("{windows: every 10m for 30s, max_active: 5}", "every 10m for 30s, at most 5 at once"),
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
            ("{max_active: many}", "`many` is not a count of at least 1"),
            ("{per: operation}", "unknown word `operation` after `per`"),
            ("{between: 3m..30s}", "`3m..30s` ends before it begins; write `30s..3m`"),
            ("{windows: 30s}", "`30s` does not say when; write `every 10m for 30s`"),
            ("{during: 30s..3m}", "unknown key `during` in `when`"),
            ("{probability: {from: 0%}}", "`probability` lacks the key `to`"),
        ] {
            assert_eq!(Schedule::read(&tree(yaml)).unwrap_err().message, message, "{yaml}");
        }
    }
}
