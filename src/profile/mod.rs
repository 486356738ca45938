//! Which fault, when: the profile language, and the plan compiled from it.
//!
//! [`load::read`] finds profiles by name or path, [`load::load`] compiles them into a [`Plan`] or tells what is wrong with them, and
//! [`Plan::decide`] says for each request what should happen to it, counting in [`RuleStates`]; [`Live`] holds the two that rule now.
//! Chance comes from [`dice`], out of a seed. The language is told in `docs/profiles.md`.
//!
//! ```
//! use squall::profile::{RuleStates, load};
//! let loaded = load::load(&load::read(&["dynamodb-throttle".to_owned()])?, Some(42))?;
//! let states = RuleStates::new(&loaded.plan);
//! assert_eq!(states.tallies(&loaded.plan)[0].why_never().as_deref(), Some("no request was dynamodb"));
//! # Ok::<(), squall::profile::LoadError>(())
//! ```
//!
//! It does not act on what it decides, and what happened is not its affair: see `proxy::inject` and `ledger`.

mod alias;
mod buckets;
mod certain;
pub mod course;
pub mod dice;
mod index;
pub mod json_schema;
mod judge;
mod lagging;
mod lint;
pub mod live;
pub mod load;
mod matcher;
pub mod memo;
mod past;
pub mod plan;
mod problem;
mod schedule;
mod schema;
mod seen;
mod skip;
mod stage;
mod state;
mod tally;
pub mod tcp;
pub mod verdict;

pub use course::{Course, Line, Stop};
pub use judge::Fate;
pub use live::{Live, Ruling};
pub use load::{Loaded, Source};
pub use matcher::{Matcher, Misfit, no_such_service};
pub use memo::{Done, Memo, Pending};
pub use plan::{Plan, Rule, RuleName};
pub use problem::{LoadError, Problem};
pub use schedule::{Calls, Chance, Per, Schedule, Windows};
pub use seen::Seen;
pub use skip::Skip;
pub use stage::Struck;
pub use state::{Holds, RuleStates};
pub use tally::RuleTally;
pub use tcp::TcpEntry;
pub use verdict::{Shape, Verdict};
