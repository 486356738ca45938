//! What an operation makes, and what a read may find missing because it was made only just now.
//!
//! [`made`] is told by an operation's name: CreateTable makes a table, RunInstances makes instances, and CreateTags makes nothing that anybody
//! could ask for. Some name in their request what they make; what others make is named in their answer, where [`ids`] finds it. A read
//! that [`missed`] the same kind of thing would have told so.

use compact_str::CompactString;
use quick_xml::events::Event;
use serde_json::Value;

use super::idiom::{self, Idiom};
use super::request::Reading;
use super::resource;

/// What an operation makes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// The kind of thing, in small letters: `table`.
    pub kind: String,
    /// Whether the request names it; else its answer does.
    pub is_named: bool,
}

/// What an operation makes that was not there before.
pub fn made(reading: &Reading) -> Option<Made> {
    let operation = reading.operation?;
    let mut verbs = ["Allocate", "Create", "Run"].iter();
    let noun = verbs.find_map(|verb| operation.name.strip_prefix(verb))?.to_ascii_lowercase();
    let named = resource::kind(reading.service, operation).map(|kind| kind.to_ascii_lowercase());
    let is_named = named.as_ref() == Some(&noun);
    let kind = if is_named { noun } else { noun.strip_suffix('s').unwrap_or(&noun).to_owned() };
    Some(Made { kind, is_named })
}

/// The kind of thing that a read names and may find missing: `table` of DescribeTable and of GetItem.
pub fn missed(reading: &Reading) -> Option<String> {
    let code = idiom::told(reading, Idiom::NotFound)?;
    let kind = resource::kind(reading.service, reading.operation?)?.to_ascii_lowercase();
    // What is said of an instance stands for whatever else EC2 may miss, and is not what it says.
    (code != OF_INSTANCES || kind == "instance").then_some(kind)
}

/// The ids of what was made, out of the whole answer.
pub fn ids(made: &Made, answer: &[u8]) -> Vec<CompactString> {
    let member = format!("{}id", made.kind);
    let mut found = Vec::new();
    if answer.trim_ascii_start().starts_with(b"<") {
        of_xml(answer, &member, &mut found);
    } else if let Ok(value) = serde_json::from_slice(answer) {
        of_json(&value, &member, &mut found);
    }
    found
}

fn of_xml(answer: &[u8], member: &str, found: &mut Vec<CompactString>) {
    let mut reader = quick_xml::Reader::from_reader(answer);
    let mut is_id = false;
    // What cannot be read on ends it.
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) => is_id = tag.local_name().as_ref().eq_ignore_ascii_case(member),
            Event::Text(text) if is_id => found.push(CompactString::from(&*text)),
            Event::Eof => break,
            _ => is_id = false,
        }
    }
}

fn of_json(value: &Value, member: &str, found: &mut Vec<CompactString>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| of_json(item, member, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(id) if name.eq_ignore_ascii_case(member) => found.push(id.as_str().into()),
                    value => of_json(value, member, found),
                }
            }
        }
        _ => {}
    }
}

const OF_INSTANCES: &str = "InvalidInstanceID.NotFound";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    fn reading(service: &str, operation: &str) -> Reading {
        let service = catalog::service(service).unwrap();
        Reading { service, operation: Some(service.operation(operation).unwrap()) }
    }

    #[test]
    fn what_is_made_may_be_missed() {
        for (service, maker, is_named, misser) in [
            ("dynamodb", "CreateTable", true, "DescribeTable"),
            ("dynamodb", "CreateTable", true, "GetItem"),
            ("ec2", "CreateSnapshot", false, "DescribeSnapshots"),
            ("ec2", "CreateVolume", false, "DescribeVolumes"),
            ("ec2", "RunInstances", false, "DescribeInstances"),
            ("iam", "CreateRole", true, "GetRole"),
            ("kinesis", "CreateStream", true, "DescribeStream"),
            ("kms", "CreateKey", false, "DescribeKey"),
            ("lambda", "CreateFunction", true, "GetFunction"),
            ("s3", "CreateBucket", true, "HeadBucket"),
            ("secretsmanager", "CreateSecret", true, "DescribeSecret"),
            ("sns", "CreateTopic", true, "GetTopicAttributes"),
            ("sqs", "CreateQueue", true, "GetQueueAttributes"),
            ("sqs", "CreateQueue", true, "GetQueueUrl"),
        ] {
            let made = made(&reading(service, maker)).unwrap();
            assert_eq!(
                (made.is_named, Some(&made.kind)),
                (is_named, missed(&reading(service, misser)).as_ref()),
                "{maker}"
            );
        }
    }

    #[test]
    fn what_names_something_else_does_not_make_that() {
        for (service, maker, misser) in [
            ("dynamodb", "CreateBackup", "DescribeTable"),
            ("ec2", "CreateSnapshot", "DescribeVolumes"),
            ("ec2", "CreateTags", "DescribeInstances"),
            ("ec2", "RunInstances", "DescribeSubnets"),
            ("iam", "CreateAccessKey", "GetUser"),
            ("lambda", "CreateAlias", "GetFunction"),
        ] {
            let made = made(&reading(service, maker)).unwrap();
            assert_ne!(
                (made.is_named, Some(&made.kind)),
                (true, missed(&reading(service, misser)).as_ref()),
                "{maker}"
            );
            assert!(!made.is_named, "{maker}");
        }
        assert_eq!(made(&reading("dynamodb", "PutItem")), None);
        for (service, operation) in [("dynamodb", "ListTables"), ("ec2", "DescribeNatGateways")] {
            assert_eq!(missed(&reading(service, operation)), None, "{operation}");
        }
    }

    #[test]
    fn ids_are_found_in_answers_by_the_kind_of_thing() {
        let instance = made(&reading("ec2", "RunInstances")).unwrap();
        let answer =
            br#"<RunInstancesResponse><instancesSet><item><instanceId>i-1</instanceId><subnetId>s-1</subnetId></item>
            <item><instanceId>i-2</instanceId></item></instancesSet></RunInstancesResponse>"#;
        assert_eq!(ids(&instance, answer), ["i-1", "i-2"]);
        let key = made(&reading("kms", "CreateKey")).unwrap();
        assert_eq!(ids(&key, br#"{"KeyMetadata": {"Arn": "arn:x", "KeyId": "1234"}}"#), ["1234"]);
        for broken in ["", "<a><instanceId>", "{", "<instanceId><x/></instanceId>"] {
            assert!(ids(&instance, broken.as_bytes()).is_empty(), "{broken}");
        }
    }
}
