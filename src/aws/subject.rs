//! What a read tells of and a write changes, as far as it shows: by it one is held against the other.
//!
//! [`Subject::of`] a request is the resources that it names, in their account and region, and of DynamoDB also the items. What a
//! request does not say stands for all: a list is about whatever there is, and a statement of PartiQL may write anywhere.

use std::hash::Hasher as _;

use compact_str::CompactString;
use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use super::coding::Plain;
use super::request::{AwsRequest, Head, Protocol};

/// What a request is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subject {
    /// Service, region and account, as a hash.
    place: u64,
    /// The resources; none where it does not name any.
    names: SmallVec<[CompactString; 1]>,
    /// The items; `None` where it does not say which.
    items: Option<Vec<Item>>,
}

/// An item by its attributes, or the key of one: a sorted hash of each.
type Item = SmallVec<[u64; 2]>;

impl Subject {
    /// What this request is about.
    pub fn of(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> Self {
        let service = request.reading().map_or("", |reading| reading.service.name);
        let (mut region, mut account) = (request.region.as_deref(), request.account.as_deref());
        let names = match &request.resource {
            // A bucket's name is its own everywhere, and each object has a name of its own.
            Some(object) if service == "s3" => SmallVec::from_elem(object.name.clone(), 1),
            Some(resource) => resource.names().map(CompactString::from).collect(),
            None => SmallVec::new(),
        };
        if service == "s3" {
            (region, account) = (None, None);
        }
        let place = hash([service, region.unwrap_or_default(), account.unwrap_or_default()]);
        Self { place, names, items: items(request, head, body_prefix) }
    }

    /// Whether a write to this may change what a read of `other` tells.
    pub fn touches(&self, other: &Self) -> bool {
        self.place == other.place && self.names_meet(other) && self.items_meet(other)
    }

    /// Whether it names just what `other` names.
    pub fn is_named_like(&self, other: &Self) -> bool {
        self.place == other.place && !self.names.is_empty() && self.names == other.names
    }

    /// Whether it names one of these, in the same place as `other` is.
    pub fn names_one_of(&self, ids: &[CompactString], other: &Self) -> bool {
        self.place == other.place && self.names.iter().any(|name| ids.contains(name))
    }

    fn names_meet(&self, other: &Self) -> bool {
        let meets = |name: &CompactString| other.names.iter().any(|other| lies_in(name, other) || lies_in(other, name));
        self.names.is_empty() || other.names.is_empty() || self.names.iter().any(meets)
    }

    /// A key stands in the item that it is the key of.
    fn items_meet(&self, other: &Self) -> bool {
        let (Some(written), Some(read)) = (&self.items, &other.items) else { return true };
        let stands_in = |key: &Item, item: &Item| key.iter().all(|attribute| item.binary_search(attribute).is_ok());
        read.iter().any(|key| written.iter().any(|item| stands_in(key, item)))
    }
}

/// Whether `inner` is `outer` or lies in it: `bucket/key` in `bucket`, `/app/name` in `/app`, `function:alias` in `function`.
fn lies_in(inner: &str, outer: &str) -> bool {
    let outer = outer.strip_suffix('/').unwrap_or(outer);
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
}

/// The items that a request of DynamoDB's is about, if its body is there whole.
fn items(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> Option<Vec<Item>> {
    let reading = request.reading().filter(|reading| reading.service.name == "dynamodb")?;
    let operation = reading.operation?.name;
    if !matches!(request.protocol, Protocol::Json10 | Protocol::Json11) || !ABOUT_ITEMS.contains(&operation) {
        return None;
    }
    let plain = Plain::of(head, body_prefix);
    let body: Value = plain.is_whole.then(|| serde_json::from_slice(&plain.bytes).ok()).flatten()?;
    let mut found = Vec::new();
    match operation {
        "PutItem" => found.push(body.get("Item")?),
        "DeleteItem" | "GetItem" | "UpdateItem" => found.push(body.get("Key")?),
        "BatchGetItem" => {
            for table in body.get("RequestItems")?.as_object()?.values() {
                found.extend(table.get("Keys")?.as_array()?);
            }
        }
        "BatchWriteItem" => {
            for writes in body.get("RequestItems")?.as_object()?.values() {
                for write in writes.as_array()? {
                    found.push(write.pointer("/PutRequest/Item").or_else(|| write.pointer("/DeleteRequest/Key"))?);
                }
            }
        }
        _ => {
            for write in body.get("TransactItems")?.as_array()? {
                let places = ["/Put/Item", "/Update/Key", "/Delete/Key"];
                found.extend(places.iter().find_map(|place| write.pointer(place)));
            }
        }
    }
    found.into_iter().map(|item| item.as_object().map(item_of)).collect()
}

fn item_of(attributes: &Map<String, Value>) -> Item {
    let attribute = |(name, value): (&String, &Value)| hash([name.as_str(), &as_told(value)]);
    let mut item: Item = attributes.iter().map(attribute).collect();
    item.sort_unstable();
    item
}

/// An attribute's value: numbers are the same however they are written.
fn as_told(value: &Value) -> String {
    let number = value.get("N").and_then(Value::as_str).and_then(|number| number.parse::<f64>().ok());
    number.map_or_else(|| value.to_string(), |number| format!("N{number}"))
}

fn hash<const N: usize>(texts: [&str; N]) -> u64 {
    let mut hasher = SipHasher13::new();
    for text in texts {
        hasher.write(text.as_bytes());
        hasher.write(&[0xff]);
    }
    hasher.finish()
}

/// The operations whose requests name items.
const ABOUT_ITEMS: &[&str] =
    &["BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "TransactWriteItems", "UpdateItem"];

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::aws::request::decode;

    /// A request of DynamoDB's.
    fn dynamodb(operation: &str, body: &str) -> Subject {
        let fields = [
            ("x-amz-target", format!("DynamoDB_20120810.{operation}")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
            ("content-length", body.len().to_string()),
        ];
        let field = |(name, value): (&'static str, String)| {
            (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())
        };
        let headers = HeaderMap::from_iter(fields.map(field));
        let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &headers };
        let request = decode(&head, body.as_bytes()).unwrap();
        Subject::of(&request, &head, body.as_bytes())
    }

    fn s3(method: &Method, path: &str) -> Subject {
        let headers = HeaderMap::new();
        let host = "s3.us-east-1.amazonaws.com";
        let head = Head { method, host, path, query: None, headers: &headers };
        let request = decode(&head, b"").unwrap();
        Subject::of(&request, &head, b"")
    }

    #[test]
    fn a_write_touches_the_reads_of_its_item_and_of_its_table_and_no_others() {
        let get = |id: &str| dynamodb("GetItem", &format!(r#"{{"TableName": "t", "Key": {{"id": {{"S": "{id}"}}}}}}"#));
        let both =
            dynamodb("BatchGetItem", r#"{"RequestItems": {"t": {"Keys": [{"id": {"S": "b"}}, {"id": {"S": "a"}}]}}}"#);
        let scan = dynamodb("Scan", r#"{"TableName": "t"}"#);
        let other = dynamodb("Scan", r#"{"TableName": "u"}"#);
        let tables = dynamodb("ListTables", "{}");
        for (operation, body) in [
            ("PutItem", r#"{"TableName": "t", "Item": {"n": {"N": "1"}, "id": {"S": "a"}}}"#),
            ("UpdateItem", r#"{"TableName": "t", "Key": {"id": {"S": "a"}}}"#),
            ("DeleteItem", r#"{ "Key": { "id": { "S" : "a" } }, "TableName": "t"}"#),
            ("BatchWriteItem", r#"{"RequestItems": {"t": [{"DeleteRequest": {"Key": {"id": {"S": "a"}}}}]}}"#),
            ("TransactWriteItems", r#"{"TransactItems": [{"Put": {"TableName": "t", "Item": {"id": {"S": "a"}}}}]}"#),
        ] {
            let write = dynamodb(operation, body);
            let touched = [&get("a"), &get("b"), &both, &scan, &other, &tables].map(|read| write.touches(read));
            assert_eq!(touched, [true, false, true, true, false, true], "{operation}");
        }
        let statement = dynamodb("ExecuteStatement", r#"{"Statement": "DELETE FROM \"t\" WHERE id = 'a'"}"#);
        assert!(statement.touches(&get("a")) && statement.touches(&other));
    }

    #[test]
    fn a_number_is_the_same_key_however_it_is_written() {
        let put = dynamodb("PutItem", r#"{"TableName": "t", "Item": {"id": {"N": "1.50"}, "x": {"S": "y"}}}"#);
        let get = |id: &str| dynamodb("GetItem", &format!(r#"{{"TableName": "t", "Key": {{"id": {{"N": "{id}"}}}}}}"#));
        assert!(put.touches(&get("1.5")) && !put.touches(&get("15")));
    }

    #[test]
    fn a_bucket_and_what_lies_in_it_touch_each_other_and_objects_do_not() {
        let put = s3(&Method::PUT, "/bucket/a/b");
        let (object, beside) = (s3(&Method::GET, "/bucket/a/b"), s3(&Method::GET, "/bucket/a/bc"));
        let (list, other) = (s3(&Method::GET, "/bucket"), s3(&Method::GET, "/bucket2"));
        assert_eq!([&object, &beside, &list, &other].map(|read| put.touches(read)), [true, false, true, false]);
        assert!(s3(&Method::PUT, "/bucket").touches(&object));
        assert!(put.is_named_like(&object) && !put.is_named_like(&list));
    }
}
