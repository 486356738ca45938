//! Lambda: errors say whose fault they are, and throttling says which limit was met.

use crate::aws::protocol::Told;

/// `Reason` and `Type`. Invocations meet the concurrency limit, other operations the caller's rate.
pub(super) fn member(told: &Told<'_>, name: &str) -> Option<&'static str> {
    match name {
        "Reason" if told.status == http::StatusCode::TOO_MANY_REQUESTS => {
            let invokes = told.operation.is_some_and(|operation| operation.name.starts_with("Invoke"));
            Some(if invokes { "ConcurrentInvocationLimitExceeded" } else { "CallerRateLimitExceeded" })
        }
        "Type" => Some(if told.side() == "Receiver" { "Service" } else { "User" }),
        _ => None,
    }
}
