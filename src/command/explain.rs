//! `squall explain --profile P [FILE]`: what would happen to captured requests under a profile, rule by rule, and why.
//!
//! Requests come as for `squall decode`. They are decided in their order by one plan, whose rules count and roll as they would in the
//! proxy, at one moment of its life (`--at`). What depends on an answer, or on what is under way at once, is not known here.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::captured::{self, Captured, Reader};
use super::told;
use crate::aws::request::AwsRequest;
use crate::cli::{ExplainArgs, Output};
use crate::profile::{Fate, Misfit, Plan, Rule, RuleStates, Seen, load};

/// Explains every request. It fails if a line held none.
pub fn main(args: &ExplainArgs) -> ExitCode {
    told::end_unless_unread(explain(args))
}

fn explain(args: &ExplainArgs) -> Result<ExitCode> {
    let colour = io::stderr().is_terminal();
    let loaded = load::read(&args.profile).and_then(|sources| load::load(&sources, args.seed));
    let loaded = loaded.map_err(|e| anyhow!(e.render(colour)))?;
    loaded.warnings.iter().for_each(|warning| told::text(&warning.render(colour)));
    let mut explained = Explained::new(loaded.plan, args.at.duration(), args.output, io::stdout().lock());
    captured::read_from(args.file.as_deref(), &mut explained)?;
    Ok(if explained.all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Decides requests, and writes down what became of each rule.
struct Explained<W: Write> {
    plan: Plan,
    states: RuleStates,
    now: Duration,
    output: Output,
    out: BufWriter<W>,
    all_read: bool,
}

impl<W: Write> Explained<W> {
    fn new(plan: Plan, now: Duration, output: Output, out: W) -> Self {
        let states = RuleStates::new(&plan);
        Self { plan, states, now, output, out: BufWriter::new(out), all_read: true }
    }
}

impl<W: Write> Reader for Explained<W> {
    fn request(&mut self, id: &Value, captured: &Captured<'_>) -> io::Result<()> {
        let mut aws = match captured.decode().0 {
            Ok(aws) => aws,
            Err(foreign) if self.output == Output::Json => {
                return writeln!(self.out, "{}", json!({"id": id, "foreign": foreign.as_str()}));
            }
            Err(foreign) => return writeln!(self.out, "{}: not AWS's, and passes: {}", label(id), foreign.as_str()),
        };
        self.plan.settle(&mut aws);
        let body = captured.body_prefix();
        let seen = Seen { body: &body, port: captured.port(), ..Seen::new(&aws, captured.head()) };
        let (_, fates) = self.plan.trace(&self.states, &seen, self.now);
        match self.output {
            Output::Json => writeln!(self.out, "{}", as_json(id, &aws, &fates)),
            Output::Text => write_text(&mut self.out, id, &aws, &fates),
        }
    }

    fn no_request(&mut self, line: usize, error: &serde_json::Error) -> io::Result<()> {
        self.all_read = false;
        let error = format!("line {line} holds no request: {error}");
        match self.output {
            Output::Json => writeln!(self.out, "{}", json!({ "error": error })),
            Output::Text => writeln!(self.out, "{error}"),
        }
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn as_json(id: &Value, aws: &AwsRequest, fates: &[(&Rule, Fate)]) -> Value {
    let rules = fates.iter().map(|(rule, fate)| {
        let mut told = json!({"rule": rule.name()});
        let more = match fate {
            Fate::Misfit(Misfit { key, unknown }) => json!({"fate": "misfit", "key": key, "unknown": unknown}),
            Fate::Skipped { why, rolled } => json!({"fate": "skipped", "why": why, "rolled": rolled}),
            Fate::Struck { rolled } => json!({"fate": "fired", "rolled": rolled, "faults": faults(rule)}),
        };
        if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
            told.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        }
        told
    });
    let fired: Vec<_> = fired(fates).map(Rule::name).collect();
    json!({"id": id, "request": subject(aws), "fired": fired, "rules": rules.collect::<Vec<_>>()})
}

fn write_text(out: &mut impl Write, id: &Value, aws: &AwsRequest, fates: &[(&Rule, Fate)]) -> io::Result<()> {
    let fired: Vec<_> = fired(fates).map(|rule| rule.name().as_str()).collect();
    let verdict =
        if fired.is_empty() { "passes untouched".to_owned() } else { format!("struck by {}", fired.join(", ")) };
    writeln!(out, "{}: {}: {verdict}", label(id), subject(aws))?;
    let width = fates.iter().map(|(rule, _)| rule.name().as_str().len()).max().unwrap_or_default();
    for (rule, fate) in fates {
        writeln!(out, "  {:width$}  {}", rule.name().as_str(), in_words(rule, fate))?;
    }
    Ok(())
}

fn in_words(rule: &Rule, fate: &Fate) -> String {
    let dice =
        |rolled: &Option<f64>| rolled.map_or_else(String::new, |rolled| format!(" (rolled {:.1} %)", rolled * 100.0));
    match fate {
        Fate::Misfit(Misfit { key, unknown: true }) => format!("does not match: `{key}` is unknown"),
        Fate::Misfit(Misfit { key, unknown: false }) => format!("does not match: `{key}`"),
        Fate::Skipped { why, rolled } => format!("matches, but {}{}", why.told(rule), dice(rolled)),
        Fate::Struck { rolled } => format!("fires: {}{}", faults(rule).join(" + "), dice(rolled)),
    }
}

fn fired<'a>(fates: &'a [(&'a Rule, Fate)]) -> impl Iterator<Item = &'a Rule> {
    fates.iter().filter(|(_, fate)| matches!(fate, Fate::Struck { .. })).map(|(rule, _)| *rule)
}

fn faults(rule: &Rule) -> Vec<String> {
    rule.faults().iter().map(ToString::to_string).collect()
}

/// `dynamodb.PutItem of orders, attempt 2`.
fn subject(aws: &AwsRequest) -> String {
    let mut text = aws.reading().map(ToString::to_string).unwrap_or_default();
    if let Some(resource) = &aws.resource {
        text += &format!(" of {}", resource.name);
    }
    if let Some(attempt) = aws.attempt {
        text += &format!(", attempt {attempt}");
    }
    text
}

fn label(id: &Value) -> String {
    match id {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Source, load::load};

    const PROFILE: &str = "rules:
      - {name: throttle-orders, match: {service: dynamodb, resource: orders}, when: {calls: first 1}, fault: throttle}
      - {name: slow, match: {service: [dynamodb, sqs]}, fault: {latency: 5ms}}
      - {name: late, when: {between: 1m..2m}, fault: internal}";

    fn explained(requests: &str, now: Duration, output: Output) -> (String, bool) {
        let plan = load(&[Source { name: "p.yaml".to_owned(), text: PROFILE.to_owned() }], Some(1)).unwrap().plan;
        let mut out = Vec::new();
        let mut explained = Explained::new(plan, now, output, &mut out);
        captured::read(requests.as_bytes(), &mut explained).unwrap();
        let all_read = explained.all_read;
        drop(explained);
        (String::from_utf8(out).unwrap(), all_read)
    }

    fn put(id: u32, table: &str) -> String {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(format!(r#"{{"TableName": "{table}"}}"#));
        json!({"id": id, "method": "POST", "url": "https://dynamodb.us-east-1.amazonaws.com/",
               "headers": [["x-amz-target", "DynamoDB_20120810.PutItem"]], "body_b64": body})
        .to_string()
            + "\n"
    }

    #[test]
    fn each_rule_is_told_with_the_reason() {
        let requests = put(1, "orders") + &put(2, "orders") + &put(3, "customers");
        let (text, all_read) = explained(&requests, Duration::ZERO, Output::Text);
        let expected = "\
1: dynamodb.PutItem of orders: struck by throttle-orders, slow
  throttle-orders  fires: throttle
  slow             fires: latency of 5ms
  late             matches, but came outside `between: 1m..2m`
2: dynamodb.PutItem of orders: struck by slow
  throttle-orders  matches, but fell outside `calls: first 1`
  slow             fires: latency of 5ms
  late             matches, but came outside `between: 1m..2m`
3: dynamodb.PutItem of customers: struck by slow
  throttle-orders  does not match: `resource`
  slow             fires: latency of 5ms
  late             matches, but came outside `between: 1m..2m`
";
        assert_eq!((text.as_str(), all_read), (expected, true));
    }

    #[test]
    fn json_tells_the_same_at_another_time() {
        let (text, _) = explained(&put(7, "x"), Duration::from_secs(90), Output::Json);
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["fired"], json!(["slow", "late"]));
        assert_eq!(
            told["rules"][0],
            json!({"rule": "throttle-orders", "fate": "misfit", "key": "resource", "unknown": false})
        );
        assert_eq!(told["rules"][2], json!({"rule": "late", "fate": "fired", "faults": ["internal"]}));
    }

    #[test]
    fn what_is_not_awss_and_what_is_no_request_are_told_apart() {
        let requests = "{\"method\": \"GET\", \"url\": \"https://example.org/\"}\nnonsense\n";
        let (text, all_read) = explained(requests, Duration::ZERO, Output::Text);
        assert!(
            text.starts_with("-: not AWS's, and passes: nothing in it speaks of AWS\nline 2 holds no request: "),
            "{text}"
        );
        assert!(!all_read);
    }
}
