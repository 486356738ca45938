//! Which REST operation a method, a raw path and a query name.
//!
//! A [`Route`] is an operation's URI template, parsed. [`best`] matches the routes of several services together against a request and
//! keeps those that fit best. Matching is on the raw path: labels hold `%2F` where the SDK wrote it (ARNs). Where several fit, more
//! constant queries win (`?acl`), then required members that are there, then the longer literal text, then fewer labels, then a
//! label that is not greedy, then the very same trailing slash (bedrock-agent's `/agents/{id}/` is not bedrock-agent-runtime's
//! `/agents/{id}`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use super::catalog::{self, Operation, Service};
use super::request::Reading;

/// An operation's method and URI template.
pub(super) struct Route {
    operation: &'static Operation,
    method: &'static str,
    segments: Vec<Segment>,
    slash: bool,
    constants: Vec<(&'static str, Option<&'static str>)>,
    literal: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Segment {
    Greedy,
    Label,
    Literal(&'static str),
}

/// How well a route fits; greater is better, in the order of the fields.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Fit {
    all_required: bool,
    constants: usize,
    required: usize,
    literal: usize,
    few_labels: usize,
    not_greedy: bool,
    same_slash: bool,
}

/// A request as routes see it: its path in segments, its query in raw pairs.
pub(super) struct Target<'a> {
    method: &'a str,
    segments: SmallVec<[&'a str; 12]>,
    slash: bool,
    query: SmallVec<[(&'a str, &'a str); 8]>,
    headers: &'a HeaderMap,
}

impl<'a> Target<'a> {
    /// With `bucket` from a virtual host, that stands before the path.
    pub(super) fn new(
        method: &'a str,
        bucket: Option<&'a str>,
        path: &'a str,
        query: Option<&'a str>,
        headers: &'a HeaderMap,
    ) -> Self {
        let (inner, slash) = between_slashes(path);
        let mut segments: SmallVec<[&'a str; 12]> = bucket.into_iter().collect();
        if !inner.is_empty() || path.len() > 1 {
            segments.extend(inner.split('/'));
        }
        Self {
            method,
            segments,
            slash,
            query: query.map(pairs).into_iter().flatten().take(MOST_PAIRS).collect(),
            headers,
        }
    }

    /// The raw value of a query key.
    pub(super) fn query(&self, key: &str) -> Option<&'a str> {
        self.query.iter().find(|(name, _)| same(name, key)).map(|(_, value)| *value)
    }

    /// Whether a header is there; SigV2 presigning moves them into the query.
    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name) || self.query.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }
}

impl Route {
    /// The route of an operation; none outside REST.
    pub(super) fn of(operation: &'static Operation) -> Option<Self> {
        let (method, template) = operation.route?;
        let (path, query) = template.split_once('?').unwrap_or((template, ""));
        let (inner, slash) = between_slashes(path);
        let segments: Vec<_> = inner.split('/').filter(|part| !part.is_empty()).map(Segment::of).collect();
        let literal =
            segments.iter().map(|segment| if let Segment::Literal(text) = segment { text.len() } else { 0 }).sum();
        let constants = pairs(query).map(|(key, value)| (key, Some(value).filter(|value| !value.is_empty()))).collect();
        Some(Self { operation, method, segments, slash, constants, literal })
    }

    /// Whether its operation carries no signature.
    pub(super) fn is_unsigned(&self) -> bool {
        self.operation.unsigned
    }

    /// Whether it is more than labels, which would fit any path.
    pub(super) fn has_literal(&self) -> bool {
        self.literal > 0
    }

    fn fit(&self, target: &Target<'_>) -> Option<Fit> {
        // First what rules most routes out at the least cost.
        if self.constants.len() > target.query.len()
            || self.method != target.method
            || !self.fits_path(&target.segments, target.slash)
        {
            return None;
        }
        let constant = |(key, value): &(&str, Option<&str>)| {
            target.query(key).is_some_and(|found| value.is_none_or(|value| same(found, value)))
        };
        if !self.constants.iter().all(constant) {
            return None;
        }
        let wanted = self.operation.required_query.len() + self.operation.required_headers.len();
        let required = self.operation.required_query.iter().filter(|key| target.query(key).is_some()).count()
            + self.operation.required_headers.iter().filter(|name| target.has_header(name)).count();
        // Required members settle it where the path says nothing: every POST of a key would be CompleteMultipartUpload.
        if required < wanted && self.literal == 0 {
            return None;
        }
        let labels = self.segments.iter().filter(|segment| !matches!(segment, Segment::Literal(_))).count();
        Some(Fit {
            all_required: required == wanted,
            constants: self.constants.len(),
            required,
            literal: self.literal,
            few_labels: usize::MAX - labels,
            not_greedy: !self.segments.contains(&Segment::Greedy),
            same_slash: self.slash == target.slash,
        })
    }

    fn fits_path(&self, path: &[&str], slash: bool) -> bool {
        let Some(greedy) = self.segments.iter().position(|segment| *segment == Segment::Greedy) else {
            return self.segments.len() == path.len() && pairwise(&self.segments, path);
        };
        let (before, after) = (&self.segments[..greedy], &self.segments[greedy + 1..]);
        if path.len() < self.segments.len() {
            return false;
        }
        let (head, rest) = path.split_at(before.len());
        let (middle, tail) = rest.split_at(rest.len() - after.len());
        let filled = middle.len() > 1 || middle.iter().any(|part| !part.is_empty()) || slash;
        filled && pairwise(before, head) && pairwise(after, tail)
    }
}

impl Segment {
    fn of(text: &'static str) -> Self {
        match text.strip_prefix('{') {
            Some(label) if label.ends_with("+}") => Self::Greedy,
            Some(_) => Self::Label,
            None => Self::Literal(text),
        }
    }

    fn fits(self, part: &str) -> bool {
        match self {
            Self::Literal(text) => same(part, text),
            Self::Greedy | Self::Label => !part.is_empty(),
        }
    }
}

/// The readings whose routes fit best, those the model calls deprecated last; empty where none fits.
pub(super) fn best(services: &[&'static Service], target: &Target<'_>) -> SmallVec<[Reading; 1]> {
    best_of(services.iter().flat_map(|service| service.routes().iter().map(|route| (*service, route))), target)
}

/// As [`best`], among the eligible routes of all services: ten thousand, of which only those with the same method and beginning are held
/// against the request.
pub(super) fn best_anywhere(
    target: &Target<'_>,
    eligible: impl Fn(&Service, &Route) -> bool,
) -> SmallVec<[Reading; 1]> {
    let first = decoded(target.segments.first().copied().unwrap_or_default());
    let beginning = |first: &str| beginnings().get(target.method)?.get(first);
    let literal = beginning(&first).filter(|_| !first.is_empty());
    let routes = literal.into_iter().chain(beginning("")).flatten().copied();
    best_of(routes.filter(|(service, route)| eligible(service, route)), target)
}

type Routed = (&'static Service, &'static Route);

/// All routes by method and first segment; those that begin with a label stand under the empty text.
fn beginnings() -> &'static HashMap<&'static str, HashMap<&'static str, Vec<Routed>>> {
    static BEGINNINGS: OnceLock<HashMap<&str, HashMap<&str, Vec<Routed>>>> = OnceLock::new();
    BEGINNINGS.get_or_init(|| {
        let mut by_method: HashMap<_, HashMap<_, Vec<_>>> = HashMap::new();
        let services = catalog::services().iter().filter(|service| !service.is_link_local());
        for (service, route) in services.flat_map(|s| s.routes().iter().map(move |r| (s, r))) {
            let first = match route.segments.first() {
                Some(Segment::Literal(text)) => *text,
                _ => "",
            };
            by_method.entry(route.method).or_default().entry(first).or_default().push((service, route));
        }
        by_method
    })
}

fn best_of(routes: impl Iterator<Item = Routed>, target: &Target<'_>) -> SmallVec<[Reading; 1]> {
    let mut best: Option<Fit> = None;
    let mut found: SmallVec<[Reading; 1]> = SmallVec::new();
    for (service, route) in routes {
        let Some(fit) = route.fit(target).filter(|fit| best.is_none_or(|best| *fit >= best)) else { continue };
        if best != Some(fit) {
            found.clear();
        }
        best = Some(fit);
        found.push(Reading { service, operation: Some(route.operation) });
    }
    found.sort_by_key(|reading| reading.operation.is_some_and(|operation| operation.deprecated));
    found
}

/// The raw value of a key in a raw query.
pub(super) fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    pairs(query).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// What stands in a raw path where a URI template has this label; of a greedy label, with its slashes.
pub(super) fn label<'a>(template: &str, path: &'a str, label: &str) -> Option<&'a str> {
    let (template, _) = between_slashes(template.split('?').next().unwrap_or_default());
    let (path, _) = between_slashes(path);
    let is_greedy = |part: &str| part.ends_with("+}");
    let named = |part: &str| {
        let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')).unwrap_or_default();
        name.strip_suffix('+').unwrap_or(name) == label
    };
    let (at, part) = template.split('/').enumerate().find(|(_, part)| named(part))?;
    let after = template.split('/').count() - at - 1;
    let from_here = path.splitn(at + 1, '/').nth(at)?;
    let found = if is_greedy(part) {
        from_here.rsplitn(after + 1, '/').nth(after)
    } else if template.split('/').take(at).any(is_greedy) {
        path.rsplit('/').nth(after)
    } else {
        from_here.split('/').next()
    };
    found.filter(|found| !found.is_empty())
}

/// Percent-decoded; bytes that are not UTF-8 are replaced.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    percent_decode_str(raw).decode_utf8_lossy()
}

/// What stands between colons, plain or percent-encoded.
pub(super) fn parts_at_colons(raw: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(raw);
    std::iter::from_fn(move || {
        let text = rest?;
        let plain = text.find(':').map(|at| (at, 1));
        let coded = text.find("%3A").or_else(|| text.find("%3a")).map(|at| (at, 3));
        let (part, after) = match plain.into_iter().chain(coded).min() {
            Some((at, length)) => (text.get(..at)?, text.get(at + length..)),
            None => (text, None),
        };
        rest = after;
        Some(part)
    })
}

/// A path without the slashes around it, and whether there was one at its end.
fn between_slashes(path: &str) -> (&str, bool) {
    let inner = path.strip_prefix('/').unwrap_or(path);
    inner.strip_suffix('/').map_or((inner, inner.is_empty()), |inner| (inner, true))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn pairwise(segments: &[Segment], path: &[&str]) -> bool {
    segments.iter().zip(path).all(|(segment, part)| segment.fits(part))
}

fn same(raw: &str, literal: &str) -> bool {
    raw == literal || (raw.contains('%') && percent_decode_str(raw).eq(literal.bytes()))
}

/// No operation has as many query members; what comes later does not name an operation.
const MOST_PAIRS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(services: &[&str], method: &str, path: &str, query: Option<&str>) -> Vec<String> {
        let services: Vec<_> = services.iter().map(|name| catalog::service(name).unwrap()).collect();
        let headers = HeaderMap::new();
        let found = best(&services, &Target::new(method, None, path, query, &headers));
        found.iter().map(|r| format!("{}.{}", r.service.name, r.operation.unwrap().name)).collect()
    }

    #[test]
    fn labels_hold_encoded_slashes_and_are_never_empty() {
        let list = |path| names(&["lambda"], "GET", path, None);
        assert_eq!(list("/2017-03-31/tags/arn%3Aaws%3Alambda%2Fx"), ["lambda.ListTags"]);
        assert!(list("/2017-03-31/tags/").is_empty());
        assert!(list("/2017-03-31/tags//").is_empty());
        assert!(list("/2017-03-31/tags/a/b").is_empty());
    }

    #[test]
    fn a_trailing_slash_tells_operations_apart_and_is_forgiven_where_nothing_else_fits() {
        let both = ["bedrock-agent", "bedrock-agent-runtime"];
        assert_eq!(names(&both, "POST", "/agents/a1/", None), ["bedrock-agent.PrepareAgent"]);
        assert_eq!(names(&["bedrock-agent"], "POST", "/agents/a1", None), ["bedrock-agent.PrepareAgent"]);
    }

    #[test]
    fn greedy_labels_take_slashes_empty_parts_and_a_literal_after_them() {
        let get = |path| names(&["s3"], "GET", path, None);
        assert_eq!(get("/bucket/a/b//c"), ["s3.GetObject"]);
        assert_eq!(get("/bucket//a"), ["s3.GetObject"]);
        assert_eq!(get("/bucket//"), ["s3.GetObject"]);
        assert_eq!(get("/bucket/dir/"), ["s3.GetObject"]);
        assert!(!get("/bucket/").contains(&"s3.GetObject".to_owned()));
        assert_eq!(get("/"), ["s3.ListBuckets", "s3.ListDirectoryBuckets"]);
    }

    #[test]
    fn constant_queries_outweigh_everything() {
        let get = |query| names(&["s3"], "GET", "/bucket", Some(query));
        assert_eq!(get("acl"), ["s3.GetBucketAcl"]);
        assert_eq!(get("acl="), ["s3.GetBucketAcl"]);
        assert_eq!(get("prefix=a&list-type=2"), ["s3.ListObjectsV2"]);
        assert_eq!(get("list-type=3"), ["s3.ListObjects"]);
        assert_eq!(get("analytics&id=x"), ["s3.GetBucketAnalyticsConfiguration"]);
        assert_eq!(get("analytics"), ["s3.ListBucketAnalyticsConfigurations"]);
        assert_eq!(get("lifecycle"), ["s3.GetBucketLifecycleConfiguration", "s3.GetBucketLifecycle"]);
    }

    #[test]
    fn looking_only_at_routes_of_the_same_beginning_finds_what_looking_at_all_finds() {
        let headers = HeaderMap::new();
        let all: Vec<_> = catalog::services().iter().collect();
        let routes = all.iter().flat_map(|service| service.operations()).filter_map(|operation| operation.route);
        let mut tried = 0;
        for (method, template) in routes.step_by(40) {
            let (path, query) = template.split_once('?').map_or((template, None), |(path, query)| (path, Some(query)));
            let filled: Vec<_> =
                path.split('/').map(|part| if part.starts_with('{') { "x%2Dy" } else { part }).collect();
            let path = filled.join("/");
            let target = Target::new(method, None, &path, query, &headers);
            let mut found = [best(&all, &target), best_anywhere(&target, |_, _| true)];
            found.iter_mut().for_each(|found| found.sort_by_key(|reading| reading.to_string()));
            assert!(found[0] == found[1] && !found[0].is_empty(), "{method} {path}: {found:?}");
            tried += 1;
        }
        assert!(tried > 200, "{tried}");
    }
}
