//! One exchange as it is remembered: a line of `--ledger`, a row's share of the report.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use compact_str::CompactString;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::aws::client::Client;
use crate::aws::request::AccessKeyId;
use crate::aws::why::Why;
use crate::profile::plan::RuleName;

/// One request and its answer, closed. Durations are microseconds; serialised, it is one ledger line (`docs/report.md`).
///
/// Nothing secret can stand in it: no query, no header or body value but the access key id, an account id, the SDK's name and its own
/// retry counters, and the name of the resource.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    #[serde(rename = "v")]
    version: LineVersion,
    /// Order of arrival, from 1.
    pub seq: u64,
    /// When its head had been read.
    #[serde(serialize_with = "as_rfc3339")]
    pub started: Timestamp,
    /// How the client reached us.
    pub mode: Mode,
    /// The host the client named, without port; empty if it named none.
    #[serde(skip_serializing_if = "CompactString::is_empty")]
    pub host: CompactString,
    /// The request method; empty where there was no request.
    #[serde(skip_serializing_if = "CompactString::is_empty")]
    pub method: CompactString,
    /// The catalog's name of the service, where the request says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'static str>,
    /// The operation, where the request says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// What else the request may mean, as `service.Operation`; nearly always empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CompactString>,
    /// From which evidence the reading came: `scope+route`.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The region signed for, or named by the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<CompactString>,
    /// What it is about, as far as that is known: a table's, queue's, function's name, `bucket/key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<CompactString>,
    /// Who signed: the key's id, never the secret.
    #[serde(serialize_with = "as_key_id", skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeyId>,
    /// The account that the request names, or that the key was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<CompactString>,
    /// SDK and version, and the tool around it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_words")]
    pub client: Option<Arc<Client>>,
    /// `amz-sdk-invocation-id`: one SDK call, the same for all its attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation: Option<CompactString>,
    /// `attempt=` of `amz-sdk-request`, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// `max=` of `amz-sdk-request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Why it is not read as AWS's; it passed untouched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<CompactString>,
    /// The status the client was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Who is to blame; absent where the upstream answered, whatever it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a rule ended the connection before its first request; this is then no exchange.
    #[serde(skip_serializing_if = "is_zero")]
    pub before_request: bool,
    /// The rules that struck, in the profile's order.
    #[serde(serialize_with = "as_names", skip_serializing_if = "SmallVec::is_empty")]
    pub rules: SmallVec<[RuleName; 2]>,
    /// How long it was held back on purpose.
    #[serde(skip_serializing_if = "is_zero")]
    pub delay_us: u64,
    /// How much sooner this attempt came than an injected answer had asked the client to come back.
    #[serde(skip_serializing_if = "is_zero")]
    pub early_us: u64,
    /// How often a rule had it sent beside the time that the client knows of.
    #[serde(skip_serializing_if = "is_zero")]
    pub copies: u32,
    /// How many items of its batch a rule let fail.
    #[serde(skip_serializing_if = "is_zero")]
    pub items_failed: u32,
    /// What the upstream answered, where a rule threw that away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// From its arrival to the head of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// From its arrival to the end of the answer's body, or to where it broke.
    pub total_us: u64,
    /// Bytes of the request's body that went upstream; of a TCP connection all that did.
    pub request_bytes: u64,
    /// Bytes of the answer's body that went to the client; of a TCP connection all that did.
    pub response_bytes: u64,
    /// What is known of a TCP connection of which nothing was read; this is then no exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Box<Carried>>,
}

/// A TCP connection that was carried through, or kept from it by a rule.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Carried {
    /// The `tcp:` entry that it came to, if it came to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<CompactString>,
    /// Who opened it. Absent where nobody could: a rule had shut the entry's port for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
    /// Where it went, as `host:port`.
    pub upstream: CompactString,
}

/// How the client reached us.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A request line with a whole URL: a forward proxy's plain HTTP.
    Absolute,
    /// Inside a CONNECT.
    Connect,
    /// A request made to Squall itself, as under AWS_ENDPOINT_URL.
    Endpoint,
    /// A connection to a `tcp:` entry.
    Tcp,
    /// TLS without a CONNECT before it.
    Tls,
    /// Led here on its way elsewhere, unknown to the client.
    Transparent,
}

/// How an exchange ended. Each has one culprit; what AWS answered is never mistaken for what Squall answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream answered, with success or with an error of its own, and the client has it whole.
    Answered,
    /// A TCP connection of which nothing was read came to its end in good order.
    Carried,
    /// The client went away before it had its answer.
    ClientGone,
    /// Squall answered as AWS would: a rule struck.
    Injected,
    /// Squall answered in its own name: the upstream is unreachable, or the request leads nowhere. Or it ended while this was under way.
    ProxyFailed,
    /// The upstream broke off before or within its answer.
    UpstreamFailed,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The client.
    Client,
    /// A rule of the profile.
    Injected,
    /// Squall itself, or its way to the upstream.
    Proxy,
    /// The far end.
    Upstream,
}

/// The version of the line's grammar, always 1.
#[derive(Clone, Copy, Debug)]
struct LineVersion;

impl Entry {
    /// An exchange of which only its arrival is known. Until more is, the client counts as gone.
    pub fn open(seq: u64, started: Timestamp, mode: Mode) -> Self {
        Self {
            version: LineVersion,
            seq,
            started,
            mode,
            host: CompactString::default(),
            method: CompactString::default(),
            service: None,
            operation: None,
            candidates: Vec::new(),
            why: None,
            region: None,
            resource: None,
            access_key: None,
            account: None,
            client: None,
            invocation: None,
            attempt: None,
            max_attempts: None,
            foreign: None,
            status: None,
            side: Some(Side::Client),
            outcome: Outcome::ClientGone,
            before_request: false,
            rules: SmallVec::new(),
            delay_us: 0,
            early_us: 0,
            copies: 0,
            items_failed: 0,
            upstream_status: None,
            first_byte_us: None,
            total_us: 0,
            request_bytes: 0,
            response_bytes: 0,
            connection: None,
        }
    }

    /// Whether the upstream answered and said no error.
    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Answered && self.status.is_some_and(|status| status < 400)
    }
}

impl Carried {
    /// What to call it: its entry, else where it went.
    pub fn what(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.upstream)
    }
}

impl Outcome {
    /// As it stands in a ledger line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Carried => "carried",
            Self::ClientGone => "client_gone",
            Self::Injected => "injected",
            Self::ProxyFailed => "proxy_failed",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

/// One line for people: `#7 dynamodb PutItem us-east-1 · 400 injected by throttle · attempt 2/5 · 1.204 ms`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.seq)?;
        match (&self.connection, self.service) {
            (Some(connection), _) => write!(f, " tcp {}", connection.what())?,
            (None, Some(service)) => write!(f, " {service} {}", self.operation.unwrap_or("?"))?,
            (None, None) => write!(f, " {} {}", self.method, self.host)?,
        }
        if let Some(region) = &self.region {
            write!(f, " {region}")?;
        }
        f.write_str(" · ")?;
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        f.write_str(&self.outcome.as_str().replace('_', " "))?;
        for (i, rule) in self.rules.iter().enumerate() {
            write!(f, "{}{rule}", if i == 0 { " by " } else { ", " })?;
        }
        if let Some(attempt) = self.attempt {
            write!(f, " · attempt {attempt}")?;
            self.max_attempts.map_or(Ok(()), |max| write!(f, "/{max}"))?;
        }
        if self.connection.is_some() {
            write!(f, " · {} bytes up, {} down", self.request_bytes, self.response_bytes)?;
        }
        write!(f, " · {}.{:03} ms", self.total_us / 1000, self.total_us % 1000)?;
        self.foreign.as_ref().map_or(Ok(()), |reason| write!(f, " · foreign: {reason}"))
    }
}

impl Serialize for LineVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(1)
    }
}

/// As it displays itself: only what is written down is put into words.
fn in_words<S: Serializer>(client: &Option<Arc<Client>>, serializer: S) -> Result<S::Ok, S::Error> {
    match client {
        Some(client) => serializer.collect_str(client),
        None => serializer.serialize_none(),
    }
}

fn as_rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.6}"))
}

fn as_text<S: Serializer>(text: &Option<Why>, serializer: S) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => serializer.collect_str(text),
        None => serializer.serialize_none(),
    }
}

fn as_key_id<S: Serializer>(key: &Option<AccessKeyId>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(|key| key.0.as_str()).serialize(serializer)
}

fn as_names<S: Serializer>(names: &SmallVec<[RuleName; 2]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names)
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::why::Clue;

    fn throttled() -> Entry {
        let mut entry = Entry::open(7, "2026-03-01T10:00:00.25Z".parse().unwrap(), Mode::Connect);
        entry.host = "dynamodb.us-east-1.amazonaws.com".into();
        entry.method = "POST".into();
        (entry.service, entry.operation) = (Some("dynamodb"), Some("PutItem"));
        entry.why = Some(Why::default().and(Clue::Target).and(Clue::Host));
        entry.region = Some("us-east-1".into());
        entry.resource = Some("orders".into());
        entry.access_key = Some(AccessKeyId("AKIAIOSFODNN7EXAMPLE".into()));
        entry.account = Some("123456789012".into());
        let (language, language_version, retry_mode, tool) = (None, None, None, None);
        let version = Some("1.44.5".into());
        entry.client = Some(Arc::new(Client { sdk: "boto3", version, language, language_version, retry_mode, tool }));
        entry.invocation = Some("a-b-c".into());
        (entry.attempt, entry.max_attempts) = (Some(2), Some(5));
        (entry.outcome, entry.side, entry.status) = (Outcome::Injected, Some(Side::Injected), Some(400));
        entry.rules.push(RuleName::from("throttle-writes"));
        (entry.delay_us, entry.first_byte_us, entry.total_us) = (1000, Some(1100), 1204);
        entry.response_bytes = 119;
        entry
    }

    #[test]
    fn a_line_has_every_known_field_in_a_fixed_order() {
        let line = serde_json::to_string(&throttled()).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"v":1,"seq":7,"started":"2026-03-01T10:00:00.250000Z","mode":"connect","host":"dynamodb.us-east-1.amazonaws.com","#,
                r#""method":"POST","service":"dynamodb","operation":"PutItem","why":"target+host","region":"us-east-1","resource":"orders","#,
                r#""access_key":"AKIAIOSFODNN7EXAMPLE","account":"123456789012","client":"boto3 1.44.5","invocation":"a-b-c","attempt":2,"max_attempts":5,"status":400,"side":"injected","outcome":"injected","#,
                r#""rules":["throttle-writes"],"delay_us":1000,"first_byte_us":1100,"total_us":1204,"request_bytes":0,"response_bytes":119}"#,
            )
        );
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let line = serde_json::to_value(Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Tls)).unwrap();
        let mut keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["mode", "outcome", "request_bytes", "response_bytes", "seq", "side", "started", "total_us", "v"]
        );
        assert_eq!(line["outcome"], "client_gone");
    }

    #[test]
    fn outcomes_are_spelt_alike_in_lines_and_to_people() {
        use Outcome::*;
        for outcome in [Answered, Carried, ClientGone, Injected, ProxyFailed, UpstreamFailed] {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn an_upstream_error_is_no_success() {
        let mut entry = Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Connect);
        assert!(!entry.succeeded());
        (entry.outcome, entry.status) = (Outcome::Answered, Some(204));
        assert!(entry.succeeded());
        entry.status = Some(503);
        assert!(!entry.succeeded());
    }

    #[test]
    fn people_get_one_line() {
        assert_eq!(
            throttled().to_string(),
            "#7 dynamodb PutItem us-east-1 · 400 injected by throttle-writes · attempt 2/5 · 1.204 ms"
        );
    }
}
