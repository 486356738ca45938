//! A kind of fault: its word, its documentation, and how it is read.

use std::fmt;

use super::{
    Fault,
    written::{At, Complaint, Fields, Node},
};
use crate::aws::{
    catalog::{Operation, Service},
    request::Reading,
};

/// A kind of fault. All that people are told of it stands here: what `docs/faults.md`, a command or an editor shows comes from it.
#[derive(Debug)]
pub struct FaultKind {
    /// The word that names it under `fault:`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What else there is to know of what it does, in whole sentences; may be empty.
    pub details: &'static str,
    /// The keys of its settings, in the order they are told.
    pub settings: &'static [Setting],
    /// What may stand right behind the word: nothing at all, or one value in place of a map of settings.
    pub short: Short,
    /// A profile's `fault:` line (or lines) that shows it.
    pub example: &'static str,
    /// What SDKs do when they meet it.
    pub clients: &'static str,
    /// Reads its settings; the first node is the word itself, the second what stands after its colon.
    pub read: Read,
}

/// A reader of settings.
pub type Read = fn(&Node, Option<&Node>) -> Result<Box<dyn Fault>, Complaint>;

/// One key of a fault's settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Setting {
    /// The key.
    pub name: &'static str,
    /// What is written after it.
    pub value: Value,
    /// What it is where it is left out, as it would be written; `None` where it has to be given, or its absence means something of its
    /// own that `about` tells.
    pub default: Option<&'static str>,
    /// What it means, in one line.
    pub about: &'static str,
}

/// What may be written after a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// A number, or a size: `200`, `4MB`
    Amount,
    /// A whole number from 1.
    Count,
    /// `250ms`, `30s`
    Duration,
    /// Another fault, by its word or as a map.
    Fault,
    /// `true` or `false`
    Flag,
    /// `25%`, `first 3`, `every 4th`, `{keys: "order-*"}`
    Items,
    /// A map whose keys are AWS's.
    Members,
    /// A whole number from 0.
    Number,
    /// `50%` or `64KB`
    Offset,
    /// A map from shares to durations.
    Quantiles,
    /// `100/s`, `6000/m`, `1MB/s`
    Rate,
    /// `10m`, `-10m`
    Shift,
    /// `64KB`, `1MiB`
    Size,
    /// `64KB/s`
    Speed,
    /// A status code.
    Status,
    /// `cut`, `bad_crc`, or an exception's code.
    StreamBreak,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or a place in the body as an [`Self::Offset`].
    WordOrOffset(&'static [&'static str]),
}

/// How a fault may be written short.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Short {
    /// Its settings must be given.
    No,
    /// The bare word will do, settings being optional.
    Bare,
    /// The bare word will do, and one value may stand in place of the settings.
    BareOrValue(Value),
    /// One value may stand in place of the settings.
    Value(Value),
}

impl Setting {
    /// A setting that has to be given, or whose absence `about` explains.
    pub const fn new(name: &'static str, value: Value, about: &'static str) -> Self {
        Self { name, value, default: None, about }
    }

    /// A setting that may be left out.
    pub const fn or(name: &'static str, value: Value, default: &'static str, about: &'static str) -> Self {
        Self { name, value, default: Some(default), about }
    }
}

impl Value {
    /// How it is written, for people: `duration`, `connection | stream`.
    pub fn form(self) -> String {
        match self {
            Self::Amount => "number | size".to_owned(),
            Self::Count | Self::Number => "number".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Fault => "fault".to_owned(),
            Self::Flag => "true | false".to_owned(),
            Self::Items => "share | first N | every Nth | {keys: pattern}".to_owned(),
            Self::Members => "map".to_owned(),
            Self::Offset => "share | size".to_owned(),
            Self::Quantiles => "map of durations".to_owned(),
            Self::Rate => "rate".to_owned(),
            Self::Shift => "duration, with or without `-`".to_owned(),
            Self::Size => "size".to_owned(),
            Self::Speed => "speed".to_owned(),
            Self::Status => "status".to_owned(),
            Self::StreamBreak => "cut | bad_crc | {exception: CODE}".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Word(words) => words.join(" | "),
            Self::WordOrOffset(words) => format!("{} | share | size", words.join(" | ")),
        }
    }
}

impl FaultKind {
    /// The map of its settings, with no other keys than those it documents.
    pub(super) fn fields<'a>(&self, settings: &'a Node) -> Result<Fields<'a>, Complaint> {
        let keys: Vec<&str> = self.settings.iter().map(|setting| setting.name).collect();
        settings.fields(&format!("`{}`", self.name), &keys)
    }

    /// The same where settings have to be given; `how` shows a way to write them.
    pub(super) fn required<'a>(
        &self,
        name: &Node,
        settings: Option<&'a Node>,
        what: &str,
        how: &str,
    ) -> Result<&'a Node, Complaint> {
        let missing =
            || Complaint::new(name.at, format!("`{}` needs {what}", self.name)).help(format!("write `{how}`"));
        settings.ok_or_else(missing)
    }
}

/// All there is to tell of a kind, as Markdown that reads well on a terminal too.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.about)?;
        if !self.details.is_empty() {
            writeln!(f, "{}\n", self.details)?;
        }
        if !self.settings.is_empty() {
            writeln!(f, "| key | value | default | meaning |\n|---|---|---|---|")?;
        }
        for Setting { name, value, default, about } in self.settings {
            let default = default.map_or_else(|| "-".to_owned(), |default| format!("`{default}`"));
            writeln!(f, "| `{name}` | {} | {default} | {about} |", value.form().replace('|', "\\|"))?;
        }
        match self.short {
            Short::Bare if self.settings.is_empty() => writeln!(f, "Written as the bare word.")?,
            Short::Bare => writeln!(f, "\nThe bare word `{}` will do.", self.name)?,
            Short::BareOrValue(value) => {
                writeln!(
                    f,
                    "\nThe bare word `{}` will do, and so will one {} in place of the settings.",
                    self.name,
                    value.form()
                )?;
            }
            Short::No => {}
            Short::Value(value) => writeln!(f, "\nOne value in place of the settings will do: {}.", value.form())?,
        }
        writeln!(f, "\n    {}\n", self.example)?;
        writeln!(f, "What SDKs do: {}", self.clients)
    }
}

/// Reads one of a setting's words; `what` names it in the complaint.
pub(super) fn one_of<T: Copy>(node: &Node, what: &str, words: &[(&'static str, T)]) -> Result<T, Complaint> {
    let word = node.word(what)?;
    let known = words.iter().find(|(known, _)| *known == word);
    known.map(|(_, value)| *value).ok_or_else(|| {
        Complaint::new(node.at, format!("`{word}` is not {what}")).nearest(word, words.iter().map(|(known, _)| *known))
    })
}

/// The doubt that a fault can happen to any of the operations that a rule matches; `what` is what they would have to do: "take a batch".
pub(super) fn doubt_unless(
    suits: impl Fn(&Reading) -> bool,
    operations: &[(&'static Service, &'static Operation)],
    at: At,
    what: &str,
    help: &str,
) -> Option<Complaint> {
    let suits = |(service, operation): &(&'static Service, &'static Operation)| {
        suits(&Reading { service, operation: Some(operation) })
    };
    if operations.is_empty() || operations.iter().any(suits) {
        return None;
    }
    let message = match operations {
        [(service, operation)] => format!("{} {} is not known to {what}", service.name, operation.name),
        _ => format!("no operation that this rule matches is known to {what}"),
    };
    Some(Complaint::new(at, message).help(help))
}
