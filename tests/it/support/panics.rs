//! Panics that are not a failing test's own: tokio catches a task's, and nothing else would tell of it.

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Counts from here on; once for the whole process.
pub(crate) fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if panic.location().is_none_or(|at| !at.file().starts_with("tests/")) {
                SEEN.fetch_add(1, Ordering::Relaxed);
            }
            before(panic);
        }));
    });
}

/// How many there were.
pub(crate) fn seen() -> usize {
    SEEN.load(Ordering::Relaxed)
}
