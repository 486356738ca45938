//! Lambda's answer to an event source: of the records of an event, which have to come again (`ReportBatchItemFailures`).

use std::borrow::Cow;

use compact_str::CompactString;

use super::notation::Notation;
use super::{Item, Joined, survivors};
use crate::aws::request::Head;

/// The records of an event, as a queue or a stream sends them.
#[derive(Debug)]
pub(super) struct Records<'a> {
    doc: &'a [u8],
    records: Vec<&'a [u8]>,
    ids: Vec<CompactString>,
}

const JSON: Notation = Notation::Json;

impl<'a> Records<'a> {
    /// Of an invocation that waits for its answer, and has records which can be told apart.
    pub(super) fn read(head: &Head<'_>, doc: &'a [u8]) -> Option<(Self, Vec<Item>)> {
        if head.header("x-amz-invocation-type").is_some_and(|kind| kind != "RequestResponse") {
            return None;
        }
        let records = JSON.elements(JSON.member(doc, "Records")?)?;
        let id = |record: &&[u8]| {
            let id = ["messageId", "kinesis.sequenceNumber", "dynamodb.SequenceNumber"]
                .iter()
                .find_map(|path| JSON.scalar(JSON.at(record, path)?))?;
            Some(CompactString::from(id))
        };
        let ids: Vec<_> = records.iter().map(id).collect::<Option<_>>()?;
        let items = ids.iter().map(|id| Item::new(id.clone(), &[id.as_bytes()])).collect();
        Some((Self { doc, records, ids }, items))
    }

    pub(super) fn without(&self, failed: &[bool]) -> Option<Vec<u8>> {
        JSON.with(self.doc, "Records", JSON.list(&survivors(&self.records, failed)))
    }

    pub(super) fn joined(&self, failed: &[bool], answer: &[u8]) -> Option<Joined> {
        // A function that reports nothing answers null, or nothing at all.
        let answer = if matches!(answer.trim_ascii(), b"" | b"null" | b"\"\"") { b"{}" } else { answer };
        let told = match JSON.at(answer, LIST) {
            Some(told) => JSON.elements(told)?,
            None => Vec::new(),
        };
        let theirs = told.iter().filter_map(|told| JSON.scalar(JSON.at(told, ID)?));
        let theirs: Vec<_> = theirs.collect();
        let all: Vec<bool> =
            self.ids.iter().zip(failed).map(|(id, failed)| *failed || theirs.iter().any(|told| told == id)).collect();
        let failures = self.ids.iter().zip(&all).filter(|(_, failed)| **failed);
        let list: Vec<_> = failures.map(|(id, _)| JSON.object([(ID, Cow::Owned(JSON.text(id)))])).collect();
        Some(Joined { body: JSON.with(answer, LIST, JSON.list(&list))?, failed: all })
    }
}

const LIST: &str = "batchItemFailures";
const ID: &str = "itemIdentifier";
