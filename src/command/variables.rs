//! `squall env`: the variables that lead a shell's programs through a Squall that runs already, in the shell's own words.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::authority::Anchor;
use super::environment::{Environment, Way};
use super::hints::Inherited;
use super::told;
use super::trust::Trust;
use crate::cli::{EnvArgs, Shell};

/// Prints them; the files that they name are kept beside the certificate authority.
pub fn main(args: &EnvArgs) -> ExitCode {
    told::end(print(args).map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

fn print(args: &EnvArgs) -> Result<()> {
    let (inherited, anchor) = (Inherited::here(), Anchor::open(&args.authority)?);
    let dir = anchor.file.parent().unwrap_or_else(|| Path::new(".")).join("clients");
    // What an earlier `squall env` set is no longer what was trusted before.
    let inherited = inherited.without_values_below(&dir);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let trust = Trust::write(&dir, &anchor.pem, &args.url, &args.authority.intercept, &inherited)?;
    let way = if args.endpoint { Way::Endpoint } else { Way::Proxy };
    let mut environment = Environment::for_program(way, &args.url, &trust, None, |name| inherited.value(name));
    if way == Way::Endpoint {
        environment = environment.without_endpoints(inherited.endpoint_variables());
    }
    environment.notes.iter().for_each(|note| told::line(note));
    let shell = args.shell.unwrap_or_else(|| of_user(inherited.value("SHELL").as_deref()));
    let text = in_words_of(shell, &environment);
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to stdout")
}

fn of_user(shell: Option<&std::ffi::OsStr>) -> Shell {
    let name = shell.and_then(|path| Path::new(path).file_name()).and_then(|name| name.to_str());
    match name {
        Some("fish") => Shell::Fish,
        Some("pwsh") => Shell::Powershell,
        _ => Shell::Sh,
    }
}

fn in_words_of(shell: Shell, environment: &Environment) -> String {
    let set: Vec<_> =
        environment.set.iter().map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy())).collect();
    if shell == Shell::Json {
        let mut object: Map<_, _> = set.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect();
        object.extend(environment.unset.iter().map(|name| (name.clone(), Value::Null)));
        return format!("{}\n", Value::Object(object));
    }
    let mut text = String::new();
    for name in &environment.unset {
        let _always = match shell {
            Shell::Dotenv => writeln!(text, "# {name} must not be set"),
            Shell::Fish => writeln!(text, "set -e {name};"),
            Shell::Powershell => writeln!(text, "Remove-Item -ErrorAction Ignore Env:{name}"),
            Shell::Json | Shell::Sh => writeln!(text, "unset {name}"),
        };
    }
    for (name, value) in set {
        let _always = match shell {
            Shell::Dotenv => {
                writeln!(text, "{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
            }
            Shell::Fish => writeln!(text, "set -gx {name} '{}';", value.replace('\\', "\\\\").replace('\'', "\\'")),
            Shell::Powershell => writeln!(text, "$Env:{name} = '{}'", value.replace('\'', "''")),
            Shell::Json | Shell::Sh => writeln!(text, "export {name}='{}'", value.replace('\'', "'\\''")),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let set = vec![("A".into(), "it's $5 \"x\" \\".into())];
        Environment { set, unset: vec!["B".into()], notes: Vec::new() }
    }

    #[test]
    fn every_shell_reads_what_was_meant() {
        let words = |shell| in_words_of(shell, &environment());
        assert_eq!(words(Shell::Sh), "unset B\nexport A='it'\\''s $5 \"x\" \\'\n");
        assert_eq!(words(Shell::Fish), "set -e B;\nset -gx A 'it\\'s $5 \"x\" \\\\';\n");
        assert_eq!(words(Shell::Powershell), "Remove-Item -ErrorAction Ignore Env:B\n$Env:A = 'it''s $5 \"x\" \\'\n");
        assert_eq!(words(Shell::Dotenv), "# B must not be set\nA=\"it's \\$5 \\\"x\\\" \\\\\"\n");
        assert_eq!(words(Shell::Json), "{\"A\":\"it's $5 \\\"x\\\" \\\\\",\"B\":null}\n");
    }

    #[test]
    fn the_users_own_shell_is_spoken_to() {
        assert_eq!(of_user(Some("/usr/bin/fish".as_ref())), Shell::Fish);
        assert_eq!(of_user(Some("/bin/zsh".as_ref())), Shell::Sh);
        assert_eq!(of_user(None), Shell::Sh);
    }
}
