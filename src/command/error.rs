//! `squall error`: the very answer that AWS would send, printed.
//!
//! One answer as raw HTTP, for people and fixtures; or with `--batch` JSON lines in and JSON lines out, for programs that hold real
//! clients against it. Nothing is listened on or sent.

use std::hash::Hasher as _;
use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::told;
use crate::aws::catalog::{self, Service};
use crate::aws::idiom::{Idiom, idiom};
use crate::aws::protocol::event_stream::Break;
use crate::aws::protocol::{AwsError, Stamp, SyntheticResponse, event_stream, synthesize};
use crate::aws::request::{AwsRequest, Protocol, Reading};
use crate::aws::resource::Resource;
use crate::cli::{ErrorArgs, Output};
use crate::clock;
use crate::fault::written::nearest;

/// An error that is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// As botocore names it.
    pub service: String,
    /// The operation that fails.
    pub operation: String,
    /// A code, or an idiom such as `throttle`.
    pub code: String,
    /// `json-1.0`, `json-1.1`, `rest-json`, `rest-xml`, `rpc-v2-cbor`, `query` or `ec2`; absent: what botocore would take.
    pub protocol: Option<String>,
    /// Instead of the modeled one.
    pub status: Option<u16>,
    /// Instead of AWS's own.
    pub message: Option<String>,
    /// What it carries beside the message, by names in AWS's API reference.
    #[serde(default)]
    pub members: serde_json::Map<String, serde_json::Value>,
    /// What the request is about: a table, a bucket/key …
    pub resource: Option<String>,
    /// How many items the transaction has.
    pub items: Option<usize>,
    /// Not instead of an event stream, but inside it.
    #[serde(default)]
    pub in_stream: bool,
}

/// An answer, as `--batch` and `--output json` print it.
#[derive(Serialize)]
struct Printed {
    status: u16,
    headers: Vec<(String, String)>,
    body_b64: String,
}

/// Prints what was asked for.
pub fn main(args: &ErrorArgs) -> ExitCode {
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let printed = if args.batch { batch(&mut stdin, &mut stdout) } else { one(args, &mut stdout) };
    told::end_unless_unread(printed.map(|()| ExitCode::SUCCESS))
}

fn one(args: &ErrorArgs, out: &mut impl Write) -> Result<()> {
    let [service, operation, code] = args.what.as_slice() else { bail!("name SERVICE, OPERATION and CODE") };
    let wanted = Wanted {
        service: service.clone(),
        operation: operation.clone(),
        code: code.clone(),
        protocol: args.protocol.clone(),
        status: args.status,
        message: args.message.clone(),
        members: args.member.iter().cloned().collect(),
        resource: args.resource.clone(),
        items: args.items,
        in_stream: args.in_stream,
    };
    let answer = wanted.answer(wanted.stamp())?;
    match args.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&Printed::from(&answer))?)?,
        Output::Text => write_raw(&answer, out)?,
    }
    Ok(())
}

/// A line that cannot be answered ends it: answers are told apart by their order alone.
fn batch(lines: &mut impl BufRead, out: &mut impl Write) -> Result<()> {
    for (number, line) in lines.lines().enumerate() {
        let answer = || -> Result<SyntheticResponse> {
            let wanted: Wanted = serde_json::from_str(&line?)?;
            wanted.answer(wanted.stamp())
        };
        let answer = answer().with_context(|| format!("line {} of the standard input", number + 1))?;
        writeln!(out, "{}", serde_json::to_string(&Printed::from(&answer))?)?;
    }
    Ok(())
}

fn write_raw(answer: &SyntheticResponse, out: &mut impl Write) -> std::io::Result<()> {
    let reason = answer.status.canonical_reason().unwrap_or_default();
    write!(out, "HTTP/1.1 {} {reason}\r\n", answer.status.as_u16())?;
    for (name, value) in &answer.headers {
        write!(out, "{name}: ")?;
        out.write_all(value.as_bytes())?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"\r\n")?;
    out.write_all(&answer.body)
}

impl Wanted {
    /// The answer AWS would give.
    pub fn answer(&self, stamp: Stamp) -> Result<SyntheticResponse> {
        let service = self.service()?;
        let operation = service.operation(&self.operation).ok_or_else(|| {
            let known = service.operations().iter().map(|operation| operation.name);
            anyhow!("{} has no operation `{}`{}", service.name, self.operation, hint(&self.operation, known))
        })?;
        let mut request = AwsRequest::of(Reading { service, operation: Some(operation) }, self.protocol(service)?);
        request.items = self.items;
        request.resource = self.resource.as_deref().map(|name| Resource { name: name.into(), ..Resource::default() });
        let mut error = match Idiom::named(&self.code) {
            Some(kind) => idiom(&request, kind),
            None => AwsError { code: self.code.as_str().into(), status: None, message: None, members: Vec::new() },
        };
        if let Some(status) = self.status {
            error.status = Some(StatusCode::from_u16(status).with_context(|| format!("status {status}"))?);
        }
        error.members = self.members.iter().map(|(name, value)| (name.into(), value.clone())).collect();
        if let Some(message) = &self.message {
            error.message = Some(message.as_str().into());
        }
        if !self.in_stream {
            return Ok(synthesize(&request, &error, &stamp));
        }
        event_stream::broken_off(&request, &Break::Exception(error), &stamp)
            .with_context(|| format!("{} {} answers with no event stream", service.name, operation.name))
    }

    /// Now, and the same request id for the same error.
    fn stamp(&self) -> Stamp {
        let mut hasher = SipHasher24::new();
        for part in [&self.service, &self.operation, &self.code] {
            hasher.write(part.as_bytes());
        }
        Stamp { date: clock::wall(), id: hasher.finish128().into() }
    }

    fn service(&self) -> Result<&'static Service> {
        let known = || catalog::services().iter().map(|service| service.name);
        catalog::service(&self.service)
            .ok_or_else(|| anyhow!("there is no service `{}`{}", self.service, hint(&self.service, known())))
    }

    fn protocol(&self, service: &'static Service) -> Result<Protocol> {
        let Some(name) = &self.protocol else {
            let spoken = PROTOCOLS.iter().map(|(_, protocol)| *protocol).find(|protocol| service.speaks(*protocol));
            return spoken.with_context(|| format!("{} speaks no protocol known here", service.name));
        };
        let named = PROTOCOLS.iter().find(|(known, _)| known == name).map(|(_, protocol)| *protocol);
        let protocol = named.ok_or_else(|| {
            let known: Vec<_> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
            anyhow!("`{name}` is no protocol; known here: {}", known.join(", "))
        })?;
        if !service.speaks(protocol) {
            bail!("{} does not speak {name}", service.name);
        }
        Ok(protocol)
    }
}

impl From<&SyntheticResponse> for Printed {
    fn from(answer: &SyntheticResponse) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            status: answer.status.as_u16(),
            headers: answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body_b64: STANDARD.encode(&answer.body),
        }
    }
}

fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |right| format!("; did you mean `{right}`?"))
}

/// In the order in which botocore prefers them.
const PROTOCOLS: [(&str, Protocol); 8] = [
    ("json-1.0", Protocol::Json10),
    ("json-1.1", Protocol::Json11),
    ("rest-json", Protocol::RestJson),
    ("rest-xml", Protocol::RestXml),
    ("rpc-v2-cbor", Protocol::Cbor),
    ("query", Protocol::Query),
    ("ec2", Protocol::Ec2),
    ("http", Protocol::Http),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: &str) -> Result<String> {
        let mut out = Vec::new();
        batch(&mut lines.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_batch_answers_each_line_in_its_order() {
        let lines = "{\"service\":\"dynamodb\",\"operation\":\"PutItem\",\"code\":\"throttle\"}\n\
                     {\"service\":\"s3\",\"operation\":\"HeadObject\",\"code\":\"not_found\"}\n";
        let answers = printed(lines).unwrap();
        let answers: Vec<serde_json::Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((answers[0]["status"].as_u64(), answers[1]["status"].as_u64()), (Some(400), Some(404)));
        let body = STANDARD.decode(answers[0]["body_b64"].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("ProvisionedThroughputExceededException"));
        assert_eq!(answers[1]["body_b64"], "");
    }

    #[test]
    fn what_does_not_exist_is_told_with_the_nearest_that_does() {
        for (line, told) in [
            ("{\"service\":\"dynamo\",\"operation\":\"PutItem\",\"code\":\"X\"}", "there is no service `dynamo`"),
            ("{\"service\":\"s3\",\"operation\":\"GetObjekt\",\"code\":\"X\"}", "did you mean `GetObject`?"),
            (
                "{\"service\":\"s3\",\"operation\":\"GetObject\",\"code\":\"X\",\"protocol\":\"ec2\"}",
                "s3 does not speak ec2",
            ),
            ("{}", "missing field"),
        ] {
            let error = format!("{:#}", printed(line).unwrap_err());
            assert!(error.starts_with("line 1 of the standard input: ") && error.contains(told), "{error}");
        }
    }
}
