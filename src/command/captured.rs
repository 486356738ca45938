//! Captured requests as they are written down: rows of JSON Lines (`{id, method, url, headers: [[name, value]…], body_b64}`), or the entries
//! of a HAR file, such as browsers and proxies save.
//!
//! [`read`] hands them on one after the other, as soon as they are there.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;

use crate::aws::request::{self, AwsRequest, Foreign, Head, MOST_OF_BODY};
use crate::aws::resource;

/// Who is told of captured requests.
pub(super) trait Reader {
    /// A request. Its `id` is the row's own, or the place of an archive's entry, from 1.
    fn request(&mut self, id: &Value, request: &Captured<'_>) -> io::Result<()>;
    /// A line that holds none.
    fn no_request(&mut self, line: usize, error: &serde_json::Error) -> io::Result<()>;
    /// Nothing more is there at the moment: what was told may be read by now.
    fn pause(&mut self) -> io::Result<()>;
}

/// Tells `reader` of every request that the file, or else stdin, holds.
pub(super) fn read_from(file: Option<&Path>, reader: &mut impl Reader) -> anyhow::Result<()> {
    match file {
        Some(path) => read(File::open(path).with_context(|| format!("cannot read {}", path.display()))?, reader)?,
        None => read(io::stdin().lock(), reader)?,
    }
    Ok(())
}

/// Tells `reader` of every request of `input`.
pub(super) fn read(input: impl Read, reader: &mut impl Reader) -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut line = Vec::new();
    let mut number = 0;
    while io::BufRead::read_until(&mut input, b'\n', &mut line)? > 0 {
        number += 1;
        match serde_json::from_slice::<Row<'_>>(&line) {
            Ok(row) => reader.request(&row.id, &Captured::of_row(&row))?,
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(error) if number == 1 => {
                input.read_to_end(&mut line)?;
                match serde_json::from_slice::<Har<'_>>(&line) {
                    Ok(har) => archive(&har, reader)?,
                    Err(_) => lines(&line, &error, reader)?,
                }
                return reader.pause();
            }
            Err(error) => reader.no_request(number, &error)?,
        }
        line.clear();
        if input.buffer().is_empty() {
            reader.pause()?;
        }
    }
    reader.pause()
}

fn archive(har: &Har<'_>, reader: &mut impl Reader) -> io::Result<()> {
    har.log
        .entries
        .iter()
        .enumerate()
        .try_for_each(|(at, entry)| reader.request(&Value::from(at + 1), &Captured::of_entry(entry)))
}

/// Lines of which the first is neither a request nor the beginning of an archive.
fn lines(text: &[u8], first: &serde_json::Error, reader: &mut impl Reader) -> io::Result<()> {
    reader.no_request(1, first)?;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate().skip(1) {
        match serde_json::from_slice::<Row<'_>>(line) {
            Ok(row) => reader.request(&row.id, &Captured::of_row(&row))?,
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(error) => reader.no_request(at + 1, &error)?,
        }
    }
    Ok(())
}

/// A captured request.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(default)]
    id: Value,
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
struct Har<'a> {
    #[serde(borrow)]
    log: Log<'a>,
}

#[derive(Deserialize)]
struct Log<'a> {
    #[serde(borrow)]
    entries: Vec<HarEntry<'a>>,
}

#[derive(Deserialize)]
struct HarEntry<'a> {
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
    fn of_row(row: &'a Row<'_>) -> Self {
        let headers = fields(row.headers.iter().map(|(name, value)| (&*name.0, &*value.0)));
        Self { method: method(&row.method), url: &row.url, headers, body: Body::Base64(&row.body_b64) }
    }

    fn of_entry(HarEntry { request }: &'a HarEntry<'_>) -> Self {
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

    /// The port in its URL, or its scheme's.
    pub(super) fn port(&self) -> Option<u16> {
        let url: http::Uri = self.url.parse().ok()?;
        url.port_u16().or(match url.scheme_str()? {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })
    }

    /// What it means, and the beginning of its body as far as it had to be looked at for that.
    pub(super) fn decode(&self) -> (Result<AwsRequest, Foreign>, Vec<u8>) {
        let head = self.head();
        let prefix = if request::needs_body(&head) { self.body_prefix() } else { Vec::new() };
        let mut decoded = request::decode(&head, &prefix);
        if let Ok(request) = &mut decoded
            && prefix.is_empty()
            && resource::stands_in_body(request, &head)
        {
            request.is_about(resource::read(request, &head, &self.body_prefix()));
        }
        (decoded, prefix)
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
