//! What each kind of trouble is: one file per kind, pure, carrying its own docs and example.

use std::time::Duration;

use crate::aws::protocol::AwsError;

/// What must be done, as data. Only `proxy::inject` acts on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer with this error; nothing is forwarded. Terminal.
    Answer(AwsError),
    /// Wait so long before the request goes on (and before an injected answer).
    Delay(Duration),
}
