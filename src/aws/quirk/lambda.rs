//! Lambda: errors say whose fault they are, and throttling says which limit was met.

use serde_json::Value;

use crate::aws::protocol::Told;

/// `Reason` and `Type`. Invocations meet the concurrency limit, other operations the caller's rate.
pub(super) fn member(told: &Told<'_>, name: &str) -> Option<Value> {
    let text = match name {
        "Reason" if told.status == http::StatusCode::TOO_MANY_REQUESTS => {
            let invokes = told.operation.is_some_and(|operation| operation.name.starts_with("Invoke"));
            if invokes { "ConcurrentInvocationLimitExceeded" } else { "CallerRateLimitExceeded" }
        }
        "Type" if told.side() == "Receiver" => "Service",
        "Type" => "User",
        _ => return None,
    };
    Some(text.into())
}
