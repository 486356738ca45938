//! CloudWatch Logs' PutLogEvents, which tells of the events it rejected by where they end or begin.

use std::borrow::Cow;

use compact_str::format_compact;

use super::notation::Notation;
use super::{Failure, Item, Joined, survivors};

/// The log events of a request, oldest first.
#[derive(Debug)]
pub(super) struct Events<'a> {
    pub(super) notation: Notation,
    doc: &'a [u8],
    events: Vec<&'a [u8]>,
}

/// Where rejected events stand among the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rejected {
    Expired,
    TooNew,
    TooOld,
}

impl<'a> Events<'a> {
    pub(super) fn read(notation: Notation, doc: &'a [u8]) -> Option<(Self, Vec<Item>)> {
        let events = notation.elements(notation.member(doc, "logEvents")?)?;
        let stream = notation.member(doc, "logStreamName").unwrap_or_default();
        let item = |(at, event): (usize, &&[u8])| {
            let message = notation.member(event, "message").and_then(|message| notation.scalar(message));
            let item = Item::new(format_compact!("#{}", at + 1), &[stream, &notation.canonical(event)]);
            item.also(message.map(Into::into))
        };
        let items = events.iter().enumerate().map(item).collect();
        Some((Self { notation, doc, events }, items))
    }

    /// As many events as were chosen: the oldest, or the newest.
    #[expect(clippy::unused_self, reason = "like its kin")]
    pub(super) fn settle(&self, chosen: &mut [bool], failure: &Failure) {
        let number = chosen.iter().filter(|chosen| **chosen).count();
        let all = chosen.len();
        for (at, chosen) in chosen.iter_mut().enumerate() {
            *chosen = if rejected(failure) == Rejected::TooNew { at >= all - number } else { at < number };
        }
    }

    pub(super) fn without(&self, failed: &[bool]) -> Option<Vec<u8>> {
        self.notation.with(self.doc, "logEvents", self.notation.list(&survivors(&self.events, failed)))
    }

    pub(super) fn joined(&self, failed: &[bool], failure: &Failure, answer: &[u8]) -> Option<Joined> {
        let number = failed.iter().filter(|failed| **failed).count();
        let theirs = |name: &str| {
            let told = self.notation.at(answer, "rejectedLogEventsInfo")?;
            self.notation.scalar(self.notation.at(told, name)?)?.parse::<usize>().ok()
        };
        let rejected = rejected(failure);
        let before = if rejected == Rejected::TooNew { 0 } else { number };
        let (mut new, mut old, mut expired) = (
            theirs(TOO_NEW).map(|at| at + before),
            theirs(TOO_OLD).map(|at| at + before),
            theirs(EXPIRED).map(|at| at + before),
        );
        match rejected {
            _ if number == 0 => {}
            Rejected::TooNew => new = Some(new.unwrap_or(failed.len() - number)),
            Rejected::TooOld => old = Some(old.unwrap_or(number)),
            Rejected::Expired => expired = Some(expired.unwrap_or(number)),
        }
        let first = old.max(expired).unwrap_or(0);
        let is_rejected = |at: usize| at < first || new.is_some_and(|new| at >= new);
        let all = (0..failed.len()).map(is_rejected).collect();
        let told: Vec<_> = [(TOO_NEW, new), (TOO_OLD, old), (EXPIRED, expired)]
            .into_iter()
            .filter_map(|(name, at)| Some((name, Cow::Owned(self.notation.number(at?)))))
            .collect();
        let body = match told.is_empty() {
            true => answer.to_vec(),
            false => self.notation.with(answer, "rejectedLogEventsInfo", self.notation.object(told))?,
        };
        Some(Joined { body, failed: all })
    }
}

fn rejected(failure: &Failure) -> Rejected {
    match failure.code.as_deref() {
        Some("Expired") => Rejected::Expired,
        Some("TooNew") => Rejected::TooNew,
        _ => Rejected::TooOld,
    }
}

const TOO_NEW: &str = "tooNewLogEventStartIndex";
const TOO_OLD: &str = "tooOldLogEventEndIndex";
const EXPIRED: &str = "expiredLogEventEndIndex";
