//! The one integration binary; each module below is one subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]

mod clients;
mod credentials;
mod cut;
mod decode;
mod demo;
mod destination;
mod differential;
mod errors;
mod examples;
mod expect;
mod fault;
mod forward;
mod http2;
mod identity;
#[cfg(target_os = "linux")]
mod isolate;
mod layers;
mod led;
mod limits;
mod memory;
mod outcome;
mod pod;
mod profile;
mod random;
mod redirect;
mod reload;
mod replay;
mod resign;
mod resource;
mod robust;
mod rules;
mod run;
mod schema;
mod sdk;
mod sigv4;
mod supervise;
mod support;
mod tcp;
mod timing;
mod tls;
mod transparent;
mod trust;
mod understood;
mod via;
mod wire;
