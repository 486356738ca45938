//! What each subcommand does, one file each.

pub mod check;
pub mod child;
pub mod decode;
pub mod demo;
pub mod descriptors;
pub mod environment;
pub mod error;
pub mod hints;
pub mod launch;
pub mod run;
pub mod serve;
pub mod services;
pub mod told;
