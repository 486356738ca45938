//! A settings file: flags, written down in YAML.
//!
//! [`parse`] reads the command line, with what the file says in place of the defaults: so a flag comes before a variable, and a
//! variable before the file. The file's keys are the flags' names, its values what the flags take; what may be repeated is a list.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use clap::{Arg, ArgMatches, Command, FromArgMatches as _};

use crate::cli::{self, Cli, LONG_LIVED};
use crate::fault::written::{At, Complaint, Content, Node, yaml};

/// One flag's values as the file has them.
#[derive(Debug)]
struct Setting {
    key: String,
    at: At,
    values: Vec<String>,
}

/// Reads the command line, and the settings file that it or the environment names. A word that clap refuses ends the process.
pub fn parse(arguments: &[OsString]) -> Result<Cli> {
    let command = cli::command();
    let matches = command.clone().get_matches_from(arguments);
    let Some((name, path)) = named_file(&matches) else { return Ok(finish(&matches)) };
    let read = || {
        std::fs::read_to_string(path)
            .map_err(anyhow::Error::from)
            .and_then(|text| with_file(command, name, path, &text))
    };
    let command = read().with_context(|| format!("--settings {}", path.display()))?;
    Ok(finish(&command.get_matches_from(arguments)))
}

fn finish(matches: &ArgMatches) -> Cli {
    Cli::from_arg_matches(matches).unwrap_or_else(|e| e.exit())
}

fn named_file(matches: &ArgMatches) -> Option<(&str, &Path)> {
    let (name, matches) = matches.subcommand().filter(|(name, _)| LONG_LIVED.contains(name))?;
    let path: &std::path::PathBuf = matches.get_one(SETTINGS)?;
    Some((name, path.as_path()))
}

/// The definitions, with the file's values for defaults.
fn with_file(command: Command, subcommand: &str, path: &Path, text: &str) -> Result<Command> {
    let refused = |complaint: Complaint| anyhow!(in_words(path, text, &complaint));
    let syntax = |e: yaml::SyntaxError| {
        let (line, column) = position(text, e.span.map_or(0, |span| span.start));
        anyhow!("{}:{line}:{column}: {}", path.display(), e.message)
    };
    let settings = settings(&yaml::parse(text).map_err(syntax)?).map_err(refused)?;
    let mut command = command;
    for setting in settings {
        check(&command, subcommand, &setting).map_err(refused)?;
        let values = setting.values.clone();
        let key = setting.key.clone();
        let set =
            move |arg: Arg| if arg.get_long() == Some(key.as_str()) { arg.default_values(values.clone()) } else { arg };
        command = command.mut_args(set.clone()).mut_subcommand(subcommand, |c| c.mut_args(set));
    }
    Ok(command)
}

fn settings(file: &Node) -> Result<Vec<Setting>, Complaint> {
    let Content::Map(entries) = &file.content else {
        return Err(Complaint::new(file.at, "a settings file is a map of flags' names to their values")
            .help("for example:  upstream: http://localhost:4566"));
    };
    let mut settings = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let values = match &value.content {
            Content::List(items) => {
                items.iter().map(|item| item.word("a value").map(str::to_owned)).collect::<Result<_, _>>()?
            }
            _ => vec![value.word("a value, or a list of values")?.to_owned()],
        };
        settings.push(Setting { key: key.word("a flag's name")?.to_owned(), at: key.at, values });
    }
    Ok(settings)
}

/// Whether clap takes it: asked by itself, so that what is wrong can be told with its place.
fn check(command: &Command, subcommand: &str, setting: &Setting) -> Result<(), Complaint> {
    let flags =
        command.get_arguments().chain(command.find_subcommand(subcommand).into_iter().flat_map(Command::get_arguments));
    let flags: Vec<_> = flags.filter_map(Arg::get_long).filter(|name| !NOT_HERE.contains(name)).collect();
    if !flags.contains(&setting.key.as_str()) {
        let complaint = Complaint::new(setting.at, format!("there is no setting `{}`", setting.key));
        return Err(complaint.nearest(&setting.key, flags));
    }
    // Asked of defaults as they will be; nothing is required of a command but its program.
    let (key, values) = (setting.key.clone(), setting.values.clone());
    let set =
        move |arg: Arg| if arg.get_long() == Some(key.as_str()) { arg.default_values(values.clone()) } else { arg };
    let asked = command.clone().mut_args(set.clone()).mut_subcommand(subcommand, |c| c.mut_args(set));
    let words = [command.get_name(), subcommand, "--", "program"];
    let words = if subcommand == "run" { &words[..] } else { &words[..2] };
    let refused = |e: clap::Error| {
        let text = e.render().to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Complaint::new(setting.at, first)
    };
    asked.try_get_matches_from(words).map(drop).map_err(refused)
}

fn in_words(path: &Path, text: &str, complaint: &Complaint) -> String {
    let (line, column) = position(text, yaml::locate(text, complaint.at).map_or(0, |span| span.start));
    let help = complaint.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    format!("{}:{line}:{column}: {}{help}", path.display(), complaint.message)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

const SETTINGS: &str = "settings";
const NOT_HERE: [&str; 4] = ["help", "settings", "verbose", "version"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command as Asked;

    fn parsed(file: &str, words: &[&str]) -> Result<Cli> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("squall.yaml");
        std::fs::write(&path, file).unwrap();
        let words = ["squall", "serve", "--settings", path.to_str().unwrap()].into_iter().chain(words.iter().copied());
        parse(&words.map(OsString::from).collect::<Vec<_>>())
    }

    fn refused(file: &str) -> String {
        format!("{:#}", parsed(file, &[]).unwrap_err())
    }

    #[test]
    fn the_file_says_what_no_flag_says() {
        let file = "listen: [127.0.0.1:1, '[::1]:1']\nupstream: {}\nseed: 7\nunmarked: true\ndrain-timeout: 1s\nlog-level: debug\n";
        let file = file.replace("{}", "http://localhost:4566");
        let cli = parsed(&file, &["--seed", "9"]).unwrap();
        let Asked::Serve(args) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!((args.proxy.listen.len(), args.proxy.upstream.len(), args.proxy.seed), (2, 1, Some(9)));
        assert!(args.proxy.unmarked);
        assert_eq!(args.proxy.limits.drain_timeout.duration(), std::time::Duration::from_secs(1));
        assert_eq!(cli.log_level, Some(cli::Level::Debug));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_the_nearest_right_spelling() {
        let told = refused("seed: 7\nupstrem: http://localhost:4566\n");
        assert!(
            told.contains("squall.yaml:2:1: there is no setting `upstrem`") && told.contains("`upstream`"),
            "{told}"
        );
        let told = refused("seed: seven\n");
        assert!(told.contains("squall.yaml:1:1: invalid value 'seven' for '--seed <N>'"), "{told}");
        for wrong in ["- a\n", "seed: {a: 1}\n", "seed: [", "settings: x\n"] {
            assert!(refused(wrong).contains("squall.yaml:1:"), "{}", refused(wrong));
        }
    }
}
