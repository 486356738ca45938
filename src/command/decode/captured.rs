//! Captured requests as they are written down: a row of JSON Lines, an entry of a HAR file.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;

use crate::aws::request::{Head, MOST_OF_BODY};

/// A captured request.
#[derive(Deserialize)]
pub(super) struct Row<'a> {
    #[serde(default)]
    pub(super) id: Value,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow, default)]
    body_b64: Cow<'a, str>,
}

/// Text that is borrowed where it has no escapes, in lists too.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// HTTP Archive 1.2, as far as it is of interest.
#[derive(Deserialize)]
pub(super) struct Har<'a> {
    #[serde(borrow)]
    pub(super) log: Log<'a>,
}

#[derive(Deserialize)]
pub(super) struct Log<'a> {
    #[serde(borrow)]
    pub(super) entries: Vec<HarEntry<'a>>,
}

#[derive(Deserialize)]
pub(super) struct HarEntry<'a> {
    #[serde(borrow)]
    request: HarRequest<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HarRequest<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Vec<HarHeader<'a>>,
    #[serde(borrow)]
    post_data: Option<PostData<'a>>,
}

#[derive(Deserialize)]
struct HarHeader<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
struct PostData<'a> {
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    encoding: Option<Cow<'a, str>>,
}

/// A request from either form.
pub(super) struct Captured<'a> {
    method: Method,
    url: &'a str,
    headers: HeaderMap,
    body: Body<'a>,
}

enum Body<'a> {
    Base64(&'a str),
    Plain(&'a str),
}

impl<'a> Captured<'a> {
    pub(super) fn of_row(row: &'a Row<'_>) -> Self {
        let headers = fields(row.headers.iter().map(|(name, value)| (&*name.0, &*value.0)));
        Self { method: method(&row.method), url: &row.url, headers, body: Body::Base64(&row.body_b64) }
    }

    pub(super) fn of_entry(HarEntry { request }: &'a HarEntry<'_>) -> Self {
        let headers = fields(request.headers.iter().map(|header| (&*header.name, &*header.value)));
        let body = match &request.post_data {
            Some(PostData { text, encoding: Some(encoding) }) if encoding == "base64" => Body::Base64(text),
            Some(PostData { text, .. }) => Body::Plain(text),
            None => Body::Plain(""),
        };
        Self { method: method(&request.method), url: &request.url, headers, body }
    }

    /// What decoding looks at. The Host field says which host the client meant; without one, the URL does.
    pub(super) fn head(&self) -> Head<'_> {
        let (authority, path, query) = parts(self.url);
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(authority);
        Head { method: &self.method, host: without_port(host), path, query, headers: &self.headers }
    }

    /// As much of the body's beginning as the proxy would look at.
    pub(super) fn body_prefix(&self) -> Vec<u8> {
        match self.body {
            Body::Base64(text) => {
                let most = MOST_OF_BODY.div_ceil(3) * 4;
                BASE64.decode(text.get(..most).unwrap_or(text)).unwrap_or_default()
            }
            Body::Plain(text) => text.bytes().take(MOST_OF_BODY).collect(),
        }
    }
}

fn method(written: &str) -> Method {
    Method::from_bytes(written.as_bytes()).unwrap_or_default()
}

/// Header fields as HTTP has them: what cannot be one, such as HTTP/2's `:authority` in archives, is none.
fn fields<'h>(written: impl Iterator<Item = (&'h str, &'h str)>) -> HeaderMap {
    let field = |(name, value): (&str, &str)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut map = HeaderMap::with_capacity(16);
    for (name, value) in written.filter_map(field) {
        map.append(name, value);
    }
    map
}

/// Authority, raw path and raw query of a URL, whatever it looks like.
fn parts(url: &str) -> (&str, &str, Option<&str>) {
    let url = url.split('#').next().unwrap_or_default();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (authority, if path.is_empty() { "/" } else { path }, query)
}

fn without_port(authority: &str) -> &str {
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.rsplit_once(':').filter(|(_, port)| digits(port)).map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_without_being_understood() {
        for (url, expected) in [
            ("https://a.b:443/c%2Fd?e=f?g#h", ("a.b:443", "/c%2Fd", Some("e=f?g"))),
            ("http://a", ("a", "/", None)),
            ("http://u:p@a?b", ("a", "/", Some("b"))),
            ("/only/path", ("", "/only/path", None)),
            ("", ("", "/", None)),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
        assert_eq!(without_port("[::1]:4566"), "::1");
        assert_eq!(without_port("localhost:4566"), "localhost");
    }
}
