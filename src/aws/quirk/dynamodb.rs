//! DynamoDB: long request ids, a dated namespace, a checksum of every body, and errors that tell which item or table is meant.

use http::header::SERVER;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use smallvec::{SmallVec, smallvec};

use crate::aws::field;
use crate::aws::partition;
use crate::aws::protocol::{Held, Stamp, Texts, Told};
use crate::aws::request::AwsRequest;

/// Of its error shapes, those of its streams included.
pub(super) const NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810";

/// 52 capitals and digits, as `VV4KQNSO5AEMVJF66Q9ASUAAJG…`.
pub(super) fn request_id(stamp: &Stamp) -> String {
    stamp.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 52)
}

pub(super) fn text(code: &str) -> Option<&'static str> {
    Some(match code {
        "ConditionalCheckFailedException" => "The conditional request failed",
        "ResourceInUseException" => "Attempt to change a resource which is still in use",
        "ResourceNotFoundException" => "Requested resource not found",
        "ThrottlingException" => "Rate of requests exceeds the allowed throughput.",
        _ => return None,
    })
}

/// The list of a canceled transaction's reasons, or that of a throttled request's.
pub(super) fn member(told: &Told<'_>, name: &str) -> Option<Held<'static>> {
    match name {
        "CancellationReasons" => Some(Held::List(cancellation_reasons(told))),
        "ThrottlingReasons" => throttling_reason(told).map(|reason| Held::List(smallvec![reason])),
        _ => None,
    }
}

/// A reason for each item, in the request's order: the first item is to blame for all. A transaction whose items were not counted is
/// taken for one of one item.
fn cancellation_reasons(told: &Told<'_>) -> SmallVec<[Texts; 1]> {
    let reads = told.operation.is_some_and(|operation| operation.name == "TransactGetItems");
    let (code, message) = if reads {
        ("TransactionConflict", "Transaction is ongoing for the item")
    } else {
        ("ConditionalCheckFailed", "The conditional request failed")
    };
    let to_blame = Texts(smallvec![("Code", code.into()), ("Message", message.into())]);
    let others = told.request.items.unwrap_or(1).saturating_sub(1).min(MOST_ITEMS);
    let other = Texts(smallvec![("Code", NO_REASON.into())]);
    std::iter::once(to_blame).chain(std::iter::repeat_n(other, others)).collect()
}

/// Reasons that were given for the first items of a transaction: the others have none.
pub(super) fn completed(told: &Told<'_>, name: &str, given: &Value) -> Option<Value> {
    let (items, reasons) =
        (told.request.items?.min(MOST_ITEMS), given.as_array().filter(|_| name == "CancellationReasons")?);
    let others = items.checked_sub(reasons.len()).filter(|others| *others > 0)?;
    Some(reasons.iter().cloned().chain(std::iter::repeat_n(json!({"Code": NO_REASON}), others)).collect())
}

/// Whether reads or writes exceeded the table's capacity, and which table's, where that is known.
fn throttling_reason(told: &Told<'_>) -> Option<Texts> {
    let verb = told.operation?.name;
    let reads = ["BatchGet", "Get", "Query", "Scan", "TransactGet"].iter().any(|read| verb.starts_with(read));
    let side = if reads { "TableReadProvisionedThroughputExceeded" } else { "TableWriteProvisionedThroughputExceeded" };
    let mut reason = Texts(smallvec![("reason", side.into())]);
    reason.0.extend(table(told).map(|table| ("resource", table.into())));
    Some(reason)
}

fn table(told: &Told<'_>) -> Option<String> {
    let AwsRequest { region: Some(region), account: Some(account), resource: Some(table), .. } = told.request else {
        return None;
    };
    let partition = partition::of_region(region);
    Some(["arn:", partition, ":dynamodb:", region, ":", account, ":table/", &table.name].concat())
}

/// A canceled transaction's message lists the codes of its reasons.
pub(super) fn message(told: &Told<'_>) -> Option<String> {
    if told.shape_name() != "TransactionCanceledException" {
        return None;
    }
    let codes = told.member("CancellationReasons")?.texts("Code", NO_REASON)?;
    Some(format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    ))
}

/// How many items a transaction has; of anything else, and of a body that is cut off, nothing.
pub(in crate::aws) fn items(body: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct Transaction {
        #[serde(rename = "TransactItems", alias = "TransactStatements")]
        items: Vec<IgnoredAny>,
    }
    serde_json::from_slice(body).ok().map(|transaction: Transaction| transaction.items.len())
}

/// Clients check `x-amz-crc32` against the body's bytes and retry on a mismatch (botocore's and Java's do).
pub(in crate::aws) fn finish(told: &Told<'_>, body: &[u8], headers: &mut HeaderMap) {
    if told.service.is_none_or(|service| service.signing_name != "dynamodb") {
        return;
    }
    headers.insert(SERVER, HeaderValue::from_static("Server"));
    headers.insert(field::AMZ_CRC32, HeaderValue::from(crc32fast::hash(body)));
}

/// The code of an item that is not to blame.
const NO_REASON: &str = "None";
/// DynamoDB takes no transaction of more.
const MOST_ITEMS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_of_a_transaction_are_counted_whatever_they_hold() {
        let body = br#"{"ClientRequestToken": "t", "TransactItems": [{"Put": {"Item": {"a": {"L": [{"S": "]"}]}}}}, {"Delete": {}}]}"#;
        assert_eq!(items(body), Some(2));
        assert_eq!(items(br#"{"TransactStatements": [{"Statement": "x"}]}"#), Some(1));
        assert_eq!((items(&body[..50]), items(b"{}"), items(b"\xff")), (None, None, None));
    }
}
