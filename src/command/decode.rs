//! `squall decode [FILE]`: what captured requests mean to AWS, one JSON object a line.
//!
//! Each request is read exactly as the proxy reads it. A line that holds none is answered by one that says so, in its place.

use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

use anyhow::Result;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::captured::{self, Captured, Reader};
use super::told;
use crate::aws::request::{AwsRequest, Reading};
use crate::aws::why::{self, Clue};
use crate::cli::DecodeArgs;

/// Decodes what the file or stdin holds. It fails if a line held no request.
pub fn main(args: &DecodeArgs) -> ExitCode {
    told::end_unless_unread(from(args))
}

fn from(args: &DecodeArgs) -> Result<ExitCode> {
    let mut answers = Answers::new(io::stdout().lock(), args.why);
    captured::read_from(args.file.as_deref(), &mut answers)?;
    Ok(if answers.all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Answers every request of `input`, and tells whether all lines held one.
pub fn decode(input: impl Read, out: impl Write, why: bool) -> io::Result<bool> {
    let mut answers = Answers::new(out, why);
    captured::read(input, &mut answers)?;
    Ok(answers.all_read)
}

/// A request's meaning as it is written.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Value::is_null")]
    id: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign: Option<&'static str>,
    #[serde(flatten)]
    meaning: Option<Meaning<'a>>,
}

#[derive(Serialize)]
struct Meaning<'a> {
    service: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    candidates: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ToldClient<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Clues>,
}

/// Written as a map from clue to what it said.
struct Clues(Vec<(Clue, String)>);

impl Serialize for Clues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(clue, said)| (clue.as_str(), said)))
    }
}

#[derive(Serialize)]
struct ToldClient<'a> {
    sdk: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'static str>,
}

impl<'a> Meaning<'a> {
    fn of(request: &'a AwsRequest, why: Option<Clues>) -> Option<Self> {
        let first = request.reading()?;
        let client = request.client.as_deref().map(|client| ToldClient {
            sdk: client.sdk,
            version: client.version.as_deref(),
            language: client.language,
            language_version: client.language_version.as_deref(),
            retry_mode: client.retry_mode.map(|mode| mode.as_str()),
            tool: client.tool,
        });
        Some(Self {
            service: first.service.name,
            operation: first.operation.map(|operation| operation.name),
            region: request.region.as_deref(),
            protocol: request.protocol.as_str(),
            access_key: request.access_key.as_ref().map(|key| &*key.0),
            account: request.account.as_deref(),
            resource: request.resource.as_ref().map(|resource| resource.name.as_str()),
            invocation: request.invocation.as_deref(),
            attempt: request.attempt,
            max_attempts: request.max_attempts,
            candidates: request.readings.iter().map(Reading::to_string).collect(),
            client,
            why,
        })
    }
}

/// Writes answers, one a line.
struct Answers<W: Write> {
    out: BufWriter<W>,
    why: bool,
    all_read: bool,
}

impl<W: Write> Answers<W> {
    fn new(out: W, why: bool) -> Self {
        Self { out: BufWriter::with_capacity(1 << 16, out), why, all_read: true }
    }
}

impl<W: Write> Reader for Answers<W> {
    fn request(&mut self, id: &Value, captured: &Captured<'_>) -> io::Result<()> {
        let (decoded, prefix) = captured.decode();
        let told = |request| self.why.then(|| Clues(why::explain(request, &captured.head(), &prefix)));
        let answer = match &decoded {
            Ok(request) => Answer { id, foreign: None, meaning: Meaning::of(request, told(request)) },
            Err(foreign) => Answer { id, foreign: Some(foreign.as_str()), meaning: None },
        };
        serde_json::to_writer(&mut self.out, &answer)?;
        self.out.write_all(b"\n")
    }

    fn no_request(&mut self, line: usize, error: &serde_json::Error) -> io::Result<()> {
        self.all_read = false;
        let error = format!("line {line} holds no request: {error}");
        writeln!(self.out, "{}", serde_json::json!({ "error": error }))
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn answers(input: &str, why: bool) -> (bool, Vec<Value>) {
        let mut out = Vec::new();
        let all_read = decode(input.as_bytes(), &mut out, why).unwrap();
        (all_read, out.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    fn put_item() -> Value {
        json!({
            "id": "a",
            "method": "POST",
            "url": "https://dynamodb.us-east-1.amazonaws.com/",
            "headers": [
                ["X-Amz-Target", "DynamoDB_20120810.PutItem"],
                ["Content-Type", "application/x-amz-json-1.0"],
                ["Authorization", "AWS4-HMAC-SHA256 Credential=ASIAQNZGKIQY56JQ7WML/20250601/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0f"],
                ["amz-sdk-invocation-id", "6513270e"],
                ["amz-sdk-request", "attempt=2; max=4"],
                ["User-Agent", "Boto3/1.44.5 lang/python#3.11.7 cfg/retry-mode#standard"],
            ],
            "body_b64": "e30=",
        })
    }

    fn create_cluster(id: u32) -> String {
        // `Action=CreateDBCluster&Version=2014-10-31`
        let body = "QWN0aW9uPUNyZWF0ZURCQ2x1c3RlciZWZXJzaW9uPTIwMTQtMTAtMzE=";
        let headers = [["Content-Type", "application/x-www-form-urlencoded"]];
        json!({"id": id, "method": "POST", "url": "http://rds.eu-west-1.amazonaws.com", "headers": headers, "body_b64": body})
            .to_string()
    }

    #[test]
    fn a_line_tells_all_that_a_request_says() {
        let (all_read, told) = answers(&put_item().to_string(), false);
        let expected = json!({
            "id": "a",
            "service": "dynamodb",
            "operation": "PutItem",
            "region": "us-east-1",
            "protocol": "json-1.0",
            "access_key": "ASIAQNZGKIQY56JQ7WML",
            "account": "029608264753",
            "invocation": "6513270e",
            "attempt": 2,
            "max_attempts": 4,
            "candidates": ["dynamodb.PutItem"],
            "client": {
                "sdk": "boto3",
                "version": "1.44.5",
                "language": "python",
                "language_version": "3.11.7",
                "retry_mode": "standard",
            },
        });
        assert_eq!(told, [expected]);
        assert!(all_read);
    }

    #[test]
    fn lines_are_answered_in_order_and_those_without_a_request_in_their_place() {
        let foreign = json!({"id": 2, "method": "GET", "url": "https://example.com/"});
        let input = format!("{}\n\n{foreign}\nnonsense\n{}", create_cluster(1), create_cluster(4));
        let (all_read, told) = answers(&input, false);
        assert!(!all_read);
        let [first, second, third, fourth] = &*told else { panic!("{told:?}") };
        assert_eq!(
            first["candidates"],
            json!(["rds.CreateDBCluster", "docdb.CreateDBCluster", "neptune.CreateDBCluster"])
        );
        assert_eq!((&second["id"], second["foreign"].is_string(), second.get("service")), (&json!(2), true, None));
        assert!(third["error"].as_str().unwrap().starts_with("line 4 holds no request"), "{third}");
        assert_eq!(fourth["id"], 4);
        let (all_read, told) = answers(&format!("nonsense\n{}", create_cluster(2)), false);
        assert!(!all_read && told.len() == 2 && told[1]["id"] == 2, "{told:?}");
    }

    #[test]
    fn why_tells_what_each_clue_said() {
        let (_, told) = answers(&format!("{}\n{}", put_item(), create_cluster(2)), true);
        assert_eq!(told[0]["why"], json!({"target": "DynamoDB_20120810.PutItem"}));
        assert_eq!(told[1]["why"], json!({"action": "CreateDBCluster", "version": "2014-10-31"}));
    }

    #[test]
    fn an_archive_is_answered_entry_by_entry_whether_indented_or_not() {
        let form = "Action=ListUsers&Version=2010-05-08";
        let entry = |url: &str, body: Value| {
            let headers = json!([
                {"name": ":authority", "value": "x"},
                {"name": "content-type", "value": "application/x-www-form-urlencoded"},
            ]);
            json!({"request": {"method": "POST", "url": url, "headers": headers, "postData": body}, "time": 1})
        };
        let coded = STANDARD.encode(form);
        let har = json!({"log": {"version": "1.2", "entries": [
            entry("https://iam.amazonaws.com/", json!({"mimeType": "x", "text": form})),
            entry("https://iam.amazonaws.com/", json!({"mimeType": "x", "text": coded, "encoding": "base64"})),
        ]}});
        for text in [har.to_string(), format!("{har:#}")] {
            let (all_read, told) = answers(&text, false);
            let names: Vec<_> = told.iter().map(|told| (told["id"].clone(), told["operation"].clone())).collect();
            assert!(all_read);
            assert_eq!(names, [(json!(1), json!("ListUsers")), (json!(2), json!("ListUsers"))]);
        }
    }
}
