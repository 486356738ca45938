//! The JSON Schema of profiles: it lets pass what the language lets pass, and stops what has the wrong form.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use squall::fault;
use squall::profile::json_schema::json_schema;

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&json_schema()).unwrap()
}

fn profiles(folder: &str) -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    files
        .filter_map(|path| Some((path.clone(), serde_yaml::from_str(&fs::read_to_string(path).unwrap()).ok()?)))
        .collect()
}

#[test]
fn profiles_that_load_fit_the_schema() {
    let validator = validator();
    let all: Vec<_> = profiles("profiles").into_iter().chain(profiles("tests/fixtures/profiles/valid")).collect();
    assert!(all.len() >= 10);
    for (path, profile) in all {
        let wrong: Vec<String> =
            validator.iter_errors(&profile).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
}

#[test]
fn every_faults_example_fits_and_its_keys_are_known() {
    let validator = validator();
    for kind in fault::kinds() {
        let profile = format!("rules:\n  - name: a\n    {}\n", kind.example);
        let profile: Value = serde_yaml::from_str(&profile).unwrap();
        assert!(validator.is_valid(&profile), "{}", kind.example);
        if !kind.settings.is_empty() {
            let unknown = format!("rules:\n  - name: a\n    fault: {{{}: {{nonsense: 1}}}}\n", kind.name);
            assert!(!validator.is_valid(&serde_yaml::from_str(&unknown).unwrap()), "{unknown}");
        }
    }
}

#[test]
fn wrong_words_and_forms_do_not_fit() {
    let validator = validator();
    for profile in [
        "{}",
        "rules: {}",
        "rules: [{name: a}]",
        "rules: [{name: 'a b', fault: throttle}]",
        "rules: [{name: a, fault: throtle}]",
        "rules: [{name: a, fault: {latency: 300}}]",
        "rules: [{name: a, match: {service: dynamdb}, fault: throttle}]",
        "rules: [{name: a, match: {servce: s3}, fault: throttle}]",
        "rules: [{name: a, when: {per: call}, fault: throttle}]",
        "rules: [{name: a, when: {probability: {from: 0%}}, fault: throttle}]",
    ] {
        assert!(!validator.is_valid(&serde_yaml::from_str(profile).unwrap()), "{profile}");
    }
}
