//! The pace of a body: no more than so many bytes a second, in pieces, or stretched over a time.
//!
//! A [`Pace`] holds one piece of data at a time and lets go of it bit by bit; while it does, nobody asks the body's sender for more. So a
//! slow pace reaches back to the sender as a slow line would, and nothing is collected.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;

use crate::clock;

/// How a body is to be paced; without any of these it goes as it comes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// Bytes in each second at most; never 0.
    pub speed: Option<u64>,
    /// Bytes in a piece, never 0, and the time from one to the next.
    pub pieces: Option<(u64, Duration)>,
    /// So long all of it takes at least.
    pub over: Duration,
}

/// A body's pace.
#[derive(Debug)]
pub struct Pace {
    terms: Terms,
    /// The body's length, where it is known: what `over` is spread by.
    length: Option<u64>,
    started: Option<Instant>,
    /// When the line is free again, at this speed.
    free: Option<Instant>,
    /// When the last piece went.
    last: Option<Instant>,
    passed: u64,
    held: Bytes,
    /// The piece that goes next.
    next: Option<Next>,
    end: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Next {
    size: usize,
    sleep: Pin<Box<Sleep>>,
}

impl Terms {
    /// Whether they ask for anything.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Pace {
    /// For a body of this length, if that is known.
    pub fn new(terms: Terms, length: Option<u64>) -> Self {
        let (held, length) = (Bytes::new(), length.filter(|length| *length > 0));
        Self { terms, length, started: None, free: None, last: None, passed: 0, held, next: None, end: None }
    }

    /// From now on these terms hold, for what is held too.
    pub fn change(&mut self, terms: Terms) {
        (self.terms, self.next, self.free) = (terms, None, None);
    }

    /// How much is held.
    pub fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// Takes the body's next data, when nothing is held.
    pub fn hold(&mut self, data: Bytes) {
        self.held = data;
    }

    /// The next piece that may go; nothing when nothing is held.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.held.is_empty() {
            return Poll::Ready(None);
        }
        if self.next.is_none() {
            let (size, due) = self.schedule(clock::now());
            self.next = Some(Next { size, sleep: Box::pin(tokio::time::sleep_until(due.into())) });
        }
        if let Some(next) = &mut self.next {
            ready!(next.sleep.as_mut().poll(cx));
            let piece = self.held.split_to(next.size);
            self.next = None;
            self.last = Some(clock::now());
            return Poll::Ready(Some(piece));
        }
        Poll::Ready(None)
    }

    /// Ready when the body may end.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.terms.over.is_zero() {
            return Poll::Ready(());
        }
        let started = *self.started.get_or_insert_with(clock::now);
        let due = started + self.terms.over;
        self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into()))).as_mut().poll(cx)
    }

    /// How many bytes go next, and when.
    fn schedule(&mut self, now: Instant) -> (usize, Instant) {
        let started = *self.started.get_or_insert(now);
        let mut size = self.held();
        if let Some(speed) = self.terms.speed {
            size = size.min((speed / STEPS).max(1));
        }
        if let Some((piece, _)) = self.terms.pieces {
            size = size.min(piece);
        }
        if let Some(length) = self.length.filter(|_| !self.terms.over.is_zero()) {
            let step = u128::from(length) * STEP.as_millis() / self.terms.over.as_millis().max(1);
            size = size.min(u64::try_from(step).unwrap_or(u64::MAX).max(1));
        }
        let mut due = now;
        if let Some(speed) = self.terms.speed {
            let begins = self.free.map_or(now, |free| free.max(now));
            due = begins + share(Duration::from_secs(1), size, speed);
            self.free = Some(due);
        }
        if let (Some((_, every)), Some(last)) = (self.terms.pieces, self.last) {
            due = due.max(last + every);
        }
        self.passed += size;
        if let Some(length) = self.length {
            due = due.max(started + share(self.terms.over, self.passed.min(length), length));
        }
        (usize::try_from(size).unwrap_or(usize::MAX), due)
    }
}

/// `of` times `part` through `whole`.
fn share(of: Duration, part: u64, whole: u64) -> Duration {
    let nanos = of.as_nanos() * u128::from(part) / u128::from(whole.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// So often in a second bytes move, which looks even enough to whoever waits for them.
const STEPS: u64 = 20;
const STEP: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// When each piece of a body of so many bytes goes, if each goes when it may, and how large it is.
    fn schedule(terms: Terms, length: Option<u64>, bytes: usize) -> Vec<(usize, Duration)> {
        let mut pace = Pace::new(terms, length);
        pace.hold(Bytes::from(vec![0; bytes]));
        let start = clock::now();
        let (mut now, mut all) = (start, Vec::new());
        while pace.held() > 0 {
            let (size, due) = pace.schedule(now);
            drop(pace.held.split_to(size));
            (now, pace.last) = (due, Some(due));
            all.push((size, due - start));
        }
        all
    }

    fn last(schedule: &[(usize, Duration)]) -> Duration {
        schedule.last().unwrap().1
    }

    #[test]
    fn a_speed_gives_each_byte_its_time() {
        let all = schedule(Terms { speed: Some(64_000), ..Terms::default() }, None, 128_000);
        assert_eq!(last(&all), Duration::from_secs(2));
        assert!(all.iter().all(|(size, _)| *size <= 3_200), "{all:?}");
    }

    #[test]
    fn pieces_come_at_their_intervals_and_the_first_at_once() {
        let every = Duration::from_millis(100);
        let all = schedule(Terms { pieces: Some((1000, every)), ..Terms::default() }, Some(2500), 2500);
        assert_eq!(all, [(1000, Duration::ZERO), (1000, every), (500, every * 2)]);
    }

    #[test]
    fn a_time_is_spread_evenly_over_a_known_length() {
        let all = schedule(Terms { over: Duration::from_secs(1), ..Terms::default() }, Some(1000), 1000);
        assert_eq!((last(&all), all.len()), (Duration::from_secs(1), 20));
        let (bytes, time) = all.iter().take(10).fold((0, Duration::ZERO), |(sum, _), (size, due)| (sum + size, *due));
        assert_eq!((bytes, time), (500, Duration::from_millis(500)));
    }

    #[test]
    fn of_several_terms_the_slowest_holds() {
        let terms =
            Terms { speed: Some(1000), pieces: Some((100, Duration::from_millis(10))), over: Duration::from_secs(5) };
        assert_eq!(last(&schedule(terms, Some(1000), 1000)), Duration::from_secs(5));
        let terms = Terms { over: Duration::from_millis(1), ..terms };
        let ended = last(&schedule(terms, Some(1000), 1000));
        assert!(ended >= Duration::from_secs(1) && ended < Duration::from_millis(1100), "{ended:?}");
    }

    #[tokio::test]
    async fn what_is_held_goes_in_order_and_whole() {
        let terms = Terms { pieces: Some((2, Duration::from_millis(1))), ..Terms::default() };
        let mut pace = Pace::new(terms, None);
        pace.hold(Bytes::from_static(b"abcde"));
        let mut seen = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| pace.poll_piece(cx)).await {
            seen.push(piece);
        }
        assert_eq!(seen, [&b"ab"[..], b"cd", b"e"]);
    }
}
