//! `squall decode [FILE]`: what captured requests mean to AWS, one JSON object a line.
//!
//! Requests come as JSON Lines (`{id, method, url, headers: [[name, value]…], body_b64}`) or as a HAR file, such as browsers and
//! proxies save. Each is read exactly as the proxy reads it. A line that holds no request is answered by one that says so, in its
//! place.

mod captured;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::{Serialize, Serializer};
use serde_json::Value;

use self::captured::{Captured, Har, Row};
use super::told;
use crate::aws::request::{self, AwsRequest, Reading};
use crate::aws::resource;
use crate::aws::why::{self, Clue};
use crate::cli::DecodeArgs;

/// Decodes what the file or stdin holds. It fails if a line held no request.
pub fn main(args: &DecodeArgs) -> ExitCode {
    told::end(from(args), ExitCode::FAILURE)
}

fn from(args: &DecodeArgs) -> Result<ExitCode> {
    let out = io::stdout().lock();
    let all_read = match &args.file {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            decode(file, out, args.why)
        }
        None => decode(io::stdin().lock(), out, args.why),
    };
    match all_read {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

/// Answers every request of `input`, and tells whether all lines held one.
pub fn decode(input: impl Read, out: impl Write, why: bool) -> io::Result<bool> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut answers = Answers { out: BufWriter::with_capacity(1 << 16, out), why, all_read: true };
    let mut line = Vec::new();
    let mut number = 0;
    while io::BufRead::read_until(&mut input, b'\n', &mut line)? > 0 {
        number += 1;
        match serde_json::from_slice::<Row<'_>>(&line) {
            Ok(row) => answers.answer(&row)?,
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(error) if number == 1 => {
                input.read_to_end(&mut line)?;
                match serde_json::from_slice::<Har<'_>>(&line) {
                    Ok(har) => return answers.archive(&har),
                    Err(_) => return answers.lines(&line, &error),
                }
            }
            Err(error) => answers.complain(number, &error)?,
        }
        line.clear();
        if input.buffer().is_empty() {
            answers.out.flush()?;
        }
    }
    answers.end()
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
    fn answer(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.write(&row.id, &Captured::of_row(row))
    }

    /// Answers with the entries' places, from 1, as ids.
    fn archive(mut self, har: &Har<'_>) -> io::Result<bool> {
        for (at, entry) in har.log.entries.iter().enumerate() {
            self.write(&Value::from(at + 1), &Captured::of_entry(entry))?;
        }
        self.end()
    }

    /// Answers lines of which the first is neither a request nor the beginning of an archive.
    fn lines(mut self, text: &[u8], first: &serde_json::Error) -> io::Result<bool> {
        self.complain(1, first)?;
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate().skip(1) {
            match serde_json::from_slice::<Row<'_>>(line) {
                Ok(row) => self.answer(&row)?,
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(error) => self.complain(at + 1, &error)?,
            }
        }
        self.end()
    }

    fn write(&mut self, id: &Value, captured: &Captured<'_>) -> io::Result<()> {
        let head = captured.head();
        let prefix = if request::needs_body(&head) { captured.body_prefix() } else { Vec::new() };
        let mut decoded = request::decode(&head, &prefix);
        if let Ok(request) = &mut decoded
            && prefix.is_empty()
            && resource::stands_in_body(request, &head)
        {
            request.is_about(resource::read(request, &head, &captured.body_prefix()));
        }
        let told = |request| self.why.then(|| Clues(why::explain(request, &head, &prefix)));
        let answer = match &decoded {
            Ok(request) => Answer { id, foreign: None, meaning: Meaning::of(request, told(request)) },
            Err(foreign) => Answer { id, foreign: Some(foreign.as_str()), meaning: None },
        };
        serde_json::to_writer(&mut self.out, &answer)?;
        self.out.write_all(b"\n")
    }

    fn complain(&mut self, number: usize, error: &serde_json::Error) -> io::Result<()> {
        self.all_read = false;
        let error = format!("line {number} holds no request: {error}");
        writeln!(self.out, "{}", serde_json::json!({ "error": error }))
    }

    fn end(mut self) -> io::Result<bool> {
        self.out.flush()?;
        Ok(self.all_read)
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
