//! TCP faults on connections of which nothing is read: by `tcp:` entries, and through CONNECT.

mod far;
mod lasting;
mod outage;
mod page;
mod plan;
mod struck;
