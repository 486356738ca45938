//! `--summary FILE`: the figures for programs.

use serde::Serialize;

use super::Hints;
use crate::ledger::Summary;

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    /// Why no AWS request was seen; absent where one was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why_no_requests: Vec<String>,
}

/// The report as one JSON object, indented, with a line's end. Its names are stable: new ones may come, none change under `"v":1`.
pub fn json(summary: &Summary, hints: &Hints) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&Report { summary, why_no_requests: hints.why_no_requests(summary) })?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Entry, Ledger, Mode, Outcome, Run};

    fn parsed(ledger: &Ledger) -> serde_json::Value {
        serde_json::from_str(&json(&ledger.summary(Run::default()), &Hints::default()).unwrap()).unwrap()
    }

    #[test]
    fn a_run_with_requests_has_figures_and_no_excuses() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = Entry::open(1, jiff::Timestamp::UNIX_EPOCH, Mode::Connect);
        (entry.service, entry.outcome, entry.status) = (Some("s3"), Outcome::Answered, Some(200));
        ledger.record(entry);
        let report = parsed(&ledger);
        assert_eq!((&report["v"], &report["aws"]["statuses"]["200"]), (&1.into(), &1.into()));
        assert!(report.get("why_no_requests").is_none());
        assert!(report["operations"][0].get("operation").is_none());
    }

    #[test]
    fn a_run_without_requests_says_why() {
        let report = parsed(&Ledger::open(None).unwrap());
        assert_eq!(report["exchanges"]["aws"], 0);
        assert!(!report["why_no_requests"].as_array().unwrap().is_empty());
    }
}
