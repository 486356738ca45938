//! DynamoDB's batches over several tables, and its transactions.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};
use serde_json::json;
use smallvec::SmallVec;

use super::notation::{Members, Notation};
use super::{Failure, Item, Joined, survivors};
use crate::aws::protocol::AwsError;

/// `RequestItems`: by table a list of writes, or what to read and its keys.
#[derive(Debug)]
pub(super) struct Tables<'a> {
    notation: Notation,
    reads: bool,
    doc: &'a [u8],
    tables: Vec<Table<'a>>,
}

#[derive(Debug)]
struct Table<'a> {
    name: Cow<'a, str>,
    /// What stands under its name.
    whole: &'a [u8],
    items: Vec<&'a [u8]>,
}

/// A transaction: one item that fails fails all.
#[derive(Debug)]
pub(super) struct Transaction;

impl<'a> Tables<'a> {
    pub(super) fn read(notation: Notation, reads: bool, doc: &'a [u8]) -> Option<(Self, Vec<Item>)> {
        let read = |(name, whole): (Cow<'a, str>, &'a [u8])| {
            let items = notation.elements(if reads { notation.member(whole, "Keys")? } else { whole })?;
            Some(Table { name, whole, items })
        };
        let tables: Vec<_> =
            notation.members(notation.member(doc, "RequestItems")?)?.into_iter().map(read).collect::<Option<_>>()?;
        let items = tables.iter().flat_map(|table| {
            table.items.iter().map(|item| {
                let part = |write, key| notation.at(item, write).and_then(|write| notation.member(write, key));
                let key = if reads { Some(*item) } else { part("DeleteRequest", "Key") };
                let (attributes, is_key) = match key {
                    Some(key) => (key, true),
                    None => (part("PutRequest", "Item").unwrap_or(item), false),
                };
                named(notation, &table.name, attributes, is_key, item)
            })
        });
        let items = items.collect();
        Some((Self { notation, reads, doc, tables }, items))
    }

    pub(super) fn without(&self, failed: &[bool]) -> Option<Vec<u8>> {
        let mut left = Vec::new();
        for (table, failed) in self.with(failed) {
            let items = survivors(&table.items, failed);
            if !items.is_empty() {
                left.push((&*table.name, Cow::Owned(self.of_table(table, &items)?)));
            }
        }
        self.notation.with(self.doc, "RequestItems", self.notation.object(left))
    }

    pub(super) fn joined(&self, failed: &[bool], answer: &[u8]) -> Option<Joined> {
        let list = if self.reads { "UnprocessedKeys" } else { "UnprocessedItems" };
        let told = match self.notation.at(answer, list) {
            Some(told) => self.notation.members(told)?,
            None => Vec::new(),
        };
        let (mut all, mut unprocessed) = (Vec::with_capacity(failed.len()), Vec::new());
        for (table, failed) in self.with(failed) {
            let theirs = told.iter().find(|(name, _)| *name == table.name).map(|(_, whole)| *whole);
            let failed = self.with_theirs(table, failed, theirs)?;
            let items: Vec<_> = table.items.iter().zip(&failed).filter(|(_, f)| **f).map(|(item, _)| *item).collect();
            if !items.is_empty() {
                unprocessed.push((&*table.name, Cow::Owned(self.of_table(table, &items)?)));
            }
            all.extend(failed);
        }
        let mut body = self.notation.with(answer, list, self.notation.object(unprocessed))?;
        if self.reads {
            body = self.with_all_tables(&body)?;
        }
        Some(Joined { body, failed: all })
    }

    /// Which of a table's items failed, those included that the far end says it has not processed.
    fn with_theirs(&self, table: &Table<'_>, failed: &[bool], theirs: Option<&[u8]>) -> Option<Vec<bool>> {
        let Some(theirs) = theirs else { return Some(failed.to_vec()) };
        let list = if self.reads { self.notation.member(theirs, "Keys")? } else { theirs };
        let mut failed = failed.to_vec();
        for element in self.notation.elements(list)? {
            let element = self.notation.canonical(element);
            let is_it = |at: &usize| !failed[*at] && self.notation.canonical(table.items[*at]) == element;
            if let Some(at) = (0..failed.len()).find(is_it) {
                failed[at] = true;
            }
        }
        Some(failed)
    }

    /// An answer to a read lists every table it was asked about.
    fn with_all_tables(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let told = match self.notation.at(answer, "Responses") {
            Some(told) => self.notation.members(told)?,
            None => Members::new(),
        };
        let lacking = self.tables.iter().filter(|table| told.iter().all(|(name, _)| *name != table.name));
        let lacking: Vec<&str> = lacking.map(|table| &*table.name).collect();
        if lacking.is_empty() {
            return Some(answer.to_vec());
        }
        let none = self.notation.list::<&[u8]>(&[]);
        let told = told.iter().map(|(name, rows)| (&**name, Cow::Borrowed(*rows)));
        let all = self.notation.object(told.chain(lacking.into_iter().map(|name| (name, Cow::Borrowed(&*none)))));
        self.notation.with(answer, "Responses", all)
    }

    /// What stands under a table's name, with these items only.
    fn of_table(&self, table: &Table<'_>, items: &[&[u8]]) -> Option<Vec<u8>> {
        let list = self.notation.list(items);
        if self.reads { self.notation.with(table.whole, "Keys", list) } else { Some(list) }
    }

    fn with<'b>(&'b self, failed: &'b [bool]) -> impl Iterator<Item = (&'b Table<'a>, &'b [bool])> {
        let mut rest = failed;
        self.tables.iter().map(move |table| {
            let (own, others) = rest.split_at(table.items.len().min(rest.len()));
            rest = others;
            (table, own)
        })
    }
}

impl Transaction {
    pub(super) fn read(notation: Notation, doc: &[u8]) -> Option<(Self, Vec<Item>)> {
        let list = notation.member(doc, "TransactItems").or_else(|| notation.member(doc, "TransactStatements"))?;
        let items = notation.elements(list)?.into_iter().map(|item| {
            let Some((_, action)) = notation.members(item)?.into_iter().find(|(name, _)| name != "Parameters") else {
                return Some(Item::new("", &[item]));
            };
            if let Some(statement) = notation.scalar(action) {
                return Some(Item::new(CompactString::from(statement), &[&notation.canonical(item)]));
            }
            let table = notation.scalar(notation.member(action, "TableName")?)?;
            let (attributes, is_key) = match notation.member(action, "Key") {
                Some(key) => (key, true),
                None => (notation.member(action, "Item")?, false),
            };
            Some(named(notation, &table, attributes, is_key, item))
        });
        Some((Self, items.collect::<Option<_>>()?))
    }

    /// A reason for each item, in order.
    pub(super) fn cancelled(&self, failed: &[bool], failure: &Failure) -> AwsError {
        let code = failure.code_or("TransactionConflict");
        let message = failure.message_or(|| Cow::Borrowed(reason(code)));
        let reasons = failed.iter().map(|failed| match failed {
            true => json!({"Code": code, "Message": message}),
            false => json!({"Code": "None"}),
        });
        AwsError {
            code: "TransactionCanceledException".into(),
            status: None,
            message: None,
            members: vec![("CancellationReasons".into(), reasons.collect())],
        }
    }
}

/// What DynamoDB answers if it processes no item at all.
pub(super) fn refused(failure: &Failure) -> AwsError {
    let code =
        failure.code.clone().unwrap_or_else(|| CompactString::const_new("ProvisionedThroughputExceededException"));
    AwsError { code, status: None, message: failure.message.clone(), members: Vec::new() }
}

/// Its usual text for a reason of a canceled transaction.
fn reason(code: &str) -> &'static str {
    match code {
        "ConditionalCheckFailed" => "The conditional request failed",
        "DuplicateItem" => "Duplicate primary key exists in table",
        "ItemCollectionSizeLimitExceeded" => "Collection size exceeded.",
        "ProvisionedThroughputExceeded" => {
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
        }
        "ThrottlingError" => "Throughput exceeds the current throughput limit for your table or index.",
        "ValidationError" => "One or more parameter values were invalid",
        _ => "Transaction is ongoing for the item",
    }
}

/// An item by its table and its key. The key of what is put is not told: attributes called like one are taken for it, else the first.
fn named(notation: Notation, table: &str, attributes: &[u8], is_key: bool, item: &[u8]) -> Item {
    let all: SmallVec<[(Cow<'_, str>, CompactString); 4]> = notation
        .members(attributes)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| {
            let (kind, value) = notation.members(value)?.into_iter().next()?;
            let scalar = matches!(&*kind, "B" | "N" | "S").then(|| notation.scalar(value)).flatten()?;
            Some((name, CompactString::from(scalar)))
        })
        .take(MOST_ATTRIBUTES)
        .collect();
    let is_meant = |name: &str| is_key || KEYS.iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let mut key: SmallVec<[&str; 2]> =
        all.iter().filter(|(name, _)| is_meant(name)).map(|(_, value)| &**value).collect();
    if key.is_empty() {
        key.extend(all.first().map(|(_, value)| &**value));
    }
    let name = format_compact!("{table}/{}", key.join("/"));
    let also =
        all.iter().flat_map(|(_, value)| [value.clone(), format_compact!("{table}/{value}")]).collect::<Vec<_>>();
    Item::new(name, &[table.as_bytes(), &notation.canonical(item)]).also(also)
}

/// How attributes of keys are usually called.
const KEYS: &[&str] = &["id", "pk", "sk", "key", "hash", "range", "name"];
const MOST_ATTRIBUTES: usize = 50;
