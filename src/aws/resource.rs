//! What a request is about: the table, bucket and key, queue, topic, stream, function, key, secret, role … that it names.
//!
//! By which member an operation names its resource is decided by rules over the catalog (`resource/choice.rs`). [`read`] takes it from path, query
//! and header fields, or from the beginning of the body, without parsing the body whole. Names are told as people write them: of an
//! ARN or a queue's URL the name alone, with account and region beside it. Total: what is not found is not told.
//!
//! ```
//! # use squall::aws::{catalog, request::{decode, Head}, resource};
//! # use http::{HeaderMap, HeaderValue, Method};
//! # let mut headers = HeaderMap::new();
//! headers.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.PutItem"));
//! # let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &headers };
//! let request = decode(&head, b"").unwrap();
//! assert!(resource::stands_in_body(&request, &head));
//! let table = resource::read(&request, &head, br#"{"TableName": "orders", "Item": {"id": {"S""#).unwrap();
//! assert_eq!(table.name, "orders");
//! ```

mod body;
pub(super) mod choice;
mod name;

use std::borrow::Cow;

use compact_str::CompactString;
use smallvec::SmallVec;

use self::choice::Way;
use super::catalog::{Operation, Place, Service};
use super::coding::{self, Plain};
use super::endpoint::Endpoint;
use super::protocol::query;
use super::request::{AwsRequest, Head, Protocol, Reading, lower_case};
use super::uri;

/// What a request is about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Resource {
    /// `orders`; of an object in S3, `bucket/key`.
    pub name: CompactString,
    /// What else a rule may call it by: the bucket of an object, a secret's name with its random ending; and the other resources
    /// of a batch.
    pub also: SmallVec<[CompactString; 1]>,
    /// The account that an ARN or a queue's URL names: twelve digits.
    pub account: Option<CompactString>,
    /// The region that an ARN or a queue's URL names.
    pub region: Option<CompactString>,
}

impl Resource {
    /// All names that it may be called by, the usual one first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.also).map(CompactString::as_str)
    }
}

/// Whether the body may say which resource the request is about, and the head does not.
///
/// Never of a body in a content coding other than gzip.
pub fn stands_in_body(request: &AwsRequest, head: &Head<'_>) -> bool {
    let Some(ways) = request.reading().and_then(ways) else { return false };
    ways.iter().any(|way| way.place == Place::Body)
        && coding::is_readable(head)
        && !(is_form(request.protocol) && query::has_action(head))
        && in_head(request, head, None).is_none()
}

/// Reads what a request is about, from its head or else from the beginning of its body, which may end anywhere.
///
/// What is cut off is not taken for a name. Where several readings are open, the first decides.
pub fn read(request: &AwsRequest, head: &Head<'_>, body_prefix: &[u8]) -> Option<Resource> {
    read_plain(request, head, None, &Plain::of(head, body_prefix))
}

/// The same, of a body that was read for other things before, and perhaps of a host that was.
pub(super) fn read_plain(
    request: &AwsRequest,
    head: &Head<'_>,
    endpoint: Option<&Endpoint<'_>>,
    body: &Plain<'_>,
) -> Option<Resource> {
    if let Some(found) = in_head(request, head, endpoint) {
        return Some(found);
    }
    let reading = request.reading()?;
    let ways = ways(reading)?;
    let found = match request.protocol {
        Protocol::Http => return None,
        Protocol::Cbor => body::cbor(&body.bytes, ways),
        Protocol::Json10 | Protocol::Json11 | Protocol::RestJson => body::json(&body.bytes, ways),
        Protocol::RestXml => body::xml(&body.bytes, ways),
        Protocol::Query | Protocol::Ec2 if query::has_action(head) => body::form(head.query?.as_bytes(), ways),
        Protocol::Query | Protocol::Ec2 => body::form(body.whole_pairs(), ways),
    };
    name::normalised(reading.service.name, found)
}

/// What kind of thing requests for an operation name, in a word: `cluster` where they name it by `clusterName`.
pub(super) fn kind(service: &'static Service, operation: &'static Operation) -> Option<String> {
    choice::kind(service.ways(operation).first()?, operation)
}

/// Whether a member that is called so, in small letters, names what requests for an operation are about: as they call it, or by the kind of
/// thing it is.
pub(super) fn is_called(service: &'static Service, operation: &'static Operation, name: &str) -> bool {
    let Some(way) = service.ways(operation).first() else { return false };
    let of_kind =
        |kind: String| name.strip_prefix(&choice::plain(&kind)).is_some_and(|end| matches!(end, "id" | "name"));
    choice::plain(way.member) == name || choice::kind(way, operation).is_some_and(of_kind)
}

fn ways(reading: &Reading) -> Option<&'static [Way]> {
    Some(reading.service.ways(reading.operation?))
}

fn is_form(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Query | Protocol::Ec2)
}

fn in_head(request: &AwsRequest, head: &Head<'_>, endpoint: Option<&Endpoint<'_>>) -> Option<Resource> {
    let reading = request.reading()?;
    let service = reading.service.name;
    match service {
        "s3" => return in_bucket(reading, head, endpoint),
        "sqs" if head.path.len() > 1 => return name::of_queue_path(head.path),
        _ => {}
    }
    let operation = reading.operation?;
    let found = ways(reading)?.iter().find_map(|way| match way.place {
        Place::Label => uri::label(operation.route?.1, head.path, way.member).map(uri::decoded),
        Place::Query => uri::query_value(head.query?, way.member).map(uri::decoded),
        Place::Header => head.headers.get(way.member)?.to_str().ok().map(Cow::Borrowed),
        Place::Body => None,
    })?;
    name::normalised(service, SmallVec::from_buf([found.as_ref().into()]))
}

/// `bucket/key` or `bucket`, from a virtual host or from the path.
fn in_bucket(reading: &Reading, head: &Head<'_>, endpoint: Option<&Endpoint<'_>>) -> Option<Resource> {
    let of_object =
        reading.operation.and_then(|operation| operation.route).is_none_or(|(_, uri)| uri.contains("{Key+}"));
    let host = lower_case(head.host);
    let path = head.path.strip_prefix('/').unwrap_or(head.path);
    let (in_path, after) = path.split_once('/').unwrap_or((path, ""));
    let in_host = endpoint.map_or_else(|| Endpoint::read(&host).bucket, |endpoint| endpoint.bucket);
    let (bucket, key) = match in_host.filter(|_| of_object || path.is_empty()) {
        Some(bucket) => (Cow::Borrowed(bucket), path),
        None => (uri::decoded(in_path), after),
    };
    let mut found = name::normalised("s3", SmallVec::from_buf([bucket.as_ref().into()]))?;
    if of_object && !key.is_empty() {
        let bucket = std::mem::take(&mut found.name);
        found.name.push_str(&bucket);
        found.name.push('/');
        found.name.push_str(&uri::decoded(key));
        found.also.push(bucket);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::aws::request::decode;

    struct Written<'a> {
        line: (&'a str, &'a str),
        service: &'a str,
        fields: &'a [(&'static str, &'a str)],
        body: &'a [u8],
    }

    /// The name, and whether the body tells it.
    fn told(written: &Written<'_>) -> (Option<String>, bool) {
        let (method, target) = written.line;
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=AK/20261121/us-east-1/{}/aws4_request, Signature=0", written.service);
        let fields = written.fields.iter().chain([("authorization", &*scope)].iter()).copied().collect::<Vec<_>>();
        let field = |(name, value): (&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = fields.into_iter().map(field).collect();
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let method: Method = method.parse().unwrap();
        let head = Head { method: &method, host: "localhost", path, query, headers: &headers };
        let request = decode(&head, written.body).unwrap();
        (request.resource.as_ref().map(|found| found.name.to_string()), stands_in_body(&request, &head))
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    #[test]
    fn every_protocol_tells_its_resource() {
        let zone = b"<CreateHostedZoneRequest><VPC><VPCId>v</VPCId></VPC><Name>example.org</Name><CallerReference>1</CallerReference>";
        for (line, service, fields, body, expected) in [
            (
                ("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData"),
                "monitoring",
                &[("smithy-protocol", "rpc-v2-cbor")][..],
                &b"\xbf\x69Namespace\x64shop"[..],
                ("shop", true),
            ),
            (("POST", "/2013-04-01/hostedzone"), "route53", &[], zone, ("example.org", true)),
            (("POST", "/"), "iam", &[FORM], b"Action=GetRole&RoleName=admin&Version=2010-05-08", ("admin", true)),
            (("GET", "/?Action=GetRole&RoleName=admin&Version=2010-05-08"), "iam", &[], b"", ("admin", false)),
            (
                ("POST", "/"),
                "ec2",
                &[FORM],
                b"Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2",
                ("i-1", true),
            ),
            (("GET", "/2015-03-31/event-source-mappings?FunctionName=pay%3Alive"), "lambda", &[], b"", ("pay", false)),
            (("GET", "/restapis/0a1b/stages/live"), "apigateway", &[], b"", ("0a1b", false)),
            (("POST", "/clusters"), "eks", &[], br#"{"name": "main"}"#, ("main", true)),
        ] {
            let found = told(&Written { line, service, fields, body });
            assert_eq!(found, (Some(expected.0.to_owned()), expected.1), "{line:?}");
        }
    }

    #[test]
    fn a_forms_last_value_counts_only_where_the_form_is_whole() {
        let body = b"Action=GetRole&Version=2010-05-08&RoleName=adm";
        let of_length = |length: &str| {
            let fields = [FORM, ("content-length", length)];
            told(&Written { line: ("POST", "/"), service: "iam", fields: &fields, body }).0
        };
        assert_eq!(of_length("46").as_deref(), Some("adm"));
        assert_eq!(of_length("48"), None);
    }

    #[test]
    fn a_body_compressed_with_gzip_is_asked_and_in_another_coding_is_not() {
        let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xf2\x4b\xcc\x4d\x2d\x2e\x48\x4c\x4e\x55\xb2\x52\x50\x2a\xce\xc8\x2f\x50\xaa\x05\x00\x12\xe2\x79\x8f\x15\x00\x00\x00";
        let of_coding = |coding| {
            let fields =
                [("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"), ("content-encoding", coding)];
            told(&Written { line: ("POST", "/"), service: "monitoring", fields: &fields, body: packed })
        };
        assert_eq!(of_coding("gzip"), (Some("shop".to_owned()), true));
        assert_eq!(of_coding("br"), (None, false));
    }
}
