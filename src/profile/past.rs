//! What a rule that answers out of the past remembers: answers to reads, and writes.
//!
//! An answer can be given again as long as the first write since that it may not show is not longer ago than the rule's reads may lag
//! behind: then it is an answer that an eventually consistent read could have got. A read under way together with a write to the
//! same is not kept, for nobody can say what it has seen.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use compact_str::CompactString;
use lru::LruCache;

use super::{
    memo::{Done, Read, Write},
    skip::Skip,
};
use crate::aws::{
    made::{self, Made},
    recorded::Recorded,
};

/// A rule's memory.
#[derive(Debug)]
pub(super) struct Past {
    memory: Mutex<Memory>,
    /// Answers forgotten to bound memory.
    pub(super) evicted: AtomicU64,
    /// Answers that were too large to be kept.
    pub(super) too_large: AtomicU64,
}

/// What was true before.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Old {
    /// This was the answer.
    Answer(Arc<Recorded>),
    /// What is asked about was not there.
    NotThere,
}

#[derive(Debug)]
struct Memory {
    /// By the digest of the request.
    answers: LruCache<u128, Answer>,
    /// What they take together.
    size: usize,
    /// In the order in which they began.
    writes: VecDeque<Written>,
    /// The number of the next.
    next: u64,
    /// Writes that had ended by then were forgotten.
    forgotten: Option<Duration>,
}

#[derive(Debug)]
struct Answer {
    to: Arc<Read>,
    recorded: Arc<Recorded>,
    /// When the first write after it had ended.
    outdated: Option<Duration>,
}

#[derive(Debug)]
struct Written {
    number: u64,
    write: Arc<Write>,
    ended: Option<(Duration, Done)>,
    /// What it made, if its answer named that.
    ids: Option<Arc<[CompactString]>>,
}

impl Past {
    /// What this read told before the last write to what it is about; or why there is nothing old to be told.
    pub(super) fn recall(&self, read: &Read, now: Duration, lag: Duration) -> Result<Old, Skip> {
        let mut memory = self.memory();
        if let Some(answer) = memory.answers.get(&read.digest) {
            return match answer.outdated {
                Some(since) if now < since + lag => Ok(Old::Answer(Arc::clone(&answer.recorded))),
                Some(_) => Err(memory.forget(read.digest, now, lag)),
                None => Err(Skip::NothingWritten),
            };
        }
        if memory.was_made(read, now, lag) { Ok(Old::NotThere) } else { Err(memory.why_nothing(read, now, lag)) }
    }

    /// A write goes out. Its number.
    pub(super) fn begin(&self, write: &Arc<Write>) -> u64 {
        let mut memory = self.memory();
        let number = memory.next;
        memory.next += 1;
        memory.writes.push_back(Written { number, write: Arc::clone(write), ended: None, ids: None });
        if memory.writes.len() > MOST.get() {
            memory.forget_a_write(|_| true);
        }
        number
    }

    /// A write has ended.
    pub(super) fn end(&self, number: u64, now: Duration, done: Done, lag: Duration) {
        let mut memory = self.memory();
        let Some(at) = memory.writes.iter().rposition(|written| written.number == number) else { return };
        if done == Done::No {
            memory.writes.remove(at);
            return;
        }
        memory.writes[at].ended = Some((now, done));
        let write = Arc::clone(&memory.writes[at].write);
        match done {
            Done::Perhaps => memory.forget_all_of(&write),
            _ => memory.outdate_all_of(&write, now, lag),
        }
        while memory.forget_a_write(|ended| ended + lag.max(LONGEST_READ) < now) {}
    }

    /// What a write made is called so.
    pub(super) fn name(&self, number: u64, ids: &Arc<[CompactString]>) {
        let mut memory = self.memory();
        if let Some(written) = memory.writes.iter_mut().rfind(|written| written.number == number) {
            written.ids = Some(Arc::clone(ids));
        }
    }

    /// A read was answered. `under_way` is from when it went out to when its answer began.
    pub(super) fn keep(
        &self,
        read: &Arc<Read>,
        recorded: Arc<Recorded>,
        under_way: (Duration, Duration),
        lag: Duration,
    ) {
        let (began, answered) = under_way;
        let mut memory = self.memory();
        if memory.forgotten.is_some_and(|forgotten| began <= forgotten) || memory.is_unclear(read, began) {
            return;
        }
        // What can still be told stays, though this read has passed it by.
        let is_of_use = |answer: &Answer| answer.outdated.is_some_and(|since| answered < since + lag);
        if memory.answers.peek(&read.digest).is_some_and(is_of_use) || memory.was_made(read, answered, lag) {
            return;
        }
        let evicted = memory.put(Answer { to: Arc::clone(read), recorded, outdated: None });
        self.evicted.fetch_add(evicted, Relaxed);
    }

    /// An answer was too large.
    pub(super) fn pass_over(&self) {
        self.too_large.fetch_add(1, Relaxed);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Whether a write to the same was under way at the time of a read, or came before its answer was whole.
    fn is_unclear(&self, read: &Read, began: Duration) -> bool {
        self.writes
            .iter()
            .rev()
            .any(|written| written.ended.is_none_or(|(ended, _)| ended >= began) && written.write.of.touches(&read.of))
    }

    /// Whether what a read asks about was made just now.
    fn was_made(&self, read: &Read, now: Duration, lag: Duration) -> bool {
        let makes_it = |written: &Written| match (&written.write.made, &written.ids) {
            (Some(Made { is_named: true, .. }), _) => written.write.of.is_named_like(&read.of),
            (Some(_), Some(ids)) => read.of.names_one_of(ids, &written.write.of),
            _ => false,
        };
        let found = self.lately(now, lag).find(|written| makes_it(written));
        let kind = found.and_then(|written| written.write.made.as_ref()).map(|made| made.kind.as_str());
        kind.is_some() && made::missed(&read.reading).as_deref() == kind
    }

    fn why_nothing(&self, read: &Read, now: Duration, lag: Duration) -> Skip {
        let is_written = self.lately(now, lag).any(|written| written.write.of.touches(&read.of));
        if is_written { Skip::NothingKept } else { Skip::NothingWritten }
    }

    /// What was written within `lag`, the last first.
    fn lately(&self, now: Duration, lag: Duration) -> impl Iterator<Item = &Written> {
        let is_late = move |written: &&Written| written.ended.is_some_and(|(ended, _)| now < ended + lag);
        self.writes.iter().rev().filter(is_late)
    }

    /// Forgets the first write that has ended, if that is long enough ago.
    fn forget_a_write(&mut self, is_long_ago: impl Fn(Duration) -> bool) -> bool {
        let first = self.writes.iter().enumerate().find_map(|(at, written)| Some((at, written.ended?.0)));
        let Some((at, ended)) = first.filter(|(_, ended)| is_long_ago(*ended)) else { return false };
        self.writes.remove(at);
        self.forgotten = self.forgotten.max(Some(ended));
        true
    }

    fn put(&mut self, answer: Answer) -> u64 {
        self.size += answer.recorded.size();
        let digest = answer.to.digest;
        let mut evicted = 0;
        if let Some((other, old)) = self.answers.push(digest, answer) {
            self.size -= old.recorded.size();
            evicted += u64::from(other != digest);
        }
        while self.size > LARGEST {
            let Some((_, old)) = self.answers.pop_lru() else { break };
            self.size -= old.recorded.size();
            evicted += 1;
        }
        evicted
    }

    /// An answer is too old; why there is nothing old to be told then.
    fn forget(&mut self, digest: u128, now: Duration, lag: Duration) -> Skip {
        let Some(answer) = self.answers.pop(&digest) else { return Skip::NothingKept };
        self.size -= answer.recorded.size();
        self.why_nothing(&answer.to, now, lag)
    }

    fn forget_all_of(&mut self, write: &Write) {
        let of_it = |(digest, answer): (&u128, &Answer)| write.of.touches(&answer.to.of).then_some(*digest);
        let digests: Vec<u128> = self.answers.iter().filter_map(of_it).collect();
        for answer in digests.iter().filter_map(|digest| self.answers.pop(digest)) {
            self.size -= answer.recorded.size();
        }
    }

    fn outdate_all_of(&mut self, write: &Write, now: Duration, lag: Duration) {
        let mut too_old = Vec::new();
        for (digest, answer) in self.answers.iter_mut().filter(|(_, answer)| write.of.touches(&answer.to.of)) {
            match answer.outdated {
                None => answer.outdated = Some(now),
                Some(since) if now >= since + lag => too_old.push(*digest),
                Some(_) => {}
            }
        }
        for answer in too_old.iter().filter_map(|digest| self.answers.pop(digest)) {
            self.size -= answer.recorded.size();
        }
    }
}

impl Default for Past {
    fn default() -> Self {
        let memory =
            Memory { answers: LruCache::sparse(MOST), size: 0, writes: VecDeque::new(), next: 0, forgotten: None };
        Self { memory: Mutex::new(memory), evicted: AtomicU64::default(), too_large: AtomicU64::default() }
    }
}

/// So many answers and so many writes are remembered.
const MOST: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// A read that takes longer may not be kept.
const LONGEST_READ: Duration = Duration::from_secs(10);
/// So many bytes of answers.
const LARGEST: usize = 64 << 20;

#[cfg(test)]
mod tests;
