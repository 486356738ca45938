//! From names and texts to a plan.
//!
//! [`read`] finds the texts: ready-made profiles, which are compiled in, and files. [`load`] parses them, puts several together in the
//! order given, and compiles the [`Plan`]; or it tells everything that is wrong. Reading files is the only I/O of the whole module.

use std::{collections::HashMap, path::Path};

use super::{
    RuleName,
    dice::draw_seed,
    lint,
    plan::Plan,
    problem::{LoadError, Problem},
    schema::{Profile, Rule},
    tcp::{TcpEntry, Written},
};
use crate::fault::written::{At, Complaint, nearest, yaml};

/// A profile's text and what it is called in messages: a ready-made profile's name or a file's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// What messages call it.
    pub name: String,
    /// YAML.
    pub text: String,
}

/// Profiles that can run.
#[derive(Debug)]
pub struct Loaded {
    /// What runs.
    pub plan: Plan,
    /// What is doubtful all the same, in file order.
    pub warnings: Vec<Problem>,
    /// Whether the seed was drawn, neither given nor written; it should then be told, so that the run can be repeated.
    pub seed_was_drawn: bool,
}

/// Finds profiles by name. A ready-made profile's name means that profile; anything else is a file (`./calm` is always a file).
pub fn read(names: &[String]) -> Result<Vec<Source>, LoadError> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        match read_one(name) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(LoadError::new(problems)) }
}

/// Compiles profiles. Without any, the plan does nothing. `seed` overrides what they say; without one anywhere, it is drawn.
pub fn load(sources: &[Source], seed: Option<u64>) -> Result<Loaded, LoadError> {
    compile(sources, seed, draw_seed)
}

/// The same while a plan of the seed `running` runs, which stays where no other is given or written.
pub fn reload(sources: &[Source], seed: Option<u64>, running: u64) -> Result<Loaded, LoadError> {
    compile(sources, seed, || running)
}

fn compile(sources: &[Source], seed: Option<u64>, or: impl FnOnce() -> u64) -> Result<Loaded, LoadError> {
    let mut problems = Vec::new();
    let profiles: Vec<(&Source, Profile)> =
        sources.iter().filter_map(|source| Some((source, parse(source, &mut problems)?))).collect();
    check_names(&profiles, &mut problems);
    check_aliases(&profiles, &mut problems);
    check_tcp(&profiles, &mut problems);
    let written = check_seeds(&profiles, seed, &mut problems);
    let rules: Vec<_> =
        profiles.iter().flat_map(|(source, profile)| profile.rules.iter().map(move |rule| (*source, rule))).collect();
    let all: Vec<&Rule> = rules.iter().map(|(_, rule)| *rule).collect();
    // Beside mistakes, only what there is to say against a rule by itself.
    let is_whole = problems.is_empty();
    for (number, (source, _)) in rules.iter().enumerate() {
        let first = if is_whole { 0 } else { number };
        problems.extend(
            lint::doubts(&all[first..=number]).into_iter().map(|complaint| Problem::warning(source, complaint)),
        );
    }
    if problems.iter().any(|problem| !problem.is_warning()) {
        return Err(LoadError::new(problems));
    }
    let names = profiles.iter().map(|(source, profile)| name_of(source, profile).to_owned()).collect();
    let aliases = profiles.iter().flat_map(|(_, profile)| profile.aliases.iter().copied()).collect();
    let tcp =
        profiles.iter().flat_map(|(_, profile)| profile.tcp.iter().map(|written| written.entry.clone())).collect();
    let rules = profiles.into_iter().flat_map(|(_, profile)| profile.rules).collect();
    let given = seed.or(written);
    let plan = Plan::new(names, given.unwrap_or_else(or), aliases, tcp, rules);
    Ok(Loaded { plan, warnings: problems, seed_was_drawn: given.is_none() })
}

/// Names and texts of the profiles that are compiled in, sorted by name.
pub fn ready_made() -> impl Iterator<Item = (&'static str, &'static str)> {
    READY_MADE.iter().copied()
}

/// Whether a profile's name means a file.
pub fn is_file(name: &str) -> bool {
    !READY_MADE.iter().any(|(known, _)| *known == name)
}

fn read_one(name: &str) -> Result<Source, Box<Problem>> {
    if let Some((_, text)) = READY_MADE.iter().find(|(known, _)| *known == name) {
        return Ok(Source { name: name.to_owned(), text: (*text).to_owned() });
    }
    match std::fs::read_to_string(name) {
        Ok(text) => Ok(Source { name: name.to_owned(), text: text.trim_start_matches('\u{feff}').to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_bare(name) => {
            let known = || READY_MADE.iter().map(|(known, _)| *known);
            let help = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("ready-made: {}", known().collect::<Vec<_>>().join(", ")),
            };
            Err(Box::new(Problem::nowhere(
                format!("there is no profile `{name}`, ready-made or as a file"),
                Some(help),
            )))
        }
        Err(error) => {
            Err(Box::new(Problem::nowhere(format!("cannot read the profile {name}: {}", reason(&error)), None)))
        }
    }
}

/// Whether a name could be meant for a ready-made profile: no directory and no extension.
fn is_bare(name: &str) -> bool {
    !name.contains(['/', '\\']) && Path::new(name).extension().is_none()
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

fn parse(source: &Source, problems: &mut Vec<Problem>) -> Option<Profile> {
    let document = yaml::parse(&source.text).map_err(|error| problems.push(Problem::syntax(source, error))).ok()?;
    let mut complaints = Vec::new();
    let profile = Profile::read(&document, &mut complaints);
    complaints.sort_by_key(|complaint| complaint.at);
    let untold = complaints.len().saturating_sub(TOLD);
    problems.extend(complaints.into_iter().take(TOLD).map(|complaint| Problem::error(source, complaint)));
    if untold > 0 {
        problems.push(Problem::nowhere(format!("{} has {untold} more mistakes", source.name), None));
    }
    profile
}

/// Rule names tell rules apart, in all profiles together.
fn check_names(profiles: &[(&Source, Profile)], problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&RuleName, (&Source, At)> = HashMap::new();
    for (source, profile) in profiles {
        for rule in &profile.rules {
            let Some((first, at)) = seen.insert(&rule.name, (source, rule.name_at)) else { continue };
            let first = Problem::error(first, Complaint::new(at, ""));
            let where_first = first.position().map(|(file, line, _)| format!("the other is in {file}, line {line}"));
            let complaint = Complaint::new(rule.name_at, format!("a second rule is called `{}`", rule.name));
            let complaint = Complaint { help: where_first, ..complaint };
            problems.push(Problem::error(source, complaint));
        }
    }
}

/// A service has one alias in all profiles together, else it would depend on their order which it means.
fn check_aliases(profiles: &[(&Source, Profile)], problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (source, profile) in profiles {
        for alias in &profile.aliases {
            let (of, instead) = (alias.of.name, alias.instead.name);
            let earlier = *seen.entry(of).or_insert(instead);
            if earlier != instead {
                let message = format!("`{of}` is `{earlier}` by an earlier profile, and `{instead}` by this");
                problems.push(Problem::error(source, Complaint::new(alias.at, message)));
            }
        }
    }
}

/// Names and ports of `tcp:` entries are given once, in all profiles together, and rules name those that there are.
fn check_tcp(profiles: &[(&Source, Profile)], problems: &mut Vec<Problem>) {
    let mut seen: Vec<&Written> = Vec::new();
    for (source, profile) in profiles {
        for written in &profile.tcp {
            let TcpEntry { name, listen, .. } = &written.entry;
            if seen.iter().any(|earlier| earlier.entry.name == *name) {
                let complaint = Complaint::new(written.name_at, format!("a second `tcp` entry is called `{name}`"));
                problems.push(Problem::error(source, complaint));
            }
            if let Some(earlier) = seen.iter().find(|earlier| listen.port() != 0 && earlier.entry.listen == *listen) {
                let message = format!("`{}` listens on {listen} already", earlier.entry.name);
                problems.push(Problem::error(source, Complaint::new(written.listen_at, message)));
            }
            seen.push(written);
        }
    }
    let entries: Vec<&TcpEntry> = seen.iter().map(|written| &written.entry).collect();
    for (source, profile) in profiles {
        for written in profile.tcp.iter().filter(|written| written.entry.leads_in_a_circle(&entries)) {
            let message = format!("`{}` leads to itself by way of other `tcp` entries", written.entry.name);
            problems.push(Problem::error(source, Complaint::new(written.listen_at, message)));
        }
    }
    let names = || seen.iter().map(|written| written.entry.name.as_str());
    for (source, profile) in profiles {
        for (at, pattern) in profile.rules.iter().flat_map(|rule| rule.matcher.tcp_entries()) {
            if names().any(|name| pattern.fits(name)) {
                continue;
            }
            let complaint = Complaint::new(*at, format!("there is no `tcp` entry `{pattern}`"));
            let complaint = match names().next() {
                None => complaint.help("write it beside `rules`: `tcp: [{name: …, listen: …, upstream: …}]`"),
                Some(_) => complaint.nearest(&pattern.to_string(), names()),
            };
            problems.push(Problem::error(source, complaint));
        }
    }
}

/// The one seed that the profiles give. Two different ones are an error, unless another is given that overrides both.
fn check_seeds(profiles: &[(&Source, Profile)], given: Option<u64>, problems: &mut Vec<Problem>) -> Option<u64> {
    let mut first = None;
    for (source, profile) in profiles {
        let Some((at, seed)) = profile.seed else { continue };
        let earlier = *first.get_or_insert(seed);
        if earlier != seed && given.is_none() {
            let complaint =
                Complaint::new(at, format!("a run has one seed: {earlier} by an earlier profile, {seed} by this"));
            problems.push(Problem::error(source, complaint.help("choose one with `--seed`")));
        }
    }
    first
}

fn name_of(source: &Source, profile: &Profile) -> String {
    let stem = || {
        Path::new(&source.name).file_stem().map_or_else(|| source.name.clone(), |s| s.to_string_lossy().into_owned())
    };
    profile.name.clone().unwrap_or_else(stem)
}

/// So many mistakes of one file are told; finding the place of each reads the file once more.
const TOLD: usize = 25;

const READY_MADE: &[(&str, &str)] = &[
    ("aws-brownout", include_str!("../../profiles/aws-brownout.yaml")),
    ("az-latency", include_str!("../../profiles/az-latency.yaml")),
    ("bedrock-stream-cut", include_str!("../../profiles/bedrock-stream-cut.yaml")),
    ("brownout-then-recovery", include_str!("../../profiles/brownout-then-recovery.yaml")),
    ("calm", include_str!("../../profiles/calm.yaml")),
    ("clock-skew", include_str!("../../profiles/clock-skew.yaml")),
    ("credentials-expiring", include_str!("../../profiles/credentials-expiring.yaml")),
    ("dynamodb-hot-partition", include_str!("../../profiles/dynamodb-hot-partition.yaml")),
    ("dynamodb-partial-batch", include_str!("../../profiles/dynamodb-partial-batch.yaml")),
    ("dynamodb-throttle", include_str!("../../profiles/dynamodb-throttle.yaml")),
    ("dynamodb-transaction-conflict", include_str!("../../profiles/dynamodb-transaction-conflict.yaml")),
    ("expired-credentials", include_str!("../../profiles/expired-credentials.yaml")),
    ("first-attempt-fails", include_str!("../../profiles/first-attempt-fails.yaml")),
    ("flaky-network", include_str!("../../profiles/flaky-network.yaml")),
    ("imds-outage", include_str!("../../profiles/imds-outage.yaml")),
    ("kinesis-shard-limit", include_str!("../../profiles/kinesis-shard-limit.yaml")),
    ("kms-throttle", include_str!("../../profiles/kms-throttle.yaml")),
    ("lambda-concurrency", include_str!("../../profiles/lambda-concurrency.yaml")),
    ("lost-replies", include_str!("../../profiles/lost-replies.yaml")),
    ("pagination-expiry", include_str!("../../profiles/pagination-expiry.yaml")),
    ("postgres-outage", include_str!("../../profiles/postgres-outage.yaml")),
    ("redis-slow", include_str!("../../profiles/redis-slow.yaml")),
    ("region-outage", include_str!("../../profiles/region-outage.yaml")),
    ("s3-multipart-200-error", include_str!("../../profiles/s3-multipart-200-error.yaml")),
    ("s3-slowdown", include_str!("../../profiles/s3-slowdown.yaml")),
    ("s3-truncated-get", include_str!("../../profiles/s3-truncated-get.yaml")),
    ("service-quota", include_str!("../../profiles/service-quota.yaml")),
    ("slow-300ms", include_str!("../../profiles/slow-300ms.yaml")),
    ("sqs-duplicate-delivery", include_str!("../../profiles/sqs-duplicate-delivery.yaml")),
    ("stale-reads", include_str!("../../profiles/stale-reads.yaml")),
    ("sts-outage", include_str!("../../profiles/sts-outage.yaml")),
];

#[cfg(test)]
mod tests;
