//! `squall ca` and `squall env`: what clients are told to trust, in every form, and the variables of a shell.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// In an empty environment, with its home in `home`.
fn squall(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).args(arguments);
    let ran = command.stdin(Stdio::null()).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran
}

fn stdout(home: &Path, arguments: &[&str]) -> String {
    String::from_utf8(squall(home, arguments).stdout).unwrap()
}

#[test]
fn the_authority_is_shown_with_its_fingerprint_and_names_and_is_the_same_each_time() {
    let home = tempfile::tempdir().unwrap();
    let shown = |arguments: &[&str]| -> Value {
        let arguments = [&["ca", "show", "--output", "json"], arguments].concat();
        serde_json::from_str(&stdout(home.path(), &arguments)).unwrap()
    };
    let first = shown(&[]);
    assert_eq!(first, shown(&[]));
    assert_eq!(first["sha256"].as_str().unwrap().split(':').count(), 32);
    let names: Vec<_> = first["names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(names.contains(&"amazonaws.com") && names.contains(&"127.0.0.0/8"), "{names:?}");
    let own = home.path().join("own");
    let own = ["--ca-dir", own.to_str().unwrap(), "--intercept", "emulator.corp"];
    assert!(shown(&own)["names"].as_array().unwrap().contains(&"emulator.corp".into()));
    let text = stdout(home.path(), &["ca", "show"]);
    assert!(text.contains(first["sha256"].as_str().unwrap()) && text.contains("ca.pem"), "{text}");
}

#[test]
fn every_form_holds_the_same_certificate() {
    let home = tempfile::tempdir().unwrap();
    let export = |form: &str| {
        let file = home.path().join(form);
        squall(home.path(), &["ca", "export", "--format", form, "--out", file.to_str().unwrap()]);
        std::fs::read(file).unwrap()
    };
    let der = export("der");
    let of_pem = |bytes: &[u8]| pem::parse(bytes).unwrap();
    assert_eq!(of_pem(&export("pem")).contents(), der);
    let trusted = of_pem(&export("trust"));
    assert!(trusted.tag() == "TRUSTED CERTIFICATE" && trusted.contents().starts_with(&der));
    assert!(export("jks").windows(der.len()).any(|part| part == der));
    assert!(pem::parse_many(export("bundle")).unwrap().len() > 1, "the system's roots are there too");
    assert_eq!(export("p12")[0], 0x30);
    assert_eq!(squall(home.path(), &["ca", "export"]).stdout, export("pem"), "to stdout without --out");
}

#[test]
fn a_shell_that_evaluates_it_leads_its_programs_to_squall_once_and_again() {
    let home = tempfile::tempdir().unwrap();
    let squall = env!("CARGO_BIN_EXE_squall");
    let script = format!(
        "export NODE_OPTIONS=--no-warnings NO_PROXY=.amazonaws.com; eval \"$({squall} env)\"; eval \"$({squall} env)\"; \
         echo $HTTPS_PROXY; echo $NO_PROXY; echo $NODE_OPTIONS; grep -c BEGIN $AWS_CA_BUNDLE $NODE_EXTRA_CA_CERTS; \
         {squall} env --endpoint --url http://127.0.0.1:9"
    );
    let mut shell = Command::new("sh");
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home.path()).args(["-c", &script]);
    let ran = shell.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], ["http://127.0.0.1:4577", "localhost,127.0.0.1,::1"], "{said}");
    assert!(lines[2].starts_with("--no-warnings --require ") && lines[2].matches("preload.cjs").count() == 1, "{said}");
    let roots = |line: &str| line.rsplit(':').next().unwrap().parse::<u32>().unwrap();
    assert!(roots(lines[3]) > 1 && roots(lines[4]) == 1, "{said}");
    assert!(lines[5..].contains(&"export AWS_ENDPOINT_URL='http://127.0.0.1:9'"), "{said}");
    assert!(String::from_utf8(ran.stderr).unwrap().contains("NO_PROXY named .amazonaws.com"));
}

#[test]
fn completions_and_manual_come_from_the_same_definitions() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(home.path(), &["completions", shell]);
        assert!(script.contains("drain-timeout") && script.contains("export"), "{shell}: {script}");
    }
    assert!(stdout(home.path(), &["man"]).contains(".TH squall 1"));
    let pages = home.path().join("man");
    squall(home.path(), &["man", "--dir", pages.to_str().unwrap()]);
    let serve = std::fs::read_to_string(pages.join("squall-serve.1")).unwrap();
    assert!(serve.contains("SQUALL_PID_FILE") && serve.contains("\\-\\-pid\\-file"), "{serve}");
}
