//! Names out of the beginning of a body: read on until the best way is found or the bytes end, and no further.
//!
//! Depth costs nothing: only the few steps of a [`Way`] are followed, all else is skipped.

mod cbor;
mod json;

use compact_str::CompactString;
use quick_xml::events::Event;
use smallvec::SmallVec;

pub(super) use cbor::cbor;
pub(super) use json::json;

use super::choice::Way;
use crate::aws::catalog::Place;

/// Names in the order found.
pub(super) type Names = SmallVec<[CompactString; 1]>;

/// What each body way has found so far.
struct Finds<'w> {
    ways: &'w [Way],
    names: SmallVec<[Names; 4]>,
}

impl<'w> Finds<'w> {
    fn new(ways: &'w [Way]) -> Self {
        Self { ways, names: ways.iter().map(|_| Names::new()).collect() }
    }

    /// Which way begins with this member, and the path below the member.
    fn at(&self, member: &str) -> Option<(usize, Step<'w>)> {
        self.ways.iter().enumerate().find_map(|(at, way)| Some((at, below(way, member)?)))
    }

    /// Whether nothing better can come.
    fn is_settled(&self) -> bool {
        let mut ways = self.ways.iter().zip(&self.names).filter(|(way, _)| way.place == Place::Body);
        ways.next().is_some_and(|(_, names)| !names.is_empty())
    }

    fn best(self) -> Names {
        self.names.into_iter().find(|names| !names.is_empty()).unwrap_or_default()
    }
}

/// Where a value stands on the way to a name.
#[derive(Clone, Copy)]
enum Step<'w> {
    /// The value is the name, or a list of names.
    Name,
    /// The keys of the map are names.
    Keys,
    /// Each item of the list goes on so.
    Each(&'w str),
    /// Each value of the map goes on so.
    Any(&'w str),
    /// This member of the map goes on.
    Member(&'w str),
}

impl<'w> Step<'w> {
    fn of(path: &'w str) -> Self {
        let after = |rest: &'w str| rest.strip_prefix('.').unwrap_or(rest);
        match path {
            "" | "[]" => Self::Name,
            "{}" => Self::Keys,
            _ => match (path.strip_prefix("[]"), path.strip_prefix('*')) {
                (Some(rest), _) => Self::Each(after(rest)),
                (_, Some(rest)) => Self::Any(after(rest)),
                _ => Self::Member(path),
            },
        }
    }

    /// What comes below a map's member.
    fn into(self, key: &str) -> Option<Self> {
        match self {
            Self::Any(rest) => Some(Self::of(rest)),
            Self::Member(path) => split(path, key),
            _ => None,
        }
    }
}

fn below<'w>(way: &'w Way, member: &str) -> Option<Step<'w>> {
    if way.place == Place::Body { split(way.member, member) } else { None }
}

/// The rest of a path that begins with a member.
fn split<'w>(path: &'w str, member: &str) -> Option<Step<'w>> {
    let rest = path.strip_prefix(member)?;
    match rest.as_bytes().first() {
        None | Some(b'[' | b'{') => Some(Step::of(rest)),
        Some(b'.') => Some(Step::of(rest.get(1..)?)),
        Some(_) => None,
    }
}

fn push(names: &mut Names, name: &str) {
    if names.len() < MOST_NAMES && name.len() <= LONGEST_NAME {
        names.push(name.into());
    }
}

const MOST_NAMES: usize = 128;
/// S3 keys and ARNs have 2048 bytes at most; what is longer names nothing.
const LONGEST_NAME: usize = 2048;

/// Out of a form: `QueueUrl=…`, `InstanceId.1=…`, `AlarmNames.member.1=…`.
pub(super) fn form(pairs: &[u8], ways: &[Way]) -> Names {
    let mut finds = Finds::new(ways);
    for (key, value) in form_urlencoded::parse(pairs) {
        let mut ways = ways.iter().zip(&mut finds.names);
        if let Some((_, names)) = ways.find(|(way, _)| way.place == Place::Body && is_field(way, &key)) {
            push(names, &value);
        }
        // Of a list, more items may follow.
        if finds.is_settled() && ways_end_with_text(finds.ways) {
            break;
        }
    }
    finds.best()
}

fn ways_end_with_text(ways: &[Way]) -> bool {
    ways.iter().find(|way| way.place == Place::Body).is_some_and(|way| !way.is_list)
}

fn is_field(way: &Way, key: &str) -> bool {
    let Some(rest) = key.strip_prefix(way.member) else { return false };
    if !way.is_list {
        return rest.is_empty();
    }
    let number = rest.strip_prefix(".member").unwrap_or(rest).strip_prefix('.');
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Out of an XML document: the text of an element right below the root.
pub(super) fn xml(prefix: &[u8], ways: &[Way]) -> Names {
    let mut finds = Finds::new(ways);
    let mut reader = quick_xml::Reader::from_reader(prefix);
    let mut depth = 0_usize;
    let mut field = String::new();
    let mut text = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                depth += 1;
                if depth == 2 {
                    text.clear();
                    field = tag.local_name().as_ref().to_owned();
                }
            }
            Ok(Event::Text(piece)) if depth == 2 => text.push_str(&piece),
            Ok(Event::End(_)) => {
                if depth == 2
                    && let Some((at, _)) = finds.at(&field)
                {
                    push(&mut finds.names[at], text.trim());
                }
                depth = depth.saturating_sub(1);
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
        if finds.is_settled() {
            break;
        }
    }
    finds.best()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(members: &[&'static str]) -> Vec<Way> {
        let way = |member: &&'static str| {
            let name = member.strip_suffix("[]");
            Way { member: name.unwrap_or(member), place: Place::Body, is_list: name.is_some() }
        };
        members.iter().map(way).collect()
    }

    fn in_json(text: &str, members: &[&'static str]) -> Vec<String> {
        json(text.as_bytes(), &ways(members)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn json_members_are_found_at_the_top_and_nowhere_else() {
        let body = r#"{"Item": {"TableName": {"S": "decoy"}, "b": ["TableName", "decoy"]}, "TableName": "orders"}"#;
        assert_eq!(in_json(body, &["TableName"]), ["orders"]);
        assert!(in_json(r#"{"TableNames": "a", "Table": "b", "tablename": "c"}"#, &["TableName"]).is_empty());
        assert!(in_json(r#"{"TableName": {"a": "b"}, "x": 1}"#, &["TableName"]).is_empty());
        assert_eq!(in_json(r#"{"TableName": "caf\u00e9"}"#, &["TableName"]), ["café"]);
        assert!(in_json(r#"["TableName", "orders"]"#, &["TableName"]).is_empty());
    }

    #[test]
    fn the_better_way_wins_wherever_it_stands() {
        let both = r#"{"StreamARN": "arn", "StreamName": "clicks"}"#;
        assert_eq!(in_json(both, &["StreamName", "StreamARN"]), ["clicks"]);
        assert_eq!(in_json(r#"{"StreamARN": "arn"}"#, &["StreamName", "StreamARN"]), ["arn"]);
    }

    #[test]
    fn batches_name_all_they_touch() {
        let write = r#"{"RequestItems": {"orders": [{"PutRequest": {}}], "customers": []}}"#;
        assert_eq!(in_json(write, &["RequestItems{}"]), ["orders", "customers"]);
        let transaction =
            r#"{"TransactItems": [{"Put": {"TableName": "a"}}, {"Delete": {"Key": {}, "TableName": "b"}}]}"#;
        assert_eq!(in_json(transaction, &["TransactItems[].*.TableName"]), ["a", "b"]);
        let events = r#"{"Entries": [{"Source": "s"}, {"EventBusName": "bus"}]}"#;
        assert_eq!(in_json(events, &["Entries[].EventBusName"]), ["bus"]);
        assert_eq!(in_json(r#"{"AlarmNames": ["a", {"b": 1}, "c"]}"#, &["AlarmNames[]"]), ["a", "c"]);
    }

    #[test]
    fn depth_neither_overflows_the_stack_nor_is_a_name() {
        for deep in ["[", "{\"a\":", "{\"TableName\":"] {
            assert!(in_json(&format!("{{\"TableName\": {}", deep.repeat(100_000)), &["TableName"]).is_empty());
            assert!(in_json(&format!("{{\"x\": {}", deep.repeat(100_000)), &["TableName"]).is_empty());
        }
        for deep in [0x81_u8, 0x9f, 0xa1, 0xbf] {
            let mut body = b"\xa1\x69TableName".to_vec();
            body.resize(100_000, deep);
            assert!(cbor(&body, &ways(&["TableName"])).is_empty());
        }
    }

    #[test]
    fn cbor_maps_are_read_with_told_lengths_and_without() {
        for body in
            [&b"\xa2\x61a\x82\x01\x02\x69TableName\x66orders"[..], b"\xbf\x61a\x9f\x01\xff\x69TableName\x66orders\xff"]
        {
            assert_eq!(cbor(body, &ways(&["TableName"])).as_slice(), ["orders"]);
        }
        let batch = b"\xa1\x6cRequestItems\xa2\x61a\x80\x61b\x80";
        assert_eq!(cbor(batch, &ways(&["RequestItems{}"])).as_slice(), ["a", "b"]);
    }

    #[test]
    fn forms_number_their_lists_in_two_ways() {
        let found = |text: &str, members: &[&'static str]| form(text.as_bytes(), &ways(members)).to_vec();
        assert_eq!(found("Action=X&QueueUrl=https%3A%2F%2Fx%2Fq&Version=1", &["QueueUrl"]), ["https://x/q"]);
        assert_eq!(found("InstanceId.1=i-1&InstanceId.2=i-2", &["InstanceId[]"]), ["i-1", "i-2"]);
        assert_eq!(found("AlarmNames.member.1=a&AlarmNames.member.2=b", &["AlarmNames[]"]), ["a", "b"]);
        assert!(found("InstanceIdX.1=a&InstanceId.Y=b&InstanceId=c&XInstanceId.1=d", &["InstanceId[]"]).is_empty());
    }

    #[test]
    fn xml_elements_are_found_right_below_the_root() {
        let body = b"<?xml version='1.0'?><CreateHostedZoneRequest xmlns='x'><VPC><Name>decoy</Name></VPC><Name>example.org</Name>";
        assert_eq!(xml(body, &ways(&["Name"])).as_slice(), ["example.org"]);
        assert!(xml(&body[..body.len() - 7], &ways(&["Name"])).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn what_is_cut_off_is_never_taken_for_a_name(cut in 0_usize..90) {
            let text = br#"{"Item": {"a": [1, {"b": "c"}]}, "TableName": "orders", "More": true}      "#;
            let found = json(&text[..cut.min(text.len())], &ways(&["TableName"]));
            proptest::prop_assert!(found.is_empty() || found.as_slice() == ["orders"]);
            proptest::prop_assert_eq!(found.is_empty(), cut < 54);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let ways = ways(&["Name", "A[].*.B", "C{}", "D[]"]);
            for read in [json, cbor, form, xml] {
                read(&bytes, &ways);
            }
        }
    }
}
