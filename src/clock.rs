//! The only source of "now".
//!
//! Everything that needs the time takes it as an argument or asks here; `clippy.toml` bans the other ways in. That keeps decisions
//! replayable and lets a reader find every place where time comes in.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A mark in monotonic time, for durations.
#[expect(clippy::disallowed_methods, reason = "the one place where monotonic time comes in")]
pub fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time, for what people and SDKs read (ledger lines, `date` headers).
#[expect(clippy::disallowed_methods, reason = "the one place where wall-clock time comes in")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}

/// Both at the price of one: wall-clock time is read once a second, and goes by monotonic time in between.
pub fn both() -> (Instant, Timestamp) {
    let read = now();
    let since = |(last, wall): (Instant, Timestamp)| {
        let passed = read.duration_since(last);
        (passed < READ_EVERY).then(|| wall.checked_add(passed).ok()).flatten()
    };
    let told = LAST_READ.get().and_then(since).unwrap_or_else(|| {
        let wall = wall();
        // Between the two reads others may have had the CPU.
        if now().duration_since(read) < TOGETHER {
            LAST_READ.set(Some((read, wall)));
        }
        wall
    });
    (read, told)
}

thread_local! {
    /// When wall-clock time was read last, and what it was.
    static LAST_READ: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) };
}

/// Reads of the two clocks within this time count as one moment.
const TOGETHER: Duration = Duration::from_millis(1);
/// So late a step of the wall clock is seen at most.
const READ_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_what_each_of_them_does() {
        for _ in 0..1000 {
            let (before, wall_before) = (now(), wall());
            let (monotonic, told) = both();
            let slack = Duration::from_millis(5);
            assert!(before <= monotonic && monotonic <= now());
            assert!(told >= wall_before.checked_sub(slack).unwrap() && told <= wall().checked_add(slack).unwrap());
        }
    }
}
