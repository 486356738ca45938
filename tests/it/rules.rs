//! `docs/rules.md` tells the truth: each of its examples is decided anew.
//!
//! An example is a profile and a transcript; `SQUALL_BLESS=1 cargo test` writes what is decided behind the arrows. Read the difference
//! before you keep it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, Method};
use squall::aws::catalog;
use squall::aws::request::{AwsRequest, Head, Reading};
use squall::aws::resource::Resource;
use squall::fault::Instead;
use squall::profile::load::{self, Source};
use squall::profile::{Fate, Plan, RuleStates, Seen, Verdict};
use squall::units::Millis;

#[test]
fn every_example_is_decided_as_it_is_told() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let told = fs::read_to_string(&page).unwrap();
    let mut decided = String::new();
    let mut parts = told.split("```yaml\n");
    decided.push_str(parts.next().unwrap());
    let mut examples = 0;
    for part in parts {
        let (profile, rest) = part.split_once("```\n```text\n").unwrap();
        let (transcript, rest) = rest.split_once("```\n").unwrap();
        decided.push_str(&format!("```yaml\n{profile}```\n```text\n{}```\n{rest}", run(profile, transcript)));
        examples += 1;
    }
    if std::env::var_os("SQUALL_BLESS").is_some() {
        fs::write(&page, &decided).unwrap();
    }
    assert!(examples >= 10 && !decided.contains("-> ?"));
    for (told, decided) in told.lines().zip(decided.lines()) {
        assert_eq!(told, decided);
    }
}

/// The transcript as it comes out.
fn run(profile: &str, transcript: &str) -> String {
    let source = Source { name: "docs/rules.md".to_owned(), text: profile.to_owned() };
    let plan = load::load(&[source], None).unwrap_or_else(|error| panic!("{}", error.render(false))).plan;
    let states = RuleStates::new(&plan);
    let mut held: Vec<Verdict> = Vec::new();
    let mut decided = String::new();
    for line in transcript.lines() {
        let Some((request, _)) = line.split_once("-> ") else {
            assert!(line.ends_with("one ends"), "{line}");
            held.remove(0);
            decided.push_str(&format!("{line}\n"));
            continue;
        };
        let (verdict, words) = decide(&plan, &states, request);
        decided.push_str(&format!("{request}-> {words}\n"));
        if request.split_whitespace().any(|word| word == "held") {
            held.push(verdict);
        }
    }
    decided
}

fn decide(plan: &Plan, states: &RuleStates, line: &str) -> (Verdict, String) {
    let mut words = line.split_whitespace();
    let now = seconds(words.next().unwrap());
    let service = catalog::service(words.next().unwrap()).unwrap();
    let operation = service.operation(words.next().unwrap()).unwrap();
    let reading = Reading { service, operation: Some(operation) };
    let mut request = AwsRequest::of(reading, service.protocols[0]);
    request.region = Some("us-east-1".into());
    for word in words {
        match word.split_once('=') {
            Some(("call", id)) => request.invocation = Some(id.into()),
            Some(("attempt", number)) => request.attempt = Some(number.parse().unwrap()),
            Some(("region", region)) => request.region = Some(region.into()),
            None if word == "held" => {}
            None => request.resource = Some(Resource { name: word.into(), ..Resource::default() }),
            Some(_) => panic!("{word}"),
        }
    }
    let headers = HeaderMap::new();
    let head = Head { method: &Method::POST, host: "", path: "/", query: None, headers: &headers };
    let (verdict, fates) = plan.trace(states, &Seen::new(&request, head), now);
    let told = told(&verdict, &fates);
    (verdict, told)
}

/// `slow + throttle: SlowDown, after 300ms`; or why none of the rules fits.
fn told(verdict: &Verdict, fates: &[(&squall::profile::Rule, Fate)]) -> String {
    let mut text = verdict.rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
    match &verdict.instead {
        Some((_, Instead::Error(error))) => text.push_str(&format!(": {}", error.code)),
        Some((_, instead)) => panic!("no example is about {instead:?}"),
        None => {}
    }
    if !verdict.delay.is_zero() {
        text.push_str(&format!(", after {}", Millis::from(verdict.delay)));
    }
    if !text.is_empty() {
        return text;
    }
    let misfits = fates.iter().filter_map(|(rule, fate)| match fate {
        Fate::Misfit(misfit) => {
            Some(format!("{} by {}{}", rule.name(), misfit.key, if misfit.unknown { ", unknown" } else { "" }))
        }
        Fate::Skipped { .. } | Fate::Struck { .. } => None,
    });
    let misfits: Vec<String> = misfits.collect();
    if misfits.is_empty() { "passes".to_owned() } else { format!("passes ({})", misfits.join("; ")) }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.strip_suffix('s').unwrap().parse().unwrap())
}
