//! What an exchange leaves in the memory of rules that answer out of the past.
//!
//! Such rules remember the answers to the reads that they match, and hear of every write to their services. A [`Memo`] is part of the
//! verdict; the request path tells it when the request goes out ([`Memo::begin`]), and when it was answered or was not.

use std::{sync::Arc, time::Duration};

use compact_str::CompactString;
use smallvec::SmallVec;

use super::state::RuleState;
use crate::aws::{
    made::{self, Made},
    recorded::Recorded,
    request::Reading,
    subject::Subject,
};

/// What is to be remembered of an exchange, and by which rules.
#[derive(Clone, Debug)]
pub struct Memo {
    event: Event,
    rules: SmallVec<[(Arc<RuleState>, Duration); 1]>,
}

/// A read, or a write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    Read(Arc<Read>),
    Write(Arc<Write>),
}

/// A request that reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// The same for requests that ask for the same.
    pub(super) digest: u128,
    pub(super) of: Subject,
    pub(super) reading: Reading,
}

/// A request that writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Write {
    pub(super) of: Subject,
    /// What it makes, if anything.
    pub(super) made: Option<Made>,
}

/// A request that has gone out, to be remembered.
#[derive(Debug)]
pub struct Pending {
    memo: Arc<Memo>,
    /// When it went out.
    began: Duration,
    /// Of a write, its number in the memory of each rule.
    numbers: SmallVec<[u64; 1]>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Done {
    /// The far end has carried it out.
    Yes,
    /// It has not.
    No,
    /// Nobody knows.
    Perhaps,
}

impl Event {
    /// The read that it is.
    pub(super) fn read(&self) -> Option<&Arc<Read>> {
        match self {
            Self::Read(read) => Some(read),
            Self::Write(_) => None,
        }
    }
}

impl Memo {
    pub(super) fn new(event: Event) -> Self {
        Self { event, rules: SmallVec::new() }
    }

    /// Whether no rule is to remember it.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// A rule is to remember it, whose reads lag so far behind.
    pub(super) fn for_rule(&mut self, state: &Arc<RuleState>, lag: Duration) {
        self.rules.push((Arc::clone(state), lag));
    }

    /// The request goes out now. Whoever asks must say what became of it.
    pub fn begin(self: &Arc<Self>, now: Duration) -> Pending {
        let numbers = match &self.event {
            Event::Read(_) => SmallVec::new(),
            Event::Write(write) => self.rules.iter().map(|(rule, _)| rule.past.begin(write)).collect(),
        };
        Pending { memo: Arc::clone(self), began: now, numbers }
    }
}

impl Pending {
    /// Whether its answer is to be kept.
    pub fn is_read(&self) -> bool {
        matches!(self.memo.event, Event::Read(_))
    }

    /// It was a write, and this became of it.
    pub fn ended(&self, now: Duration, done: Done) {
        for ((rule, lag), number) in self.memo.rules.iter().zip(&self.numbers) {
            rule.past.end(*number, now, done, *lag);
        }
    }

    /// Whether its answer names what it made.
    pub fn is_named_in_answer(&self) -> bool {
        self.unnamed().is_some()
    }

    /// It was such a write, and this is its answer's body.
    pub fn named(&self, answer: &[u8]) {
        let Some(made) = self.unnamed() else { return };
        let ids: Arc<[CompactString]> = made::ids(made, answer).into();
        for ((rule, _), number) in self.memo.rules.iter().zip(&self.numbers) {
            rule.past.name(*number, &ids);
        }
    }

    fn unnamed(&self) -> Option<&Made> {
        match &self.memo.event {
            Event::Read(_) => None,
            Event::Write(write) => write.made.as_ref().filter(|made| !made.is_named),
        }
    }

    /// It was a read, which was answered so, `answered` being when that began.
    pub fn keep(&self, recorded: Recorded, answered: Duration) {
        let Event::Read(read) = &self.memo.event else { return };
        let recorded = Arc::new(recorded);
        for (rule, lag) in &self.memo.rules {
            rule.past.keep(read, Arc::clone(&recorded), (self.began, answered), *lag);
        }
    }

    /// It was a read, whose answer was too large to be kept.
    pub fn is_too_large(&self) {
        for (rule, _) in &self.memo.rules {
            rule.past.pass_over();
        }
    }
}

/// Memos of the same are alike, whoever remembers it.
impl PartialEq for Memo {
    fn eq(&self, other: &Self) -> bool {
        self.event == other.event
    }
}
