//! `squall profiles [NAME]`: the ready-made profiles, each a story of what production does.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::told;
use crate::cli::{Output, ProfilesArgs};
use crate::fault::written::nearest;
use crate::profile::load::ready_made;

/// Lists them, or prints one as it is written.
pub fn main(args: &ProfilesArgs) -> ExitCode {
    let told = tell(args.name.as_deref(), args.output, &mut io::stdout().lock());
    told::end_unless_unread(told.map(|()| ExitCode::SUCCESS))
}

fn tell(name: Option<&str>, output: Output, out: &mut dyn Write) -> Result<()> {
    match (name, output) {
        (None, Output::Json) => {
            let all = ready_made().map(|(name, text)| json!({"name": name, "about": story(text)}));
            writeln!(out, "{:#}", all.collect::<Value>())?;
        }
        (None, Output::Text) => {
            let width = ready_made().map(|(name, _)| name.len()).max().unwrap_or_default();
            for (name, text) in ready_made() {
                let story = story(text);
                let first = story.split_once(". ").map_or(story.as_str(), |(first, _)| first).trim_end_matches('.');
                writeln!(out, "{name:width$}  {first}.")?;
            }
        }
        (Some(name), output) => {
            let text = find(name)?;
            match output {
                Output::Json => writeln!(out, "{:#}", json!({"name": name, "about": story(text), "yaml": text}))?,
                Output::Text => write!(out, "{text}")?,
            }
        }
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static str> {
    match ready_made().find(|(known, _)| *known == name) {
        Some((_, text)) => Ok(text),
        None => {
            let near = nearest(name, ready_made().map(|(known, _)| known));
            let hint =
                near.map_or_else(|| "`squall profiles` lists them".to_owned(), |n| format!("did you mean `{n}`?"));
            bail!("there is no ready-made profile `{name}`; {hint}")
        }
    }
}

/// The comment that a profile begins with, as one text.
fn story(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: Option<&str>, output: Output) -> String {
        let mut out = Vec::new();
        tell(name, output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_is_listed_with_what_it_is_about_and_printed_as_written() {
        let list = told(None, Output::Text);
        assert_eq!(list.lines().count(), ready_made().count());
        for (name, text) in ready_made() {
            assert!(story(text).len() > 40, "{name} tells no story");
            assert!(list.contains(&format!("{name} ")), "{list}");
            assert_eq!(told(Some(name), Output::Text), text);
        }
        let all: Value = serde_json::from_str(&told(None, Output::Json)).unwrap();
        assert!(all[0]["about"].as_str().unwrap().ends_with('.'));
    }

    #[test]
    fn what_does_not_exist_is_answered_with_the_nearest() {
        let error = tell(Some("s3-slowdwn"), Output::Text, &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(error, "there is no ready-made profile `s3-slowdwn`; did you mean `s3-slowdown`?");
    }
}
