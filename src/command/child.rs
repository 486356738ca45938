//! The program under `squall run`: started so that it dies with Squall, told the signals Squall is told.
//!
//! Squall and the program share a process group and a terminal, so job control and Ctrl-C work as without Squall. The program is
//! started through [`exec`], a hidden subcommand that asks the kernel to end it when Squall dies, and then becomes it: same process,
//! same exit code. (Linux only; elsewhere a Squall that is killed with SIGKILL leaves its program behind.)

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{self, SignalKind};

use super::environment::Environment;
use super::{descriptors, told};
use crate::cli::{EXEC, ExecArgs, ISOLATE, IsolateArgs};

/// A running program.
#[derive(Debug)]
pub struct Child {
    inner: tokio::process::Child,
    signals: Signals,
}

#[derive(Debug)]
struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    terminate: unix::Signal,
}

impl Child {
    /// Starts `command` with `environment` added to ours. Call it on the main thread: the program dies with the thread that started it.
    /// With `isolated`, a directory of [`super::isolate`], it isolates itself first.
    pub fn start(command: &[OsString], environment: &Environment, isolated: Option<&Path>) -> io::Result<Self> {
        // Listening before starting: from here on no signal can end Squall and leave the program.
        let signals = Signals::listen()?;
        let mut squall = tokio::process::Command::new(std::env::current_exe()?);
        for name in &environment.unset {
            squall.env_remove(name);
        }
        match isolated {
            Some(dir) => squall.arg(ISOLATE).arg(dir),
            None => squall.arg(EXEC),
        };
        let inner = squall
            .arg(rustix::process::getpid().as_raw_nonzero().to_string())
            .args(descriptors::inherited().map(|limit| format!("--open-files={limit}")))
            .args(command)
            .envs(environment.set.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { inner, signals })
    }

    /// Waits for the program's end, and does nothing meanwhile.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.inner.wait().await
    }

    /// Waits for the program's end and passes signals on meanwhile. A second Ctrl-C ends it.
    pub async fn wait(mut self) -> io::Result<ExitStatus> {
        let mut interrupts = 0;
        loop {
            let signal = tokio::select! {
                status = self.inner.wait() => return status,
                signal = self.signals.next() => signal,
            };
            interrupts += u32::from(signal == Signal::INT);
            if interrupts > 1 {
                return self.end().await;
            }
            // The terminal sends Ctrl-C and Ctrl-\ to the whole group: the program has had it.
            if !(matches!(signal, Signal::INT | Signal::QUIT) && in_foreground()) {
                self.send(signal);
            }
        }
    }

    /// SIGTERM, and SIGKILL if that does not help.
    async fn end(mut self) -> io::Result<ExitStatus> {
        self.send(Signal::TERM);
        if let Ok(status) = tokio::time::timeout(LAST_WORDS, self.inner.wait()).await {
            return status;
        }
        self.send(Signal::KILL);
        self.inner.wait().await
    }

    fn send(&self, signal: Signal) {
        let pid = self.inner.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(Err(e)) = pid.map(|pid| rustix::process::kill_process(pid, signal)) {
            tracing::debug!("the program could not be told {signal:?}: {e}");
        }
    }
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            quit: unix::signal(SignalKind::quit())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}

/// The exit code a shell would give for this end: the program's own, or 128 and the signal's number.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The other hidden subcommand: isolates itself before it becomes the program. No thread may have been started.
#[cfg(target_os = "linux")]
pub fn isolate(args: &IsolateArgs) -> ExitCode {
    use crate::isolate::enter::{Error, enter};

    match enter(&args.dir) {
        Ok(()) => exec(&args.exec),
        // Squall tells why.
        Err(Error::Failed(_)) => ExitCode::from(SQUALL_FAILED),
        Err(e @ Error::Unheard(_)) => {
            told::line(&format!("cannot isolate the program: {e}"));
            ExitCode::from(SQUALL_FAILED)
        }
    }
}

/// The same where there are no namespaces.
#[cfg(not(target_os = "linux"))]
pub fn isolate(_: &IsolateArgs) -> ExitCode {
    ExitCode::from(SQUALL_FAILED)
}

/// The hidden subcommand: arranges to die with `args.parent`, then becomes the program.
pub fn exec(args: &ExecArgs) -> ExitCode {
    if let Err(e) = die_with(args.parent) {
        told::line(&format!("cannot tie the program to Squall's life: {e}"));
        return ExitCode::from(SQUALL_FAILED);
    }
    descriptors::restore(args.open_files);
    let Some((program, rest)) = args.command.split_first() else { return ExitCode::from(SQUALL_FAILED) };
    let error = Command::new(program).args(rest).exec();
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound => (NOT_FOUND, "there is no such program; check the name and PATH".to_owned()),
        _ => (NOT_EXECUTABLE, format!("it cannot be executed: {error}")),
    };
    told::line(&format!("cannot run `{}`: {why}", program.to_string_lossy()));
    ExitCode::from(code)
}

#[cfg(target_os = "linux")]
fn die_with(parent: i32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before we asked.
    let alive = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
    if alive { Ok(()) } else { Err(io::Error::other("Squall has ended")) }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: i32) -> io::Result<()> {
    Ok(())
}

/// Whether a terminal has us in its foreground.
fn in_foreground() -> bool {
    let foreground = || {
        let terminal = std::fs::File::open("/dev/tty").ok()?;
        rustix::termios::tcgetpgrp(&terminal).ok()
    };
    foreground() == Some(rustix::process::getpgrp())
}

/// Exit code for Squall's own failure under `run`.
pub const SQUALL_FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// After SIGTERM, before SIGKILL.
const LAST_WORDS: Duration = Duration::from_secs(1);
