//! What a person wrote, as a tree that knows its places, and what there is to say against it.
//!
//! A profile's text becomes a [`Node`] ([`yaml::parse`]); whoever reads a part of it (a fault kind, a matcher) either takes a
//! typed value out or answers with a [`Complaint`] that points at the very key or value. The text itself is not needed for that: an
//! [`At`] is the node's number in reading order, and the loader finds line and column for it.
//!
//! Not a general YAML tree: numbers and booleans are kept as the text of their value, since every value of the language is a word
//! that parses itself ([`crate::units`]).

pub mod yaml;

use std::{fmt, str::FromStr};

/// The place of a node: its number in reading order, keys included.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct At(pub usize);

/// A key or value as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub at: At,
    /// What it is.
    pub content: Content,
}

/// What a node holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// Nothing: a key without a value, `null` or `~`.
    Empty,
    /// A `[list]`.
    List(Vec<Node>),
    /// A `{map}`, in the order written.
    Map(Vec<(Node, Node)>),
    /// One word, number or text.
    Word(String),
}

/// What is wrong with a node, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// The node that is wrong.
    pub at: At,
    /// One sentence: what is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Complaint {
    /// A complaint about the node at this place.
    pub fn new(at: At, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), help: None }
    }

    /// The same, with advice.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same, with the nearest of the known words as advice, or with all of them where they are few.
    pub fn nearest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(word, known.iter().copied()) {
            Some(right) => self.help(format!("did you mean `{right}`?")),
            None if (1..=FEW).contains(&known.len()) => self.help(format!("known here: {}", known.join(", "))),
            None => self,
        }
    }
}

impl Node {
    /// The word this node is; `what` names it in the complaint: "a duration".
    pub fn word(&self, what: &str) -> Result<&str, Complaint> {
        match &self.content {
            Content::Word(word) => Ok(word),
            other => Err(Complaint::new(self.at, format!("expected {what}, found {other}"))),
        }
    }

    /// The word this node is, read as a value that parses itself.
    pub fn parse<T>(&self, what: &str) -> Result<T, Complaint>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        self.word(what)?.parse().map_err(|error: T::Err| Complaint::new(self.at, error.to_string()))
    }

    /// Whether this node says `true`.
    pub fn flag(&self) -> Result<bool, Complaint> {
        match self.word("`true` or `false`")? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Complaint::new(self.at, format!("expected `true` or `false`, found `{other}`"))),
        }
    }

    /// A list's members, or the node itself where it is no list: `x` means `[x]`. An empty list is refused, it could never match.
    pub fn any_of(&self) -> Result<&[Self], Complaint> {
        match &self.content {
            Content::List(nodes) if nodes.is_empty() => {
                Err(Complaint::new(self.at, "an empty list matches nothing")
                    .help("leave the key out to match everything"))
            }
            Content::List(nodes) => Ok(nodes),
            _ => Ok(std::slice::from_ref(self)),
        }
    }

    /// The map this node is, its keys known and each given once; `what` names it in the complaint: "`when`".
    pub fn fields(&self, what: &str, known: &[&str]) -> Result<Fields<'_>, Complaint> {
        let Content::Map(entries) = &self.content else {
            let complaint = Complaint::new(self.at, format!("{what} must be a map, found {}", self.content));
            return Err(complaint.help(format!("its keys: {}", known.join(", "))));
        };
        for (position, (key, _)) in entries.iter().enumerate() {
            let word = key.word("a key")?;
            if !known.contains(&word) {
                return Err(Complaint::new(key.at, format!("unknown key `{word}` in {what}"))
                    .nearest(word, known.iter().copied()));
            }
            if entries[..position].iter().any(|(earlier, _)| earlier.content == key.content) {
                return Err(Complaint::new(key.at, format!("`{word}` is given twice in {what}")));
            }
        }
        Ok(Fields { at: self.at, what: what.to_owned(), entries })
    }
}

/// A map whose keys have been looked at.
#[derive(Debug)]
pub struct Fields<'a> {
    at: At,
    what: String,
    entries: &'a [(Node, Node)],
}

impl<'a> Fields<'a> {
    /// The value under a key, if it is there. A key without a value is refused: it would silently mean nothing.
    pub fn optional(&self, name: &str) -> Result<Option<&'a Node>, Complaint> {
        let Some((key, value)) =
            self.entries.iter().find(|(key, _)| matches!(&key.content, Content::Word(word) if word == name))
        else {
            return Ok(None);
        };
        match value.content {
            Content::Empty => {
                Err(Complaint::new(key.at, format!("`{name}` has no value")).help("give it one, or leave the key out"))
            }
            _ => Ok(Some(value)),
        }
    }

    /// The value under a key that must be there.
    pub fn required(&self, name: &str) -> Result<&'a Node, Complaint> {
        self.optional(name)?.ok_or_else(|| Complaint::new(self.at, format!("{} lacks the key `{name}`", self.what)))
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
            Self::Word(word) => write!(f, "`{word}`"),
        }
    }
}

/// The known word that was most likely meant, if any is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let likeness = strsim::normalized_damerau_levenshtein(&word, &candidate.to_lowercase());
        if likeness >= LIKE && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// From this likeness on, a word is taken for a misspelling of another: two wrong letters in five are too many.
const LIKE: f64 = 0.62;

/// So many known words are listed in full when none is near.
const FEW: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn word(at: usize, text: &str) -> Node {
        Node { at: At(at), content: Content::Word(text.to_owned()) }
    }

    fn map(entries: Vec<(Node, Node)>) -> Node {
        Node { at: At(0), content: Content::Map(entries) }
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_one() {
        let node = map(vec![(word(1, "probabilty"), word(2, "30%"))]);
        let complaint = node.fields("`when`", &["probability", "calls"]).unwrap_err();
        assert_eq!(complaint.at, At(1));
        assert_eq!(complaint.message, "unknown key `probabilty` in `when`");
        assert_eq!(complaint.help.as_deref(), Some("did you mean `probability`?"));
    }

    #[test]
    fn a_key_near_nothing_is_answered_with_all_that_are_known() {
        let node = map(vec![(word(1, "colour"), word(2, "red"))]);
        let complaint = node.fields("`when`", &["probability", "calls"]).unwrap_err();
        assert_eq!(complaint.help.as_deref(), Some("known here: probability, calls"));
    }

    #[test]
    fn the_second_of_two_equal_keys_is_the_wrong_one() {
        let node = map(vec![(word(1, "a"), word(2, "x")), (word(3, "a"), word(4, "y"))]);
        let complaint = node.fields("it", &["a"]).unwrap_err();
        assert_eq!((complaint.at, complaint.message.as_str()), (At(3), "`a` is given twice in it"));
    }

    #[test]
    fn a_key_without_a_value_is_refused() {
        let node = map(vec![(word(1, "a"), Node { at: At(2), content: Content::Empty })]);
        let complaint = node.fields("it", &["a"]).unwrap().optional("a").unwrap_err();
        assert_eq!((complaint.at, complaint.message.as_str()), (At(1), "`a` has no value"));
    }

    #[test]
    fn one_word_is_a_list_of_one_and_an_empty_list_is_refused() {
        let single = word(1, "s3");
        assert_eq!(single.any_of().unwrap(), std::slice::from_ref(&single));
        let empty = Node { at: At(4), content: Content::List(vec![]) };
        assert_eq!(empty.any_of().unwrap_err().at, At(4));
    }

    #[test]
    fn nearness_forgives_case_and_a_slip_but_not_another_word() {
        assert_eq!(nearest("putitem", ["GetItem", "PutItem"]), Some("PutItem"));
        assert_eq!(nearest("dynamdb", ["s3", "dynamodb"]), Some("dynamodb"));
        assert_eq!(nearest("kafka", ["s3", "dynamodb"]), None);
    }
}
