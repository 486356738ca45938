//! Lambda: errors say whose fault they are, and throttling says which limit was met.

use crate::aws::protocol::{Held, Told};

/// `Reason` and `Type`. Invocations meet the concurrency limit, other operations the caller's rate.
pub(super) fn member(told: &Told<'_>, name: &str) -> Option<Held<'static>> {
    let text = match name {
        "Reason" if told.status == http::StatusCode::TOO_MANY_REQUESTS => {
            let invokes = told.operation.is_some_and(|operation| operation.name.starts_with("Invoke"));
            if invokes { "ConcurrentInvocationLimitExceeded" } else { "CallerRateLimitExceeded" }
        }
        "Type" if told.side() == "Receiver" => "Service",
        "Type" => "User",
        _ => return None,
    };
    Some(Held::Text(text.into()))
}
