//! S3: hosts that hold a bucket, queries that name an operation outright, and errors in a form of their own.

use http::header::{CONNECTION, CONTENT_TYPE, SERVER};
use http::{HeaderMap, HeaderValue};
use smallvec::{SmallVec, smallvec};

use crate::aws::catalog::{self, Service};
use crate::aws::endpoint::{Endpoint, is_region};
use crate::aws::field;
use crate::aws::protocol::{Held, Stamp, Told, insert, members, xml};
use crate::aws::request::{Evidence, Reading};
use crate::aws::uri::Target;

/// What an AWS host says, where it is one of S3's; `below` is its name without the partition's suffix, in lower case.
///
/// The labels before the rightmost S3 label are the bucket, whatever dots it has. Website hosts serve browsers, not the API, and are
/// none of these.
pub(in crate::aws) fn endpoint(below: &str) -> Option<Endpoint<'_>> {
    let (start, label) = labels_from_right(below).find(|(_, label)| kind(label).is_some())?;
    let Kind { services, bucket } = kind(label)?;
    let after = below[start + label.len()..].trim_start_matches('.');
    let mut region = dashed_region(label);
    for label in after.split('.').filter(|label| !label.is_empty()) {
        match label {
            "dualstack" | "vpce" => {}
            _ if is_region(label) => region = Some(label),
            _ => return None,
        }
    }
    let before = below[..start].trim_end_matches('.');
    let bucket = Some(without_vpc_endpoint(before)).filter(|before| bucket && !before.is_empty());
    let services = services.iter().filter_map(|name| catalog::service(name)).collect();
    Some(Endpoint { services, region, bucket })
}

/// The bucket of an emulator's virtual host: `b.s3.localhost.localstack.cloud`, `b.s3.example`, `b.localhost`. An account id there is
/// S3 Control's host prefix.
pub(in crate::aws) fn emulator_bucket(host: &str) -> Option<&str> {
    let account = |label: &str| label.len() == 12 && label.bytes().all(|byte| byte.is_ascii_digit());
    let of_s3 =
        labels_from_right(host).find(|(start, label)| *start > 0 && kind(label).is_some_and(|kind| kind.bucket));
    let before = match of_s3 {
        Some((start, _)) => &host[..start - 1],
        None => host.strip_suffix(".localhost").filter(|before| !matches!(*before, "s3" | "s3-control"))?,
    };
    Some(before).filter(|before| !before.is_empty() && !account(before))
}

/// The operation that `x-id` names: JavaScript's, Rust's and Go's SDKs write it, botocore does not.
pub(in crate::aws) fn named(service: &'static Service, target: &Target<'_>) -> Option<Reading> {
    let operation = service.operation(target.query("x-id")?)?;
    Some(Reading { service, operation: Some(operation) })
}

/// ListBuckets and ListDirectoryBuckets are both `GET /`: the latter goes to a host and is signed under a name of its own.
pub(in crate::aws) fn settle(request: &Evidence<'_>, readings: &mut SmallVec<[Reading; 1]>) {
    let directory = |reading: &Reading| {
        reading.service.name == "s3"
            && reading.operation.is_some_and(|operation| operation.name == "ListDirectoryBuckets")
    };
    if readings.len() > 1 && readings.iter().any(directory) {
        let express =
            request.scope.service.as_deref() == Some("s3express") || request.host.starts_with("s3express-control");
        readings.retain(|reading| directory(reading) == express);
    }
}

/// A bare `<Error>`, without namespace or wrapper, with the host id beside the request id. The connection ends with an error of the
/// server's: so it was seen of 503 SlowDown (the header fields in <https://github.com/pingcap/tiflash/issues/10538>).
pub(in crate::aws) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
    if told.status.is_server_error() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let host_id = insert_ids(told, headers);
    document(told, &host_id, "\n")
}

/// The same in an answer that had begun well. As long as S3 works on it, it sends white space; behind the XML declaration, for nothing may
/// stand before that, and parsers that find something there know no code (<https://github.com/minio/minio/issues/2041>).
pub(in crate::aws) fn write_late(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
    let host_id = insert_ids(told, headers);
    document(told, &host_id, "\n   \n")
}

/// The operations that S3 answers with 200 while it still works on them, as its API reference tells.
pub(in crate::aws) const ANSWERED_EARLY: &[&str] = &["CompleteMultipartUpload", "CopyObject", "UploadPartCopy"];

fn document(told: &Told<'_>, host_id: &str, space: &str) -> Vec<u8> {
    let mut body = String::with_capacity(512);
    for part in ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", space, "<Error>"] {
        body.push_str(part);
    }
    xml::element(&mut body, "Code", told.code_on_the_wire());
    xml::element(&mut body, "Message", &told.message);
    if let Some((name, text)) = subject(told) {
        xml::element(&mut body, name, text);
    }
    members::elements(&mut body, told);
    xml::element(&mut body, "RequestId", &told.request_id);
    xml::element(&mut body, "HostId", host_id);
    body.push_str("</Error>");
    body.into_bytes()
}

/// The key or the bucket that an error is about, and what the element is called.
fn subject<'a>(told: &'a Told<'_>) -> Option<(&'static str, &'a str)> {
    let resource = told.request.resource.as_ref()?;
    let (bucket, key) = match resource.name.split_once('/') {
        Some((bucket, key)) => (bucket, Some(key)),
        None => (&*resource.name, None),
    };
    match told.code_on_the_wire() {
        "NoSuchKey" | "NoSuchVersion" => Some(("Key", key?)),
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" | "BucketNotEmpty" | "InvalidBucketName" | "NoSuchBucket" => {
            Some(("BucketName", bucket))
        }
        _ => None,
    }
}

/// InvalidObjectState is about objects that are archived.
pub(super) fn member(name: &str) -> Option<Held<'static>> {
    (name == "StorageClass").then(|| Held::Text("GLACIER".into()))
}

pub(super) fn text(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => "Access Denied",
        "BucketAlreadyOwnedByYou" => {
            "Your previous request to create the named bucket succeeded and you already own it."
        }
        "ExpiredToken" => "The provided token has expired.",
        "NoSuchBucket" => "The specified bucket does not exist",
        "NoSuchKey" => "The specified key does not exist.",
        "NoSuchUpload" => {
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
        }
        "OperationAborted" => {
            "A conflicting conditional operation is currently in progress against this resource. Please try again."
        }
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold",
        _ => return None,
    })
}

/// `x-amz-request-id` and `x-amz-id-2`, which S3 Control sends beside the usual id.
pub(in crate::aws) fn insert_ids(told: &Told<'_>, headers: &mut HeaderMap) -> String {
    let host_id = host_id(told.stamp);
    insert(headers, field::AMZ_REQUEST_ID, request_id(told.stamp));
    insert(headers, field::AMZ_ID_2, &host_id);
    host_id
}

/// What looks like base64.
pub(in crate::aws) fn host_id(stamp: &Stamp) -> String {
    stamp.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 75) + "="
}

/// 16 capitals and digits.
pub(super) fn request_id(stamp: &Stamp) -> String {
    stamp.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 16)
}

struct Kind {
    services: SmallVec<[&'static str; 3]>,
    bucket: bool,
}

fn kind(label: &str) -> Option<Kind> {
    let plain = label.strip_suffix("-fips").unwrap_or(label);
    let (services, bucket): (SmallVec<_>, _) = match plain {
        "s3" | "s3-accelerate" | "s3-accesspoint" | "s3-global" | "s3-object-lambda" | "s3-external-1" => {
            (smallvec!["s3"], true)
        }
        "s3-control" => (smallvec!["s3control"], false),
        "s3-outposts" => (smallvec!["s3", "s3control", "s3outposts"], true),
        "s3express-control" => (smallvec!["s3", "s3control"], false),
        _ if plain.starts_with("s3express-") => (smallvec!["s3"], true),
        _ if dashed_region(plain).is_some() => (smallvec!["s3"], true),
        _ => return None,
    };
    Some(Kind { services, bucket })
}

/// `us-west-2` of the old form `s3-us-west-2`.
fn dashed_region(label: &str) -> Option<&str> {
    label.strip_prefix("s3-").filter(|rest| is_region(rest))
}

/// `bucket.bucket.vpce-0a-b.s3…` and `bucket.vpce-0a-b.s3…`: the interface endpoint's own labels go.
fn without_vpc_endpoint(before: &str) -> &str {
    let (rest, last) = before.rsplit_once('.').unwrap_or(("", before));
    if !last.starts_with("vpce-") {
        return before;
    }
    match rest.rsplit_once('.') {
        Some((bucket, "bucket" | "accesspoint")) => bucket,
        None if matches!(rest, "bucket" | "accesspoint" | "control") => "",
        _ => rest,
    }
}

fn labels_from_right(name: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = name.len();
    name.rsplit('.').map(move |label| {
        let start = end - label.len();
        end = start.saturating_sub(1);
        (start, label)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_tell_the_bucket_whatever_its_dots() {
        for (host, region, bucket) in [
            ("s3", None, None),
            ("s3.us-east-1", Some("us-east-1"), None),
            ("b.s3", None, Some("b")),
            ("b.with.dots.s3.eu-west-1", Some("eu-west-1"), Some("b.with.dots")),
            ("my-bucket-1.s3", None, Some("my-bucket-1")),
            ("b.s3-us-west-2", Some("us-west-2"), Some("b")),
            ("b.s3-fips.dualstack.us-gov-west-1", Some("us-gov-west-1"), Some("b")),
            ("b.s3-accelerate", None, Some("b")),
            ("b.s3-accelerate.dualstack", None, Some("b")),
            ("b--use1-az4--x-s3.s3express-use1-az4.us-east-1", Some("us-east-1"), Some("b--use1-az4--x-s3")),
            ("s3express-control.us-east-1", Some("us-east-1"), None),
            ("ap-123456789012.s3-accesspoint.us-east-1", Some("us-east-1"), Some("ap-123456789012")),
            ("mfz.mrap.accesspoint.s3-global", None, Some("mfz.mrap.accesspoint")),
            ("123456789012.s3-control.us-east-1", Some("us-east-1"), None),
            ("b.bucket.vpce-0a-b.s3.us-east-1.vpce", Some("us-east-1"), Some("b")),
            ("bucket.vpce-0a-b.s3.us-east-1.vpce", Some("us-east-1"), None),
        ] {
            let found = endpoint(host).unwrap();
            assert_eq!((found.region, found.bucket), (region, bucket), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_not_s3() {
        for host in [
            "b.s3-website-us-east-1",
            "b.s3-website.us-east-1",
            "s3.foo",
            "dynamodb.us-east-1",
            "s3tables.us-east-1",
            "",
        ] {
            assert!(endpoint(host).is_none(), "{host}");
        }
    }

    #[test]
    fn emulators_hosts_hold_buckets_too() {
        for (host, bucket) in [
            ("b.s3.localhost.localstack.cloud", Some("b")),
            ("a.b.s3.us-east-1.localhost.localstack.cloud", Some("a.b")),
            ("b.localhost", Some("b")),
            ("s3.localhost", None),
            ("123456789012.localhost", None),
            ("localhost", None),
            ("127.0.0.1", None),
            ("s3.localhost.localstack.cloud", None),
        ] {
            assert_eq!(emulator_bucket(host), bucket, "{host}");
        }
    }
}
