//! Lambda: errors say whose fault they are, and throttling says which limit was met.

use smallvec::{SmallVec, smallvec};

use crate::aws::protocol::Told;

/// `Reason` and `Type`, where the shape has them. Invocations meet the concurrency limit, other operations the caller's rate.
pub(super) fn members(told: &Told<'_>) -> SmallVec<[(&'static str, &'static str); 2]> {
    let Some(shape) = told.shape else { return SmallVec::new() };
    let mut members: SmallVec<[(&'static str, &'static str); 2]> = smallvec![];
    let has = |name| shape.members.iter().any(|member| member.name == name);
    if has("Reason") {
        let invokes = told.operation.is_some_and(|operation| operation.name.starts_with("Invoke"));
        members.push(("Reason", if invokes { "ConcurrentInvocationLimitExceeded" } else { "CallerRateLimitExceeded" }));
    }
    if has("Type") {
        members.push(("Type", if told.side() == "Receiver" { "Service" } else { "User" }));
    }
    members
}
