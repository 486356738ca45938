//! Real SDKs against a real emulator, with the real binary between them: one folder a case under `tests/sdk/<language>/`.
//!
//! A case is a program whose exit code is the verdict; adding one adds files, no Rust (a case in Rust is named in `Cargo.toml` as well).
//! A language whose toolchain is absent is skipped, and said so; with `SQUALL_SDKS=all` it fails. `SQUALL_CASE=drill` runs the cases of
//! that name only, `SQUALL_CASE=rust` those of that language, `SQUALL_CASE=rust/throttle` that one. A case that speaks of MiniStack finds
//! it in the environment as `MINISTACK`.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use squall::clock;

use crate::support::toolchain::{self, Runner, say};

/// How a language's cases are run.
struct Language {
    name: &'static str,
    /// A case's program within its folder.
    program: &'static str,
    /// Makes ready; or says why it cannot.
    set_up: fn(&Path) -> Result<Runner, String>,
}

/// The Pythons that have the emulators.
struct Emulators {
    /// Whatever the language.
    moto: PathBuf,
    /// Where a case asks for it.
    ministack: Option<PathBuf>,
}

impl Emulators {
    fn set_up(language: &Language, cases: &[PathBuf]) -> Result<Self, String> {
        let speaks = |case: &PathBuf| fs::read_to_string(case.join(language.program)).unwrap().contains("ministack");
        let ministack = cases.iter().any(speaks).then(toolchain::ministack).transpose()?;
        Ok(Self { moto: toolchain::venv(&toolchain::folder("python"))?, ministack })
    }
}

const LANGUAGES: &[Language] = &[
    Language { name: "python", program: "case.py", set_up: toolchain::python },
    Language { name: "javascript", program: "case.mjs", set_up: toolchain::javascript },
    Language { name: "rust", program: "case.rs", set_up: toolchain::rust },
];

#[test]
fn real_sdks_behave_behind_squall() {
    let wanted: Vec<_> = LANGUAGES.iter().map(|language| (language, cases(language))).collect();
    assert!(wanted.iter().any(|(_, cases)| !cases.is_empty()), "no case is called {:?}", std::env::var("SQUALL_CASE"));
    let wanted = wanted.iter().filter(|(_, cases)| !cases.is_empty());
    let failed: Vec<_> = wanted.flat_map(|(language, cases)| run_language(language, cases)).collect();
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

/// The names of what failed.
fn run_language(language: &Language, cases: &[PathBuf]) -> Vec<String> {
    let runner = (language.set_up)(&toolchain::folder(language.name));
    let ready = runner.and_then(|runner| Ok((runner, Emulators::set_up(language, cases)?)));
    let (runner, emulators) = match ready {
        Ok(ready) => ready,
        Err(why) if toolchain::is_required(language.name) => {
            return vec![format!("{} ({why})", language.name)];
        }
        Err(why) => {
            say(&format!("skipped: SDK cases in {}: {why}\n", language.name));
            return Vec::new();
        }
    };
    thread::scope(|scope| {
        let running: Vec<_> =
            cases.iter().map(|case| scope.spawn(|| run_case(language, &runner, &emulators, case))).collect();
        running.into_iter().filter_map(|case| case.join().unwrap()).collect()
    })
}

/// Those that `SQUALL_CASE` leaves.
fn cases(language: &Language) -> Vec<PathBuf> {
    let folder = toolchain::folder(language.name);
    let only = std::env::var("SQUALL_CASE").ok();
    let is_wanted = |case: &PathBuf| only.as_ref().is_none_or(|only| case.ends_with(only) || folder.ends_with(only));
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let entries: Vec<_> = entries.filter(|case| case.join(language.program).is_file()).collect();
    assert!(!entries.is_empty(), "no cases under {}", folder.display());
    let mut cases: Vec<_> = entries.into_iter().filter(is_wanted).collect();
    cases.sort_unstable();
    cases
}

/// The case's name if it failed. What it printed is shown either way: it is what the run was for.
fn run_case(language: &Language, runner: &Runner, emulators: &Emulators, case: &Path) -> Option<String> {
    let folder = case.file_name().unwrap().to_str().unwrap();
    let name = format!("{}/{folder}", language.name);
    let own = tempfile::tempdir().unwrap();
    let (home, tmp, output) = (own.path().join("home"), own.path().join("tmp"), own.path().join("output"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&tmp).unwrap();
    let file = File::create(&output).unwrap();
    let mut command = runner.command(&format!("{folder}/{}", language.program));
    command.current_dir(&tmp).envs([("HOME", &home), ("TMPDIR", &tmp)]);
    command.env("SQUALL", env!("CARGO_BIN_EXE_squall")).env("CASE", case).env("PYTHON", &emulators.moto);
    command.envs(emulators.ministack.iter().map(|python| ("MINISTACK", python)));
    // What a case needs beside its SDK may be missing only where nothing is asked for.
    command.env("SQUALL_SDKS", std::env::var_os("SQUALL_SDKS").unwrap_or_default());
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

/// A case that takes longer hangs.
const MOST: Duration = Duration::from_secs(120);
