//! Whose account a request is about, as far as the request says.
//!
//! The request itself comes first: an account id in the host (`123456789012.ddb.us-east-1.amazonaws.com`), in `x-amz-account-id`, in a
//! label of the path that the model calls an account id, in a queue's URL, in an ARN of the path or query. Else it is the account that
//! the access key id was made for.

use compact_str::CompactString;

use super::cut;
use super::endpoint::Endpoint;
use super::field::Fields;
use super::request::{Head, Reading};
use super::uri;

/// The account that the request names outright; `host` in lower case.
pub(super) fn named(
    head: &Head<'_>,
    fields: &Fields<'_>,
    host: &str,
    reading: Option<&Reading>,
) -> Option<CompactString> {
    in_host(host)
        .or_else(|| fields.account_id.text().filter(|value| is_account(value)))
        .or_else(|| in_path(head.path, reading?))
        .or_else(|| in_arn(head.path))
        .or_else(|| in_arn(head.query?))
        .map(CompactString::from)
}

/// The account that an access key id was made for.
///
/// Ids made since 2019 hold it: behind their four letters, base 32 of a set bit, forty bits of account, and more that says nothing
/// here. Ids made before have that bit clear and say nothing. The rule is AWS's own, undocumented, and well known since
/// <https://awsteele.com/blog/2020/09/26/aws-access-key-format.html>; `LKIA` and `LSIA` are LocalStack's ids of the same form. Twelve
/// digits alone are what LocalStack and moto take for an account.
pub(super) fn of_access_key(key: &str) -> Option<CompactString> {
    if is_account(key) {
        return Some(key.into());
    }
    let coded = ["AKIA", "ASIA", "LKIA", "LSIA"].iter().find_map(|prefix| key.strip_prefix(prefix))?;
    let (told, more) = coded.as_bytes().split_first_chunk::<9>().filter(|(_, more)| more.len() == 7)?;
    if !more.iter().all(|letter| base32(*letter).is_some()) {
        return None;
    }
    // Nine letters are 45 bits: the set bit, 40 of account, 4 that are not looked at.
    let bits = told.iter().try_fold(0u64, |bits, letter| Some(bits << 5 | base32(*letter)?))?;
    let account = bits >> 4 & ((1 << 40) - 1);
    let set = bits >> 44 == 1;
    (set && account < 1_000_000_000_000).then(|| compact_str::format_compact!("{account:012}"))
}

/// RFC 4648's alphabet.
fn base32(letter: u8) -> Option<u64> {
    match letter {
        b'A'..=b'Z' => Some(u64::from(letter - b'A')),
        b'2'..=b'7' => Some(u64::from(letter - b'2') + 26),
        _ => None,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first label, or the end of an access point's. A bucket's name is the user's choice and says nothing.
fn in_host(host: &str) -> Option<&str> {
    let (label, rest) = cut::once(host, b'.')?;
    if is_account(label) {
        return Endpoint::read(host).bucket.is_none().then_some(label);
    }
    let (_, account) = cut::last(label, b'-').filter(|(_, end)| is_account(end))?;
    let of_access_point = ["s3-accesspoint", "s3-object-lambda", "s3-outposts"].iter().any(|kind| rest.contains(kind));
    of_access_point.then_some(account)
}

/// What stands in the path where the operation's template has `{AwsAccountId}`, `{accountId}` or the like, and in a queue's URL.
fn in_path<'a>(path: &'a str, reading: &Reading) -> Option<&'a str> {
    let mut parts = path.trim_start_matches('/').split('/');
    if reading.service.name == "sqs" {
        return parts.next().filter(|part| is_account(part));
    }
    let (_, template) = reading.operation?.route?;
    let template = template.split('?').next().unwrap_or_default();
    let mut labels = template.trim_start_matches('/').split('/').take_while(|label| !label.ends_with("+}"));
    labels.find_map(|label| {
        let part = parts.next()?;
        let of_account = label.starts_with('{') && ends_with_account_id(label.trim_end_matches('}'));
        (of_account && is_account(part)).then_some(part)
    })
}

fn ends_with_account_id(label: &str) -> bool {
    let start = label.len().saturating_sub("accountid".len());
    label.get(start..).is_some_and(|end| end.eq_ignore_ascii_case("accountid"))
}

/// The fifth part of the first ARN that has an account: `arn:aws:sns:us-east-1:123456789012:topic`, encoded or not.
fn in_arn(text: &str) -> Option<&str> {
    let colon =
        |text: &str| text.starts_with(':') || text.get(..3).is_some_and(|code| code.eq_ignore_ascii_case("%3a"));
    let mut rest = text;
    while let Some(at) = rest.as_bytes().windows(3).position(|three| three == b"arn") {
        rest = rest.get(at + 3..)?;
        if colon(rest) {
            let end = rest.find(['/', '&']).unwrap_or(rest.len());
            let arn = rest.get(..end)?;
            let account = uri::parts_at_colons(arn).nth(4).filter(|part| is_account(part));
            if account.is_some() {
                return account;
            }
            rest = rest.get(end..)?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::aws::catalog;

    #[test]
    fn access_key_ids_made_since_2019_tell_their_account() {
        // Pairs that were published: the first three by the finders of the rule, the last by LocalStack.
        for (key, account) in [
            ("ASIAY34FZKBOKMUTVV7A", Some("609629065308")),
            ("ASIAQNZGKIQY56JQ7WML", Some("029608264753")),
            ("AKIASP2TPHJSQH3FJXYZ", Some("171436882533")),
            ("LSIAQAAAAAAVNCBMPNSG", Some("000000000042")),
            ("000000000042", Some("000000000042")),
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("AKIAI44QH8DHBEXAMPLE", None),
            ("ASIAc29tZXRoaW5nCg==", None),
            ("ASIAQNZGKIQY56JQ7WM", None),
            ("AKIA77777777777777777", None),
            ("AKIA7777777777777777", None),
            ("AROAQNZGKIQY56JQ7WML", None),
            ("test", None),
            ("", None),
        ] {
            assert_eq!(of_access_key(key).as_deref(), account, "{key}");
        }
    }

    #[test]
    fn a_request_names_an_account_in_host_header_path_queue_or_arn() {
        let account_of = |service: &str, operation: &str, host: &str, path: &str, query: Option<&str>| {
            let headers = HeaderMap::new();
            let head = Head { method: &Method::GET, host, path, query, headers: &headers };
            let service = catalog::service(service).unwrap();
            let reading = Reading { service, operation: Some(service.operation(operation).unwrap()) };
            named(&head, &Fields::default(), host, Some(&reading)).map(String::from)
        };
        let found = |account: Option<String>| account.as_deref() == Some("123456789012");
        let dynamodb = |host| account_of("dynamodb", "PutItem", host, "/", None);
        assert!(found(dynamodb("123456789012.ddb.us-east-1.amazonaws.com")));
        assert!(found(dynamodb("123456789012.localhost")));
        assert_eq!(dynamodb("dynamodb.us-east-1.amazonaws.com"), None);
        let s3 = |host| account_of("s3", "GetObject", host, "/key", None);
        assert!(found(s3("ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com")));
        assert!(found(account_of(
            "s3control",
            "ListJobs",
            "123456789012.s3-control.us-east-1.amazonaws.com",
            "/v20180820/jobs",
            None
        )));
        // Buckets are called what people like.
        assert_eq!(s3("123456789012.s3.us-east-1.amazonaws.com"), None);
        assert_eq!(s3("logs-123456789012.s3.us-east-1.amazonaws.com"), None);
        assert!(found(account_of("sqs", "SendMessage", "localhost", "/123456789012/queue", None)));
        assert!(found(account_of(
            "quicksight",
            "ListUsers",
            "localhost",
            "/accounts/123456789012/namespaces/d/users",
            None
        )));
        let tags = |arn: &str| account_of("lambda", "ListTags", "localhost", &format!("/2017-03-31/tags/{arn}"), None);
        assert!(found(tags("arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af")));
        assert!(found(tags("arn:aws:lambda:us-east-1:123456789012:function:f")));
        assert_eq!(tags("arn:aws:s3:::123456789012"), None);
        assert_eq!(tags("barn:dance"), None);
        let query = "resourceArn=arn%3aaws%3asns%3aeu-west-1%3a123456789012%3at&x=1";
        assert!(found(account_of("lambda", "ListFunctions", "localhost", "/2015-03-31/functions/", Some(query))));
    }

    #[test]
    fn the_account_header_counts_where_it_holds_an_account() {
        let told = |value: &'static str| {
            let headers =
                HeaderMap::from_iter([("x-amz-account-id".parse().unwrap(), HeaderValue::from_static(value))]);
            let head = Head { method: &Method::GET, host: "", path: "/", query: None, headers: &headers };
            named(&head, &Fields::of(&headers), "", None)
        };
        assert_eq!(told("123456789012").as_deref(), Some("123456789012"));
        assert_eq!(told("me"), None);
    }
}
