//! Profiles as files: those under `valid/` load without a word, those under `invalid/` are told exactly as the text beside them says.
//!
//! Adding a case adds files. `SQUALL_BLESS=1 cargo test` writes the texts anew; read the difference before you keep it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::PathBuf};

use serde_json::Value;
use squall::{
    fault,
    profile::{Source, load},
};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/profiles").join(kind);
    let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut profiles: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    profiles.sort();
    profiles
}

fn source(path: &std::path::Path) -> Source {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    Source { name, text: fs::read_to_string(path).unwrap() }
}

#[test]
fn valid_profiles_load_without_a_warning() {
    let profiles = fixtures("valid");
    assert!(profiles.len() >= 5);
    for path in profiles {
        let loaded = load::load(&[source(&path)], None).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let warnings: String = loaded.warnings.iter().map(|warning| warning.render(false)).collect();
        assert_eq!(warnings, "", "{}", path.display());
    }
}

#[test]
fn invalid_profiles_are_told_exactly_as_written_beside_them() {
    let profiles = fixtures("invalid");
    assert!(profiles.len() >= 20);
    let mut wrong = Vec::new();
    for path in profiles {
        let error = load::load(&[source(&path)], None).expect_err(&path.to_string_lossy());
        let (told, beside) = (error.render(false), path.with_extension("txt"));
        if std::env::var_os("SQUALL_BLESS").is_some() {
            fs::write(&beside, &told).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}\n--- told ---\n{told}--- expected ---\n{expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_text_however_broken_makes_loading_or_rendering_panic() {
    let mut tried = 0;
    for path in [fixtures("valid"), fixtures("invalid")].concat() {
        let whole = source(&path);
        for (position, _) in whole.text.char_indices().step_by(5) {
            let (before, after) = whole.text.split_at(position);
            let mut rest = after.chars();
            rest.next();
            for text in [
                before.to_owned(),
                before.to_owned() + rest.as_str(),
                format!("{before}ü{after}"),
                format!("{before}\"{after}"),
            ] {
                if let Err(error) = load::load(&[Source { name: whole.name.clone(), text }], Some(1)) {
                    assert!(!error.render(false).is_empty());
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
}

#[test]
fn the_guide_tells_every_kind_of_fault_its_messages_and_every_ready_made_profile() {
    let guide = include_str!("../../docs/profiles.md");
    for kind in fault::kinds() {
        let line = format!("| `{}` | {} |", kind.name, kind.about);
        assert!(guide.contains(&line), "docs/profiles.md lacks the line\n{line}");
        assert!(guide.contains(kind.example), "docs/profiles.md lacks the example\n{}", kind.example);
    }
    let shown = include_str!("../fixtures/profiles/invalid/unknown_service.txt");
    assert!(guide.contains(shown), "docs/profiles.md shows another message than\n{shown}");
    for (name, _) in load::ready_made() {
        assert!(guide.contains(&format!("| `{name}` |")), "docs/profiles.md lacks {name}");
    }
}

/// `SQUALL_BLESS=1` writes these parts anew.
#[test]
fn the_page_on_faults_says_what_the_code_says_of_every_kind_and_what_sdks_were_seen_to_do() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(SEEN).unwrap();
    let (_, between) = rest.split_once("\n\n").unwrap();
    let (between, _) = between.split_once(KINDS).unwrap();
    let told = fault::kinds().map(|kind| format!("\n### `{}`\n\n{kind}", kind.name));
    let whole = format!("{before}{SEEN}{}\n{between}{KINDS}{}", seen(), told.collect::<String>());
    if std::env::var_os("SQUALL_BLESS").is_some() {
        fs::write(&path, &whole).unwrap();
    }
    assert!(page == whole, "docs/faults.md is not what SQUALL_BLESS=1 writes");
}

/// The table's rows, from the facts that the SDKs' cases are held to.
fn seen() -> String {
    let facts: Value = serde_json::from_str(include_str!("../sdk/faults.json")).unwrap();
    let row = |row: &Value| {
        let fault = row["fault"].as_str().map_or_else(|| in_yaml(&row["fault"]), str::to_owned);
        let stage = if row["connection"] == true {
            " (connection)"
        } else if row["http2"] == true {
            " (HTTP/2)"
        } else {
            ""
        };
        let sdks = ["python", "javascript", "rust"].map(|sdk| &row[sdk]);
        let saw = sdks.map(|sdk| match (sdk["saw"].as_str(), sdk["attempts"].as_u64()) {
            (Some(saw), Some(1)) => format!("{saw}, 1 attempt"),
            (Some(saw), Some(attempts)) => format!("{saw}, {attempts} attempts"),
            _ => "not run".to_owned(),
        });
        let mut got: Vec<_> = sdks.iter().filter_map(|sdk| sdk["carried_out"].as_u64()).collect();
        if got.iter().all(|one| *one == got[0]) {
            got.truncate(1);
        }
        let got: Vec<_> = got.iter().map(u64::to_string).collect();
        format!(
            "| `{fault}`{stage} | {} | {} | {} |\n",
            row["call"].as_str().unwrap(),
            saw.join(" | "),
            got.join(" / ")
        )
    };
    ["rows", "after_a_write", "http2"].iter().flat_map(|part| facts[part].as_array().unwrap()).map(row).collect()
}

/// As a profile has it.
pub(crate) fn in_yaml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(in_yaml).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("{key}: {}", in_yaml(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Above the rows.
const SEEN: &str =
    "| fault | call | boto3 1.44.5 | JavaScript v3 | Rust | reached the far end |\n|---|---|---|---|---|---|\n";
/// What stands below comes from the code.
const KINDS: &str = "## The kinds\n";

#[test]
fn every_profile_in_the_readme_and_the_guide_loads() {
    let guide = concat!(include_str!("../../README.md"), include_str!("../../docs/profiles.md"));
    let blocks = guide.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let mut count = 0;
    for block in blocks {
        // Whole profiles are tried as they are; a fragment is put into a rule of its own.
        let text = if block.contains("rules:") { block.to_owned() } else { in_a_rule(block) };
        let source = Source { name: format!("block {count} of README.md and docs/profiles.md"), text };
        if let Err(error) = load::load(&[source], None) {
            panic!("{}", error.render(false));
        }
        count += 1;
    }
    assert_eq!(count, 7);
}

/// Each line of a fragment is one way to write a key; each gets a rule.
fn in_a_rule(block: &str) -> String {
    let mut text = "rules:\n".to_owned();
    for (number, line) in block.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        text += &format!("  - name: rule-{number}\n    {line}\n");
        if !line.starts_with("fault:") {
            text += "    fault: throttle\n";
        }
    }
    text
}
