//! `squall serve`: the proxy until Ctrl-C or SIGTERM, then the report. SIGHUP reloads the profiles.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::launch::{self, Running};
use super::reload::Reload;
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
    let mut settings = Settings::resolve(&args.proxy, Keep::OnDisk)?;
    let trust = settings.ca_dir.as_ref().map(|dir| dir.join(TRUST_ANCHOR)).or_else(|| args.proxy.ca_cert.clone());
    // Listening for signals first: once somebody is told that we are ready, a signal must mean "stop and report".
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    settings.warnings.iter().for_each(|warning| told::text(warning));
    let sources = std::mem::take(&mut settings.sources);
    let running = Running::start(settings)?;
    running.obey_panic_button()?;
    let reload = Reload::watch(running.proxy(), &args.proxy, sources);
    running.can_sign_what_it_rewrites().await?;
    told::start(&running);
    running.tell_identity();
    if let Some(trust) = &trust {
        told::line(&format!("clients must trust {}", trust.display()));
    }
    let _pid_file = args.pid_file.as_deref().map(PidFile::write).transpose()?;
    let ready = ready(&running, trust.as_deref());
    if let Some(file) = &args.ready_file {
        write_ready(file, &ready)?;
    }
    announce(&running, &ready);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => reload.now(),
        }
    }
    drop(reload);
    let url = running.url();
    let finished = running.finish().await;
    told::report(&finished, &Hints { proxy_url: Some(url), ..Hints::default() })
}

/// What whoever waits for us wants to know.
fn ready(running: &Running, trust: Option<&Path>) -> Value {
    let proxy = running.proxy();
    let plan = &proxy.live.load().plan;
    let ports = plan.tcp().iter().map(|entry| {
        let listen = proxy.ports.address(entry).unwrap_or(entry.listen).to_string();
        serde_json::json!({"name": entry.name, "listen": listen, "upstream": entry.upstream.to_string()})
    });
    serde_json::json!({
        "tcp": ports.collect::<Vec<_>>(),
        "listen": running.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ca": trust,
        "seed": plan.seed(),
    })
}

/// The one line on stdout: from now on clients are served. A supervisor that does not listen is no reason to fail.
fn announce(running: &Running, ready: &Value) {
    let line = if told::is_in_json() { ready.to_string() } else { format!("squall is ready: {}", running.url()) };
    let mut out = std::io::stdout().lock();
    let _unheard = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Written beside and renamed, so that whoever waits for the file reads it whole.
fn write_ready(file: &Path, ready: &Value) -> Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, format!("{ready}\n"))
        .and_then(|()| std::fs::rename(&beside, file))
        .with_context(|| format!("--ready-file {}", file.display()))
}

/// A file with our process id in it, which goes with us.
struct PidFile(PathBuf);

impl PidFile {
    fn write(file: &Path) -> Result<Self> {
        std::fs::write(file, format!("{}\n", std::process::id()))
            .with_context(|| format!("--pid-file {}", file.display()))?;
        Ok(Self(file.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another may have started meanwhile and written its own.
        let is_ours = std::fs::read_to_string(&self.0).is_ok_and(|text| text.trim() == std::process::id().to_string());
        if is_ours && let Err(e) = std::fs::remove_file(&self.0) {
            tracing::warn!("{} is left behind: {e}", self.0.display());
        }
    }
}
