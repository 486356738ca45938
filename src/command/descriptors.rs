//! The process's limit on open files: every connection takes one, and one more upstream.
//!
//! The soft limit is low for the sake of programs that use `select`; Squall does not, and takes what the hard limit allows. The program
//! under `squall run` may be one that does, and gets back the limit that Squall was started with.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows this process as many open files as it may have.
pub fn raise() {
    let inherited = *INHERITED.get_or_init(|| getrlimit(Resource::Nofile).current);
    let limit = getrlimit(Resource::Nofile);
    if inherited == limit.maximum {
        return;
    }
    if let Err(e) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!("the limit on open files stays {inherited:?}: {e}");
    }
}

/// The soft limit that this process was started with; `None`: there is none, or it was not raised.
pub fn inherited() -> Option<u64> {
    INHERITED.get().copied().flatten()
}

/// Takes the soft limit back to what [`inherited`] said.
pub fn restore(inherited: Option<u64>) {
    let Some(current) = inherited else { return };
    let limit = getrlimit(Resource::Nofile);
    if let Err(e) = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }) {
        tracing::debug!("the limit on open files cannot be taken back to {current}: {e}");
    }
}

static INHERITED: OnceLock<Option<u64>> = OnceLock::new();
