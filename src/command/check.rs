//! `squall check PROFILE…`: parses profiles, holds them against the catalog, and says in words what they do.
//!
//! What is wrong goes to stderr with the line it stands in; a summary of what is right goes to stdout. As JSON, both go to stdout as
//! one object, so that an editor or a pipeline can read it.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::profile::{LoadError, Loaded, Plan, Problem, Rule, TcpEntry, load};

/// How the result is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One JSON object on stdout, and nothing on stderr.
    Json,
    /// Words on stdout, problems on stderr.
    Text {
        /// Whether problems are drawn in colour and line art, as suits a terminal.
        colour: bool,
    },
}

/// Checks profiles by name or path and answers with the exit code: 0 when they run, 1 when they do not. A warning does not stop them.
pub fn check(names: &[String], form: Form, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<u8> {
    let checked = load::read(names).and_then(|sources| load::load(&sources, None));
    match form {
        Form::Json => writeln!(stdout, "{:#}", as_json(&checked))?,
        Form::Text { colour } => tell(&checked, colour, stdout, stderr)?,
    }
    Ok(u8::from(checked.is_err()))
}

fn tell(
    checked: &Result<Loaded, LoadError>,
    colour: bool,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<()> {
    for problem in problems(checked) {
        stderr.write_all(problem.render(colour).as_bytes())?;
    }
    match checked {
        Ok(loaded) => summary(loaded, stdout),
        Err(_) => Ok(()),
    }
}

fn summary(loaded: &Loaded, stdout: &mut dyn Write) -> io::Result<()> {
    let plan = &loaded.plan;
    let rules = counted(plan.rules().len(), "rule");
    let warnings = match loaded.warnings.len() {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    let seed = written_seed(loaded).map_or_else(|| "drawn at each start".to_owned(), |seed| seed.to_string());
    writeln!(stdout, "ok: {}: {rules}, seed {seed}{warnings}", plan.name())?;
    plan.tcp().iter().try_for_each(|entry| writeln!(stdout, "  tcp {entry}"))?;
    plan.rules().iter().try_for_each(|rule| {
        writeln!(stdout, "  {rule}")?;
        rule.on_real_aws().try_for_each(|care| writeln!(stdout, "    on real AWS {care}"))
    })
}

fn as_json(checked: &Result<Loaded, LoadError>) -> Value {
    let problems: Vec<Value> = problems(checked).iter().map(problem_as_json).collect();
    match checked {
        Ok(loaded) => json!({
            "v": 1,
            "ok": true,
            "profile": loaded.plan.name(),
            "seed": written_seed(loaded),
            "tcp": loaded.plan.tcp().iter().map(entry_as_json).collect::<Vec<_>>(),
            "rules": loaded.plan.rules().iter().map(rule_as_json).collect::<Vec<_>>(),
            "problems": problems,
        }),
        Err(_) => json!({ "v": 1, "ok": false, "problems": problems }),
    }
}

fn entry_as_json(entry: &TcpEntry) -> Value {
    json!({"name": entry.name, "listen": entry.listen.to_string(), "upstream": entry.upstream.to_string()})
}

fn rule_as_json(rule: &Rule) -> Value {
    json!({
        "name": rule.name(),
        "match": rule.matcher().to_string(),
        "when": rule.schedule().to_string(),
        "faults": rule.faults().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answers": rule.is_terminal(),
        "on_real_aws": rule.on_real_aws().collect::<Vec<_>>(),
    })
}

fn problem_as_json(problem: &Problem) -> Value {
    let place = problem.position();
    json!({
        "severity": if problem.is_warning() { "warning" } else { "error" },
        "message": problem.message(),
        "help": problem.advice(),
        "file": place.map(|(file, _, _)| file),
        "line": place.map(|(_, line, _)| line),
        "column": place.map(|(_, _, column)| column),
    })
}

fn problems(checked: &Result<Loaded, LoadError>) -> &[Problem] {
    match checked {
        Ok(loaded) => &loaded.warnings,
        Err(error) => error.problems(),
    }
}

/// A drawn seed is this moment's only, and says nothing about the profile.
fn written_seed(loaded: &Loaded) -> Option<u64> {
    Some(&loaded.plan).filter(|_| !loaded.seed_was_drawn).map(Plan::seed)
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exit code, stdout and stderr.
    fn checked(names: &[&str], form: Form) -> (u8, String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let code = check(&names, form, &mut stdout, &mut stderr).unwrap();
        (code, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// A profile file that lives as long as the test.
    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.yaml");
        std::fs::write(&path, text).unwrap();
        (directory, path.to_string_lossy().into_owned())
    }

    const PLAIN: Form = Form::Text { colour: false };

    #[test]
    fn profiles_that_run_are_told_in_words() {
        let (code, stdout, stderr) = checked(&["dynamodb-throttle", "slow-300ms"], PLAIN);
        let words = "ok: dynamodb-throttle+slow-300ms: 2 rules, seed drawn at each start\n  \
                     dynamodb-throttle: dynamodb: throttle (30%, per invocation)\n  \
                     slow-300ms: anything: latency of 300ms (always)\n";
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, words, ""));
    }

    #[test]
    fn a_wrong_profile_is_shown_on_stderr_and_fails() {
        let (_directory, path) = file("rules:\n  - name: a\n    match: {service: dynamdb}\n    fault: throttle\n");
        let (code, stdout, stderr) = checked(&[&path], PLAIN);
        assert_eq!((code, stdout.as_str()), (1, ""));
        for part in
            ["unknown service `dynamdb`", "p.yaml:3:22", "    match: {service: dynamdb}", "did you mean `dynamodb`?"]
        {
            assert!(stderr.contains(part), "{part} is not in\n{stderr}");
        }
        assert!(!stderr.contains('\u{1b}'), "escape codes in plain output");
        let (_, _, coloured) = checked(&[&path], Form::Text { colour: true });
        assert!(coloured.contains('\u{1b}'));
    }

    #[test]
    fn a_warning_is_shown_and_does_not_fail() {
        let (_directory, path) = file(
            "seed: 5\nrules:\n  - name: a\n    match: {operation: PutItem}\n    fault: {error: {code: NoSuchKey}}\n",
        );
        let (code, stdout, stderr) = checked(&[&path], PLAIN);
        assert_eq!(code, 0);
        assert!(stdout.starts_with("ok: p: 1 rule, seed 5, 1 warning\n"), "{stdout}");
        assert!(stderr.contains("AWS does not model the error `NoSuchKey` for dynamodb PutItem"), "{stderr}");
    }

    #[test]
    fn json_tells_rules_and_problems_on_stdout() {
        let (code, stdout, stderr) = checked(&["dynamodb-throttle"], Form::Json);
        let told: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert_eq!((&told["ok"], &told["seed"]), (&json!(true), &json!(null)));
        let rule = json!({
            "name": "dynamodb-throttle", "match": "dynamodb", "when": "30%, per invocation", "faults": ["throttle"], "answers": true, "on_real_aws": [],
        });
        assert_eq!(told["rules"], json!([rule]));

        let (_directory, path) = file("rules:\n  - name: a\n    fault: throtle\n");
        let (code, stdout, _) = checked(&[&path], Form::Json);
        let told: Value = serde_json::from_str(&stdout).unwrap();
        let problem = json!({
            "severity": "error", "message": "unknown fault `throtle`", "help": "did you mean `throttle`?",
            "file": path, "line": 3, "column": 12,
        });
        assert_eq!((code, told), (1, json!({ "v": 1, "ok": false, "problems": [problem] })));
    }

    #[test]
    fn a_profile_that_is_not_there_fails_with_the_names_of_those_that_are() {
        let (code, _, stderr) = checked(&["nonsense"], PLAIN);
        assert_eq!(code, 1);
        assert!(stderr.contains("there is no profile `nonsense`") && stderr.contains("calm"), "{stderr}");
    }
}
