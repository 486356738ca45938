//! Who signed a request, and for what.
//!
//! Reads the credential scope of SigV4 (header and presigned query), SigV4a, SigV2 (query and form), S3's old `AWS key:signature`
//! and AWS3. Nothing is verified and no signature is kept: only the access key id, the region and the service that the client wrote.

use std::borrow::Cow;

use super::cut;
use super::field::Fields;
use super::request::Head;
use super::uri;

/// What the client signed for; each part as far as the scheme tells it.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Scope<'a> {
    pub(super) access_key: Option<Cow<'a, str>>,
    pub(super) region: Option<Cow<'a, str>>,
    pub(super) service: Option<Cow<'a, str>>,
}

impl<'a> Scope<'a> {
    /// Reads header fields first, the query second; empty where nothing is signed, or only with a bearer token.
    pub(super) fn read(head: &Head<'a>, fields: &Fields<'a>) -> Self {
        Self::of_header(fields).or_else(|| Self::of_query(head)).unwrap_or_default()
    }

    fn of_header(fields: &Fields<'a>) -> Option<Self> {
        let (scheme, rest) = cut::once(fields.authorization.text()?.trim_ascii_start(), b' ')?;
        match scheme {
            "AWS" => Some(Self::of_s3(rest.split(':').next()?.trim())),
            "AWS3" | "AWS3-HTTPS" => {
                let key = rest.split(',').find_map(|part| part.trim().strip_prefix("AWSAccessKeyId="))?;
                Some(Self { access_key: Some(key.into()), ..Self::default() })
            }
            "AWS4-ECDSA-P256-SHA256" => {
                Self::of_v4a(Cow::Borrowed(credential(rest)?), fields.region_set.text().map(Cow::Borrowed))
            }
            _ if scheme.starts_with("AWS4-") => Self::of_v4(Cow::Borrowed(credential(rest)?)),
            _ => None,
        }
    }

    fn of_query(head: &Head<'a>) -> Option<Self> {
        let query = head.query?;
        let value = |name| uri::query_value(query, name).map(uri::decoded);
        if let Some(credential) = value("X-Amz-Credential") {
            return match uri::query_value(query, "X-Amz-Algorithm") {
                Some("AWS4-ECDSA-P256-SHA256") => Self::of_v4a(credential, value("X-Amz-Region-Set")),
                _ => Self::of_v4(credential),
            };
        }
        let access_key = value("AWSAccessKeyId")?;
        // Without an Action it is S3's presigned form (REST authentication by query string).
        let s3 = uri::query_value(query, "Expires").is_some() && uri::query_value(query, "Action").is_none();
        Some(Self { access_key: Some(access_key), region: None, service: s3.then_some(Cow::Borrowed("s3")) })
    }

    fn of_s3(key: &'a str) -> Self {
        Self { access_key: Some(key.into()), region: None, service: Some("s3".into()) }
    }

    /// `AK/date/region/service/aws4_request`, read from its end: emulators allow any access key.
    fn of_v4(credential: Cow<'a, str>) -> Option<Self> {
        let [key, _, region, service] = parts(credential)?;
        Some(Self { access_key: Some(key), region: filled(region), service: filled(service) })
    }

    /// `AK/date/service/aws4_request`; the region set beside it counts when it is a single region.
    fn of_v4a(credential: Cow<'a, str>, region_set: Option<Cow<'a, str>>) -> Option<Self> {
        let [key, _, service] = parts(credential)?;
        let region = region_set.and_then(filled).filter(|set| !set.contains(['*', ',']));
        Some(Self { access_key: Some(key), region, service: filled(service) })
    }
}

fn credential(parameters: &str) -> Option<&str> {
    cut::all_at_either(parameters, *b", ").find_map(|parameter| parameter.strip_prefix("Credential="))
}

/// The last `N` parts before the terminator, the first of them with whatever slashes it holds.
fn parts<const N: usize>(credential: Cow<'_, str>) -> Option<[Cow<'_, str>; N]> {
    match credential {
        Cow::Borrowed(text) => split(text).map(|parts| parts.map(Cow::Borrowed)),
        Cow::Owned(text) => split(&text).map(|parts: [&str; N]| parts.map(|part| Cow::Owned(part.to_owned()))),
    }
}

fn split<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut found = [""; N];
    let (mut rest, _) = cut::last(text, b'/')?;
    for slot in found.iter_mut().skip(1).rev() {
        (rest, *slot) = cut::last(rest, b'/')?;
    }
    *found.first_mut()? = rest;
    Some(found)
}

fn filled(part: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!part.is_empty()).then_some(part)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn told(authorization: Option<&'static str>, query: Option<&str>) -> [Option<String>; 3] {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert("authorization", HeaderValue::from_static(value));
        }
        headers.insert("x-amz-region-set", HeaderValue::from_static("eu-west-1"));
        let head = Head { method: &Method::GET, host: "localhost", path: "/", query, headers: &headers };
        let scope = Scope::read(&head, &Fields::of(&headers));
        [scope.access_key, scope.region, scope.service].map(|part| part.map(Cow::into_owned))
    }

    fn some(parts: [&str; 3]) -> [Option<String>; 3] {
        parts.map(|part| (!part.is_empty()).then(|| part.to_owned()))
    }

    #[test]
    fn every_signing_scheme_tells_what_it_knows() {
        for (authorization, expected) in [
            (
                "AWS4-HMAC-SHA256 Credential=AK/20250601/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=f",
                ["AK", "us-east-1", "dynamodb"],
            ),
            (
                "AWS4-HMAC-SHA256 Credential=a/b/20250601/eu-west-1/s3/aws4_request,Signature=f",
                ["a/b", "eu-west-1", "s3"],
            ),
            ("AWS4-ECDSA-P256-SHA256 Credential=AK/20250601/s3/aws4_request, Signature=f", ["AK", "eu-west-1", "s3"]),
            ("AWS AK:signature=", ["AK", "", "s3"]),
            ("AWS3-HTTPS AWSAccessKeyId=AK,Algorithm=HmacSHA256,Signature=f", ["AK", "", ""]),
            ("Bearer token", ["", "", ""]),
            ("AWS4-HMAC-SHA256 Credential=AK", ["", "", ""]),
            ("AWS4-HMAC-SHA256", ["", "", ""]),
        ] {
            assert_eq!(told(Some(authorization), None), some(expected), "{authorization}");
        }
    }

    #[test]
    fn presigned_urls_tell_it_in_the_query() {
        for (query, expected) in [
            (
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20250601%2Fus-east-1%2Fs3%2Faws4_request",
                ["AK", "us-east-1", "s3"],
            ),
            (
                "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AK%2F2025%2Fs3%2Faws4_request&X-Amz-Region-Set=%2A",
                ["AK", "", "s3"],
            ),
            ("AWSAccessKeyId=AK&Signature=x&Expires=1", ["AK", "", "s3"]),
            ("Action=ListDomains&AWSAccessKeyId=AK&Expires=1", ["AK", "", ""]),
            ("a=b", ["", "", ""]),
        ] {
            assert_eq!(told(None, Some(query)), some(expected), "{query}");
        }
    }
}
