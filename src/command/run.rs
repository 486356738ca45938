//! `squall run`: a program with its AWS calls going through Squall, then the report. The program's exit code is ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::child::{self, Child, SQUALL_FAILED};
use super::environment::{self, Environment};
use super::hints::{self, Inherited};
use super::launch::{self, Running};
use super::told;
use crate::cli::RunArgs;
use crate::net::tls;
use crate::settings::{Keep, Settings};

/// Runs the program to its end.
pub fn main(args: &RunArgs) -> ExitCode {
    let ran = launch::runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(run(args)));
    told::end(ran.map(ExitCode::from), ExitCode::from(SQUALL_FAILED))
}

async fn run(args: &RunArgs) -> Result<u8> {
    let settings = Settings::resolve(&args.proxy, Keep::InMemory)?;
    settings.warnings.iter().for_each(|warning| told::text(warning));
    let running = Running::start(settings)?;
    running.obey_panic_button()?;
    told::start(&running);
    running.tell_identity();
    let (url, inherited) = (running.url(), Inherited::here());
    let certificates = Certificates::write(running.proxy().authority.trust_anchor(), &inherited)?;
    let environment =
        Environment::for_child(&url, &certificates.bundle, &certificates.own, |name| inherited.value(name));
    for place in inherited.endpoint_urls() {
        told::line(&format!("an endpoint is set ({place}): the program goes there directly, past Squall"));
    }
    for note in &environment.notes {
        told::line(note);
    }
    running.proxy().live.begin();
    let child = Child::start(&args.command, &environment).context("cannot start the program")?;
    let status = child.wait().await.context("cannot wait for the program")?;
    let finished = running.finish().await;
    told::report(&finished, &hints::of(&args.command, url, &inherited))?;
    Ok(child::exit_code(status))
}

/// What the program is told to trust, in a directory that goes with us.
struct Certificates {
    own: PathBuf,
    bundle: PathBuf,
    _dir: TempDir,
}

impl Certificates {
    fn write(trust_anchor: &str, inherited: &Inherited) -> Result<Self> {
        let private = fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix("squall-").permissions(private).tempdir();
        let dir = dir.context("cannot make a temporary directory for the certificates")?;
        let (own, bundle) = (dir.path().join("ca.pem"), dir.path().join("bundle.pem"));
        let write =
            |path: &Path, text: &str| fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
        write(&own, trust_anchor)?;
        write(&bundle, &format!("{trust_anchor}{}", trusted_before(inherited)))?;
        Ok(Self { own, bundle, _dir: dir })
    }
}

/// As PEM: the system's roots and the bundles the program was given.
fn trusted_before(inherited: &Inherited) -> String {
    let mut roots = tls::system_roots();
    for file in environment::inherited_bundles(|name| inherited.value(name)) {
        match tls::certificates(&file) {
            Ok(more) => roots.extend(more),
            Err(e) => told::line(&format!("left out of what the program trusts: {:#}", anyhow::Error::from(e))),
        }
    }
    roots.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    roots.dedup();
    roots.iter().map(|root| pem::encode(&pem::Pem::new("CERTIFICATE", root.as_ref()))).collect()
}
