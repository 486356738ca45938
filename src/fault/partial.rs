//! `partial`: of a batch some items fail, and the answer says which.

use std::fmt;

use compact_str::CompactString;

use super::{
    Draw, Effect, Fault, FaultKind, Setting, Short, Value,
    kind::doubt_unless,
    written::{Complaint, Content, Node},
};
use crate::{
    aws::{
        batch::{self, Failure, Item},
        catalog::{Operation, Service},
        request::AwsRequest,
    },
    units::{Percent, wildcard},
};

/// Takes the chosen items out of a batch, lets the far end carry out the others, and tells the client of both.
pub(super) static PARTIAL: FaultKind = FaultKind {
    name: "partial",
    about: "Lets some items of a batch fail inside an answer of status 200; the far end carries out the others, and only those.",
    details: "The failed items are told as the service tells them: UnprocessedItems, Failed with the entries' ids, an ErrorCode in the \
              record's place, a Status in the mail's, in the items' order, with counts and checksums that fit. A share is drawn for each item. Where none is chosen the \
              rule does not fire; where all are, nothing is forwarded: DynamoDB's batches are then answered with \
              ProvisionedThroughputExceededException, as AWS documents it, all others with an answer in which every item failed. One chosen \
              item of a transaction cancels it with a reason for each item, and nothing is forwarded. PutLogEvents tells by position: as \
              many events as were chosen are rejected, the oldest, or with `code: TooNew` the newest (`TooOld` and `Expired` say which way). Lambda's Invoke \
              is a batch where its payload has Records of a queue or a stream: `batchItemFailures`. The request is kept whole for this, up to \
              8 MiB, and rewritten; for real AWS it is signed anew, and without credentials Squall does not start. The report counts the \
              failed items, and names those that were never sent again with success.",
    settings: &[
        Setting::new(
            "items",
            Value::Items,
            "which items fail; `keys` looks at an item's key or id, in DynamoDB also at `table/key`",
        ),
        Setting::new("code", Value::Text, "each item's code; else the one that the service usually gives"),
        Setting::new("message", Value::Text, "each item's text; else the service's own"),
    ],
    short: Short::Value(Value::Items),
    example: "fault: {partial: {items: 25%}}",
    clients: "None of them retries what failed inside a 200: that is the program's affair, and the items are lost if it does not look. \
              boto3's batch_writer sends unprocessed items again.",
    read,
};

/// Which items fail, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    choice: Choice,
    draw: Draw,
    failure: Failure,
}

/// Which items fail.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    Every(usize),
    First(usize),
    Keys(String),
    Share(Percent),
}

impl Partial {
    /// Of each item, whether it fails.
    pub fn choose(&self, items: &[Item]) -> Vec<bool> {
        let mut draw = self.draw.clone();
        let is_chosen = |(at, item): (usize, &Item)| match &self.choice {
            Choice::Every(nth) => (at + 1) % nth == 0,
            Choice::First(number) => at < *number,
            Choice::Keys(pattern) => item.names().any(|name| wildcard::fits(pattern, name)),
            Choice::Share(share) => share.holds(draw.uniform()),
        };
        items.iter().enumerate().map(is_chosen).collect()
    }

    /// How they fail.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

#[derive(Debug)]
struct Partly {
    choice: Choice,
    failure: Failure,
    name: super::written::At,
}

impl Fault for Partly {
    fn effect(&self, _: &AwsRequest, draw: &mut Draw) -> Effect {
        Effect::Partly(Box::new(Partial {
            choice: self.choice.clone(),
            draw: draw.apart(),
            failure: self.failure.clone(),
        }))
    }

    fn is_terminal(&self) -> bool {
        true
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        batch::takes_batch(request)
    }

    fn rewrites(&self) -> bool {
        true
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        let help = "match an operation like BatchWriteItem, SendMessageBatch or PutRecords";
        doubt_unless(batch::is_known, operations, self.name, "take a batch of items", help)
    }
}

impl fmt::Display for Partly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.choice {
            Choice::Every(nth) => write!(f, "failure of every {}", ordinal(*nth))?,
            Choice::First(1) => f.write_str("failure of the first item")?,
            Choice::First(number) => write!(f, "failure of the first {number} items")?,
            Choice::Keys(pattern) => write!(f, "failure of the items {pattern}")?,
            Choice::Share(share) => write!(f, "failure of {share} of the items")?,
        }
        match (&self.choice, &self.failure.code) {
            (Choice::Every(_), Some(code)) => write!(f, " item with {code}"),
            (Choice::Every(_), None) => f.write_str(" item"),
            (_, Some(code)) => write!(f, " with {code}"),
            (_, None) => Ok(()),
        }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = PARTIAL.required(name, settings, "to know which items", "partial: {items: 25%}")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(Partly { choice: read_choice(settings)?, failure: Failure::default(), name: name.at }));
    }
    let fields = PARTIAL.fields(settings)?;
    let text = |key: &str| {
        let node = fields.optional(key)?;
        node.map(|node| node.word("a text").map(CompactString::from)).transpose()
    };
    let failure = Failure { code: text("code")?, message: text("message")? };
    Ok(Box::new(Partly { choice: read_choice(fields.required("items")?)?, failure, name: name.at }))
}

fn read_choice(node: &Node) -> Result<Choice, Complaint> {
    if let Content::Map(_) = node.content {
        let keys = node.fields("`items`", &["keys"])?.required("keys")?;
        return Ok(Choice::Keys(keys.word("a pattern")?.to_owned()));
    }
    let word = node.word("which items")?;
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number > 0);
    let of = |start: &str, ends: &[&str]| {
        let rest = word.strip_prefix(start)?.trim();
        number(ends.iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest))
    };
    if word.starts_with("first") || word.starts_with("every") {
        let choice = of("first ", &[]).map(Choice::First);
        let choice = choice.or_else(|| of("every ", &["st", "nd", "rd", "th"]).map(Choice::Every));
        return choice.ok_or_else(|| {
            Complaint::new(node.at, format!("`{word}` does not say which items; write `first 3` or `every 4th`"))
        });
    }
    let share: Percent = node.parse("which items").map_err(|complaint| {
        complaint.help("write a share as `25%`, or `first 3`, `every 4th`, `{keys: \"order-*\"}`")
    })?;
    if share.fraction() > 0.0 {
        return Ok(Choice::Share(share));
    }
    Err(Complaint::new(node.at, "a share of 0% would never let an item fail"))
}

fn ordinal(number: usize) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::super::tests::{parse, request};
    use super::*;
    use crate::aws::{catalog, request::Head};

    /// Which of some entries with these ids fail.
    fn chosen(yaml: &str, ids: &[&str], seed: u8) -> Vec<bool> {
        let entries: Vec<_> = ids.iter().map(|id| serde_json::json!({"Id": id, "MessageBody": "x"})).collect();
        let body = serde_json::json!({"QueueUrl": "q", "Entries": entries}).to_string();
        let headers = HeaderMap::new();
        let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
        let request = request("sqs", "SendMessageBatch");
        let batch = batch::read(&request, &head, body.as_bytes()).unwrap();
        let effect = parse(yaml).unwrap()[0].effect(&request, &mut Draw::new([seed; 32]));
        let Effect::Partly(partial) = effect else { panic!("{effect:?}") };
        partial.choose(batch.items())
    }

    const TEN: [&str; 10] = ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2", "e1", "e2"];

    fn places(chosen: &[bool]) -> Vec<usize> {
        (0..chosen.len()).filter(|at| chosen[*at]).collect()
    }

    #[test]
    fn items_are_chosen_by_their_place_and_by_their_key() {
        for (yaml, wanted) in [
            ("{partial: {items: first 3}}", vec![0, 1, 2]),
            ("{partial: every 4th}", vec![3, 7]),
            ("{partial: {items: every 2nd}}", vec![1, 3, 5, 7, 9]),
            ("{partial: {items: {keys: \"?2\"}}}", vec![1, 3, 5, 7, 9]),
            ("{partial: {items: {keys: none}}}", vec![]),
            ("{partial: 100%}", (0..10).collect()),
        ] {
            assert_eq!(places(&chosen(yaml, &TEN, 1)), wanted, "{yaml}");
        }
    }

    #[test]
    fn a_share_is_drawn_for_each_item_and_the_same_each_time_it_is_asked() {
        let ids: Vec<String> = (0..100).map(|at| at.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let number: usize = (0..100).map(|seed| places(&chosen("{partial: 25%}", &ids, seed)).len()).sum();
        // Five standard deviations of the sum of 10,000 draws are 217.
        assert!((2283..2717).contains(&number), "{number}");
        assert_eq!(chosen("{partial: 25%}", &ids, 3), chosen("{partial: 25%}", &ids, 3));
        assert_ne!(chosen("{partial: 25%}", &ids, 3), chosen("{partial: 25%}", &ids, 4));
    }

    #[test]
    fn code_and_message_are_taken_as_given() {
        let partial = parse("{partial: {items: 25%, code: ThrottlingError, message: slow}}").unwrap();
        let effect = partial[0].effect(&request("sqs", "SendMessageBatch"), &mut Draw::new([0; 32]));
        let Effect::Partly(effect) = effect else { panic!() };
        assert_eq!(*effect.failure(), Failure { code: Some("ThrottlingError".into()), message: Some("slow".into()) });
        assert_eq!(partial[0].to_string(), "failure of 25% of the items with ThrottlingError");
        for (yaml, told) in [
            ("{partial: first 1}", "failure of the first item"),
            ("{partial: every 3rd}", "failure of every 3rd item"),
            ("{partial: {items: {keys: \"a*\"}}}", "failure of the items a*"),
        ] {
            assert_eq!(parse(yaml).unwrap()[0].to_string(), told);
        }
    }

    #[test]
    fn operations_without_a_batch_raise_doubt() {
        let doubt = |service: &str, operation: &str| {
            let service = catalog::service(service).unwrap();
            parse("{partial: 25%}").unwrap()[0].doubt(&[(service, service.operation(operation).unwrap())])
        };
        assert_eq!(
            doubt("dynamodb", "PutItem").unwrap().message,
            "dynamodb PutItem is not known to take a batch of items"
        );
        for (service, operation) in [("dynamodb", "BatchWriteItem"), ("s3", "DeleteObjects"), ("kinesis", "PutRecords")]
        {
            assert_eq!(doubt(service, operation), None);
        }
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("partial", "`partial` needs to know which items"),
            ("{partial: {code: X}}", "`partial` lacks the key `items`"),
            ("{partial: first}", "`first` does not say which items; write `first 3` or `every 4th`"),
            ("{partial: every 0th}", "`every 0th` does not say which items; write `first 3` or `every 4th`"),
            ("{partial: 0%}", "a share of 0% would never let an item fail"),
            ("{partial: some}", "`some` is not a chance; write `30%` or `0.3`"),
            ("{partial: {items: {key: a}}}", "unknown key `key` in `items`"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
