//! Why a rule does not strike a request that fits it.

use super::{plan::Rule, schedule::Per};
use crate::units::Millis;

/// The reasons, in the order in which they are looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// None of its faults can do anything to such a request.
    Unsuited,
    /// It carries nothing that its fault is about.
    NoToken,
    /// It asks for an answer that is consistent.
    Consistent,
    /// The request does not tell what `per` counts by.
    Uncounted,
    /// `calls` said no.
    OutsideCalls,
    /// `between` said no.
    OutsideTime,
    /// `windows` said no.
    OutsideWindows,
    /// `probability` said no.
    LostDice,
    /// The request does not tell whose tokens `capacity` would take.
    Unbucketed,
    /// `capacity` had tokens enough.
    WithinCapacity,
    /// A rule before it answers already.
    AnsweredBefore,
    /// Nothing was written of late to what it reads.
    NothingWritten,
    /// No answer is known from before what was written.
    NothingKept,
    /// `max_active` of them are under way.
    TooManyActive,
    /// `limit` was used up.
    OverLimit,
    /// It struck, and the request was no batch with items that were chosen.
    NoItems,
    /// It struck, and the answer had nothing for it to change.
    NothingThere,
    /// It struck, and the request's body was too large to be kept.
    TooLarge,
}

impl Skip {
    /// All of them, in that order.
    pub const ALL: [Self; 18] = [
        Self::Unsuited,
        Self::NoToken,
        Self::Consistent,
        Self::Uncounted,
        Self::OutsideCalls,
        Self::OutsideTime,
        Self::OutsideWindows,
        Self::LostDice,
        Self::Unbucketed,
        Self::WithinCapacity,
        Self::AnsweredBefore,
        Self::NothingWritten,
        Self::NothingKept,
        Self::TooManyActive,
        Self::OverLimit,
        Self::NoItems,
        Self::NothingThere,
        Self::TooLarge,
    ];

    /// What became of a request, as the rest of a sentence that begins with it: `lost the dice (probability 30%)`.
    pub fn told(self, rule: &Rule) -> String {
        let schedule = rule.schedule();
        let written = |key: &str, value: Option<String>| format!("`{key}: {}`", value.unwrap_or_default());
        match self {
            Self::Unsuited => "was for an operation to which its fault cannot happen".to_owned(),
            Self::NoToken => "carried no token of a page before, and no iterator".to_owned(),
            Self::Consistent => "asked for a consistent answer".to_owned(),
            Self::Uncounted => format!("{}, which `per: {}` needs", lack(schedule.per), schedule.per.as_str()),
            Self::OutsideCalls => {
                format!("fell outside {}", written("calls", schedule.calls.map(|calls| calls.to_string())))
            }
            Self::OutsideTime => {
                format!("came outside {}", written("between", schedule.between.map(|between| between.to_string())))
            }
            Self::OutsideWindows => {
                format!("came outside {}", written("windows", schedule.windows.map(|windows| windows.to_string())))
            }
            Self::LostDice => format!("lost the dice (probability {})", schedule.probability),
            Self::Unbucketed => {
                let share = rule.capacity().map_or("", |capacity| capacity.share().as_str());
                format!("told no {share}, by which `capacity` counts")
            }
            Self::WithinCapacity => "came within its capacity".to_owned(),
            Self::AnsweredBefore => "had already been answered by a rule before it".to_owned(),
            Self::NothingWritten => {
                let lag = rule.lag().map_or_else(String::new, |lag| format!(" within {}", Millis::from(lag)));
                format!("came when nothing had been written{lag} to what it reads, as far as Squall knows")
            }
            Self::NothingKept => {
                "came after a write, and had not been made before it: there is no old answer".to_owned()
            }
            Self::TooManyActive => format!(
                "came while as many were under way as {} allows",
                written("max_active", schedule.max_active.map(|most| most.to_string()))
            ),
            Self::OverLimit => "came after its limit".to_owned(),
            Self::NoItems => "was no batch, or none of its items was chosen".to_owned(),
            Self::NothingThere => "got an answer that had nothing for it to change".to_owned(),
            Self::TooLarge if rule.lag().is_some() => {
                "had a body of more than 16 KiB, or of no told length, too large to be held against others".to_owned()
            }
            Self::TooLarge if rule.faults().iter().any(|fault| fault.rewrites()) => {
                "had a body of more than 8 MiB, too large to be kept and taken apart".to_owned()
            }
            Self::TooLarge => "had a body of more than 1 MiB, too large to be kept and sent again".to_owned(),
        }
    }
}

/// What a request lacks that cannot be counted.
pub(super) fn lack(per: Per) -> &'static str {
    match per {
        Per::Client => "came from nobody in particular",
        Per::Invocation => "carried no amz-sdk-invocation-id",
        Per::Resource => "named no resource",
        Per::Rule => "could not be counted",
    }
}
