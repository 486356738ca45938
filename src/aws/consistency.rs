//! Which requests read and which write, and which reads may be answered by what was true before.
//!
//! Models do not say what reads. It is told by the operation's name, and of REST also by its method: [`reads`]. What reads nothing that
//! lasts (a random password, a token, a shard iterator) is no read here, and what only reckons (encrypts, signs, simulates) no write:
//! [`writes`]. DynamoDB and SimpleDB give a consistent answer to who asks for one: [`is_consistent`]. S3's reads of objects and lists
//! of them always are: [`is_always_consistent`].

use std::sync::LazyLock;

use super::catalog::Operation;
use super::member::{self, Pointer, Texts};
use super::request::{AwsRequest, Head, Reading};

/// Whether an operation tells of a state that others change, in an answer that ends by itself.
pub fn reads(reading: &Reading) -> bool {
    let Some(operation) = reading.operation else { return false };
    let is_no_read = NO_READS.contains(&(reading.service.name, operation.name));
    !is_no_read && !operation.streams() && reading.service.name != "sts" && reads_by_name(operation)
}

/// Whether a request may change what reads tell; of an operation that nobody knows its method says it, of PartiQL the statements.
pub fn writes(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
    let Some(reading) = request.reading() else { return false };
    match reading.operation {
        Some(_) if takes_statements(reading) => !only_selects(request, head, body_prefix),
        None => !matches!(*head.method, http::Method::GET | http::Method::HEAD),
        Some(operation) => !reads_by_name(operation) && !reckons(reading.service.name, operation),
    }
}

/// Whether only the statements in its body say if an operation reads or writes.
pub fn takes_statements(reading: &Reading) -> bool {
    let operation = reading.operation.map_or("", |operation| operation.name);
    reading.service.name == "dynamodb"
        && matches!(operation, "BatchExecuteStatement" | "ExecuteStatement" | "ExecuteTransaction")
}

/// Whether this very request asks for an answer in which all writes before it are seen.
pub fn is_consistent(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
    let says = |pointer: &Pointer| is_true(&member::read(request, head, body_prefix, pointer));
    let Some(reading) = request.reading() else { return false };
    match reading.service.name {
        "dynamodb" => says(&AT_THE_TOP) || says(&OF_A_TABLE),
        "sdb" => says(&AT_THE_TOP),
        _ => false,
    }
}

/// Whether AWS documents that an operation's answers never lag behind.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>: objects, their metadata, tags and ACLs, and lists
/// of them; not the configuration of buckets.
pub fn is_always_consistent(reading: &Reading) -> bool {
    let Some(operation) = reading.operation else { return false };
    let of_object = || operation.route.is_some_and(|(_, uri)| uri.contains("{Key+}"));
    reading.service.name == "s3" && (of_object() || operation.name.starts_with("ListObject"))
}

/// Whether a request's statements are all there, and all read.
fn only_selects(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> bool {
    STATEMENTS.iter().any(|pointer| {
        let (count, is_whole) = member::count(request, head, body_prefix, pointer);
        let texts = member::read(request, head, body_prefix, pointer);
        let selects = |text: &str| text.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
        is_whole && count > 0 && count == texts.len() as u64 && texts.iter().all(|text| selects(text))
    })
}

fn reads_by_name(operation: &Operation) -> bool {
    let by_method = operation.route.is_some_and(|(method, _)| matches!(method, "GET" | "HEAD"));
    by_method || begins(operation, READING)
}

/// Whether it works something out and changes nothing.
fn reckons(service: &str, operation: &Operation) -> bool {
    matches!(service, "bedrock-runtime" | "sts")
        || begins(operation, RECKONING)
        || (service == "kms" && begins(operation, &["Decrypt", "Derive", "Encrypt", "Generate", "ReEncrypt", "Sign"]))
        || (service, operation.name) == ("dynamodb", "TransactGetItems")
}

/// Whether its name begins with one of these words.
fn begins(operation: &Operation, words: &[&str]) -> bool {
    let rest = |word: &&str| operation.name.strip_prefix(*word);
    words.iter().filter_map(rest).any(|rest| rest.chars().next().is_none_or(char::is_uppercase))
}

fn is_true(texts: &Texts) -> bool {
    texts.iter().any(|text| text.eq_ignore_ascii_case("true"))
}

static AT_THE_TOP: LazyLock<Pointer> = LazyLock::new(|| pointer("ConsistentRead"));
static STATEMENTS: LazyLock<[Pointer; 3]> =
    LazyLock::new(|| ["/Statement", "/Statements/*/Statement", "/TransactStatements/*/Statement"].map(pointer));
static OF_A_TABLE: LazyLock<Pointer> = LazyLock::new(|| pointer("/RequestItems/*/ConsistentRead"));

fn pointer(text: &str) -> Pointer {
    text.parse().unwrap_or_else(|_| unreachable!("{text} is a place"))
}

/// How the names of operations begin that read.
const READING: &[&str] = &[
    "BatchDescribe",
    "BatchGet",
    "BatchList",
    "Count",
    "Describe",
    "Discover",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Query",
    "Retrieve",
    "Scan",
    "Search",
    "Select",
];

/// How the names of operations begin that change nothing of their service.
const RECKONING: &[&str] = &[
    "Analyze",
    "Assume",
    "Calculate",
    "Check",
    "Classify",
    "Detect",
    "Estimate",
    "Evaluate",
    "Infer",
    "Invoke",
    "Is",
    "Poll",
    "Predict",
    "Preview",
    "Recognize",
    "Simulate",
    "Suggest",
    "Test",
    "Translate",
    "Validate",
    "Verify",
];

/// What begins like a read and hands something out, each time anew.
const NO_READS: &[(&str, &str)] = &[
    ("codeartifact", "GetAuthorizationToken"),
    ("cognito-identity", "GetCredentialsForIdentity"),
    ("cognito-identity", "GetId"),
    ("cognito-identity", "GetOpenIdToken"),
    ("cognito-identity", "GetOpenIdTokenForDeveloperIdentity"),
    ("dynamodbstreams", "GetShardIterator"),
    ("ecr", "GetAuthorizationToken"),
    ("ecr-public", "GetAuthorizationToken"),
    ("kinesis", "GetShardIterator"),
    ("redshift", "GetClusterCredentials"),
    ("redshift", "GetClusterCredentialsWithIAM"),
    ("secretsmanager", "GetRandomPassword"),
    ("stepfunctions", "GetActivityTask"),
];

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::aws::catalog;

    fn reading(service: &str, operation: &str) -> Reading {
        let service = catalog::service(service).unwrap();
        Reading { service, operation: Some(service.operation(operation).unwrap()) }
    }

    fn request(service: &str, operation: &str) -> AwsRequest {
        let reading = reading(service, operation);
        AwsRequest::of(reading, reading.service.protocols[0])
    }

    fn on_the_wire<T>(body: &str, read: impl FnOnce(&Head<'_>, &[u8]) -> T) -> T {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_LENGTH, body.len().into())]);
        let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
        read(&head, body.as_bytes())
    }

    fn is_a_write(service: &str, operation: &str) -> bool {
        on_the_wire("", |head, body| writes(&request(service, operation), head, body))
    }

    #[test]
    fn what_reads_a_state_is_a_read_and_what_changes_one_a_write() {
        for (service, operation) in [
            ("dynamodb", "GetItem"),
            ("dynamodb", "BatchGetItem"),
            ("dynamodb", "DescribeTable"),
            ("ec2", "DescribeInstances"),
            ("iam", "ListUsers"),
            ("s3", "GetObject"),
            ("s3", "HeadObject"),
            ("s3", "ListObjectsV2"),
            ("sqs", "GetQueueUrl"),
            ("ssm", "GetParametersByPath"),
        ] {
            assert!(reads(&reading(service, operation)) && !is_a_write(service, operation), "{service} {operation}");
        }
        for (service, operation) in [
            ("dynamodb", "ExecuteStatement"),
            ("dynamodb", "PutItem"),
            ("dynamodb", "TransactWriteItems"),
            ("ec2", "RunInstances"),
            ("s3", "CopyObject"),
            ("s3", "DeleteObjects"),
            ("sqs", "ReceiveMessage"),
        ] {
            assert!(!reads(&reading(service, operation)) && is_a_write(service, operation), "{service} {operation}");
        }
    }

    #[test]
    fn statements_write_unless_all_of_them_are_there_and_only_select() {
        for (operation, body, expected) in [
            ("ExecuteStatement", r#"{"Statement": " select * from \"t\" where id = 1"}"#, false),
            ("ExecuteStatement", r#"{"Statement": "UPDATE \"t\" SET a = 1 WHERE id = 1"}"#, true),
            (
                "BatchExecuteStatement",
                r#"{"Statements": [{"Statement": "SELECT 1"}, {"Statement": "SELECT 2"}]}"#,
                false,
            ),
            (
                "BatchExecuteStatement",
                r#"{"Statements": [{"Statement": "SELECT 1"}, {"Statement": "INSERT 2"}]}"#,
                true,
            ),
            ("ExecuteTransaction", r#"{"TransactStatements": [{"Statement": "SELECT 1"}]}"#, false),
            ("ExecuteStatement", "", true),
        ] {
            let request = request("dynamodb", operation);
            assert_eq!(on_the_wire(body, |head, body| writes(&request, head, body)), expected, "{body}");
        }
        let cut = |head: &Head<'_>, body: &[u8]| writes(&request("dynamodb", "ExecuteStatement"), head, &body[..30]);
        assert!(on_the_wire(r#"{"Statement": "SELECT 1", "Parameters": []}"#, cut));
    }

    #[test]
    fn what_reckons_or_hands_out_is_neither() {
        for (service, operation) in [
            ("bedrock-runtime", "Converse"),
            ("dynamodb", "TransactGetItems"),
            ("kinesis", "GetShardIterator"),
            ("kms", "GenerateDataKey"),
            ("lambda", "Invoke"),
            ("s3", "SelectObjectContent"),
            ("secretsmanager", "GetRandomPassword"),
            ("sts", "AssumeRole"),
            ("sts", "GetCallerIdentity"),
        ] {
            assert!(!reads(&reading(service, operation)) && !is_a_write(service, operation), "{service} {operation}");
        }
    }

    #[test]
    fn what_hands_out_is_an_operation_of_the_catalog() {
        for (service, operation) in NO_READS {
            reading(service, operation);
        }
    }

    #[test]
    fn who_asks_for_a_consistent_answer_is_found() {
        for (operation, body, expected) in [
            ("GetItem", r#"{"TableName": "t", "ConsistentRead": true}"#, true),
            ("GetItem", r#"{"TableName": "t", "ConsistentRead": false}"#, false),
            ("Query", r#"{"TableName": "t"}"#, false),
            ("BatchGetItem", r#"{"RequestItems": {"a": {"Keys": []}, "b": {"ConsistentRead": true}}}"#, true),
        ] {
            let request = request("dynamodb", operation);
            assert_eq!(on_the_wire(body, |head, body| is_consistent(&request, head, body)), expected, "{body}");
        }
    }

    #[test]
    fn of_s3_objects_and_their_lists_are_consistent_and_the_rest_is_not() {
        for (operation, expected) in [("GetObject", true), ("ListObjectsV2", true), ("GetBucketPolicy", false)] {
            assert_eq!(is_always_consistent(&reading("s3", operation)), expected, "{operation}");
        }
        assert!(!is_always_consistent(&reading("dynamodb", "GetItem")));
    }
}
