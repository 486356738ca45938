//! Real SDKs against a real emulator, with the real binary between them: one folder a case under `tests/sdk/<language>/`.
//!
//! A case is a program whose exit code is the verdict; adding one adds files, no Rust. What a language needs is set up once under the
//! target folder, from pinned versions. A language whose toolchain is absent is skipped, and said so; with `SQUALL_SDKS=all` it fails.
//! `SQUALL_CASE=drill` runs the cases of that name only.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use squall::clock;

/// How a language's cases are run.
struct Language {
    name: &'static str,
    /// A case's program within its folder.
    program: &'static str,
    /// Makes ready, and gives what runs a program; or why it cannot.
    set_up: fn(&Path) -> Result<PathBuf, String>,
}

const LANGUAGES: &[Language] = &[Language { name: "python", program: "case.py", set_up: python }];

#[test]
fn real_sdks_behave_behind_squall() {
    let failed: Vec<_> = LANGUAGES.iter().flat_map(run_language).collect();
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

/// The names of what failed.
fn run_language(language: &Language) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(language.name);
    let runner = match (language.set_up)(&folder) {
        Ok(runner) => runner,
        Err(why) if std::env::var_os("SQUALL_SDKS").is_some_and(|sdks| sdks == "all") => {
            return vec![format!("{} ({why})", language.name)];
        }
        Err(why) => {
            say(&format!("skipped: SDK cases in {}: {why}\n", language.name));
            return Vec::new();
        }
    };
    let cases = cases(&folder, language.program);
    assert!(!cases.is_empty(), "no cases under {}", folder.display());
    thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(|| run_case(language, &runner, case))).collect();
        running.into_iter().filter_map(|case| case.join().unwrap()).collect()
    })
}

fn cases(folder: &Path, program: &str) -> Vec<PathBuf> {
    let only = std::env::var("SQUALL_CASE").ok();
    let is_wanted = |case: &PathBuf| only.as_ref().is_none_or(|only| case.ends_with(only));
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|case| case.join(program).is_file()).filter(is_wanted).collect();
    cases.sort_unstable();
    cases
}

/// The case's name if it failed. What it printed is shown either way: it is what the run was for.
fn run_case(language: &Language, runner: &Path, case: &Path) -> Option<String> {
    let name = format!("{}/{}", language.name, case.file_name().unwrap().display());
    let own = tempfile::tempdir().unwrap();
    let (home, tmp, output) = (own.path().join("home"), own.path().join("tmp"), own.path().join("output"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&tmp).unwrap();
    let file = File::create(&output).unwrap();
    let mut command = Command::new(runner);
    command.arg(case.join(language.program)).current_dir(&tmp).env_clear();
    // Of the surrounding environment only what finds programs: its proxies, certificates and AWS settings would be tested instead.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs([("HOME", &home), ("TMPDIR", &tmp)]).env("SQUALL", env!("CARGO_BIN_EXE_squall")).env("CASE", case);
    command.env("PYTHONPATH", case.parent().unwrap()).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    let started = clock::now();
    let verdict = run_to_end(&mut command, MOST);
    let (passed, how) = match &verdict {
        Ok(()) => (true, "ok"),
        Err(how) => (false, how.as_str()),
    };
    let printed = String::from_utf8_lossy(&fs::read(&output).unwrap()).replace('\n', "\n  ");
    say(&format!("\n{name}: {how} in {:.1} s\n  {}\n", started.elapsed().as_secs_f64(), printed.trim_end()));
    (!passed).then_some(name)
}

fn run_to_end(command: &mut Command, most: Duration) -> Result<(), String> {
    let mut child = command.process_group(0).spawn().map_err(|e| e.to_string())?;
    let started = clock::now();
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None if started.elapsed() > most => {
                // With all it started: an emulator and a proxy would outlive it.
                kill_process_group(Pid::from_child(&child), Signal::KILL).map_err(|e| e.to_string())?;
                child.wait().map_err(|e| e.to_string())?;
                return Err(format!("not done after {most:?}"));
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A virtual environment with what `requirements.txt` pins, made anew when that or the Python changes.
pub(crate) fn python(folder: &Path) -> Result<PathBuf, String> {
    let system = std::env::var("SQUALL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let version = "import sys; print(sys.version); sys.exit(sys.version_info < (3, 11))";
    let version = output(Command::new(&system).args(["-c", version]))
        .map_err(|e| format!("{system} is not a Python of at least 3.11: {e}"))?;
    let requirements = folder.join("requirements.txt");
    let wanted = format!("{version}{}", fs::read_to_string(&requirements).unwrap());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-python");
    fs::create_dir_all(&root).unwrap();
    // Two test runs may come at once; the second waits here and finds all done.
    let lock = File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    let venv = root.join("venv");
    // Inside, so that it goes when the rest is cleared, and an interrupted set-up leaves none.
    let stamp = venv.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(venv.join("bin/python"));
    }
    say("setting up Python with boto3, the AWS CLI and moto (once) …\n");
    let python = create_venv(&system, &venv)?;
    install(&system, &python, &requirements)?;
    fs::write(&stamp, wanted).unwrap();
    Ok(python)
}

/// Its Python. It has a pip where the system can give it one.
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
fn say(text: &str) {
    let mut err = std::io::stderr().lock();
    err.write_all(text.as_bytes()).and_then(|()| err.flush()).unwrap();
}

/// A case that takes longer hangs.
const MOST: Duration = Duration::from_secs(120);
