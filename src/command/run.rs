//! `squall run`: a program with its AWS calls going through Squall, then the report. The program's exit code is ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::child::{self, Child, SQUALL_FAILED};
use super::credentials::Led;
use super::environment::{Environment, Way};
use super::hints::{self, Inherited};
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
    if args.endpoint && args.proxy.upstream.is_empty() {
        bail!(
            "--endpoint needs to know where requests go from there: give --upstream URL (an emulator) or --upstream aws"
        );
    }
    let mut settings = Settings::resolve(&args.proxy, Keep::InMemory)?;
    settings.warnings.iter().for_each(|warning| told::text(warning));
    let sources = std::mem::take(&mut settings.sources);
    let running = Running::start(settings)?;
    if running.direct().is_empty() {
        bail!("the program is led to Squall by its name: give a --listen without a mode too");
    }
    running.obey_panic_button()?;
    let reload = Reload::watch(running.proxy(), &args.proxy, sources);
    running.can_sign_what_it_rewrites().await?;
    told::start(&running);
    running.tell_identity();
    let (url, inherited) = (running.url(), Inherited::here());
    let command: Vec<_> = args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let runtime = Runtime::of_program(&command, inherited.value("PATH").as_deref());
    let dir = temporary_directory()?;
    let anchor = running.proxy().authority.trust_anchor();
    let trust = Trust::write(dir.path(), anchor, &url, &args.proxy.intercept, &inherited)?;
    let way = if args.endpoint { Way::Endpoint } else { Way::Proxy };
    let mut environment = Environment::for_program(way, &url, &trust, runtime, |name| inherited.value(name));
    match way {
        Way::Endpoint => environment = environment.without_endpoints(inherited.endpoint_variables()),
        Way::Proxy => {
            for place in inherited.endpoint_urls() {
                told::line(&format!("an endpoint is set ({place}): the program goes there directly, past Squall"));
            }
        }
    }
    let containers = running.stand_ins().iter().any(|service| service.name == "container-credentials");
    let led = Led::of(running.proxy(), containers);
    led.lead(&mut environment, &url, |name| inherited.value(name));
    for note in &environment.notes {
        told::line(note);
    }
    if runtime.is_none() && way == Way::Proxy {
        told::line(LANGUAGE_UNKNOWN);
    }
    running.proxy().begin();
    let child = Child::start(&args.command, &environment).context("cannot start the program")?;
    let status = child.wait().await.context("cannot wait for the program")?;
    drop(reload);
    let finished = running.finish().await;
    told::report(&finished, &hints::of(&args.command, way, url, &inherited))?;
    Ok(child::exit_code(status))
}

/// For what the program is pointed at; it goes with us.
fn temporary_directory() -> Result<TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().prefix("squall-").permissions(private).tempdir();
    dir.context("cannot make a temporary directory for the certificates")
}

const LANGUAGE_UNKNOWN: &str = "the program's language does not show: HTTPS_PROXY, the variables of certificates, NODE_OPTIONS, \
                                JAVA_TOOL_OPTIONS and PHP_INI_SCAN_DIR lead it to Squall";
