//! What each subcommand does, one file each.

pub mod authority;
mod captured;
pub mod check;
pub mod child;
pub mod credentials;
pub mod decode;
pub mod definitions;
pub mod demo;
pub mod descriptors;
pub mod environment;
pub mod error;
pub mod explain;
pub mod faults;
pub mod hints;
pub mod iptables;
#[cfg(target_os = "linux")]
pub mod isolate;
pub mod keystore;
pub mod launch;
pub mod probe;
pub mod profiles;
pub mod reload;
pub mod run;
pub mod schema;
pub mod serve;
pub mod services;
pub mod stand_in;
pub mod told;
pub mod trust;
pub mod variables;
