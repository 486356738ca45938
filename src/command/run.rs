//! `squall run`: a program with its AWS calls going through Squall, then the report. The program's exit code is ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::child::{self, Child, SQUALL_FAILED};
use super::credentials::Led;
use super::environment::{Environment, Way};
use super::hints::{self, Inherited};
#[cfg(target_os = "linux")]
use super::isolate::Isolation;
use super::launch::{self, Running};
use super::reload::Reload;
use super::told;
use super::trust::Trust;
use crate::cli::RunArgs;
use crate::report::Runtime;
use crate::settings::{Keep, Settings};

/// Runs the program to its end.
pub fn main(args: &RunArgs) -> ExitCode {
    let ran = launch::runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(run(args)));
    told::end(ran.map(ExitCode::from), ExitCode::from(SQUALL_FAILED))
}

async fn run(args: &RunArgs) -> Result<u8> {
    if args.isolate && args.endpoint {
        bail!(
            "--isolate leads everything to Squall already, and --endpoint only what obeys a variable: leave out one of them"
        );
    }
    if args.endpoint && args.proxy.upstream.is_empty() {
        bail!(
            "--endpoint needs to know where requests go from there: give --upstream URL (an emulator) or --upstream aws"
        );
    }
    let mut settings = Settings::resolve(&args.proxy, Keep::InMemory)?;
    settings.warnings.iter().for_each(|warning| told::text(warning));
    let sources = std::mem::take(&mut settings.sources);
    let mut running = Running::start(settings)?;
    if running.direct().is_empty() && !args.isolate {
        bail!("the program is led to Squall by its name: give a --listen without a mode too");
    }
    running.obey_panic_button()?;
    let reload = Reload::watch(running.proxy(), &args.proxy, sources);
    running.can_sign_what_it_rewrites().await?;
    told::start(&running);
    running.tell_identity();
    let inherited = Inherited::here();
    let command: Vec<_> = args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let runtime = Runtime::of_program(&command, inherited.value("PATH").as_deref());
    let program = Program { args, url: running.url(), inherited, runtime };
    let (way, status) =
        if args.isolate { program.run_isolated(&mut running).await? } else { program.run(&running).await? };
    drop(reload);
    let finished = running.finish().await;
    told::report(&finished, &hints::of(&args.command, way, program.url, &program.inherited))?;
    Ok(child::exit_code(status))
}

/// The program and what is around it.
struct Program<'a> {
    args: &'a RunArgs,
    url: String,
    inherited: Inherited,
    runtime: Option<Runtime>,
}

impl Program<'_> {
    /// Led to Squall by its environment.
    async fn run(&self, running: &Running) -> Result<(Way, ExitStatus)> {
        let dir = temporary_directory()?;
        let trust = self.trust(running, dir.path())?;
        let way = if self.args.endpoint { Way::Endpoint } else { Way::Proxy };
        let mut environment = self.environment(running, way, &trust);
        match way {
            Way::Endpoint => environment = environment.without_endpoints(self.inherited.endpoint_variables()),
            _ => self.tell_endpoints("the program goes there directly, past Squall"),
        }
        environment.notes.iter().for_each(|note| told::line(note));
        if self.runtime.is_none() && way == Way::Proxy {
            told::line(LANGUAGE_UNKNOWN);
        }
        running.proxy().begin();
        let child = Child::start(&self.args.command, &environment, None).context(CANNOT_START)?;
        Ok((way, child.wait().await.context(CANNOT_WAIT)?))
    }

    /// Led to Squall by its network.
    #[cfg(target_os = "linux")]
    async fn run_isolated(&self, running: &mut Running) -> Result<(Way, ExitStatus)> {
        let anchor = running.proxy().authority.trust_anchor().to_owned();
        let executable = self.args.command.first().and_then(|program| self.inherited.executable(program));
        let write = |dir: &Path| self.trust(running, dir);
        let isolation =
            Isolation::prepare(temporary_directory()?, &anchor, &self.inherited, executable.as_deref(), write)?;
        let way = Way::Isolated { java_trusts_us: isolation.java_trusts_us() };
        let environment = self.environment(running, way, isolation.trust());
        environment.notes.iter().for_each(|note| told::line(note));
        self.tell_endpoints(
            "what goes there is Squall's if --upstream names that URL, and is carried through untouched otherwise",
        );
        let mut child = Child::start(&self.args.command, &environment, Some(isolation.dir())).context(CANNOT_START)?;
        let isolated = isolation.take_over(running, &mut child).await?;
        let status = child.wait().await.context(CANNOT_WAIT)?;
        isolated.end();
        Ok((way, status))
    }

    #[cfg(not(target_os = "linux"))]
    async fn run_isolated(&self, _: &mut Running) -> Result<(Way, ExitStatus)> {
        bail!(
            "--isolate needs the namespaces of Linux, which this system has not: leave it out, or run Squall in a container or VM"
        )
    }

    fn trust(&self, running: &Running, dir: &Path) -> Result<Trust> {
        let anchor = running.proxy().authority.trust_anchor();
        Trust::write(dir, anchor, &self.url, &self.args.proxy.intercept, &self.inherited)
    }

    fn environment(&self, running: &Running, way: Way, trust: &Trust) -> Environment {
        let inherited = |name: &str| self.inherited.value(name);
        let mut environment = Environment::for_program(way, &self.url, trust, self.runtime, inherited);
        let containers = running.stand_ins().iter().any(|service| service.name == "container-credentials");
        Led::of(running.proxy(), containers).lead(&mut environment, &self.url, inherited);
        environment
    }

    fn tell_endpoints(&self, what: &str) {
        for place in self.inherited.endpoint_urls() {
            told::line(&format!("an endpoint is set ({place}): {what}"));
        }
    }
}

/// For what the program is pointed at; it goes with us.
fn temporary_directory() -> Result<TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().prefix("squall-").permissions(private).tempdir();
    dir.context("cannot make a temporary directory for the certificates")
}

const CANNOT_START: &str = "cannot start the program";
const CANNOT_WAIT: &str = "cannot wait for the program";
const LANGUAGE_UNKNOWN: &str = "the program's language does not show: HTTPS_PROXY, the variables of certificates, NODE_OPTIONS, \
                                JAVA_TOOL_OPTIONS and PHP_INI_SCAN_DIR lead it to Squall";
