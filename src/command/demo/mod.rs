//! `squall demo`: the chaos resilience drill, self-contained.
//!
//! Fifty idempotent writes, ten at a time, with bounded exponential backoff, against a stand-in for DynamoDB, under three profiles:
//! calm, throttled, slow. Every byte goes the way a real program's would: CONNECT, TLS with a minted certificate, SigV4, the request
//! path of `squall serve`. The drill then asks whether anything that was acknowledged is missing.

pub mod client;
pub mod standin;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use hdrhistogram::Histogram;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use self::client::{Answer, Attempt, Client, HOST};
use self::standin::StandIn;
use super::launch::Running;
use super::told;
use crate::cli::{DemoArgs, Output};
use crate::clock;
use crate::net::authority::CertificateAuthority;
use crate::net::name::HostName;
use crate::net::target::{Scheme, Target};
use crate::settings::{self, Settings};

/// What one profile's drill came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Drill {
    profile: String,
    requests: usize,
    ok: usize,
    failed: usize,
    throttle_events: u64,
    attempts: u64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    /// Acknowledged and not in the table: must be empty.
    lost: Vec<String>,
}

/// One call, all its attempts.
#[derive(Clone, Debug)]
struct Call {
    id: String,
    acknowledged: bool,
    attempts: u32,
    throttled: u64,
    took: Duration,
}

/// Runs the drill and prints it. Exit 3 if an acknowledged item is absent.
pub fn main(args: &DemoArgs) -> ExitCode {
    match super::launch::runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(demo(args))) {
        Ok(drills) if drills.iter().all(|drill| drill.lost.is_empty()) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(EXPECTATION_FAILED),
        Err(e) => told::end(Err(e), ExitCode::FAILURE),
    }
}

async fn demo(args: &DemoArgs) -> Result<Vec<Drill>> {
    let authority = CertificateAuthority::create(settings::permitted(&[]))?;
    let standin = StandIn::start(authority.server_config(&HostName::parse(HOST), false)?)
        .context("the stand-in cannot listen")?;
    let root = CertificateDer::from_pem_slice(authority.trust_anchor().as_bytes())?;
    let text = args.output == Output::Text;
    if text {
        say(&format!(
            "The chaos resilience drill: {CALLS} writes to a stand-in for DynamoDB, {WORKERS} at a time, at most {MOST_ATTEMPTS} attempts each.\n"
        ))?;
    }
    let mut drills = Vec::new();
    for (index, profile) in PROFILES.into_iter().enumerate() {
        let drill = drill(args.seed, index, profile, &standin, root.clone()).await?;
        if text {
            say(&drill.told())?;
        }
        drills.push(drill);
    }
    match args.output {
        Output::Json => {
            say(&serde_json::to_string_pretty(&serde_json::json!({"v": 1, "seed": args.seed, "drills": drills}))?)?
        }
        Output::Text => say(&comparison(&drills, args.seed))?,
    }
    Ok(drills)
}

/// The load under one profile, with a proxy of its own.
async fn drill(
    seed: u64,
    index: usize,
    profile: &str,
    standin: &StandIn,
    root: CertificateDer<'static>,
) -> Result<Drill> {
    let address = standin.address();
    let mut emulator = Target::new(Scheme::Https, HOST, address.port());
    emulator.address = Some(address.ip());
    let (plan, ..) = settings::load_plan(&[profile.to_owned()], Some(seed))?;
    let settings = Settings::for_emulator(plan, emulator, vec![root])?;
    let running = Running::start(settings)?;
    let calls = load(seed, index, &running).await;
    running.finish().await;
    Ok(Drill::judge(profile, &calls?, &standin.take_items()))
}

async fn load(seed: u64, index: usize, running: &Running) -> Result<Vec<Call>> {
    let proxy = *running.addresses().first().context("the proxy listens nowhere")?;
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let workers = (0..WORKERS).map(|_| {
        let (next, trust_anchor) = (Arc::clone(&next), running.proxy().authority.trust_anchor().to_owned());
        tokio::spawn(async move {
            let mut client = Client::connect(proxy, &trust_anchor).await?;
            let mut calls = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= CALLS {
                    return Ok::<_, anyhow::Error>(calls);
                }
                let call = tokio::time::timeout(client::CALL_TIMEOUT, call(&mut client, seed, index, number));
                calls.push(call.await.context("a call took longer than 30 s")??);
            }
        })
    });
    let mut calls = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        calls.extend(worker.await??);
    }
    Ok(calls)
}

/// One call with bounded exponential backoff: 100·2ⁿ ms and up to half as much again.
async fn call(client: &mut Client, seed: u64, index: usize, number: usize) -> Result<Call> {
    let started = clock::now();
    let mut jitter = ChaCha8Rng::seed_from_u64(seed);
    jitter.set_stream((index * CALLS + number) as u64);
    let id = format!("item-{number:02}");
    // Fixed ids: under `per: invocation` the dice depend on them and on the seed alone, not on who comes first.
    let invocation = format!("00000000-0000-4000-8000-{index:04x}{number:08x}");
    let mut call = Call { id: id.clone(), acknowledged: false, attempts: 0, throttled: 0, took: Duration::ZERO };
    for attempt in 1..=MOST_ATTEMPTS {
        call.attempts = attempt;
        match client.put(&Attempt { id: &id, invocation: &invocation, number: attempt, max: MOST_ATTEMPTS }).await? {
            Answer::Acknowledged => call.acknowledged = true,
            Answer::Refused(status) => tracing::warn!("{id}: refused with {status}"),
            Answer::Throttled => {
                call.throttled += 1;
                if attempt < MOST_ATTEMPTS {
                    tokio::time::sleep(backoff(attempt, &mut jitter)).await;
                }
                continue;
            }
        }
        break;
    }
    call.took = elapsed(started);
    Ok(call)
}

fn backoff(attempt: u32, jitter: &mut ChaCha8Rng) -> Duration {
    (FIRST_BACKOFF * 2_u32.pow(attempt - 1)).mul_f64(1.0 + jitter.random_range(0.0..0.5))
}

fn elapsed(since: Instant) -> Duration {
    clock::now().duration_since(since)
}

impl Drill {
    fn judge(profile: &str, calls: &[Call], table: &BTreeSet<String>) -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants")]
        let mut times = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are valid");
        for call in calls {
            times.saturating_record(u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX));
        }
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a call are far below 2^52")]
        let quantile = |q: f64| times.value_at_quantile(q) as f64 / 1000.0;
        let ok = calls.iter().filter(|call| call.acknowledged).count();
        let lost =
            calls.iter().filter(|call| call.acknowledged && !table.contains(&call.id)).map(|call| call.id.clone());
        Self {
            profile: profile.to_owned(),
            requests: calls.len(),
            ok,
            failed: calls.len() - ok,
            throttle_events: calls.iter().map(|call| call.throttled).sum(),
            attempts: calls.iter().map(|call| u64::from(call.attempts)).sum(),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            lost: lost.collect(),
        }
    }

    fn told(&self) -> String {
        let Self { profile, requests, ok, failed, throttle_events, attempts, p50_ms, p95_ms, p99_ms, lost } = self;
        let loss = match lost.as_slice() {
            [] => format!("zero data loss: all {ok} acknowledged items are in the table"),
            lost => format!("DATA LOSS: acknowledged, and not in the table: {}", lost.join(", ")),
        };
        let gave_up = if *failed > 0 {
            format!("\n  {failed} gave up after {MOST_ATTEMPTS} attempts, and were told so")
        } else {
            String::new()
        };
        format!(
            "{profile}\n  requests {requests}, ok {ok}, failed {failed}, throttle events {throttle_events}, attempts {attempts}\n  \
             p50 {p50_ms:.1} ms, p95 {p95_ms:.1} ms, p99 {p99_ms:.1} ms\n  {loss}{gave_up}\n"
        )
    }
}

fn comparison(drills: &[Drill], seed: u64) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "profile",
        "requests",
        "ok",
        "failed",
        "throttled",
        "attempts",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "lost",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for drill in drills {
        let Drill { profile, requests, ok, failed, throttle_events, attempts, p50_ms, p95_ms, p99_ms, lost } = drill;
        let counts = [*requests as u64, *ok as u64, *failed as u64, *throttle_events, *attempts].map(|n| n.to_string());
        let times = [p50_ms, p95_ms, p99_ms].map(|ms| format!("{ms:.1}"));
        let row = [profile.clone()].into_iter().chain(counts).chain(times).chain([lost.len().to_string()]);
        table.add_row(row);
    }
    format!("{table}\nseed {seed} (the same dice again: squall demo --seed {seed})")
}

fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

const PROFILES: [&str; 3] = ["calm", "dynamodb-throttle", "slow-300ms"];
const CALLS: usize = 50;
const WORKERS: usize = 10;
const MOST_ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const EXPECTATION_FAILED: u8 = 3;
/// Longer than [`client::CALL_TIMEOUT`].
const LONGEST_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, acknowledged: bool) -> Call {
        Call { id: id.to_owned(), acknowledged, attempts: 5, throttled: 5, took: Duration::from_millis(1) }
    }

    #[test]
    fn an_acknowledged_item_that_is_not_in_the_table_is_lost_and_a_call_that_gave_up_is_failed() {
        let calls = [call("kept", true), call("gone", true), call("given-up", false)];
        let drill = Drill::judge("p", &calls, &BTreeSet::from(["kept".to_owned()]));
        assert_eq!((drill.ok, drill.failed, drill.lost.as_slice()), (2, 1, ["gone".to_owned()].as_slice()));
        assert!(drill.told().contains("DATA LOSS: acknowledged, and not in the table: gone"), "{}", drill.told());
    }

    #[test]
    fn backoff_doubles_and_adds_at_most_half() {
        let mut jitter = ChaCha8Rng::seed_from_u64(1);
        for (attempt, ms) in [(1, 100), (2, 200), (3, 400), (4, 800)] {
            let waited = backoff(attempt, &mut jitter).as_millis();
            assert!((ms..=ms * 3 / 2).contains(&waited), "attempt {attempt}: {waited} ms");
        }
    }
}
