//! Which operations take items in lists, where the lists stand, and how their answers tell of an item that failed.
//!
//! The facts are lines of text in `shapes.txt`, written by `shapes.py` (whose head documents the grammar) from botocore's models and
//! from what it holds itself; they are parsed when first asked for.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::aws::request::Reading;

/// What is known of one operation's batches.
#[derive(Debug)]
pub(super) struct Shape {
    /// The list of items, in the request.
    pub(super) items: &'static str,
    /// The list that tells of failures, in the answer.
    pub(super) failed: &'static str,
    /// How a failure is written.
    pub(super) fields: Vec<Field>,
    /// Whether that list has an element for each item, those that did not fail included.
    pub(super) is_aligned: bool,
    /// In such a list, the code of what did not fail; none: that has no code.
    pub(super) done: Option<&'static str>,
    /// Where the number of failures stands.
    pub(super) count: Option<&'static str>,
    /// The code and the text that a failure has if none is given.
    pub(super) code: &'static str,
    pub(super) text: &'static str,
    /// Lists that an answer has even if nothing succeeded.
    pub(super) empty: Vec<&'static str>,
    /// Numbers that an answer has even if nothing succeeded.
    pub(super) zero: Vec<&'static str>,
    /// The item's member that names it best.
    pub(super) name: Option<&'static str>,
    /// The item's member that means nothing beyond the batch.
    pub(super) ticket: Option<&'static str>,
    /// In a form: what stands before an item's number; in XML: the elements around an entry, and the entry's.
    pub(super) form: Option<Form>,
}

/// Names in query's protocol.
#[derive(Debug)]
pub(super) struct Form {
    /// `SendMessageBatchRequestEntry`, `PublishBatchRequestEntries.member`
    pub(super) items: &'static str,
    /// The list's element; none where it is flattened.
    pub(super) list: Option<&'static str>,
    /// A failure's element.
    pub(super) entry: &'static str,
}

/// One member of a failure: where it stands, and what it says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Field {
    /// Its name; below others, with dots.
    pub(super) name: &'static str,
    pub(super) says: Says,
}

/// What a failure says.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Says {
    /// The code.
    Code,
    /// The item itself.
    Item,
    /// A member of the item.
    Member(&'static str),
    /// The item's number, from 0.
    Number,
    /// The text.
    Text,
    /// That the client is not to blame.
    NotSender,
}

/// What is known of an operation.
pub(super) fn shape(reading: &Reading) -> Option<&'static Shape> {
    static SHAPES: OnceLock<HashMap<(&str, &str), Shape>> = OnceLock::new();
    let shapes =
        SHAPES.get_or_init(|| lines().map(|(service, operation, shape)| ((service, operation), shape)).collect());
    shapes.get(&(reading.service.name, reading.operation?.name))
}

/// All of them: service, operation, and what is known.
pub(super) fn lines() -> impl Iterator<Item = (&'static str, &'static str, Shape)> {
    TEXT.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split('\t');
        let (service, operation) = (words.next()?, words.next()?);
        Some((service, operation, Shape::read(words)))
    })
}

impl Shape {
    fn read(words: impl Iterator<Item = &'static str>) -> Self {
        let words: Vec<&str> = words.collect();
        let word = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let list = |name: &str| word(name).unwrap_or_default().split(',').filter(|word| !word.is_empty());
        let form = word("form").and_then(|form| {
            let mut parts = form.split(',');
            Some(Form {
                items: parts.next()?,
                list: parts.next().filter(|list| !list.is_empty()),
                entry: parts.next()?,
            })
        });
        Self {
            items: word("items").unwrap_or_default(),
            failed: word("failed").unwrap_or_default(),
            fields: list("as").map(Field::read).collect(),
            is_aligned: words.contains(&"aligned"),
            done: word("done"),
            count: word("count"),
            code: word("code").unwrap_or("InternalFailure"),
            text: word("text").unwrap_or("An internal error occurred while the item was processed."),
            empty: list("empty").collect(),
            zero: list("zero").collect(),
            name: word("name"),
            ticket: word("ticket"),
            form,
        }
    }

    /// Where a failure's code stands.
    pub(super) fn code_at(&self) -> Option<&'static str> {
        self.fields.iter().find(|field| field.says == Says::Code).map(|field| field.name)
    }

    /// The first field that is the item's own, and so tells whose failure it is.
    pub(super) fn own(&self) -> Option<&Field> {
        self.fields.iter().find(|field| matches!(field.says, Says::Item | Says::Member(_) | Says::Number))
    }
}

impl Field {
    fn read(text: &'static str) -> Self {
        let (name, says) = text.split_once('<').unwrap_or((text, ""));
        let says = match says {
            "code" => Says::Code,
            "text" => Says::Text,
            "no" => Says::NotSender,
            "#" => Says::Number,
            "" | "." => Says::Item,
            member => Says::Member(member.trim_start_matches('.')),
        };
        Self { name, says }
    }
}

const TEXT: &str = include_str!("shapes.txt");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    #[test]
    fn every_line_is_about_an_operation_and_says_where_and_how() {
        let mut seen = std::collections::HashSet::new();
        for (service, operation, shape) in lines() {
            let known = catalog::service(service).and_then(|service| service.operation(operation));
            assert!(known.is_some(), "{service} {operation}");
            assert!(seen.insert((service, operation)), "{service} {operation} is there twice");
            assert!(
                !shape.items.is_empty() && !shape.failed.is_empty() && !shape.fields.is_empty(),
                "{service} {operation}"
            );
            assert!(shape.own().is_some() || shape.is_aligned, "{service} {operation}: whose failure is it?");
        }
        assert!(seen.len() > 100, "{}", seen.len());
    }

    #[test]
    fn a_line_is_read_into_its_words() {
        let sqs = catalog::service("sqs").unwrap();
        let shape = shape(&Reading { service: sqs, operation: sqs.operation("SendMessageBatch") }).unwrap();
        assert_eq!((shape.items, shape.failed, shape.ticket), ("Entries", "Failed", Some("Id")));
        assert_eq!(shape.fields[0], Field { name: "Id", says: Says::Member("Id") });
        assert_eq!(shape.code_at(), Some("Code"));
        assert_eq!(shape.form.as_ref().map(|form| form.entry), Some("BatchResultErrorEntry"));
    }
}
