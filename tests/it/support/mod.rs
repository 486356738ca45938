//! The small language in which the tests read as prose: an [`upstream`], a [`squall`] in front of it, a raw [`client`].

pub(crate) mod aws_chunked;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod namespace;
pub(crate) mod panics;
mod recorder;
pub(crate) mod serving;
pub(crate) mod sigv4;
pub(crate) mod squall;
pub(crate) mod toolchain;
pub(crate) mod upstream;
pub(crate) mod written;

use std::time::Duration;

/// Nothing here takes long; what does is a failure, told apart from a hang by this bound.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `happening`, or fails the test saying what it was.
pub(crate) async fn soon<F: Future>(what: &str, happening: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, happening).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// Waits until `holds`, or fails the test saying what did not come true.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(GLANCE).await;
        }
    };
    soon(what, waiting).await;
}

/// Between two looks at what is waited for.
pub(crate) const GLANCE: Duration = Duration::from_millis(2);
