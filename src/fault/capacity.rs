//! `capacity`: a service that can take so much and no more.
//!
//! A token bucket holds `burst` tokens and fills at `rate`; each request takes as many as it asks for, and one that finds too few is
//! throttled. A [`Capacity`] is what was written: it says what a request costs ([`Limit::applies`], [`Limit::unit`]), by what buckets are
//! told apart ([`Share`]), and does the sums on a [`Bucket`] that is given to it. Where buckets are kept is the plan's affair.

mod preset;
mod rate;

use std::{fmt, time::Duration};

use preset::{PRESET_NAMES, Preset};
use rate::Rate;
use smallvec::SmallVec;

use super::{
    Draw, Effect, Fault, FaultKind, Instead, Setting, Short, Value,
    kind::one_of,
    written::{Complaint, Content, Node},
};
use crate::aws::{
    catalog::{Operation, Service},
    idiom::{Idiom, idiom},
    request::AwsRequest,
};

/// Throttles what comes faster than a token bucket fills. Within capacity the rule does not fire.
pub(super) static CAPACITY: FaultKind = FaultKind {
    name: "capacity",
    about: "Throttles requests beyond a rate, in the service's own words, as its token bucket would.",
    details: "Within capacity the rule does not fire. Only requests that go on take tokens, and only those that `when` lets through: dice \
              first, bucket second. A request that costs more than `burst` takes a full bucket, into debt. Bytes are the body's length as \
              its head tells it; items are the entries of a batch (BatchWriteItem, PutRecords, SendMessageBatch …, one for all else), \
              those behind the first 16 KiB estimated by length. Regions and services never share a bucket, unless the rule has one for all; \
              the 10,000 used last are kept. Ready-made: `dynamodb-table` (12,000 items read and 4,000 written per second and table: a new \
              on-demand table, an item counting as one unit), `ec2-requests` (for each account and action 20 requests per second and 100 at \
              once that read, 5 and 50 that change), `kinesis-shard` (1,000 records and 1 MB written per second and stream: a stream of one \
              shard), `s3-prefix` (3,500 requests that write and 5,500 that read per second and prefix).",
    settings: &[
        Setting::new("rate", Value::Rate, "tokens in each second, minute or hour"),
        Setting::new(
            "burst",
            Value::Amount,
            "the most there are at once; a second's worth of `rate` where it is left out",
        ),
        Setting::new(
            "unit",
            Value::Word(&["requests", "bytes", "items"]),
            "what a token is for; `bytes` where `rate` is one of bytes, else `requests`",
        ),
        Setting::new(
            "per",
            Value::Word(&["resource", "operation", "account", "principal", "prefix"]),
            "what has a bucket of its own; `principal` is an access key, `prefix` what stands before the last slash of an object's key; \
             one bucket for all where it is left out",
        ),
        Setting::new("preset", Value::Word(&PRESET_NAMES), "a ready-made capacity, in place of all else"),
    ],
    short: Short::Value(Value::Word(&PRESET_NAMES)),
    example: "fault: {capacity: {rate: 100/s, burst: 200, unit: requests, per: resource}}",
    clients: "They take it for the throttling it is, back off and retry; what they give up was never carried out.",
    read,
};

/// How much there is, of what, and for whom.
#[derive(Clone, Debug)]
pub struct Capacity {
    limits: Vec<Limit>,
    share: Share,
    preset: Option<&'static Preset>,
    at: super::written::At,
}

/// One bucket's size and filling.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Tokens in each second.
    rate: f64,
    /// The most there ever are.
    burst: f64,
    /// What a token is for.
    pub unit: Unit,
    /// Which operations it is about, if not all.
    operations: Option<fn(&Operation) -> bool>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Bytes of the body.
    Bytes,
    /// Bytes of the data in the body, which JSON writes in base 64.
    Data,
    /// The items of a batch, else one.
    Items,
    /// The request.
    Requests,
}

/// What has a bucket of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    /// Each account.
    Account,
    /// Each operation, for each account.
    AccountOperation,
    /// Each operation.
    Operation,
    /// What stands before the last slash of each resource's name.
    Prefix,
    /// Each access key.
    Principal,
    /// Each resource.
    Resource,
    /// The rule as a whole.
    Rule,
}

/// Tokens, and when they were counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    tokens: f64,
    counted: Duration,
}

/// What a request costs, limit by limit; nothing where a limit is not about it.
pub type Costs = SmallVec<[f64; 2]>;

impl Capacity {
    /// Its limits.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// By what buckets are told apart.
    pub fn share(&self) -> Share {
        self.share
    }

    /// Whether it is about this request at all.
    pub fn applies(&self, request: &AwsRequest) -> bool {
        let service = request.reading().map_or("", |reading| reading.service.name);
        self.preset.is_none_or(|preset| preset.service == service)
    }

    /// Full buckets, one for each limit.
    pub fn full(&self, now: Duration) -> SmallVec<[Bucket; 2]> {
        self.limits.iter().map(|limit| Bucket { tokens: limit.burst, counted: now }).collect()
    }

    /// Takes the costs out of all buckets, or nothing where one has too little. What costs more than a bucket ever holds takes a full
    /// one, and leaves it in debt.
    pub fn take(&self, buckets: &mut [Bucket], costs: &[f64], now: Duration) -> bool {
        for (limit, bucket) in self.limits.iter().zip(buckets.iter_mut()) {
            bucket.fill(limit, now);
        }
        let enough =
            |((limit, bucket), cost): ((&Limit, &Bucket), &f64)| bucket.tokens + GRAIN >= cost.min(limit.burst);
        let is_enough = self.limits.iter().zip(&*buckets).zip(costs).filter(|(_, cost)| **cost > 0.0).all(enough);
        if is_enough {
            buckets.iter_mut().zip(costs).for_each(|(bucket, cost)| bucket.tokens -= cost);
        }
        is_enough
    }

    /// Puts back what was taken for a request that did not go on after all.
    pub fn put_back(&self, buckets: &mut [Bucket], costs: &[f64]) {
        for ((limit, bucket), cost) in self.limits.iter().zip(buckets).zip(costs) {
            bucket.tokens = (bucket.tokens + cost).min(limit.burst);
        }
    }
}

impl Limit {
    /// Whether it is about this operation.
    pub fn applies(&self, operation: Option<&Operation>) -> bool {
        self.operations.is_none_or(|about| operation.is_some_and(about))
    }
}

impl Bucket {
    fn fill(&mut self, limit: &Limit, now: Duration) {
        let since = now.saturating_sub(self.counted);
        self.tokens = (self.tokens + since.as_secs_f64() * limit.rate).min(limit.burst);
        self.counted = self.counted.max(now);
    }
}

impl Fault for Capacity {
    fn effect(&self, request: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Instead(Instead::Error(idiom(request, Idiom::Throttle)))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn capacity(&self) -> Option<&Capacity> {
        Some(self)
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        let preset = self.preset?;
        let counted = |(service, operation): &(&'static Service, &'static Operation)| {
            service.name == preset.service && self.limits.iter().any(|limit| limit.applies(Some(operation)))
        };
        if operations.is_empty() || operations.iter().any(counted) {
            return None;
        }
        let message = format!("`{}` counts no operation that this rule matches", preset.name);
        Some(Complaint::new(self.at, message).help(format!("it is about {}: {}", preset.service, preset.about)))
    }
}

/// In words for people: `capacity of 100/s requests, 200 at once, per resource`.
impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(preset) = self.preset {
            return write!(f, "capacity of {}", preset.name);
        }
        let [limit] = self.limits.as_slice() else { return f.write_str("capacity") };
        write!(f, "capacity of {}/s {}, {} at once", limit.rate, limit.unit.as_str(), limit.burst)?;
        if self.share == Share::Rule { Ok(()) } else { write!(f, ", per {}", self.share.as_str()) }
    }
}

impl Unit {
    const WRITTEN: [Self; 3] = [Self::Requests, Self::Bytes, Self::Items];

    fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Data => "data",
            Self::Items => "items",
            Self::Requests => "requests",
        }
    }
}

impl Share {
    const WRITTEN: [Self; 5] = [Self::Resource, Self::Operation, Self::Account, Self::Principal, Self::Prefix];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AccountOperation => "account and operation",
            Self::Operation => "operation",
            Self::Prefix => "prefix",
            Self::Principal => "principal",
            Self::Resource => "resource",
            Self::Rule => "rule",
        }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = CAPACITY.required(name, settings, "a rate", "capacity: {rate: 100/s}")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(preset(settings)?));
    }
    let fields = CAPACITY.fields(settings)?;
    if let Some(node) = fields.optional("preset")? {
        for key in ["rate", "burst", "unit", "per"] {
            if let Some(other) = fields.optional(key)? {
                return Err(Complaint::new(
                    other.at,
                    format!("`{key}` cannot be given beside `preset`, which says it"),
                ));
            }
        }
        return Ok(Box::new(preset(node)?));
    }
    let rate_node = fields.required("rate")?;
    let rate: Rate = rate_node.parse("a rate")?;
    let unit = fields
        .optional("unit")?
        .map(|node| one_of(node, "a unit", &Unit::WRITTEN.map(|unit| (unit.as_str(), unit))))
        .transpose()?;
    let share = fields
        .optional("per")?
        .map(|node| one_of(node, "what has a bucket", &Share::WRITTEN.map(|share| (share.as_str(), share))))
        .transpose()?;
    let unit = unit.unwrap_or(if rate.is_of_bytes { Unit::Bytes } else { Unit::Requests });
    if rate.is_of_bytes && unit != Unit::Bytes {
        let message = format!("the rate is one of bytes, and `unit` says {}", unit.as_str());
        return Err(Complaint::new(rate_node.at, message));
    }
    let burst = fields.optional("burst")?.map(rate::burst).transpose()?;
    let burst = burst.unwrap_or_else(|| rate.per_second.max(1.0));
    let limit = Limit { rate: rate.per_second, burst, unit, operations: None };
    Ok(Box::new(Capacity { limits: vec![limit], share: share.unwrap_or(Share::Rule), preset: None, at: name.at }))
}

fn preset(node: &Node) -> Result<Capacity, Complaint> {
    let word = node.word("a ready-made capacity")?;
    let preset = preset::PRESETS.iter().find(|preset| preset.name == word).ok_or_else(|| {
        let complaint = Complaint::new(node.at, format!("unknown capacity `{word}`"));
        match word.parse::<Rate>() {
            Ok(_) => complaint.help(format!("write `capacity: {{rate: {word}}}`")),
            Err(_) => complaint.nearest(word, preset::PRESETS.iter().map(|preset| preset.name)),
        }
    })?;
    Ok(Capacity { limits: preset.limits.to_vec(), share: preset.share, preset: Some(preset), at: node.at })
}

/// Rounding may leave a hair less than a whole token.
const GRAIN: f64 = 1e-6;

#[cfg(test)]
mod tests;
