//! The only source of "now".
//!
//! Everything that needs the time takes it as an argument or asks here; `clippy.toml` bans the other ways in. That keeps decisions
//! replayable and lets a reader find every place where time comes in.

use std::time::Instant;

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
