//! `squall faults [KIND]`: what can go wrong, told by the code that does it.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::told;
use crate::cli::{FaultsArgs, Output};
use crate::fault::{self, FaultKind, written::nearest};

/// Lists the kinds of faults, or tells all of one.
pub fn main(args: &FaultsArgs) -> ExitCode {
    let told = tell(args.kind.as_deref(), args.output, &mut io::stdout().lock());
    told::end_unless_unread(told.map(|()| ExitCode::SUCCESS))
}

fn tell(kind: Option<&str>, output: Output, out: &mut dyn Write) -> Result<()> {
    match (kind.map(find).transpose()?, output) {
        (Some(kind), Output::Json) => writeln!(out, "{:#}", as_json(kind))?,
        (Some(kind), Output::Text) => write!(out, "{}\n\n{kind}", kind.name)?,
        (None, Output::Json) => writeln!(out, "{:#}", fault::kinds().map(as_json).collect::<Value>())?,
        (None, Output::Text) => {
            let width = fault::kinds().map(|kind| kind.name.len()).max().unwrap_or_default();
            for kind in fault::kinds() {
                writeln!(out, "{:width$}  {}", kind.name, kind.about)?;
            }
        }
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static FaultKind> {
    match fault::kinds().find(|kind| kind.name == name) {
        Some(kind) => Ok(kind),
        None => {
            let known = nearest(name, fault::kinds().map(|kind| kind.name));
            let hint =
                known.map_or_else(|| "`squall faults` lists them".to_owned(), |n| format!("did you mean `{n}`?"));
            bail!("there is no fault `{name}`; {hint}")
        }
    }
}

fn as_json(kind: &FaultKind) -> Value {
    let settings = kind.settings.iter().map(|setting| {
        json!({"name": setting.name, "value": setting.value.form(), "default": setting.default, "about": setting.about})
    });
    json!({
        "name": kind.name,
        "about": kind.about,
        "details": kind.details,
        "settings": settings.collect::<Value>(),
        "example": kind.example,
        "clients": kind.clients,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: Option<&str>, output: Output) -> String {
        let mut out = Vec::new();
        tell(kind, output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_kinds_are_listed_and_each_is_told_whole() {
        let list = told(None, Output::Text);
        assert_eq!(list.lines().count(), fault::kinds().count());
        assert!(list.starts_with("throttle ") && list.contains("\nlatency "), "{list}");
        for kind in fault::kinds() {
            let text = told(Some(kind.name), Output::Text);
            let all = kind.settings.iter().all(|setting| text.contains(setting.about));
            assert!(all && text.contains(kind.example) && text.contains(kind.about), "{text}");
        }
    }

    #[test]
    fn json_holds_the_settings() {
        let told: Value = serde_json::from_str(&told(Some("truncate"), Output::Json)).unwrap();
        assert_eq!(told["settings"][0]["name"], "after");
    }

    #[test]
    fn what_does_not_exist_is_answered_with_the_nearest() {
        let error = tell(Some("latancy"), Output::Text, &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(error, "there is no fault `latancy`; did you mean `latency`?");
    }
}
