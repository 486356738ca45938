//! Telling what happened: a run's [`Summary`](crate::ledger::Summary) as [`text`] for people and as [`json`] for programs.
//!
//! Both take the same snapshot and the same [`Hints`], so they never disagree. They print nothing and open nothing: the caller says
//! where the words go. What the figures mean, field by field, stands in `docs/report.md`.

mod hints;
mod json;
mod runtime;
mod table;
mod tcp;
mod text;

pub use hints::Hints;
pub use json::json;
pub use runtime::Runtime;
pub use table::{Borders, Layout};
pub use text::text;
