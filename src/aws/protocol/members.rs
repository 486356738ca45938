//! What an error carries beside its code and message: the members that its shape models, and what was asked for by name.
//!
//! A member that was given is written as it was given, in the protocol's own form. Of the others those are filled whose value can be
//! told from the request (what it is about, how many items it has), from the error itself or from what services send, and those that no
//! such error lacks. The rest is left out, as AWS leaves out what it has nothing to say about.

use std::borrow::Cow;

use compact_str::CompactString;
use minicbor::encode::{Encoder, Error, Write};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use smallvec::SmallVec;

use super::{Told, xml};
use crate::aws::catalog::{Member, MemberKind};
use crate::aws::{quirk, resource};

/// Members by name, as they were asked for.
pub type Given = Vec<(CompactString, Value)>;

/// A member with its value.
#[derive(Debug)]
pub(in crate::aws) struct Filled<'a> {
    /// As it is spelled on the wire.
    pub(super) name: &'a str,
    pub(super) value: Held<'a>,
    /// Whether it travels in a header field of that name.
    pub(super) in_header: bool,
}

/// What a member holds.
#[derive(Debug)]
pub(in crate::aws) enum Held<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A list of structures of texts. JSON is written right from it; for the others it becomes a [`Value`], of which each structure is a tree.
    List(SmallVec<[Texts; 1]>),
    /// Whatever it is.
    Value(Cow<'a, Value>),
}

/// The members of a structure, all of them texts.
#[derive(Clone, Debug)]
pub(in crate::aws) struct Texts(pub(in crate::aws) SmallVec<[(&'static str, Cow<'static, str>); 2]>);

impl Held<'_> {
    /// As a value, built where it is none yet.
    fn value(&self) -> Cow<'_, Value> {
        match self {
            Self::Text(text) => Cow::Owned(Value::String(text.to_string())),
            Self::List(list) => Cow::Owned(list.iter().map(Texts::value).collect()),
            Self::Value(value) => Cow::Borrowed(value),
        }
    }

    /// If it is a list: of each structure in it, the text of this member, or else `without`.
    pub(in crate::aws) fn texts<'s>(&'s self, member: &str, without: &'s str) -> Option<Vec<&'s str>> {
        match self {
            Self::Text(_) => None,
            Self::List(list) => Some(list.iter().map(|texts| texts.get(member).unwrap_or(without)).collect()),
            Self::Value(value) => {
                Some(value.as_array()?.iter().map(|item| item[member].as_str().unwrap_or(without)).collect())
            }
        }
    }
}

impl Texts {
    fn get(&self, member: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == member).map(|(_, text)| &**text)
    }

    fn value(&self) -> Value {
        self.0.iter().map(|(name, text)| ((*name).to_owned(), Value::String(text.to_string()))).collect()
    }
}

impl Serialize for Held<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in &self.0 {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

/// The members of an error, in the order of its shape; then what was given beside them.
pub(super) fn fill<'a>(told: &Told<'a>, given: &'a Given) -> SmallVec<[Filled<'a>; 4]> {
    let modeled = told.shape.map(|shape| shape.members.as_slice()).unwrap_or_default();
    let asked = |name: &str| given.iter().find(|(asked, _)| asked.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let of_shape = modeled.iter().filter_map(|member| {
        let value = match asked(member.name) {
            // `a: 5` of a member that is a text.
            Some(value @ (Value::Bool(_) | Value::Number(_))) if member.kind == MemberKind::String => {
                Held::Text(value.to_string().into())
            }
            Some(value) => {
                Held::Value(quirk::completed(told, member.name, value).map_or(Cow::Borrowed(value), Cow::Owned))
            }
            None => plausible(member, told)?,
        };
        Some(Filled { name: member.name, value, in_header: member.in_header })
    });
    let is_modeled = |name: &str| modeled.iter().any(|member| member.name.eq_ignore_ascii_case(name));
    let beside = given.iter().filter(|(name, _)| !is_modeled(name));
    let beside =
        beside.map(|(name, value)| Filled { name, value: Held::Value(Cow::Borrowed(value)), in_header: false });
    of_shape.chain(beside).collect()
}

fn plausible<'a>(member: &Member, told: &Told<'a>) -> Option<Held<'a>> {
    if let Some(held) = quirk::member(told, member.name) {
        return Some(held);
    }
    if let Some(value) = member.value {
        return Some(Held::Text(value.into()));
    }
    let letters = member.name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
    let mut name = CompactString::with_capacity(member.name.len());
    name.extend(letters);
    let known = match member.kind {
        MemberKind::Boolean if name == "canretry" => {
            Some(told.shape.is_some_and(|shape| shape.retryable || shape.fault).into())
        }
        MemberKind::Integer if name.contains("retryafter") => Some(RETRY_AFTER.into()),
        MemberKind::Integer if name.contains("statuscode") => Some(told.status.as_u16().into()),
        MemberKind::String => text_of(&name, told).map(Value::String),
        _ => None,
    };
    let value = known.or_else(|| member.is_required.then(|| vaguest(member.kind, told)).flatten())?;
    Some(Held::Value(Cow::Owned(value)))
}

/// A text that can be told by its member's name, which is in small letters and without what parts words.
fn text_of(name: &str, told: &Told<'_>) -> Option<String> {
    let text = match name {
        "code" | "error" | "errorcode" | "xamznerrortype" => told.code_on_the_wire(),
        "detailedmessage" | "errordescription" | "errormessage" | "exceptionmessage" => &told.message,
        "quotacode" => "L-00000000",
        "requestid" => &told.request_id,
        // Lambda and others model it as text.
        "retryafter" => return Some(RETRY_AFTER.to_string()),
        "servicecode" => told.service?.name,
        _ => return subject(name, told),
    };
    Some(text.to_owned())
}

/// What the request is about, where a member is called as the request calls it or as errors do.
fn subject(name: &str, told: &Told<'_>) -> Option<String> {
    let (service, operation) = (told.service?, told.operation?);
    if name == "resourcetype" {
        return resource::kind(service, operation);
    }
    let resource = told.request.resource.as_ref()?;
    let asked = matches!(name, "resource" | "resourceid" | "resourcename" | "resourceidentifier")
        || resource::is_called(service, operation, name);
    asked.then(|| resource.name.to_string())
}

/// What a member holds that nothing tells and no such error lacks.
fn vaguest(kind: MemberKind, told: &Told<'_>) -> Option<Value> {
    Some(match kind {
        MemberKind::Blob | MemberKind::Timestamp => return None,
        MemberKind::Boolean => false.into(),
        MemberKind::Double => 0.0.into(),
        MemberKind::Integer => 0.into(),
        MemberKind::List => Value::Array(Vec::new()),
        MemberKind::Map | MemberKind::Structure => Value::Object(serde_json::Map::new()),
        MemberKind::String => (*told.message).into(),
    })
}

/// As text, where a field or an element holds nothing else.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

impl Filled<'_> {
    /// As text, for a header field.
    pub(super) fn text(&self) -> String {
        text(&self.value.value()).into_owned()
    }
}

/// The members as elements, without those that every error in XML has by itself.
pub(in crate::aws) fn elements(out: &mut String, told: &Told<'_>) {
    let own = |name: &str| ["Code", "Message", "RequestId", "Type"].iter().any(|own| own.eq_ignore_ascii_case(name));
    for member in told.body_members().filter(|member| !own(member.name)) {
        element(out, member.name, &member.value.value());
    }
}

/// `<name>…</name>`: lists as `<member>`s, maps as elements of their keys.
fn element(out: &mut String, name: &str, value: &Value) {
    let (Value::Array(_) | Value::Object(_)) = value else { return xml::element(out, name, &text(value)) };
    out.extend(["<", name, ">"]);
    match value {
        Value::Array(items) => items.iter().for_each(|item| element(out, "member", item)),
        Value::Object(entries) => entries.iter().for_each(|(key, value)| element(out, key, value)),
        _ => {}
    }
    out.extend(["</", name, ">"]);
}

/// What is held, as CBOR.
pub(super) fn encode<W: Write>(out: &mut Encoder<W>, held: &Held<'_>) -> Result<(), Error<W::Error>> {
    encode_value(out, &held.value())
}

fn encode_value<W: Write>(out: &mut Encoder<W>, value: &Value) -> Result<(), Error<W::Error>> {
    match value {
        Value::Null => drop(out.null()?),
        Value::Bool(flag) => drop(out.bool(*flag)?),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => drop(out.i64(whole)?),
            (None, Some(whole), _) => drop(out.u64(whole)?),
            (None, None, fraction) => drop(out.f64(fraction.unwrap_or_default())?),
        },
        Value::String(text) => drop(out.str(text)?),
        Value::Array(items) => {
            out.array(items.len() as u64)?;
            items.iter().try_for_each(|item| encode_value(out, item))?;
        }
        Value::Object(entries) => {
            out.map(entries.len() as u64)?;
            for (key, value) in entries {
                out.str(key)?;
                encode_value(out, value)?;
            }
        }
    }
    Ok(())
}

/// Seconds; SDKs ignore it, people and other clients do not.
const RETRY_AFTER: u64 = 1;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::catalog;
    use crate::aws::protocol::{AwsError, Stamp, SyntheticResponse, synthesize};
    use crate::aws::request::{AwsRequest, Protocol, Reading};

    fn answer(
        service: &str,
        operation: &str,
        protocol: Protocol,
        code: &str,
        members: &[(&str, Value)],
    ) -> SyntheticResponse {
        let service = catalog::service(service).unwrap();
        let request = AwsRequest::of(Reading { service, operation: service.operation(operation) }, protocol);
        let members = members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let error = AwsError { code: code.into(), status: None, message: Some("m".into()), members };
        synthesize(&request, &error, &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 })
    }

    fn body(answer: &SyntheticResponse) -> String {
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    #[test]
    fn members_are_filled_where_they_can_be_told_and_travel_where_the_model_says() {
        let lambda = answer("lambda", "Invoke", Protocol::RestJson, "TooManyRequestsException", &[]);
        assert_eq!(lambda.headers["retry-after"], "1");
        assert_eq!(body(&lambda), r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"m"}"#);
    }

    #[test]
    fn what_is_given_is_written_in_each_protocols_own_form() {
        let reasons = json!([{"Code": "None"}, {"Code": "ThrottlingError"}]);
        let given = [("CancellationReasons", reasons), ("extra", json!(5))];
        let dynamodb =
            answer("dynamodb", "TransactWriteItems", Protocol::Json10, "TransactionCanceledException", &given);
        let expected = r##"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"ThrottlingError"}],"extra":5,"Message":"m"}"##;
        assert_eq!(body(&dynamodb), expected);
        let route53 = answer(
            "route53",
            "ChangeResourceRecordSets",
            Protocol::RestXml,
            "InvalidChangeBatch",
            &[("messages", json!(["a<b"])), ("Type", json!("not twice"))],
        );
        assert!(body(&route53).contains("<messages><member>a&lt;b</member></messages></Error>"), "{}", body(&route53));
        let lambda =
            answer("lambda", "Invoke", Protocol::RestJson, "TooManyRequestsException", &[("retry-after", json!(7))]);
        assert_eq!(lambda.headers["retry-after"], "7");
    }

    #[test]
    fn cbor_holds_every_kind_of_value() {
        let mut out = Encoder::new(Vec::new());
        encode_value(&mut out, &json!({"a": [1, -2, 0.5, true, null, "t"]})).unwrap();
        // RFC 8949: a map of one text to an array of six.
        let half = [0xfb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0];
        let expected = [&[0xa1, 0x61, b'a', 0x86, 0x01, 0x21][..], &half, &[0xf5, 0xf6, 0x61, b't']].concat();
        assert_eq!(out.into_writer(), expected);
    }
}
