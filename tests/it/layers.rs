//! Architecture: who may import whom, one way only.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with what it may import, lowest first. `settings`, `command`, `cli` and `main` stand on top and may import everything.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("units", &[]),
    ("aws", &[]),
    ("net", &["clock"]),
    ("isolate", &["net", "clock"]),
    ("fault", &["aws", "units"]),
    ("profile", &["fault", "aws", "units", "clock"]),
    ("ledger", &["profile", "fault", "aws", "clock"]),
    ("proxy", &["ledger", "profile", "fault", "aws", "net", "clock"]),
    ("report", &["ledger", "profile", "clock"]),
];
const TOP: &[&str] = &["cli", "command", "lib", "main", "settings"];

#[test]
fn no_import_points_upward() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    let wrong: Vec<_> = files.iter().flat_map(|file| upward(file.strip_prefix(&src).unwrap(), file)).collect();
    assert!(files.len() > 20 && wrong.is_empty(), "imports that point upward:\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_braces_and_paths_but_not_in_comments() {
    let text = "use crate::{aws::{self, x::{Y, net}}, \n  proxy::Z};\n//! [`crate::report`]\nlet a = crate::clock::now(); // crate::cli";
    assert_eq!(imports(text), BTreeSet::from(["aws", "proxy", "clock"].map(str::to_owned)));
}

fn upward(relative: &Path, file: &Path) -> Vec<String> {
    let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
    if TOP.contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{} belongs to no layer: give `{module}` its place in {}", relative.display(), file!())];
    };
    let text = fs::read_to_string(file).unwrap();
    let wrong = imports(&text).into_iter().filter(|name| name != module && !allowed.contains(&name.as_str()));
    wrong.map(|name| format!("{} imports crate::{name}", relative.display())).collect()
}

/// The top-level modules a file names after `crate::`, in its imports and elsewhere.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    code.split("crate::")
        .skip(1)
        .flat_map(|path| path.strip_prefix('{').map_or_else(|| vec![word(path)], group))
        .collect()
}

/// The first words of a brace group's items: `aws` and `net` in `aws::{self, x}, net::Y}`.
fn group(items: &str) -> Vec<String> {
    let mut depth = 0;
    let is_end = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth < 0
    };
    let items = items.split(is_end).next().unwrap_or_default();
    let mut depth = 0;
    let is_between = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0 && c == ','
    };
    items.split(is_between).map(word).filter(|name| !name.is_empty()).collect()
}

fn word(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let here = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    here.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}
