//! Requests for one item that could have come in a batch: so a client may send again by itself what failed in one.

use std::borrow::Cow;

use super::notation::Notation;
use crate::aws::request::{AwsRequest, Head, Reading};

/// Operations for one item: service, name, the one for many, and how the item is written there.
const KNOWN: &[(&str, &str, &str, Item)] = &[
    ("dynamodb", "DeleteItem", "BatchWriteItem", Item::Of("DeleteRequest", "Key")),
    ("dynamodb", "PutItem", "BatchWriteItem", Item::Of("PutRequest", "Item")),
    ("firehose", "PutRecord", "PutRecordBatch", Item::Member("Record", "Records")),
    ("kinesis", "PutRecord", "PutRecords", Item::Rest("Records", &["StreamARN", "StreamName"])),
    ("sqs", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", Item::Rest("Entries", &["QueueUrl"])),
    ("sqs", "DeleteMessage", "DeleteMessageBatch", Item::Rest("Entries", &["QueueUrl"])),
    ("sqs", "SendMessage", "SendMessageBatch", Item::Rest("Entries", &["QueueUrl"])),
];

enum Item {
    /// A member, which stands in the list of this name.
    Member(&'static str, &'static str),
    /// A member below this one, in the list of the table.
    Of(&'static str, &'static str),
    /// All members but these stand in the list of this name.
    Rest(&'static str, &'static [&'static str]),
}

/// The batch that this operation is one item of.
pub fn batch_of(reading: &Reading) -> Option<Reading> {
    known(reading).map(|(batch, _)| batch)
}

/// The same request as a batch of one, with its body.
pub fn as_batch(request: &AwsRequest, head: &Head<'_>, body: &[u8]) -> Option<(AwsRequest, Vec<u8>)> {
    if head.header("content-encoding").is_some() {
        return None;
    }
    let (batch, item) = known(request.reading()?)?;
    let notation = Notation::of(request.protocol)?;
    let borrowed = |bytes| Cow::Borrowed(bytes);
    let doc = match item {
        Item::Member(name, list) => {
            let item = notation.list(&[notation.member(body, name)?]);
            let others = notation.members(body)?.into_iter().filter(|(other, _)| other != name).collect::<Vec<_>>();
            let others = others.iter().map(|(name, value)| (&**name, borrowed(*value)));
            notation.object(others.chain([(*list, Cow::Borrowed(&*item))]))
        }
        Item::Of(write, name) => {
            let table = notation.scalar(notation.member(body, "TableName")?)?;
            let write = notation
                .object([(*write, Cow::Owned(notation.object([(*name, borrowed(notation.member(body, name)?))])))]);
            let tables = notation.object([(&*table, Cow::Owned(notation.list(&[write])))]);
            notation.object([("RequestItems", Cow::Owned(tables))])
        }
        Item::Rest(list, kept) => {
            let (kept, rest): (Vec<_>, Vec<_>) =
                notation.members(body)?.into_iter().partition(|(name, _)| kept.contains(&&**name));
            let item = notation.object(rest.iter().map(|(name, value)| (&**name, borrowed(*value))));
            let kept = kept.iter().map(|(name, value)| (&**name, borrowed(*value)));
            notation.object(kept.chain([(*list, Cow::Owned(notation.list(&[item])))]))
        }
    };
    let mut request = request.clone();
    request.readings = smallvec::smallvec![batch];
    Some((request, doc))
}

fn known(reading: &Reading) -> Option<(Reading, &'static Item)> {
    let (service, operation) = (reading.service.name, reading.operation?.name);
    let (_, _, batch, item) = KNOWN.iter().find(|(of, name, ..)| (*of, *name) == (service, operation))?;
    Some((Reading { service: reading.service, operation: reading.service.operation(batch) }, item))
}
