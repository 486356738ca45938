//! Squall: a transparent chaos proxy in front of real AWS or any emulator.
//!
//! A request's way through Squall, step by step, with the module that does each:
//!
//! 1. **Accept.** A listener yields an `Arrival`: stream, client address, original destination if there is one. [`net::listen`]
//! 2. **Sniff.** The first bytes say TLS, HTTP/1, HTTP/2 or something else; a ClientHello is read without being consumed. After it and the
//!    first request head, `Mode` and `Target` are known (CONNECT authority, absolute form, endpoint host, original destination).
//!    [`net::sniff`]
//! 3. **Terminate or tunnel.** If the name is AWS's (or listed), mint a leaf for it and speak TLS; otherwise copy bytes and stay out
//!    of the way. Rules about connections end them here. [`proxy::connection`], [`net::authority`], [`net::tunnel`]
//! 4. **Open the Exchange.** hyper hands over a request, in the version of HTTP that the far end speaks too; it gets an id and a first
//!    mark in time. [`net::serve`], [`proxy::exchange`]
//! 5. **Decode.** Endpoint, credential scope and protocol become an [`aws::request::AwsRequest`]. Total: what is not understood is
//!    *foreign* and passes. [`aws::request`]
//! 6. **Decide.** The live plan looks at the request, the schedule and the dice and returns a `Verdict`: pass, or rules and effects. No
//!    I/O and no clock of its own. [`profile::plan`]
//! 7. **Inject, before.** Wait, hang, refuse, reset, or answer with a `SyntheticResponse`. [`proxy::inject`]
//! 8. **Forward**, unless answered: byte for byte, the peer's certificate verified. [`net::upstream`], and [`net::translate`] where
//!    the far end speaks another version. A batch of which some items are to fail goes on without them. [`aws::batch`]
//! 9. **Inject, after.** Hold, pace, flip, cut at an exact byte, or lose the answer, whoever gave it. [`proxy::inject`],
//!    [`net::shaped`], [`net::cut`]
//! 10. **Record.** When the response body has ended or was dropped, outcome, timings, bytes, side and rule go to the `Ledger` (a
//!     guard in the body closes the entry); reports only ever read it. [`ledger`]
//!
//! The layers, lowest first; a module may use what stands below it: `clock`, `units`, `aws`, `net` · `isolate` · `fault` · `profile` · `ledger` ·
//! `proxy` · `report` · `settings`, `command`, `cli`.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod command;
pub mod fault;
#[cfg(target_os = "linux")]
pub mod isolate;
pub mod ledger;
pub mod net;
pub mod profile;
pub mod proxy;
pub mod report;
pub mod settings;
pub mod units;
