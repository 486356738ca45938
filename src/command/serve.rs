//! `squall serve`: the proxy until Ctrl-C or SIGTERM, then the report.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::launch::{self, Running};
use super::told;
use crate::cli::ServeArgs;
use crate::net::authority::TRUST_ANCHOR;
use crate::report::Hints;
use crate::settings::{Keep, Settings};

/// Serves until told to stop.
pub fn main(args: &ServeArgs) -> ExitCode {
    let served = launch::runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(serve(args)));
    told::end(served.map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

async fn serve(args: &ServeArgs) -> Result<()> {
    let settings = Settings::resolve(&args.proxy, Keep::OnDisk)?;
    let trust = settings.ca_dir.as_ref().map(|dir| dir.join(TRUST_ANCHOR)).or_else(|| args.proxy.ca_cert.clone());
    // Listening for signals first: once somebody is told that we are ready, a signal must mean "stop and report".
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    settings.warnings.iter().for_each(|warning| told::text(warning));
    let running = Running::start(settings)?;
    told::start(&running);
    if let Some(trust) = &trust {
        told::line(&format!("clients must trust {}", trust.display()));
    }
    if let Some(file) = &args.ready_file {
        write_ready(file, &running, trust.as_deref())?;
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let url = running.url();
    let finished = running.finish().await;
    told::report(&finished, &Hints { proxy_url: Some(url), ..Hints::default() })
}

/// Written beside and renamed, so that whoever waits for the file reads it whole.
fn write_ready(file: &Path, running: &Running, trust: Option<&Path>) -> Result<()> {
    let ready = serde_json::json!({
        "listen": running.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ca": trust,
        "seed": running.proxy().live.load().plan.seed(),
    });
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, format!("{ready}\n"))
        .and_then(|()| std::fs::rename(&beside, file))
        .with_context(|| format!("--ready-file {}", file.display()))
}
