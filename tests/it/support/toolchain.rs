//! The languages that real SDKs come in: each is set up once under the target folder, from pinned versions.
//!
//! A language whose toolchain is absent is skipped by who needs it, and said so; `SQUALL_SDKS=all` (or `SQUALL_SDKS=rust,python`) makes
//! it a failure.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the programs of one language.
pub(crate) struct Runner {
    start: Box<dyn Fn(&str) -> Command + Send + Sync>,
}

impl Runner {
    /// A program, named by its path within its language's folder. Of the surrounding environment it has only what finds programs: its
    /// proxies, certificates and AWS settings would be tested instead.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = (self.start)(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("PYTHONPATH", folder("python")).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
        command
    }
}

/// Where a language's programs are.
pub(crate) fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(language)
}

/// Whether its absence is a failure: it, or a case of it, was asked for by name.
pub(crate) fn is_required(language: &str) -> bool {
    let (sdks, case) = ["SQUALL_SDKS", "SQUALL_CASE"].map(|name| std::env::var(name).unwrap_or_default()).into();
    sdks.split(',').any(|sdk| sdk == "all" || sdk == language) || case.split('/').next() == Some(language)
}

/// A virtual environment with what `requirements.txt` pins, made anew when that or the Python changes.
pub(crate) fn python(folder: &Path) -> Result<Runner, String> {
    let (python, folder) = (venv(folder)?, folder.to_owned());
    let start = Box::new(move |program: &str| {
        let mut command = Command::new(&python);
        command.arg(folder.join(program));
        command
    });
    Ok(Runner { start })
}

/// Its Python.
pub(crate) fn venv(folder: &Path) -> Result<PathBuf, String> {
    environment("sdk-python", "Python with boto3, the AWS CLI and moto", folder)
}

/// The Python that has MiniStack, an emulator that runs Lambda functions; it pins a botocore of its own, and so has an environment of its
/// own. `common/ministack.py` of the programs in Python starts it: give them this as `MINISTACK`, or run that module with it.
pub(crate) fn ministack() -> Result<PathBuf, String> {
    environment("ministack", "MiniStack", &folder("ministack"))
}

/// The Python that has Kubernetes' schemas, and what holds manifests before them.
pub(crate) fn kubernetes() -> Result<PathBuf, String> {
    environment("kubernetes", "Kubernetes' schemas", &folder("kubernetes"))
}

/// A virtual environment under the target folder, and its Python.
fn environment(name: &str, what: &str, folder: &Path) -> Result<PathBuf, String> {
    let system = std::env::var("SQUALL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let version = "import sys; print(sys.version); sys.exit(sys.version_info < (3, 11))";
    let version = output(Command::new(&system).args(["-c", version]))
        .map_err(|e| format!("{system} is not a Python of at least 3.11: {e}"))?;
    let requirements = folder.join("requirements.txt");
    let wanted = format!("{version}{}", fs::read_to_string(&requirements).unwrap());
    let (root, _lock) = own(name);
    let venv = root.join("venv");
    // Inside, so that it goes when the rest is cleared, and an interrupted set-up leaves none.
    let stamp = venv.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(venv.join("bin/python"));
    }
    say(&format!("setting up {what} (once) …\n"));
    let python = create_venv(&system, &venv)?;
    install(&system, &python, &requirements)?;
    fs::write(&stamp, wanted).unwrap();
    Ok(python)
}

/// Gives its Python. It has a pip where the system can give it one.
fn create_venv(system: &str, venv: &Path) -> Result<PathBuf, String> {
    let make = |options: &[&str]| output(Command::new(system).args(["-m", "venv", "--clear"]).args(options).arg(venv));
    make(&[]).or_else(|_| make(&["--without-pip"])).map_err(|e| {
        format!("{system} cannot make a virtual environment (on Debian: apt-get install python3-venv): {e}")
    })?;
    Ok(venv.join("bin/python"))
}

/// With its own pip, or else with the system's: Debian's Python has venv and pip in packages of their own.
fn install(system: &str, python: &Path, requirements: &Path) -> Result<(), String> {
    let mut pip = if python.with_file_name("pip").exists() {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip"]);
        pip
    } else {
        let mut pip = Command::new(system);
        pip.args(["-m", "pip", "--python"]).arg(python);
        pip
    };
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    output(&mut pip).map(drop).map_err(|e| format!("pip failed: {e}"))
}

/// node with what `package-lock.json` pins, installed anew when that or node changes.
pub(crate) fn javascript(folder: &Path) -> Result<Runner, String> {
    let version = output(Command::new("node").arg("--version"))
        .and_then(|v| if is_at_least(v.trim_start_matches('v'), 20) { Ok(v) } else { Err(v) })
        .map_err(|e| format!("there is no node of at least version 20: {e}"))?;
    let (root, _lock) = own("sdk-javascript");
    let files = ["package.json", "package-lock.json", ".npmrc"].map(|name| (name, folder.join(name)));
    let pinned: String = files.iter().map(|(_, file)| fs::read_to_string(file).unwrap()).collect();
    let (wanted, stamp) = (format!("{version}{pinned}"), root.join("node_modules/installed"));
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        say("setting up the AWS SDK for JavaScript (once) …\n");
        for (name, file) in &files {
            fs::copy(file, root.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&root);
        output(&mut npm).map_err(|e| format!("npm failed: {e}"))?;
        fs::write(&stamp, wanted).unwrap();
    }
    // node looks for packages beside a program, by the path that it was given: so no node_modules need lie in the source tree.
    let programs = root.join("programs");
    if fs::read_link(&programs).ok().as_deref() != Some(folder) {
        let _ = fs::remove_file(&programs);
        std::os::unix::fs::symlink(folder, &programs).unwrap();
    }
    let start = Box::new(move |program: &str| {
        let mut command = Command::new("node");
        // Without the SDK's warnings of versions of node that later versions of it will ask for.
        command.args(["--no-warnings", "--preserve-symlinks", "--preserve-symlinks-main"]).arg(programs.join(program));
        command
    });
    Ok(Runner { start })
}

fn is_at_least(version: &str, least: u32) -> bool {
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= least)
}

/// The programs built from a package of their own, if that was asked for: it takes minutes.
pub(crate) fn rust(folder: &Path) -> Result<Runner, String> {
    if !is_required("rust") {
        return Err("building the SDK takes minutes; SQUALL_SDKS=rust or SQUALL_SDKS=all does it".to_owned());
    }
    let (root, _lock) = own("sdk-rust");
    if !root.join("debug").exists() {
        say("building programs with the AWS SDK for Rust (minutes, once) …\n");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    output(build.arg("--target-dir").arg(&root)).map_err(|e| format!("cargo failed: {e}"))?;
    // A folder's program is built under the folder's name.
    let start =
        Box::new(move |program: &str| Command::new(root.join("debug").join(program.split('/').next().unwrap())));
    Ok(Runner { start })
}

/// A folder under the target folder. Two tests, or test runs, may come at once: the second waits here and finds all done.
fn own(name: &str) -> (PathBuf, File) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&root).unwrap();
    let lock = File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    (root, lock)
}

/// What it printed, or why it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr).trim_end()))
    }
}

/// Past the test runner, which would keep it back unless the test fails.
pub(crate) fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).unwrap();
}
