//! What the programs and cases share. A case is two programs in one: started plainly it runs moto and `squall run`, and under that
//! itself once more, as a program that knows nothing of Squall.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// The first argument of a case that is to be the program.
pub const PROGRAM: &str = "program";

/// As the environment says. A connection may take long to be made on a busy machine.
pub async fn config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(30)).build();
    aws_config::defaults(BehaviorVersion::latest()).region("us-east-1").timeout_config(timeouts).load().await
}

/// Whether this is the program, and not the case around it.
pub fn is_program() -> bool {
    std::env::args().nth(1).is_some_and(|argument| argument == PROGRAM)
}

/// moto, as the cases in Python start it. It ends when its stdin does, which is when this is dropped or the case dies.
pub struct Emulator {
    moto: Child,
    pub url: String,
}

impl Emulator {
    pub fn start() -> Result<Self, Box<dyn Error>> {
        Self::of("common.emulator")
    }

    /// Another far end of the cases in Python.
    pub fn of(module: &str) -> Result<Self, Box<dyn Error>> {
        Self::start_with(module, &mut Command::new(variable("PYTHON")))
    }

    /// One over TLS that writes its certificate to this file.
    pub fn over_tls(module: &str, certificate: &Path) -> Result<Self, Box<dyn Error>> {
        let mut emulator = Self::start_with(module, Command::new(variable("PYTHON")).env("CERTIFICATE", certificate))?;
        emulator.url = emulator.url.replace("http:", "https:");
        Ok(emulator)
    }

    fn start_with(module: &str, moto: &mut Command) -> Result<Self, Box<dyn Error>> {
        moto.args(["-m", module]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut moto = moto.spawn()?;
        let mut port = String::new();
        // It tells its port once it listens.
        BufReader::new(moto.stdout.take().ok_or("no stdout")?).read_line(&mut port)?;
        Ok(Self { moto, url: format!("http://127.0.0.1:{}", port.trim()) })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.moto.stdin.take());
        let _ = self.moto.wait();
    }
}

/// This program, straight to an emulator.
pub fn straight(emulator: &Emulator) -> Result<Output, Box<dyn Error>> {
    let mut program = Command::new(std::env::current_exe()?);
    Ok(credentials(program.arg(PROGRAM)).env("AWS_ENDPOINT_URL", &emulator.url).output()?)
}

/// This program, told `arguments`, under `squall run`, and the summary. Several at once need profiles of different names.
pub fn behind_squall(
    upstream: &str,
    profile: &Path,
    arguments: &[&str],
) -> Result<(Output, serde_json::Value), Box<dyn Error>> {
    led_by_squall(&[], upstream, profile, arguments)
}

/// The same, with options of `squall run` that say which way.
pub fn led_by_squall(
    way: &[&str],
    upstream: &str,
    profile: &Path,
    arguments: &[&str],
) -> Result<(Output, serde_json::Value), Box<dyn Error>> {
    run(&mut Command::new(variable("SQUALL")), way, upstream, profile, arguments)
}

/// As [`behind_squall`], where Squall trusts this certificate of the far end's.
pub fn behind_trusting_squall(
    certificate: &Path,
    upstream: &str,
    profile: &Path,
    arguments: &[&str],
) -> Result<(Output, serde_json::Value), Box<dyn Error>> {
    let mut squall = Command::new(variable("SQUALL"));
    run(squall.env("SSL_CERT_FILE", certificate), &[], upstream, profile, arguments)
}

fn run(
    squall: &mut Command,
    way: &[&str],
    upstream: &str,
    profile: &Path,
    arguments: &[&str],
) -> Result<(Output, serde_json::Value), Box<dyn Error>> {
    let name = Path::new(profile.file_name().ok_or("no profile")?).with_extension("summary.json");
    let summary = PathBuf::from(variable("TMPDIR")).join(name);
    squall.args(["run", "--listen", "127.0.0.1:0", "--upstream", upstream, "--profile"]).arg(profile);
    squall.args(way).arg("--summary").arg(&summary).arg("--").arg(std::env::current_exe()?).arg(PROGRAM);
    let output = credentials(squall.args(arguments)).output()?;
    let summary = std::fs::read(summary).map_err(|e| format!("{e}\n{}", text(&output.stderr)))?;
    Ok((output, serde_json::from_slice(&summary)?))
}

/// What a program printed.
pub fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn credentials(command: &mut Command) -> &mut Command {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    command.envs(keys).stdin(Stdio::null())
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: cases are run by tests/it/sdk.rs"))
}
