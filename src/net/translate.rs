//! Requests and answers from one version of HTTP to the other, where the two sides of an exchange speak different ones.
//!
//! RFC 9113 §8.2 and §8.3 say what differs: the host stands in `:authority` or in Host, fields about the connection exist in HTTP/1
//! alone, cookies may come in pieces. Everything else stays as it is, in its order. Where both sides speak the same, nothing here
//! is called.

use std::fmt::Write as _;

use http::header::{CONNECTION, COOKIE, Entry, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme as UriScheme};
use http::{HeaderMap, Response, Uri, Version, request};

use super::target::{Scheme, Target};

/// Makes a request of HTTP/2 fit for a connection of HTTP/1.1: origin form, the host in a Host field, first of all.
pub fn request_to_http1(head: &mut request::Parts) {
    let authority = head.uri.authority().map(|a| HeaderValue::from_str(a.as_str()));
    let headers = std::mem::take(&mut head.headers);
    let mut kept = HeaderMap::with_capacity(headers.len() + 1);
    // RFC 9113 §8.3.1: `:authority`, where there is one, says more than a Host field does.
    if let Some(Ok(authority)) = authority {
        kept.insert(HOST, authority);
    }
    for (name, value) in fields(headers) {
        match name {
            HOST if kept.contains_key(HOST) => {}
            COOKIE => join_cookie(&mut kept, value),
            TE if value != TRAILERS => {}
            name => drop(kept.append(name, value)),
        }
    }
    head.headers = kept;
    origin_form(&mut head.uri);
    head.version = Version::HTTP_11;
}

/// Makes a request fit for a connection of HTTP/2 to `target`: absolute, without Host and what belongs to a connection.
pub fn request_to_http2(head: &mut request::Parts, target: &Target) {
    let from_http1 = head.version != Version::HTTP_2;
    if head.uri.authority().is_none() || head.uri.scheme() != Some(&scheme(target)) {
        head.uri = absolute(&head.uri, head.headers.get(HOST), target);
    }
    if from_http1 {
        let connection = connection_options(&head.headers);
        retain(&mut head.headers, |name, value| {
            *name != HOST && !is_of_connection(name, &connection) && (*name != TE || says_trailers(value))
        });
        if head.headers.contains_key(TE) {
            head.headers.insert(TE, TRAILERS);
        }
    }
    head.version = Version::HTTP_2;
}

/// Makes an answer fit for a client of `version`.
pub fn response_to<B>(version: Version, response: &mut Response<B>) {
    let is_http2 = version == Version::HTTP_2;
    if is_http2 && response.version() != Version::HTTP_2 {
        let connection = connection_options(response.headers());
        retain(response.headers_mut(), |name, _| !is_of_connection(name, &connection));
    }
    *response.version_mut() = if is_http2 { version } else { response.version().min(Version::HTTP_11) };
}

/// The request target in origin form, as a far end of HTTP/1 expects it; the bytes of path and query stay as they are.
pub fn origin_form(uri: &mut Uri) {
    if uri.authority().is_none() {
        return;
    }
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = std::mem::take(uri).into_parts().path_and_query;
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// Keeps the fields that `keep` wants, in their order: removing one from a map would put the last in its place.
pub fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    if headers.iter().all(|(name, value)| keep(name, value)) {
        return;
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in fields(std::mem::take(headers)) {
        if keep(&name, &value) {
            kept.append(name, value);
        }
    }
    *headers = kept;
}

/// Every field with its name, which the map's own iterator gives for the first of several only.
fn fields(headers: HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let mut last = None;
    headers.into_iter().filter_map(move |(name, value)| {
        last = name.or_else(|| last.take());
        Some((last.clone()?, value))
    })
}

/// RFC 9113 §8.2.3: the pieces of a cookie header are one in HTTP/1.
fn join_cookie(kept: &mut HeaderMap, piece: HeaderValue) {
    match kept.entry(COOKIE) {
        Entry::Vacant(vacant) => drop(vacant.insert(piece)),
        Entry::Occupied(mut whole) => {
            let joined = [whole.get().as_bytes(), b"; ", piece.as_bytes()].concat();
            if let Ok(joined) = HeaderValue::from_bytes(&joined) {
                whole.insert(joined);
            }
        }
    }
}

fn absolute(uri: &Uri, host: Option<&HeaderValue>, target: &Target) -> Uri {
    let named = uri.authority().cloned().or_else(|| Authority::try_from(host?.as_bytes()).ok());
    let mut parts = http::uri::Parts::default();
    parts.authority = named.or_else(|| authority(target));
    parts.scheme = Some(scheme(target));
    parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

fn scheme(target: &Target) -> UriScheme {
    if target.scheme == Scheme::Https { UriScheme::HTTPS } else { UriScheme::HTTP }
}

fn authority(target: &Target) -> Option<Authority> {
    let mut text = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.to_string() };
    if target.port != target.scheme.default_port() {
        write!(text, ":{}", target.port).ok()?;
    }
    text.parse().ok()
}

/// The names in Connection fields, lower case: RFC 9110 §7.6.1.
fn connection_options(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|option| option.trim().to_ascii_lowercase()).collect()
}

fn is_of_connection(name: &HeaderName, connection: &[String]) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
        || (*name != TE && connection.iter().any(|option| option == name.as_str()))
}

fn says_trailers(te: &HeaderValue) -> bool {
    te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")))
}

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(version: Version, uri: &str, fields: &[(&str, &str)]) -> request::Parts {
        let mut head = Request::new(()).into_parts().0;
        (head.version, head.uri) = (version, uri.parse().unwrap());
        for (name, value) in fields {
            head.headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        head
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn http2_to_http1_puts_the_authority_first_and_the_cookie_together() {
        let fields = [
            ("z", "1"),
            ("cookie", "a=1"),
            ("te", "gzip"),
            ("a", "2"),
            ("cookie", "b=2"),
            ("z", "3"),
            ("te", "trailers"),
        ];
        let mut head = head(Version::HTTP_2, "https://s3.amazonaws.com/b//k?x=%2f&", &fields);
        request_to_http1(&mut head);
        assert_eq!(
            shown(&head.headers),
            ["host: s3.amazonaws.com", "z: 1", "z: 3", "cookie: a=1; b=2", "te: trailers", "a: 2"]
        );
        assert_eq!((head.uri.to_string().as_str(), head.version), ("/b//k?x=%2f&", Version::HTTP_11));
    }

    #[test]
    fn http1_to_http2_loses_what_belongs_to_the_connection_and_nothing_else() {
        let fields = [
            ("z", "1"),
            ("host", "h:8443"),
            ("connection", "keep-alive, X-Hop, te"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("te", "trailers, gzip"),
            ("a", "2"),
            ("transfer-encoding", "chunked"),
            ("z", "3"),
        ];
        let mut head = head(Version::HTTP_11, "/k?", &fields);
        request_to_http2(&mut head, &Target::new(Scheme::Https, "elsewhere", 443));
        assert_eq!(shown(&head.headers), ["z: 1", "z: 3", "te: trailers", "a: 2"]);
        assert_eq!(head.uri.to_string(), "https://h:8443/k?");
    }

    #[test]
    fn the_scheme_is_that_of_the_connection() {
        let mut head = head(Version::HTTP_2, "https://h/k?x", &[]);
        request_to_http2(&mut head, &Target::new(Scheme::Http, "127.0.0.1", 4566));
        assert_eq!(head.uri.to_string(), "http://h/k?x");
    }

    #[test]
    fn an_asterisk_stays_one() {
        let mut head = head(Version::HTTP_11, "*", &[("host", "h")]);
        request_to_http2(&mut head, &Target::new(Scheme::Http, "127.0.0.1", 4566));
        assert_eq!(head.uri.path_and_query().unwrap().as_str(), "*");
    }

    #[test]
    fn a_request_without_a_host_is_for_its_target() {
        let mut head = head(Version::HTTP_10, "/", &[]);
        request_to_http2(&mut head, &Target::new(Scheme::Http, "::1", 8080));
        assert_eq!(head.uri.to_string(), "http://[::1]:8080/");
    }

    #[test]
    fn http2_to_http2_stays_as_it_is() {
        let fields = [("host", "h"), ("cookie", "a=1"), ("cookie", "b=2")];
        let mut head = head(Version::HTTP_2, "https://h/", &fields);
        request_to_http2(&mut head, &Target::new(Scheme::Https, "elsewhere", 443));
        assert_eq!(shown(&head.headers), ["host: h", "cookie: a=1", "cookie: b=2"]);
    }

    #[test]
    fn fields_go_and_the_order_of_the_rest_stays() {
        let given = [("host", "h"), ("proxy-connection", "keep-alive"), ("a", "1"), ("b", "2"), ("a", "3"), ("z", "4")];
        let mut head = head(Version::HTTP_11, "/", &given);
        retain(&mut head.headers, |name, _| !name.as_str().starts_with("proxy-"));
        assert_eq!(shown(&head.headers), ["host: h", "a: 1", "a: 3", "b: 2", "z: 4"]);
    }

    #[test]
    fn origin_form_keeps_every_byte_of_path_and_query() {
        let mut uri: Uri = "http://s3.amazonaws.com//b%2fc/?".parse().unwrap();
        origin_form(&mut uri);
        assert_eq!(uri.to_string(), "//b%2fc/?");
    }
}
