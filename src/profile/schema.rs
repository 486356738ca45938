//! A profile as written: which keys there are, and that each holds what it should.
//!
//! [`Profile::read`] turns a tree into typed parts and notes every complaint on the way, so that one run tells all mistakes of a file.
//! What several profiles are together (equal names, one seed) is [`super::load`]'s affair.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use super::{
    RuleName,
    alias::Alias,
    matcher::Matcher,
    schedule::Schedule,
    stage::{self, Struck},
    tcp::{self, Written},
};
use crate::fault::{
    self, Fault,
    written::{At, Complaint, Content, Node},
};

/// A profile's parts.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) name: Option<String>,
    pub(super) seed: Option<(At, u64)>,
    pub(super) aliases: Vec<Alias>,
    pub(super) tcp: Vec<Written>,
    pub(super) rules: Vec<Rule>,
}

/// A rule's parts.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: RuleName,
    pub(super) name_at: At,
    pub(super) matcher: Matcher,
    pub(super) schedule: Schedule,
    pub(super) faults: Vec<Box<dyn Fault>>,
    pub(super) struck: Struck,
    /// Whether it strikes TCP connections of which nothing is read, too.
    pub(super) on_wires: bool,
    /// A hash of all that was written, but for blanks and comments.
    pub(super) written: u64,
}

impl Profile {
    /// Reads a document. What is wrong goes to `complaints`; the parts that are right are returned all the same.
    pub(super) fn read(document: &Node, complaints: &mut Vec<Complaint>) -> Option<Self> {
        let mut note = Notes(complaints);
        if document.content == Content::Empty {
            let complaint = Complaint::new(document.at, "the profile is empty");
            return note.take(Err(complaint.help("a profile that does nothing says so: `rules: []`")));
        }
        let fields = note.take(document.fields("the profile", &["name", "seed", "services", "tcp", "rules"]))?;
        let name = note.take(fields.optional("name").and_then(|node| node.map(read_profile_name).transpose()));
        let seed = note.take(fields.optional("seed").and_then(|node| node.map(read_seed).transpose()));
        let aliases = note.take(fields.optional("services").and_then(|node| node.map(Alias::read).transpose()));
        let entries = note.take(fields.optional("tcp").and_then(|node| node.map(tcp::read_list).transpose()));
        let entries = entries.flatten().unwrap_or_default();
        let tcp = entries.iter().filter_map(|node| note.take(Written::read(node))).collect();
        let rules =
            note.take(fields.required("rules").map_err(none_on_purpose).and_then(read_rules)).unwrap_or_default();
        let rules = rules.iter().filter_map(|node| Rule::read(node, &mut note)).collect();
        let aliases = aliases.flatten().unwrap_or_default();
        Some(Self { name: name.flatten(), seed: seed.flatten(), aliases, tcp, rules })
    }
}

impl Rule {
    fn read(node: &Node, note: &mut Notes<'_>) -> Option<Self> {
        let fields = note.take(node.fields("the rule", &["name", "match", "when", "fault"]))?;
        let name = note.take(fields.required("name").and_then(read_name));
        let matcher = fields.optional("match").and_then(|node| node.map(Matcher::read).transpose());
        let matcher = note.take(matcher);
        let schedule = fields.optional("when").and_then(|node| node.map(Schedule::read).transpose());
        let schedule = note.take(schedule);
        let faults = note.take(fields.required("fault").and_then(|node| Ok((node.at, fault::read(node)?))));
        let (name_at, name) = name?;
        let (matcher, schedule) = (matcher?.unwrap_or_default(), schedule?.unwrap_or_default());
        let (fault_at, faults) = faults?;
        let struck = note.take(stage::struck(fault_at, &faults, &matcher, &schedule))?;
        let on_wires = stage::is_on_wires(struck, &faults, &matcher, &schedule);
        Some(Self { name, name_at, matcher, schedule, faults, struck, on_wires, written: hash(node) })
    }
}

fn hash(node: &Node) -> u64 {
    fn write(node: &Node, hasher: &mut SipHasher13) {
        match &node.content {
            Content::Empty => hasher.write_u8(0),
            Content::List(nodes) => {
                hasher.write_u8(1);
                hasher.write_usize(nodes.len());
                nodes.iter().for_each(|node| write(node, hasher));
            }
            Content::Map(entries) => {
                hasher.write_u8(2);
                hasher.write_usize(entries.len());
                entries.iter().for_each(|(key, value)| {
                    write(key, hasher);
                    write(value, hasher);
                });
            }
            Content::Word(word) => {
                hasher.write_u8(3);
                hasher.write_usize(word.len());
                hasher.write(word.as_bytes());
            }
        }
    }
    let mut hasher = SipHasher13::new();
    write(node, &mut hasher);
    hasher.finish()
}

/// Collects complaints while reading goes on.
struct Notes<'a>(&'a mut Vec<Complaint>);

impl Notes<'_> {
    fn take<T>(&mut self, read: Result<T, Complaint>) -> Option<T> {
        read.map_err(|complaint| self.0.push(complaint)).ok()
    }
}

fn read_profile_name(node: &Node) -> Result<String, Complaint> {
    node.word("a name").map(str::to_owned)
}

fn read_seed(node: &Node) -> Result<(At, u64), Complaint> {
    let word = node.word("a number")?;
    let seed = word.parse().map_err(|_| {
        Complaint::new(node.at, format!("`{word}` is not a seed; it is a whole number from 0 to {}", u64::MAX))
    })?;
    Ok((node.at, seed))
}

fn none_on_purpose(complaint: Complaint) -> Complaint {
    complaint.help("a profile that does nothing says so: `rules: []`")
}

fn read_rules(node: &Node) -> Result<&[Node], Complaint> {
    match &node.content {
        Content::List(rules) => Ok(rules),
        other => Err(Complaint::new(node.at, format!("`rules` must be a list, found {other}"))
            .help("begin each rule with `- name: …`")),
    }
}

/// Names travel in a response header and in ledger lines, so they are plain words.
pub(super) fn read_name(node: &Node) -> Result<(At, RuleName), Complaint> {
    let word = node.word("a name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if word.len() > MAX_NAME {
        return Err(Complaint::new(node.at, format!("a name has at most {MAX_NAME} characters")));
    }
    if !word.is_empty() && word.chars().all(allowed) {
        return Ok((node.at, RuleName::from(word)));
    }
    let complaint = Complaint::new(node.at, format!("`{word}` is not a name: letters, digits and `-_.:/` only"));
    let plain = word.replace(' ', "-");
    Err(if !plain.is_empty() && plain.chars().all(allowed) {
        complaint.help(format!("write `{plain}`"))
    } else {
        complaint
    })
}

const MAX_NAME: usize = 100;
