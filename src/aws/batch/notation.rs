//! JSON and CBOR taken apart into the bytes of their members and elements, and put together from such bytes.
//!
//! Nothing is decoded that stays: an item that goes on does so as it was written, its numbers spelled as they were.

use std::borrow::Cow;
use std::fmt;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::aws::request::Protocol;

/// How a body is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Notation {
    Cbor,
    Json,
}

/// The members of an object, each with its name and its bytes.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, &'a [u8])>;

impl Notation {
    /// That of a protocol; none of those that write forms and XML.
    pub(super) fn of(protocol: Protocol) -> Option<Self> {
        match protocol {
            Protocol::Cbor => Some(Self::Cbor),
            Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => Some(Self::Json),
            Protocol::Ec2 | Protocol::Http | Protocol::Query | Protocol::RestXml => None,
        }
    }

    /// The members of an object, in the order written; `None`: it is none.
    pub(super) fn members(self, doc: &[u8]) -> Option<Members<'_>> {
        match self {
            Self::Cbor => cbor_members(doc),
            Self::Json => serde_json::Deserializer::from_slice(doc).deserialize_map(JsonMembers).ok(),
        }
    }

    /// The elements of a list; `None`: it is none.
    pub(super) fn elements(self, doc: &[u8]) -> Option<Vec<&[u8]>> {
        match self {
            Self::Cbor => cbor_elements(doc),
            Self::Json => {
                let elements: Vec<&RawValue> = serde_json::from_slice(doc).ok()?;
                Some(elements.into_iter().map(|element| element.get().as_bytes()).collect())
            }
        }
    }

    /// One member of an object.
    pub(super) fn member<'a>(self, doc: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.members(doc)?.into_iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// A member below members: `Error.Code`; nothing where it is null.
    pub(super) fn at<'a>(self, doc: &'a [u8], path: &str) -> Option<&'a [u8]> {
        let found = path.split('.').try_fold(doc, |doc, name| self.member(doc, name))?;
        Some(found).filter(|found| !self.is_null(found))
    }

    /// A text, or a number as it is spelled.
    pub(super) fn scalar(self, doc: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Cbor => match Decoder::new(doc).datatype().ok()? {
                Type::String => Decoder::new(doc).str().ok().map(Cow::Borrowed),
                _ => Decoder::new(doc).int().ok().map(|number| Cow::Owned(number.to_string())),
            },
            Self::Json => match doc.first()? {
                b'"' => serde_json::from_slice(doc).ok().map(Cow::Owned),
                b'{' | b'[' | b'n' => None,
                _ => std::str::from_utf8(doc).ok().map(Cow::Borrowed),
            },
        }
    }

    /// An object of these members, whose values are written already.
    pub(super) fn object<'a>(self, members: impl IntoIterator<Item = (&'a str, Cow<'a, [u8]>)>) -> Vec<u8> {
        let members: Vec<_> = members.into_iter().collect();
        match self {
            Self::Cbor => {
                let mut out = Encoder::new(Vec::new());
                // Writing into memory cannot fail.
                let _ = out.map(members.len() as u64);
                for (name, value) in members {
                    let _ = out.str(name);
                    out.writer_mut().extend_from_slice(&value);
                }
                out.into_writer()
            }
            Self::Json => {
                let mut out = vec![b'{'];
                for (position, (name, value)) in members.into_iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&self.text(name));
                    out.push(b':');
                    out.extend_from_slice(&value);
                }
                out.push(b'}');
                out
            }
        }
    }

    /// A list of these elements, which are written already.
    pub(super) fn list<T: AsRef<[u8]>>(self, elements: &[T]) -> Vec<u8> {
        match self {
            Self::Cbor => {
                let mut out = Encoder::new(Vec::new());
                let _ = out.array(elements.len() as u64);
                let mut out = out.into_writer();
                elements.iter().for_each(|element| out.extend_from_slice(element.as_ref()));
                out
            }
            Self::Json => {
                let mut out = vec![b'['];
                for (position, element) in elements.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(element.as_ref());
                }
                out.push(b']');
                out
            }
        }
    }

    /// A text.
    pub(super) fn text(self, text: &str) -> Vec<u8> {
        match self {
            Self::Cbor => written(|out| out.str(text).is_ok()),
            Self::Json => serde_json::to_vec(text).unwrap_or_default(),
        }
    }

    /// A count.
    pub(super) fn number(self, number: usize) -> Vec<u8> {
        match self {
            Self::Cbor => written(|out| out.u64(number as u64).is_ok()),
            Self::Json => number.to_string().into_bytes(),
        }
    }

    /// True or false.
    pub(super) fn truth(self, truth: bool) -> Vec<u8> {
        match self {
            Self::Cbor => written(|out| out.bool(truth).is_ok()),
            Self::Json => truth.to_string().into_bytes(),
        }
    }

    /// An object with one member changed or, at its end, added; the others as they were.
    pub(super) fn with(self, doc: &[u8], name: &str, value: Vec<u8>) -> Option<Vec<u8>> {
        let mut members: Vec<(Cow<'_, str>, Cow<'_, [u8]>)> =
            self.members(doc)?.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect();
        match members.iter_mut().find(|(member, _)| member == name) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => members.push((Cow::Borrowed(name), Cow::Owned(value))),
        }
        Some(self.object(members.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)))))
    }

    /// The same for whatever order its members stand in, and whatever white space there is.
    pub(super) fn canonical(self, doc: &[u8]) -> Vec<u8> {
        let value: Option<serde_json::Value> = match self {
            Self::Cbor => None,
            Self::Json => serde_json::from_slice(doc).ok(),
        };
        value.and_then(|value| serde_json::to_vec(&value).ok()).unwrap_or_else(|| doc.to_vec())
    }

    fn is_null(self, doc: &[u8]) -> bool {
        match self {
            Self::Cbor => matches!(doc, [0xf6 | 0xf7]),
            Self::Json => doc == b"null",
        }
    }
}

struct JsonMembers;

impl<'de> Visitor<'de> for JsonMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let value: &RawValue = map.next_value()?;
            members.push((name.0, value.get().as_bytes()));
        }
        Ok(members)
    }
}

/// A name that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn written(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> bool) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    let _cannot_fail = write(&mut out);
    out.into_writer()
}

fn cbor_members(doc: &[u8]) -> Option<Members<'_>> {
    let mut input = Decoder::new(doc);
    let mut left = input.map().ok()?;
    let mut members = Vec::new();
    while more(&mut input, &mut left)? {
        let name = input.str().ok()?;
        members.push((Cow::Borrowed(name), span(doc, &mut input)?));
    }
    Some(members)
}

fn cbor_elements(doc: &[u8]) -> Option<Vec<&[u8]>> {
    let mut input = Decoder::new(doc);
    let mut left = input.array().ok()?;
    let mut elements = Vec::new();
    while more(&mut input, &mut left)? {
        elements.push(span(doc, &mut input)?);
    }
    Some(elements)
}

fn span<'a>(doc: &'a [u8], input: &mut Decoder<'_>) -> Option<&'a [u8]> {
    let start = input.position();
    input.skip().ok()?;
    doc.get(start..input.position())
}

/// Whether a list or map goes on, of a told length or up to a break.
fn more(input: &mut Decoder<'_>, left: &mut Option<u64>) -> Option<bool> {
    match left {
        Some(0) => Some(false),
        Some(count) => {
            *count -= 1;
            Some(true)
        }
        None if input.datatype().ok()? == Type::Break => input.skip().ok().map(|()| false),
        None => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_apart_keeps_its_spelling() {
        let doc = br#" {"a": 1.50e3, "b\u0041": [ 12345678901234567890123 , {"x": null}] } "#;
        let members = Notation::Json.members(doc).unwrap();
        assert_eq!(members[0], (Cow::Borrowed("a"), &b"1.50e3"[..]));
        assert_eq!(members[1].0, "bA");
        assert_eq!(Notation::Json.elements(members[1].1).unwrap()[0], b"12345678901234567890123");
        let changed = Notation::Json.with(doc, "bA", b"[]".to_vec()).unwrap();
        assert_eq!(changed, br#"{"a":1.50e3,"bA":[]}"#);
        assert_eq!(Notation::Json.at(br#"{"Error":{"Code":null}}"#, "Error.Code"), None);
    }

    #[test]
    fn cbor_of_told_lengths_and_without_is_taken_apart() {
        for doc in [&b"\xa2\x61a\x82\x01\x62hi\x61b\xf6"[..], b"\xbf\x61a\x9f\x01\x62hi\xff\x61b\xf6\xff"] {
            let members = Notation::Cbor.members(doc).unwrap();
            assert_eq!(members.len(), 2);
            let elements = Notation::Cbor.elements(members[0].1).unwrap();
            assert_eq!(Notation::Cbor.scalar(elements[1]).unwrap(), "hi");
            assert_eq!(Notation::Cbor.at(doc, "b"), None);
            let list = Notation::Cbor.list(&elements[1..]);
            let changed = Notation::Cbor.with(doc, "a", list).unwrap();
            assert_eq!(changed, b"\xa2\x61a\x81\x62hi\x61b\xf6");
        }
    }

    #[test]
    fn order_and_white_space_make_no_difference_to_what_a_thing_is() {
        let canonical = |text: &str| Notation::Json.canonical(text.as_bytes());
        assert_eq!(canonical(r#"{"a": 1, "b": {"d": 2, "c": 3}}"#), canonical(r#"{"b":{"c":3,"d":2},"a":1}"#));
        assert_ne!(canonical(r#"{"a": 1}"#), canonical(r#"{"a": 2}"#));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for notation in [Notation::Cbor, Notation::Json] {
                let _ = (notation.members(&bytes), notation.elements(&bytes), notation.scalar(&bytes));
            }
        }
    }
}
