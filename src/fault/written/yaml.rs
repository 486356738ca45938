//! YAML text to a tree that knows its places: the one function that parses profiles.
//!
//! [`parse`] reads a document into a [`Node`]; each node is numbered in reading order. [`locate`] finds where the n-th node stands by
//! reading the text once more and stopping there: the parser tells its position only when something goes wrong, and only errors need
//! it. Aliases stand where their anchor does.
//!
//! Not here: what the keys mean, and how an error looks; both are the profile's affair.

use std::{
    cell::{Cell, RefCell},
    fmt,
    ops::Range,
};

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor};

use super::{At, Content, Node};

/// Why the text is not a tree, in one sentence, and where (a byte range of the text).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where, if the parser knows.
    pub span: Option<Range<usize>>,
}

/// Reads a document.
pub fn parse(text: &str) -> Result<Node, SyntaxError> {
    Reading::default().read(text).map_err(|error| SyntaxError {
        message: match error.to_string() {
            message if message.contains(TAGGED) => TAGGED.to_owned(),
            message => format!("this is not YAML: {}", sentence(&message)),
        },
        span: error.location().map(|location| {
            let start = offset(text, &location);
            start..end_of_word(text, start)
        }),
    })
}

/// The bytes of the node at this place: a word whole, a map or list by its first character.
pub fn locate(text: &str, at: At) -> Option<Range<usize>> {
    let reading = Reading { stop: Some(at.0), ..Reading::default() };
    let error = reading.read(text).err()?;
    let start = offset(text, &error.location()?);
    let word = reading.stopped_at.take();
    let whole = if text[start..].starts_with(&word) { start + word.len() } else { start };
    // A number's word lacks trailing zeros, so the longer of the two is right.
    Some(start..whole.max(end_of_word(text, start)))
}

/// Counts nodes as they are read, and fails at the node to stop at.
#[derive(Default)]
struct Reading {
    next: Cell<usize>,
    stop: Option<usize>,
    /// The word that was stopped at; empty for a list or a map.
    stopped_at: RefCell<String>,
}

impl Reading {
    /// The one place where the YAML crate is called.
    fn read(&self, text: &str) -> Result<Node, serde_yaml::Error> {
        self.deserialize(serde_yaml::Deserializer::from_str(text))
    }

    fn node<E: serde::de::Error>(&self) -> Result<At, E> {
        let number = self.next.get();
        self.next.set(number + 1);
        if self.stop == Some(number) { Err(E::custom("stopped here")) } else { Ok(At(number)) }
    }

    fn word<E: serde::de::Error>(&self, text: impl fmt::Display) -> Result<Node, E> {
        let word = text.to_string();
        match self.node() {
            Ok(at) => Ok(Node { at, content: Content::Word(word) }),
            Err(stop) => {
                self.stopped_at.replace(word);
                Err(stop)
            }
        }
    }

    fn empty<E: serde::de::Error>(&self) -> Result<Node, E> {
        Ok(Node { at: self.node()?, content: Content::Empty })
    }
}

impl<'de> DeserializeSeed<'de> for &Reading {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Reading {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a list or a map")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        self.word(value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.empty()
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.empty()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let at = self.node()?;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Node { at, content: Content::List(nodes) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let at = self.node()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(self)? {
            entries.push((key, map.next_value_seed(self)?));
        }
        Ok(Node { at, content: Content::Map(entries) })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(A::Error::custom(TAGGED))
    }
}

/// The parser's message without the position it appends; that is shown by the excerpt.
fn sentence(message: &str) -> String {
    let end = message.find(" at line ").unwrap_or(message.len());
    let message = &message[..end];
    // Messages raised while visiting begin with a path of keys (`rules[0].match: `).
    message.rsplit_once(": ").filter(|(path, _)| !path.contains(' ')).map_or(message, |(_, rest)| rest).to_owned()
}

/// The parser counts columns in characters; excerpts count bytes.
fn offset(text: &str, location: &serde_yaml::Location) -> usize {
    let line: usize = text.split_inclusive('\n').take(location.line().saturating_sub(1)).map(str::len).sum();
    let rest = &text[line..];
    line + rest.char_indices().nth(location.column().saturating_sub(1)).map_or(rest.len(), |(index, _)| index)
}

/// Where what starts here ends: a quoted word at its quote, a plain one before what ends it in YAML, a list or map at once.
fn end_of_word(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    let line = rest.lines().next().unwrap_or_default();
    let length = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].find(quote).map_or(line.len(), |end| end + 2),
        Some('{' | '[' | '|' | '>') => 1,
        Some('-') if line.starts_with("- ") => 1,
        Some('!') => line.find(' ').unwrap_or(line.len()),
        _ => {
            let ends = [", ", ",", "}", "]", ": ", " #"].iter().filter_map(|end| line.find(end)).min();
            line[..ends.unwrap_or(line.len())].trim_end_matches([' ', ':']).len()
        }
    };
    start + length.max(1).min(rest.len())
}

const TAGGED: &str = "tags (`!word`) have no meaning in a profile";

#[cfg(test)]
mod tests {
    use super::*;

    /// Every node of a tree in reading order, with the text it was located at.
    fn places(text: &str) -> Vec<String> {
        fn walk(node: &Node, text: &str, found: &mut Vec<String>) {
            found.push(text[locate(text, node.at).unwrap()].to_owned());
            match &node.content {
                Content::List(nodes) => nodes.iter().for_each(|node| walk(node, text, found)),
                Content::Map(entries) => entries.iter().for_each(|(key, value)| {
                    walk(key, text, found);
                    walk(value, text, found);
                }),
                Content::Empty | Content::Word(_) => {}
            }
        }
        let mut found = Vec::new();
        walk(&parse(text).unwrap(), text, &mut found);
        found
    }

    #[test]
    fn every_key_and_value_is_located_exactly() {
        let text = "name: 'ünï' # é\nrules: [{service: \"s3\", when: 30%}, 0.5]\nlist:\n  - first 2\n  - b: 1..2\n";
        assert_eq!(
            places(text),
            [
                "name: 'ünï'".split(':').next().unwrap(), // the map begins at its first key
                "name",
                "'ünï'",
                "rules",
                "[",
                "{",
                "service",
                "\"s3\"",
                "when",
                "30%",
                "0.5",
                "list",
                "-",
                "first 2",
                "b",
                "b",
                "1..2",
            ]
        );
    }

    #[test]
    fn a_word_is_located_whole_whatever_it_holds() {
        assert_eq!(places("a: one, two] three # not this\n").last().unwrap(), "one, two] three");
        assert_eq!(places("a: -1\n").last().unwrap(), "-1");
        assert_eq!(places("a: -0.50 \n").last().unwrap(), "-0.50");
    }

    #[test]
    fn an_alias_stands_where_its_anchor_does() {
        let text = "a: &x hello\nb: *x\n";
        let Content::Map(entries) = parse(text).unwrap().content else { panic!("not a map") };
        assert_eq!(entries[1].1.content, Content::Word("hello".to_owned()));
        assert_eq!(locate(text, entries[1].1.at), locate(text, entries[0].1.at));
    }

    #[test]
    fn numbers_and_booleans_are_words() {
        let Content::List(nodes) = parse("[1, 0.3, true, -2, '7', 012345678901, ~]").unwrap().content else {
            panic!("no list")
        };
        let words: Vec<String> = nodes.iter().map(|node| node.content.to_string()).collect();
        assert_eq!(words, ["`1`", "`0.3`", "`true`", "`-2`", "`7`", "`012345678901`", "nothing"]);
    }

    #[test]
    fn what_is_not_yaml_is_told_with_its_place() {
        let error = parse("rules: [a, b\nname: x\n").unwrap_err();
        assert_eq!(error.message, "this is not YAML: did not find expected ',' or ']'");
        assert!(error.span.is_some());
        assert_eq!(parse("a: !secret x").unwrap_err().message, TAGGED);
    }
}
