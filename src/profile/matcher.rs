//! `match`: which requests a rule is about.
//!
//! A [`Matcher`] is read from what was written and holds services and operations already looked up in the catalog, wildcards expanded,
//! so that matching compares addresses and never text. A key about something the request does not tell (no operation, no attempt
//! number) does not match. Where a request can be read in several ways, one fitting way is enough.

use std::fmt;

use crate::{
    aws::{
        catalog::{self, Operation, Service},
        request::{AwsRequest, Reading},
    },
    fault::written::{Complaint, Node, nearest},
    units::Ordinals,
};

/// The keys of `match`.
pub(super) const KEYS: &[&str] = &["service", "operation", "region", "attempt"];

/// The compiled `match` of a rule. Without keys it fits every request.
#[derive(Debug, Default)]
pub struct Matcher {
    services: Option<Set<Service>>,
    operations: Option<Set<Operation>>,
    regions: Option<Vec<Pattern>>,
    attempts: Option<Vec<Ordinals>>,
    words: Words,
}

/// What was written, for telling.
#[derive(Debug, Default)]
struct Words {
    services: Vec<String>,
    operations: Vec<String>,
}

impl Matcher {
    /// Reads a `match` map.
    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        let fields = node.fields("`match`", KEYS)?;
        let mut matcher = Self::default();
        if let Some(node) = fields.optional("service")? {
            let services = node.any_of()?.iter().map(read_services).collect::<Result<Vec<_>, _>>()?;
            matcher.services = Some(services.into_iter().flatten().collect());
            matcher.words.services = words(node)?;
        }
        if let Some(node) = fields.optional("operation")? {
            let scope = matcher.scope();
            let read = |node| read_operations(node, &scope, &matcher.words.services);
            let operations = node.any_of()?.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            matcher.operations = Some(operations.into_iter().flatten().collect());
            matcher.words.operations = words(node)?;
        }
        if let Some(node) = fields.optional("region")? {
            matcher.regions = Some(node.any_of()?.iter().map(read_region).collect::<Result<_, _>>()?);
        }
        if let Some(node) = fields.optional("attempt")? {
            let read = |node: &Node| node.parse("an attempt number or a range");
            matcher.attempts = Some(node.any_of()?.iter().map(read).collect::<Result<_, _>>()?);
        }
        Ok(matcher)
    }

    /// Whether a request fits.
    pub fn fits(&self, request: &AwsRequest) -> bool {
        request.readings.iter().any(|reading| self.fits_reading(reading))
            && self.regions.as_ref().is_none_or(|regions| {
                request.region.as_ref().is_some_and(|region| regions.iter().any(|pattern| pattern.fits(region)))
            })
            && self.attempts.as_ref().is_none_or(|attempts| {
                request.attempt.is_some_and(|attempt| attempts.iter().any(|range| range.contains(u64::from(attempt))))
            })
    }

    fn fits_reading(&self, reading: &Reading) -> bool {
        self.services.as_ref().is_none_or(|services| services.contains(reading.service))
            && self
                .operations
                .as_ref()
                .is_none_or(|operations| reading.operation.is_some_and(|operation| operations.contains(operation)))
    }

    /// The services a request can be for and still fit, as far as `service` says.
    fn scope(&self) -> Vec<&'static Service> {
        let all = catalog::services().iter();
        all.filter(|service| self.services.as_ref().is_none_or(|services| services.contains(service))).collect()
    }

    /// The operations that fit, each with its service; empty where neither service nor operation was named.
    pub(super) fn operations(&self) -> Vec<(&'static Service, &'static Operation)> {
        if self.services.is_none() && self.operations.is_none() {
            return Vec::new();
        }
        let named = self.scope().into_iter().flat_map(|service| service.operations().iter().map(move |o| (service, o)));
        named.filter(|(_, o)| self.operations.as_ref().is_none_or(|operations| operations.contains(o))).collect()
    }
}

/// In words for people: `dynamodb PutItem or Batch* in us-east-1 on attempt 1..2`; `anything` without keys.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.words.services.as_slice(), self.words.operations.as_slice()) {
            ([], []) => f.write_str("anything")?,
            (services, []) => f.write_str(&any(services))?,
            ([], operations) => f.write_str(&any(operations))?,
            (services, operations) => write!(f, "{} {}", any(services), any(operations))?,
        }
        if let Some(regions) = &self.regions {
            write!(f, " in {}", any(regions))?;
        }
        if let Some(attempts) = &self.attempts {
            write!(f, " on attempt {}", any(attempts))?;
        }
        Ok(())
    }
}

/// A text with wildcards: `*` for any run of characters, `?` for one.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern(String);

impl Pattern {
    fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether a text fits. Takes time in proportion to pattern times text at worst: on a mismatch only the last `*` is widened.
    fn fits(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((at, taken)) = star else { return false };
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
            }
        }
        pattern[p..].iter().all(|c| *c == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of things that live as long as the program, by address: sorted, so that looking up costs a few comparisons.
struct Set<T: 'static>(Vec<&'static T>);

impl<T> Set<T> {
    fn contains(&self, item: &T) -> bool {
        let address = std::ptr::from_ref(item);
        self.0.binary_search_by_key(&address, |member| std::ptr::from_ref(*member)).is_ok()
    }
}

impl<T> FromIterator<&'static T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = &'static T>>(items: I) -> Self {
        let mut members: Vec<&'static T> = items.into_iter().collect();
        members.sort_by_key(|member| std::ptr::from_ref(*member));
        members.dedup_by_key(|member| std::ptr::from_ref(*member));
        Self(members)
    }
}

impl<T> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Set of {}", self.0.len())
    }
}

fn read_services(node: &Node) -> Result<Vec<&'static Service>, Complaint> {
    let pattern = Pattern(node.word("a service")?.to_owned());
    let found: Vec<_> = catalog::services().iter().filter(|service| pattern.fits(service.name)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if !pattern.is_literal() {
        return Err(Complaint::new(node.at, format!("`{pattern}` fits no AWS service")));
    }
    let complaint = Complaint::new(node.at, format!("unknown service `{pattern}`"));
    Err(match otherwise_called(&pattern.0) {
        Some(service) => complaint.help(format!("it is called `{}` here", service.name)),
        None => complaint.nearest(&pattern.0, catalog::services().iter().map(|service| service.name)),
    })
}

/// A service by another of its names: `DynamoDB`, `states`, `monitoring`.
fn otherwise_called(name: &str) -> Option<&'static Service> {
    let squeezed = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    let wanted = squeezed(name);
    catalog::services().iter().find(|service| {
        [service.name, service.id, service.signing_name, service.endpoint_prefix]
            .iter()
            .any(|name| squeezed(name) == wanted)
    })
}

fn read_operations(
    node: &Node,
    scope: &[&'static Service],
    services: &[String],
) -> Result<Vec<&'static Operation>, Complaint> {
    let pattern = Pattern(node.word("an operation")?.to_owned());
    let found: Vec<&'static Operation> = if pattern.is_literal() {
        scope.iter().filter_map(|service| service.operation(&pattern.0)).collect()
    } else {
        scope.iter().flat_map(|service| service.operations()).filter(|o| pattern.fits(o.name)).collect()
    };
    if !found.is_empty() {
        return Ok(found);
    }
    let whose = if services.is_empty() { "any AWS service".to_owned() } else { any(services) };
    if !pattern.is_literal() {
        return Err(Complaint::new(node.at, format!("`{pattern}` fits no operation of {whose}")));
    }
    let complaint = Complaint::new(node.at, format!("unknown operation `{pattern}` of {whose}"));
    if let Some(near) = nearest(&pattern.0, scope.iter().flat_map(|service| service.operations()).map(|o| o.name)) {
        return Err(complaint.help(format!("did you mean `{near}`?")));
    }
    let owners = catalog::services().iter().filter(|service| service.operation(&pattern.0).is_some());
    let owners: Vec<&str> = owners.map(|service| service.name).collect();
    Err(if owners.is_empty() {
        complaint
    } else {
        complaint.help(format!("it is an operation of {}", owners.join(", ")))
    })
}

fn read_region(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a region")?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
    if !word.is_empty() && word.chars().all(allowed) {
        Ok(Pattern(word.to_owned()))
    } else {
        Err(Complaint::new(node.at, format!("`{word}` is not a region; write it as in `us-east-1` or `eu-*`")))
    }
}

fn words(node: &Node) -> Result<Vec<String>, Complaint> {
    node.any_of()?.iter().map(|node| node.word("a word").map(str::to_owned)).collect()
}

/// `a`, `a or b`, `a, b or c`.
fn any<T: fmt::Display>(items: &[T]) -> String {
    let mut text = String::new();
    for (position, item) in items.iter().enumerate() {
        let last = position + 1 == items.len();
        let joint = if position == 0 {
            ""
        } else if last {
            " or "
        } else {
            ", "
        };
        text.push_str(joint);
        text.push_str(&item.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::{request, tree};

    fn matcher(yaml: &str) -> Matcher {
        Matcher::read(&tree(yaml)).unwrap()
    }

    fn complaint(yaml: &str) -> Complaint {
        Matcher::read(&tree(yaml)).unwrap_err()
    }

    #[test]
    fn without_keys_everything_fits() {
        assert!(matcher("{}").fits(&request("s3", "GetObject")));
    }

    #[test]
    fn all_keys_must_hold_and_lists_are_any_of() {
        let matcher =
            matcher("{service: [dynamodb, s3], operation: [PutItem, 'Get*'], region: us-*, attempt: [1, 3..4]}");
        let mut fitting = request("dynamodb", "PutItem");
        fitting.attempt = Some(4);
        assert!(matcher.fits(&fitting));
        assert!(!matcher.fits(&AwsRequest { attempt: Some(2), ..fitting.clone() }));
        assert!(!matcher.fits(&AwsRequest { attempt: None, ..fitting.clone() }));
        assert!(!matcher.fits(&AwsRequest { region: Some("eu-west-1".into()), ..fitting.clone() }));
        assert!(!matcher.fits(&AwsRequest { region: None, ..fitting.clone() }));
        let with = |service, operation| AwsRequest { attempt: Some(1), ..request(service, operation) };
        assert!(matcher.fits(&with("s3", "GetObject")));
        assert!(!matcher.fits(&with("s3", "PutObject")));
        assert!(!matcher.fits(&with("sqs", "GetQueueUrl")));
    }

    #[test]
    fn an_operation_key_does_not_match_an_unknown_operation() {
        let mut unknown = request("dynamodb", "PutItem");
        unknown.readings[0].operation = None;
        assert!(matcher("{service: dynamodb}").fits(&unknown));
        assert!(!matcher("{service: dynamodb, operation: '*'}").fits(&unknown));
    }

    #[test]
    fn one_fitting_reading_is_enough() {
        let mut ambiguous = request("docdb", "DescribeDBInstances");
        ambiguous.readings.push(request("rds", "DescribeDBInstances").readings[0]);
        assert!(matcher("{service: rds}").fits(&ambiguous));
        assert!(matcher("{service: rds, operation: DescribeDBInstances}").fits(&ambiguous));
        assert!(!matcher("{service: neptune}").fits(&ambiguous));
    }

    #[test]
    fn an_operation_of_another_service_by_the_same_name_does_not_fit() {
        assert!(
            !matcher("{service: docdb, operation: DescribeDBInstances}").fits(&request("rds", "DescribeDBInstances"))
        );
    }

    #[test]
    fn wildcards_fit_runs_and_single_characters() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abd", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("abc", "abcd", false),
            ("a*", "ba", false),
            ("**", "x", true),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).fits(text), fits, "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn wildcards_fit_as_their_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            fn fits(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| fits(rest, &text[taken..])),
                    ([b'?', rest @ ..], [_, more @ ..]) => fits(rest, more),
                    ([a, rest @ ..], [b, more @ ..]) => a == b && fits(rest, more),
                    _ => false,
                }
            }
            proptest::prop_assert_eq!(Pattern(pattern.clone()).fits(&text), fits(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        assert!(!Pattern("*a".repeat(500) + "b").fits(&"a".repeat(5_000)));
    }

    #[test]
    fn what_exists_nowhere_is_answered_with_what_does() {
        for (yaml, message, help) in [
            ("{service: dynamdb}", "unknown service `dynamdb`", Some("did you mean `dynamodb`?")),
            ("{service: states}", "unknown service `states`", Some("it is called `stepfunctions` here")),
            ("{service: zz*}", "`zz*` fits no AWS service", None),
            (
                "{service: s3, operation: PutItem}",
                "unknown operation `PutItem` of s3",
                Some("it is an operation of dynamodb"),
            ),
            (
                "{service: dynamodb, operation: putitem}",
                "unknown operation `putitem` of dynamodb",
                Some("did you mean `PutItem`?"),
            ),
            ("{service: [s3, sqs], operation: Frob*}", "`Frob*` fits no operation of s3 or sqs", None),
            ("{region: US_EAST}", "`US_EAST` is not a region; write it as in `us-east-1` or `eu-*`", None),
            ("{attempt: 0}", "`0` begins at 0; counting starts at 1", None),
            ("{service: []}", "an empty list matches nothing", Some("leave the key out to match everything")),
        ] {
            let complaint = complaint(yaml);
            assert_eq!((complaint.message.as_str(), complaint.help.as_deref()), (message, help), "{yaml}");
        }
    }

    #[test]
    fn a_match_is_told_in_words() {
        for (yaml, words) in [
            ("{}", "anything"),
            (
                "{service: dynamodb, operation: [PutItem, 'Batch*'], region: us-east-1}",
                "dynamodb PutItem or Batch* in us-east-1",
            ),
            ("{service: [s3, sqs, sns], attempt: 1..2}", "s3, sqs or sns on attempt 1..2"),
        ] {
            assert_eq!(matcher(yaml).to_string(), words);
        }
    }
}
