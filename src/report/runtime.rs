//! What runs a program, as far as its name and first line tell: it decides what the program's AWS client obeys.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// What runs a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Runtime {
    /// The AWS CLI.
    AwsCli,
    /// `go run`, `go test`; a binary built by it does not show.
    Go,
    /// The JVM, whatever language.
    Java,
    /// Node.js.
    Node,
    /// PHP.
    Php,
    /// Python.
    Python,
    /// rclone.
    Rclone,
    /// Ruby.
    Ruby,
    /// `cargo run`, `cargo test`; a binary built by it does not show.
    Rust,
    /// s3cmd, which is Python with an HTTP client of its own.
    S3cmd,
    /// Terraform, OpenTofu.
    Terraform,
}

impl Runtime {
    /// From the first word that names one: wrappers as `env`, `uv run` and `timeout 60` stand before the program.
    pub fn of_command(command: &[String]) -> Option<Self> {
        command.iter().take(WORDS).find_map(|word| Self::of(word))
    }

    /// The same; a script that does not show it by its name is asked for its interpreter. Reads the file.
    pub fn of_program(command: &[String], path: Option<&std::ffi::OsStr>) -> Option<Self> {
        let named = Self::of_command(command);
        named.or_else(|| Self::of_command(&interpreter(command.first()?, path)?))
    }

    fn of(word: &str) -> Option<Self> {
        let name = word.rsplit(['/', '\\']).next()?;
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        Some(match stem {
            "aws" => Self::AwsCli,
            "go" => Self::Go,
            "gradle" | "gradlew" | "java" | "kotlin" | "mvn" | "mvnw" | "sbt" | "scala" => Self::Java,
            "bun" | "cdk" | "jest" | "node" | "nodejs" | "npm" | "npx" | "pnpm" | "tsx" | "vitest" | "yarn" => {
                Self::Node
            }
            "composer" | "php" | "phpunit" => Self::Php,
            "celery" | "gunicorn" | "pypy" | "pytest" | "python" | "tox" | "uvicorn" => Self::Python,
            "rclone" => Self::Rclone,
            "bundle" | "rails" | "rake" | "rspec" | "ruby" => Self::Ruby,
            "cargo" => Self::Rust,
            "s3cmd" => Self::S3cmd,
            "terraform" | "terragrunt" | "tofu" => Self::Terraform,
            _ => return Self::of_file(name),
        })
    }

    fn of_file(name: &str) -> Option<Self> {
        Some(match name.rsplit_once('.')?.1 {
            "jar" => Self::Java,
            "cjs" | "js" | "mjs" | "ts" => Self::Node,
            "php" => Self::Php,
            "py" => Self::Python,
            "rb" => Self::Ruby,
            _ => return None,
        })
    }
}

/// The words behind a script's `#!`.
fn interpreter(program: &str, path: Option<&std::ffi::OsStr>) -> Option<Vec<String>> {
    let in_path = || std::env::split_paths(path?).map(|dir| dir.join(program)).find(|file| file.is_file());
    let file = if program.contains('/') { Path::new(program).to_owned() } else { in_path()? };
    let mut first = [0; LONGEST_LINE];
    let read = File::open(file).ok()?.read(&mut first).ok()?;
    let text = String::from_utf8_lossy(first.get(..read)?);
    let line = text.strip_prefix("#!")?.lines().next()?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

/// A wrapper and its options stand before the program, but the program's own arguments say nothing of its runtime.
const WORDS: usize = 4;
/// What Linux reads of it.
const LONGEST_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let of =
            |program: &str| Runtime::of_program(&[program.to_owned(), "-x".to_owned()], Some(dir.path().as_os_str()));
        assert_eq!(of(&script("start", "#!/usr/bin/env node\nx")), Some(Runtime::Node));
        assert_eq!(of(&script("job", "#!/usr/bin/python3.11 -u\n")), Some(Runtime::Python));
        assert_eq!(of(&script("odd", "#!/bin/sh\n")), None);
        assert_eq!(of("start"), Some(Runtime::Node), "found on PATH");
        assert_eq!(of("/nonexistent/program"), None);
    }
}
