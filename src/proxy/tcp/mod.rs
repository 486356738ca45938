//! TCP connections of which nothing is read: to `tcp:` entries, and to far ends that are not AWS's.
//!
//! [`ports`] holds the entries' ports open, or shut while a rule says so. A `Passage` is one connection on its way: it follows the rules
//! that concern it as long as it lives, so that an outage strikes connections that were open before it began, and lets go of them when it
//! ends. What the rules say is done here and in `net::relay`; TLS inside is carried as it is.

mod lane;
mod passage;
pub mod ports;

use std::time::Duration;

pub(super) use passage::Passage;

/// Waits from `now` until then, in the plan's time; for good where there is no then.
async fn until(then: Option<Duration>, now: Duration) {
    match then {
        Some(then) => tokio::time::sleep(then.saturating_sub(now)).await,
        None => std::future::pending().await,
    }
}
