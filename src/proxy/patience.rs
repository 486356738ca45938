//! Which SDK calls were asked to wait before they come back, and whether they did.

use std::hash::Hasher as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use siphasher::sip::SipHasher13;

/// Calls that were asked to wait, by their invocation ids: those asked longest ago are forgotten beyond a bound.
#[derive(Debug)]
pub struct Patience {
    until: Mutex<LruCache<u64, Instant>>,
    /// Whether any ever was: else nobody has to look.
    is_asked_for: AtomicBool,
}

impl Patience {
    /// A call was asked to wait so long from `now` on.
    pub fn ask(&self, invocation: &str, time: Duration, now: Instant) {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).put(digest(invocation), now + time);
        self.is_asked_for.store(true, Ordering::Release);
    }

    /// How much too early a call comes back at `now`, if it does; it is then no longer waited for.
    pub fn early(&self, invocation: &str, now: Instant) -> Option<Duration> {
        if !self.is_asked_for.load(Ordering::Acquire) {
            return None;
        }
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner).pop(&digest(invocation))?;
        Some(until.saturating_duration_since(now)).filter(|early| !early.is_zero())
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { until: Mutex::new(LruCache::sparse(MOST)), is_asked_for: AtomicBool::new(false) }
    }
}

fn digest(invocation: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(invocation.as_bytes());
    hasher.finish()
}

/// Calls that wait at one time; more than one client machine has.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_call_that_comes_back_before_its_time_is_early_by_the_rest_of_it() {
        let (patience, now) = (Patience::default(), clock::now());
        let ms = Duration::from_millis;
        assert_eq!(patience.early("a", now), None);
        patience.ask("a", ms(1000), now);
        assert_eq!(patience.early("b", now), None);
        assert_eq!(patience.early("a", now + ms(400)), Some(ms(600)));
        assert_eq!(patience.early("a", now + ms(500)), None, "each wait is judged once");
        patience.ask("a", ms(1000), now);
        assert_eq!(patience.early("a", now + ms(1000)), None);
    }
}
