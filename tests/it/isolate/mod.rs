//! `squall run --isolate` around real programs, in namespaces that they are given by it: as whoever runs the tests, and, if that is root, as
//! a user without any rights too.
//!
//! Where this machine allows no namespaces the tests are skipped, and say so; with `SQUALL_SDKS=all` they fail.

mod clients;
mod life;
mod names;
mod network;
mod refusal;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use crate::support::toolchain::{is_required, say};

/// Who runs Squall and its program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum User {
    /// Whoever runs the tests.
    Own,
    /// A user without rights.
    Nobody,
}

impl User {
    /// All that can be had here.
    fn all() -> Vec<Self> {
        if rustix::process::geteuid().is_root() { vec![Self::Own, Self::Nobody] } else { vec![Self::Own] }
    }

    fn id(self) -> u32 {
        if self == Self::Nobody { NOBODY } else { rustix::process::geteuid().as_raw() }
    }

    /// This program as this user, in a clean environment.
    pub(super) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent").current_dir("/");
        if self == Self::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// `squall run --isolate OPTIONS -- PROGRAM`.
    pub(super) fn isolate(self, options: &[&str], program: &[&str]) -> Command {
        let mut command = self.command(squall());
        command.args(["run", "--listen", "127.0.0.1:0", "--isolate"]).args(options).arg("--").args(program);
        command
    }

    /// The same, to its end.
    pub(super) fn run(self, options: &[&str], program: &[&str]) -> Ran {
        Ran::from(self.isolate(options, program).stdin(Stdio::null()).output().unwrap())
    }

    /// The same for a program in Python.
    pub(super) fn python(self, options: &[&str], text: &str, arguments: &[&str]) -> Ran {
        self.run(options, &[&[PYTHON, "-c", text], arguments].concat())
    }

    /// A directory of its own, which goes with the test.
    pub(super) fn dir(self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(self.id()), None).unwrap();
        dir
    }
}

/// A profile that every user can read.
pub(super) fn profile(text: &str) -> tempfile::TempPath {
    let mut profile = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    profile.write_all(text.as_bytes()).unwrap();
    fs::set_permissions(profile.path(), fs::Permissions::from_mode(0o644)).unwrap();
    profile.into_temp_path()
}

/// How it ended, and what was said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs a test for each user, if programs can be isolated here.
pub(super) fn for_each_user(test: impl Fn(User)) {
    if let Err(why) = possible() {
        assert!(!is_required("isolate"), "programs cannot be isolated here: {why}");
        return say(&format!("skipped: programs cannot be isolated here: {why}\n"));
    }
    for user in User::all() {
        test(user);
    }
}

/// Why not, as Squall says it.
fn possible() -> Result<(), String> {
    static ANSWER: LazyLock<Result<(), String>> = LazyLock::new(|| {
        let ran = User::Own.run(&[], &["true"]);
        let forbidden = ran.code == Some(125) && ran.err.contains("cannot be isolated");
        if forbidden { Err(ran.err) } else { Ok(()) }
    });
    ANSWER.clone()
}

/// The binary where everybody can execute it.
fn squall() -> &'static Path {
    static COPY: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = dir.path().join("squall");
        fs::copy(env!("CARGO_BIN_EXE_squall"), &copy).unwrap();
        (dir, copy)
    });
    &COPY.1
}

/// Debian's, which everybody can execute, as one in root's home is not.
pub(super) const PYTHON: &str = "/usr/bin/python3";
/// Of `nobody` and `nogroup`.
const NOBODY: u32 = 65534;
