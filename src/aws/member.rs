//! What stands in a request's body at one place: a member of JSON or CBOR, an element of XML, a field of a form.
//!
//! A [`Pointer`] says which place, as JSON pointers do (RFC 6901), with `*` for any member or item beside; a plain name is a member at
//! the top. [`read`] follows it through as much of the body's beginning as there is, without parsing the rest, and [`count`] only
//! counts what it leads to. Total: what is cut off or cannot be read is not there.
//!
//! ```
//! # use squall::aws::{member::{self, Pointer}, request::{decode, Head}};
//! # use http::{HeaderMap, HeaderValue, Method};
//! # let mut headers = HeaderMap::new();
//! headers.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.PutItem"));
//! # let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &headers };
//! let request = decode(&head, b"").unwrap();
//! let id: Pointer = "/Item/id/S".parse().unwrap();
//! let body = br#"{"TableName": "orders", "Item": {"id": {"S": "17"}, "of"#;
//! assert_eq!(member::read(&request, &head, body, &id).as_slice(), ["17"]);
//! ```

mod cbor;
mod json;

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use quick_xml::events::Event;
use smallvec::SmallVec;

use super::coding::{self, Plain};
use super::protocol::query;
use super::request::{AwsRequest, Head, Protocol};

/// A place in a body: `TableName`, `/Item/id/S`, `/Entries/*/DetailType`; in a form, `Filter.1.Name`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pointer {
    written: CompactString,
    steps: Vec<Step>,
}

/// One step of the way.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    /// Every member of a map, every item of a list.
    Any,
    /// This member, or this item.
    Named(CompactString),
    /// Each of these members.
    OneOf(&'static [&'static str]),
}

/// Texts found in a body.
pub type Texts = SmallVec<[CompactString; 1]>;

/// What was found so far.
#[derive(Default)]
struct Hits {
    texts: Texts,
    count: u64,
    /// Whether all are wanted, though there be one place only: XML repeats elements.
    all: bool,
    /// Whether there is nothing more to be looked for.
    done: bool,
}

/// The texts at a place, numbers and truth values as JSON writes them; none where there is no text.
pub fn read(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8], pointer: &Pointer) -> Texts {
    let mut hits = Hits::default();
    find(request, head, &Plain::of(head, body_prefix), pointer, &mut hits);
    hits.texts
}

/// How many values a place leads to, and over how much of the body's beginning they were counted; whether that is all of it.
pub fn count(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8], pointer: &Pointer) -> (u64, bool) {
    let plain = Plain::of(head, body_prefix);
    let mut hits = Hits { all: true, ..Hits::default() };
    find(request, head, &plain, pointer, &mut hits);
    (hits.count, plain.is_whole)
}

/// Whether the body of this request can be looked into at all: it has one, in no content coding but gzip.
pub fn is_readable(request: &AwsRequest, head: &Head<'_>) -> bool {
    let in_query = is_form(request) && query::has_action(head);
    !request.head_only && head.method != http::Method::GET && !in_query && coding::is_readable(head)
}

fn find(request: &AwsRequest, head: &Head<'_>, plain: &Plain<'_>, pointer: &Pointer, hits: &mut Hits) {
    let bytes = &plain.bytes;
    match request.protocol {
        Protocol::Http => {}
        Protocol::Cbor => cbor::find(bytes, pointer, hits),
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => {
            json::find(if plain.is_whole { bytes } else { without_number(bytes) }, pointer, hits)
        }
        Protocol::RestXml => xml(bytes, pointer, hits),
        Protocol::Query | Protocol::Ec2 if query::has_action(head) => {
            form(head.query.unwrap_or_default().as_bytes(), pointer, hits);
        }
        Protocol::Query | Protocol::Ec2 => form(plain.whole_pairs(), pointer, hits),
    }
}

/// A beginning of JSON without the number it may break off in.
fn without_number(prefix: &[u8]) -> &[u8] {
    let end = prefix.iter().rposition(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    end.and_then(|end| prefix.get(..=end)).unwrap_or_default()
}

fn is_form(request: &AwsRequest) -> bool {
    matches!(request.protocol, Protocol::Query | Protocol::Ec2)
}

impl Pointer {
    /// Whether it leads to one place at most.
    fn is_single(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Named(_)))
    }

    /// The members at the top that are called so.
    pub(super) fn one_of(names: &'static [&'static str]) -> Self {
        Self { written: names.join(" | ").into(), steps: vec![Step::OneOf(names)] }
    }
}

impl Step {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(named) => named == name,
            Self::OneOf(names) => names.contains(&name),
        }
    }
}

impl Hits {
    fn add(&mut self, pointer: &Pointer, text: Option<&str>) {
        self.count += 1;
        self.done = pointer.is_single() && !self.all;
        if let Some(text) = text.filter(|text| text.len() <= LONGEST && self.texts.len() < MOST) {
            self.texts.push(text.into());
        }
    }
}

impl FromStr for Pointer {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let steps = match written.strip_prefix('/') {
            Some(path) => path.split('/').map(step).collect::<Option<Vec<_>>>(),
            None => Some(written.split('.').map(|name| step(name).unwrap_or(Step::Any)).collect())
                .filter(|_| !written.contains(['/', '~'])),
        };
        let wrong = || format!("`{written}` names no member; write `TableName`, or a JSON pointer as in `/Item/id/S`");
        let steps = steps.filter(|_| !written.is_empty()).ok_or_else(wrong)?;
        if steps.len() > DEEPEST {
            return Err(format!("`{written}` goes deeper than {DEEPEST} members"));
        }
        Ok(Self { written: written.into(), steps })
    }
}

/// A reference token: `~1` is a slash, `~0` a tilde.
fn step(token: &str) -> Option<Step> {
    let mut tildes = token.split('~').skip(1);
    if !tildes.all(|rest| rest.starts_with(['0', '1'])) {
        return None;
    }
    Some(if token == "*" { Step::Any } else { Step::Named(token.replace("~1", "/").replace("~0", "~").into()) })
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Out of a form: the field whose name, in its parts between dots, is the pointer.
fn form(pairs: &[u8], pointer: &Pointer, hits: &mut Hits) {
    for (key, value) in form_urlencoded::parse(pairs) {
        let mut parts = key.split('.');
        let fits = pointer.steps.iter().all(|step| parts.next().is_some_and(|part| step.fits(part)));
        if fits && parts.next().is_none() {
            hits.add(pointer, Some(&value));
            if hits.done {
                return;
            }
        }
    }
}

/// Out of an XML document: the text of the elements on a way from below the root, in whatever name space.
fn xml(prefix: &[u8], pointer: &Pointer, hits: &mut Hits) {
    let mut reader = quick_xml::Reader::from_reader(prefix);
    // How deep we are, and how much of that is on the way.
    let (mut depth, mut along) = (0_usize, 0_usize);
    let mut text = String::new();
    let mut has_elements = false;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) => {
                let name = tag.local_name();
                has_elements |= along == pointer.steps.len() && depth > along;
                if depth == along + 1 && pointer.steps.get(along).is_some_and(|step| step.fits(name.as_ref())) {
                    along += 1;
                    text.clear();
                    has_elements = false;
                }
                depth += 1;
            }
            Event::Text(piece) if along == pointer.steps.len() && depth == along + 1 => text.push_str(&piece),
            Event::End(_) => {
                if along > 0 && depth == along + 1 {
                    if along == pointer.steps.len() {
                        hits.add(pointer, Some(text.trim()).filter(|_| !has_elements));
                    }
                    along -= 1;
                }
                depth = depth.saturating_sub(1);
            }
            Event::Eof => break,
            _ => {}
        }
        if hits.done {
            break;
        }
    }
}

/// What is longer is no name or number that a rule would be about.
const LONGEST: usize = 2048;
const MOST: usize = 128;
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    type Find = fn(&[u8], &Pointer, &mut Hits);

    fn found(find: Find, body: &[u8], pointer: &str) -> (Vec<String>, u64) {
        let mut hits = Hits::default();
        find(body, &pointer.parse().unwrap(), &mut hits);
        (hits.texts.iter().map(ToString::to_string).collect(), hits.count)
    }

    fn texts(find: Find, body: &[u8], pointer: &str) -> Vec<String> {
        found(find, body, pointer).0
    }

    const PUT: &[u8] =
        br#"{"TableName": "orders", "Item": {"id": {"S": "17"}, "n": {"N": "3"}, "a/b": 2.5, "m~n": true, "z": null}}"#;

    #[test]
    fn json_is_followed_member_by_member_as_pointers_are_written() {
        let at = |pointer| texts(json::find, PUT, pointer);
        assert_eq!(at("TableName"), ["orders"]);
        assert_eq!(at("/TableName"), ["orders"]);
        assert_eq!(at("/Item/id/S"), ["17"]);
        assert_eq!(at("Item.id.S"), ["17"]);
        assert_eq!(at("/Item/a~1b"), ["2.5"]);
        assert_eq!(at("/Item/m~0n"), ["true"]);
        assert_eq!(at("/Item/z"), ["null"]);
        for nowhere in ["tablename", "/Item/id/N", "/Item", "/Item/id/S/x", "S", "/"] {
            assert!(at(nowhere).is_empty(), "{nowhere}");
        }
    }

    #[test]
    fn items_are_reached_by_number_and_all_of_them_by_a_star() {
        let body = br#"{"Entries": [{"Type": "a"}, {"Type": "b", "More": [1, 2]}, {"Other": "c"}], "X": {"p": [7], "q": [8]}}"#;
        assert_eq!(texts(json::find, body, "/Entries/1/Type"), ["b"]);
        assert_eq!(texts(json::find, body, "/Entries/*/Type"), ["a", "b"]);
        assert_eq!(texts(json::find, body, "/X/*/*"), ["7", "8"]);
        assert!(texts(json::find, body, "/Entries/3/Type").is_empty());
        assert_eq!(found(json::find, body, "/Entries/*"), (vec![], 3));
        assert_eq!(found(json::find, body, "/Entries/1/More/*").1, 2);
    }

    #[test]
    fn cbor_is_followed_like_json() {
        // {"TableName": "orders", "Items": [{"n": 5}, {"n": -6}], "ok": true, "f": 1.5}, of told and of open lengths.
        let told =
            b"\xa4\x69TableName\x66orders\x65Items\x82\xa1\x61n\x05\xa1\x61n\x25\x62ok\xf5\x61f\xfa\x3f\xc0\x00\x00";
        let open =
            b"\xbf\x69TableName\x66orders\x65Items\x9f\xbf\x61n\x05\xff\xa1\x61n\x25\xff\x62ok\xf5\x61f\xfa\x3f\xc0\x00\x00\xff";
        for body in [&told[..], &open[..]] {
            let at = |pointer| texts(cbor::find, body, pointer);
            assert_eq!(at("TableName"), ["orders"]);
            assert_eq!(at("/Items/*/n"), ["5", "-6"]);
            assert_eq!(at("/Items/1/n"), ["-6"]);
            assert_eq!([at("ok"), at("f")], [["true"], ["1.5"]]);
            assert_eq!(found(cbor::find, body, "/Items/*"), (vec![], 2));
            assert!(at("/TableName/x").is_empty() && at("Items").is_empty());
        }
    }

    #[test]
    fn a_forms_fields_are_named_whole_or_with_a_star_between_dots() {
        let body = b"Action=X&Filter.1.Name=tag%3Aa&Filter.2.Name=b&Ids.member.1=p&Ids.member.2=q";
        let at = |pointer| texts(form, body, pointer);
        assert_eq!(at("Filter.1.Name"), ["tag:a"]);
        assert_eq!(at("/Filter/2/Name"), ["b"]);
        assert_eq!(at("Filter.*.Name"), ["tag:a", "b"]);
        assert_eq!(at("Ids.member.*"), ["p", "q"]);
        assert!(at("Filter").is_empty() && at("Filter.1").is_empty() && at("Name").is_empty());
    }

    #[test]
    fn xml_elements_are_followed_from_below_the_root() {
        let body = b"<?xml version='1.0'?><Delete xmlns='x'><Quiet>true</Quiet><a:Object xmlns:a='y'><Key> one </Key></a:Object>\
                     <Object><Key>two</Key><Key/></Object><Key>decoy</Key></Delete>";
        let at = |pointer| texts(xml, body, pointer);
        assert_eq!(at("Quiet"), ["true"]);
        assert_eq!(at("/Object/Key"), ["one"]);
        assert_eq!(at("/Object/*"), ["one", "two"]);
        assert_eq!(found(xml, body, "/*").1, 4);
        assert!(at("Object").is_empty() && at("Delete").is_empty());
    }

    #[test]
    fn a_number_that_breaks_off_is_not_taken_for_one() {
        let at = |prefix| texts(json::find, without_number(prefix), "n");
        assert_eq!(at(b"{\"n\": 17, "), ["17"]);
        for prefix in [&b"{\"n\": 17"[..], b"{\"n\": -1.5e+", b"17", b""] {
            assert!(at(prefix).is_empty());
        }
    }

    #[test]
    fn wrong_pointers_say_how_to_write_them() {
        let told = |text: &str| text.parse::<Pointer>().unwrap_err();
        for wrong in ["", "a/b", "/a~2", "/a~"] {
            let sentence =
                format!("`{wrong}` names no member; write `TableName`, or a JSON pointer as in `/Item/id/S`");
            assert_eq!(told(wrong), sentence);
        }
        assert_eq!(told(&"/a".repeat(33)), format!("`{}` goes deeper than 32 members", "/a".repeat(33)));
    }

    proptest::proptest! {
        #[test]
        fn what_is_cut_off_is_never_taken_for_a_text(cut in 0_usize..110) {
            let at = texts(json::find, &PUT[..cut.min(PUT.len())], "/Item/n/N");
            proptest::prop_assert!(at.is_empty() || at == ["3"]);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for find in [json::find, cbor::find, form, xml] {
                found(find, &bytes, "/*/a/0");
            }
        }
    }

    #[test]
    fn depth_does_not_overflow_the_stack() {
        for deep in ["[", "{\"a\":"] {
            assert!(texts(json::find, deep.repeat(100_000).as_bytes(), &"/*".repeat(32)).is_empty());
        }
        for deep in [0x81_u8, 0x9f, 0xa1, 0xbf] {
            assert!(texts(cbor::find, &[deep; 100_000], &"/*".repeat(32)).is_empty());
        }
        assert!(texts(xml, "<a>".repeat(100_000).as_bytes(), "/a/a").is_empty());
    }
}
