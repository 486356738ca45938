//! `corrupt`: an answer in which something is no longer right.

use std::fmt;

use super::{
    Corruption, Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value,
    kind::one_of,
    written::{Complaint, Content, Node},
};
use crate::aws::request::AwsRequest;

/// Changes bytes of the answer's body, or what vouches for them.
pub(super) static CORRUPT: FaultKind = FaultKind {
    name: "corrupt",
    about: "Changes something in the answer: bytes of its body, its checksums, its ETag, or what makes it parse.",
    details: "`body`: so many bytes of the body in a row get one bit flipped each, at a drawn place (at the beginning of the first piece \
              where the length is not told); what vouches for them stays. `crc32`: the value of x-amz-crc32, which DynamoDB sends. \
              `checksum`: the values of all x-amz-checksum- fields and trailers, which S3 sends. `etag`: one digit of the ETag. `syntax`: the \
              body's first byte, so that no parser takes it. The length never changes. An answer that has nothing of the kind passes, and \
              the rule is not counted as fired for it. Corruptions of several rules all apply.",
    settings: &[
        Setting::new("what", Value::Word(&["body", "crc32", "checksum", "etag", "syntax"]), "what is changed"),
        Setting::or("bytes", Value::Count, "1", "how many bytes, for `what: body`"),
    ],
    short: Short::Value(Value::Word(&["body", "crc32", "checksum", "etag", "syntax"])),
    example: "fault: {corrupt: {what: body, bytes: 1}}",
    clients: "boto3 compares x-amz-crc32 and retries; when its attempts are used up it hands on what it got, wrong item or none, and \
              raises nothing. JavaScript and Rust do not look at it. A wrong byte or checksum of an S3 object is noticed as the \
              program reads, if the object has a checksum, and not retried. What does not parse is raised and not retried. Nobody \
              looks at a wrong ETag.",
    read,
};

#[derive(Debug)]
struct Corrupt {
    what: What,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Body,
    Checksum,
    Crc32,
    Etag,
    Syntax,
}

const WORDS: [(&str, What); 5] = [
    ("body", What::Body),
    ("crc32", What::Crc32),
    ("checksum", What::Checksum),
    ("etag", What::Etag),
    ("syntax", What::Syntax),
];

impl Fault for Corrupt {
    fn effect(&self, _: &AwsRequest, draw: &mut Draw) -> Effect {
        Effect::Down(Down::Corrupt(match self.what {
            What::Body => Corruption::Body { bytes: self.bytes, place: draw.uniform() },
            What::Checksum => Corruption::Checksum,
            What::Crc32 => Corruption::Crc32,
            What::Etag => Corruption::Etag,
            What::Syntax => Corruption::Syntax,
        }))
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Body if self.bytes == 1 => f.write_str("corruption of 1 byte of the body"),
            What::Body => write!(f, "corruption of {} bytes of the body", self.bytes),
            What::Checksum => f.write_str("corruption of the checksums"),
            What::Crc32 => f.write_str("corruption of x-amz-crc32"),
            What::Etag => f.write_str("corruption of the ETag"),
            What::Syntax => f.write_str("corruption of the syntax"),
        }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = CORRUPT.required(name, settings, "to know what", "corrupt: {what: body}")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(Corrupt { what: read_what(settings)?, bytes: 1 }));
    }
    let fields = CORRUPT.fields(settings)?;
    let what = read_what(fields.required("what")?)?;
    let Some(node) = fields.optional("bytes")? else { return Ok(Box::new(Corrupt { what, bytes: 1 })) };
    if what != What::Body {
        return Err(Complaint::new(node.at, "`bytes` is for `what: body` only"));
    }
    let word = node.word("a number of bytes")?;
    let bytes = word.parse().ok().filter(|bytes| *bytes > 0);
    let bytes = bytes.ok_or_else(|| Complaint::new(node.at, format!("`{word}` is not a count of at least 1")))?;
    Ok(Box::new(Corrupt { what, bytes }))
}

fn read_what(node: &Node) -> Result<What, Complaint> {
    one_of(node, "something to corrupt", &WORDS)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn the_body_is_hit_at_a_drawn_place_and_all_else_where_it_stands() {
        let Effect::Down(Down::Corrupt(Corruption::Body { bytes: 3, place })) =
            effect("{corrupt: {what: body, bytes: 3}}")
        else {
            panic!()
        };
        assert!((0.0..1.0).contains(&place), "{place}");
        for (yaml, corruption) in [
            ("{corrupt: {what: crc32}}", Corruption::Crc32),
            ("{corrupt: {what: checksum}}", Corruption::Checksum),
            ("{corrupt: etag}", Corruption::Etag),
            ("{corrupt: {what: syntax}}", Corruption::Syntax),
        ] {
            assert_eq!(effect(yaml), Effect::Down(Down::Corrupt(corruption)), "{yaml}");
        }
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("corrupt", "`corrupt` needs to know what"),
            ("{corrupt: {what: head}}", "`head` is not something to corrupt"),
            ("{corrupt: {bytes: 1}}", "`corrupt` lacks the key `what`"),
            ("{corrupt: {what: body, bytes: 0}}", "`0` is not a count of at least 1"),
            ("{corrupt: {what: etag, bytes: 1}}", "`bytes` is for `what: body` only"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
