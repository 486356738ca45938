//! Requests that carry many items, and answers that say which of them failed.
//!
//! [`read`] takes a batch apart into its items, each with a name for people. Of those that are to fail, [`Batch::outcome`] says what must
//! be done: forward a body without them, or answer in AWS's place, where nothing is left to forward or one failure fails all. The far
//! end's answer to what was left is then joined with the failures ([`Batch::joined`]), in the items' order, as if it had seen them all.
//! What goes on keeps the bytes it came in; what vouches for a body is made anew by [`vouch`] and [`vouch_for_answer`].
//!
//! Which operations take batches: DynamoDB's, S3's, CloudWatch Logs' and Lambda's are known here each by itself, all others by
//! `shapes.txt`. It decides nothing about which items fail.

mod alone;
mod dynamodb;
mod form;
mod lambda;
mod lists;
mod logs;
mod markup;
mod notation;
mod s3;
mod shape;
mod voucher;
mod whole;

use std::borrow::Cow;
use std::hash::Hasher as _;

use compact_str::CompactString;
use http::{HeaderMap, StatusCode};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

pub use alone::{as_batch, batch_of};
pub use voucher::{plain, vouch, vouch_for_answer};
pub use whole::answer;

use super::protocol::AwsError;
use super::request::{AwsRequest, Head, Protocol, Reading};
use notation::Notation;

/// A batch, taken apart.
#[derive(Debug)]
pub struct Batch<'a> {
    kind: Kind<'a>,
    items: Vec<Item>,
}

/// One item of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// Its key, id or number, for people.
    pub name: CompactString,
    /// What else it may be called.
    also: SmallVec<[CompactString; 2]>,
    /// What it is, whatever number or id it has in this batch: the same item sent again has the same.
    pub print: u64,
}

/// How an item fails.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Failure {
    /// The code; absent: the service's usual one.
    pub code: Option<CompactString>,
    /// The text; absent: the service's usual one.
    pub message: Option<CompactString>,
}

/// What becomes of a batch of which some items fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An answer without an error, this its body; nothing is forwarded.
    Answer(Vec<u8>),
    /// One of AWS's errors; nothing is forwarded.
    Error(AwsError),
    /// This body is forwarded, and its answer is to be joined.
    Forward(Vec<u8>),
}

/// The far end's answer and the failures, put together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joined {
    /// The answer's body.
    pub body: Vec<u8>,
    /// Of each item, whether it failed, here or there.
    pub failed: Vec<bool>,
}

#[derive(Debug)]
enum Kind<'a> {
    Deletions(s3::Deletions<'a>),
    Events(logs::Events<'a>),
    Form(form::Entries<'a>),
    Invocation(lambda::Records<'a>),
    Lists(lists::Lists<'a>),
    Tables(dynamodb::Tables<'a>),
    Transaction(dynamodb::Transaction),
}

/// Whether this is an operation that takes a batch, as far as the head of a request tells.
pub fn takes_batch(request: &AwsRequest) -> bool {
    request.reading().is_some_and(is_known)
}

/// Whether an operation takes a batch whose items can fail one by one.
pub fn is_known(reading: &Reading) -> bool {
    let operation = reading.operation.map_or("", |operation| operation.name);
    match (reading.service.name, operation) {
        ("dynamodb", "BatchGetItem" | "BatchWriteItem") | ("lambda", "Invoke") | ("logs", "PutLogEvents") => true,
        ("dynamodb", "ExecuteTransaction" | "TransactGetItems" | "TransactWriteItems") => true,
        ("s3", "DeleteObjects") => true,
        _ => shape::shape(reading).is_some(),
    }
}

/// Takes a whole body apart; `None`: it is no batch, or none that can be read.
pub fn read<'a>(request: &AwsRequest, head: &Head<'_>, body: &'a [u8]) -> Option<Batch<'a>> {
    let reading = request.reading()?;
    if head.header("content-encoding").is_some() {
        return None;
    }
    let notation = Notation::of(request.protocol);
    let (kind, items) = match (reading.service.name, reading.operation?.name, notation) {
        ("dynamodb", "BatchGetItem", Some(notation)) => {
            wrap(dynamodb::Tables::read(notation, true, body)?, Kind::Tables)
        }
        ("dynamodb", "BatchWriteItem", Some(notation)) => {
            wrap(dynamodb::Tables::read(notation, false, body)?, Kind::Tables)
        }
        ("dynamodb", "ExecuteTransaction" | "TransactGetItems" | "TransactWriteItems", Some(notation)) => {
            wrap(dynamodb::Transaction::read(notation, body)?, Kind::Transaction)
        }
        ("lambda", "Invoke", _) => wrap(lambda::Records::read(head, body)?, Kind::Invocation),
        ("logs", "PutLogEvents", Some(notation)) => wrap(logs::Events::read(notation, body)?, Kind::Events),
        ("s3", "DeleteObjects", _) => wrap(s3::Deletions::read(body)?, Kind::Deletions),
        (_, _, Some(notation)) => {
            wrap(lists::Lists::read(request, shape::shape(reading)?, notation, body)?, Kind::Lists)
        }
        (_, operation, None) if request.protocol == Protocol::Query => {
            wrap(form::Entries::read(request, operation, shape::shape(reading)?, body)?, Kind::Form)
        }
        _ => return None,
    };
    Some(Batch { kind, items }).filter(|batch| !batch.items.is_empty())
}

fn wrap<'a, T>((part, items): (T, Vec<Item>), kind: fn(T) -> Kind<'a>) -> (Kind<'a>, Vec<Item>) {
    (kind(part), items)
}

impl Batch<'_> {
    /// Its items, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Which items fail together with the chosen ones, or in their place: some answers tell by position, and a transaction fails whole.
    pub fn settle(&self, chosen: &mut [bool], failure: &Failure) {
        if let Kind::Events(events) = &self.kind {
            events.settle(chosen, failure);
        }
    }

    /// What must be done where these items fail: of each item whether it does, and at least one.
    pub fn outcome(&self, failed: &[bool], failure: &Failure) -> Option<Outcome> {
        let all = failed.iter().all(|failed| *failed);
        match &self.kind {
            Kind::Transaction(transaction) => return Some(Outcome::Error(transaction.cancelled(failed, failure))),
            Kind::Tables(_) if all => return Some(Outcome::Error(dynamodb::refused(failure))),
            _ => {}
        }
        if all {
            let empty = self.empty_answer();
            return self.joined(failed, failure, &empty).map(|joined| Outcome::Answer(joined.body));
        }
        let body = match &self.kind {
            Kind::Deletions(deletions) => deletions.without(failed),
            Kind::Events(events) => events.without(failed),
            Kind::Form(entries) => Some(entries.without(failed)),
            Kind::Invocation(records) => records.without(failed),
            Kind::Lists(lists) => lists.without(failed),
            Kind::Tables(tables) => tables.without(failed),
            Kind::Transaction(_) => None,
        };
        body.map(Outcome::Forward)
    }

    /// Whether an answer says what became of the items; an error does not.
    pub fn is_told_in(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let lambda_failed = matches!(self.kind, Kind::Invocation(_)) && headers.contains_key("x-amz-function-error");
        status.is_success() && !lambda_failed
    }

    /// Joins the far end's answer to the items that were left with the failures of the others. `None`: it is no answer to them.
    pub fn joined(&self, failed: &[bool], failure: &Failure, answer: &[u8]) -> Option<Joined> {
        match &self.kind {
            Kind::Deletions(deletions) => deletions.joined(failed, failure, answer),
            Kind::Events(events) => events.joined(failed, failure, answer),
            Kind::Form(entries) => entries.joined(failed, failure, answer),
            Kind::Invocation(records) => records.joined(failed, answer),
            Kind::Lists(lists) => lists.joined(failed, failure, answer),
            Kind::Tables(tables) => tables.joined(failed, answer),
            Kind::Transaction(_) => Some(Joined { body: answer.to_vec(), failed: failed.to_vec() }),
        }
    }

    /// The answer to a batch of no items.
    fn empty_answer(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Deletions(_) => s3::EMPTY.to_vec(),
            Kind::Form(entries) => entries.empty_answer(),
            Kind::Events(events) => events.notation.object([]),
            Kind::Lists(lists) => lists.empty_answer(),
            Kind::Invocation(_) | Kind::Tables(_) | Kind::Transaction(_) => b"{}".to_vec(),
        }
    }
}

impl Item {
    fn new(name: impl Into<CompactString>, what: &[&[u8]]) -> Self {
        let mut hasher = SipHasher13::new();
        what.iter().for_each(|part| {
            hasher.write(part);
            hasher.write_u8(0xff);
        });
        Self { name: shortened(name.into()), also: SmallVec::new(), print: hasher.finish() }
    }

    fn also(mut self, names: impl IntoIterator<Item = CompactString>) -> Self {
        self.also.extend(names);
        self
    }

    /// All that it may be called.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.also).map(|name| &**name)
    }
}

/// A name cut to what a line can hold.
fn shortened(name: CompactString) -> CompactString {
    match name.char_indices().nth(MOST_OF_NAME) {
        Some((end, _)) => compact_str::format_compact!("{}…", &name[..end]),
        None => name,
    }
}

impl Failure {
    fn code_or<'a>(&'a self, usual: &'a str) -> &'a str {
        self.code.as_deref().unwrap_or(usual)
    }

    fn message_or<'a>(&'a self, usual: impl FnOnce() -> Cow<'a, str>) -> Cow<'a, str> {
        self.message.as_deref().map_or_else(usual, Cow::Borrowed)
    }
}

/// Those of a list that did not fail.
fn survivors<'a, T: Copy>(all: &'a [T], failed: &'a [bool]) -> Vec<T> {
    all.iter().zip(failed).filter(|(_, failed)| !**failed).map(|(one, _)| *one).collect()
}

const MOST_OF_NAME: usize = 80;

#[cfg(test)]
mod tests;
