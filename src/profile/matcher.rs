//! `match`: which requests a rule is about.
//!
//! A [`Matcher`] is read from what was written and holds services and operations already looked up in the catalog, wildcards expanded,
//! so that matching compares addresses and never text. A key about something the request does not tell (no operation, no attempt
//! number) does not match. Where a request can be read in several ways, one fitting way is enough.

mod pattern;
mod read;

use std::fmt;

use pattern::{Pattern, any_fits};
pub use read::no_such_service;
use read::{read_access_key, read_account, read_operations, read_region, read_resource, read_services};

use crate::{
    aws::{
        catalog::{self, Operation, Service},
        request::{AwsRequest, Reading},
        resource::Resource,
    },
    fault::written::{Complaint, Node},
    units::Ordinals,
};

/// The keys of `match`.
pub(super) const KEYS: &[&str] = &["service", "operation", "region", "resource", "account", "access_key", "attempt"];

/// The compiled `match` of a rule. Without keys it fits every request.
#[derive(Debug, Default)]
pub struct Matcher {
    services: Option<Set<Service>>,
    operations: Option<Set<Operation>>,
    regions: Option<Vec<Pattern>>,
    resources: Option<Vec<Pattern>>,
    accounts: Option<Vec<Pattern>>,
    access_keys: Option<Vec<Pattern>>,
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
        if let Some(node) = fields.optional("resource")? {
            matcher.resources = Some(node.any_of()?.iter().map(read_resource).collect::<Result<_, _>>()?);
        }
        if let Some(node) = fields.optional("account")? {
            matcher.accounts = Some(node.any_of()?.iter().map(read_account).collect::<Result<_, _>>()?);
        }
        if let Some(node) = fields.optional("access_key")? {
            matcher.access_keys = Some(node.any_of()?.iter().map(read_access_key).collect::<Result<_, _>>()?);
        }
        if let Some(node) = fields.optional("attempt")? {
            let read = |node: &Node| node.parse("an attempt number or a range");
            matcher.attempts = Some(node.any_of()?.iter().map(read).collect::<Result<_, _>>()?);
        }
        Ok(matcher)
    }

    /// Whether a request fits.
    pub fn fits(&self, request: &AwsRequest) -> bool {
        self.may_fit(request)
            && any_fits(self.accounts.as_deref(), request.account.as_deref())
            && any_fits(self.resources.as_deref(), request.resource.iter().flat_map(Resource::names))
    }

    /// Whether it depends on what a request is about, which may have to be looked up in its body, if the request fits.
    pub fn asks_for_resource(&self, request: &AwsRequest) -> bool {
        (self.resources.is_some() || self.accounts.is_some()) && self.may_fit(request)
    }

    /// Whether all fits that the head of a request tells.
    fn may_fit(&self, request: &AwsRequest) -> bool {
        request.readings.iter().any(|reading| self.fits_reading(reading))
            && any_fits(self.regions.as_deref(), request.region.as_deref())
            && any_fits(self.access_keys.as_deref(), request.access_key.as_ref().map(|key| key.0.as_str()))
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
        for (patterns, joint) in [
            (&self.resources, "of"),
            (&self.regions, "in"),
            (&self.accounts, "in account"),
            (&self.access_keys, "signed by"),
        ] {
            patterns.as_ref().map_or(Ok(()), |patterns| write!(f, " {joint} {}", any(patterns)))?;
        }
        if let Some(attempts) = &self.attempts {
            write!(f, " on attempt {}", any(attempts))?;
        }
        Ok(())
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
    fn a_resource_fits_by_any_of_its_names_and_not_when_it_is_unknown() {
        let mut get = request("s3", "GetObject");
        let fits = |request: &AwsRequest, yaml: &str| matcher(yaml).fits(request);
        assert!(!fits(&get, "{resource: '*'}"));
        get.resource = Some(Resource { name: "data/a/1".into(), also: ["data".into()].into(), ..Resource::default() });
        for (yaml, expected) in [
            ("{resource: data}", true),
            ("{resource: data/a/*}", true),
            ("{resource: [x, 'data/*']}", true),
            ("{resource: data/b*}", false),
            ("{resource: dat}", false),
        ] {
            assert_eq!(fits(&get, yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn account_and_access_key_fit_only_where_they_are_known() {
        let unknown = request("s3", "GetObject");
        let known = AwsRequest {
            account: Some("123456789012".into()),
            access_key: Some(crate::aws::request::AccessKeyId("AKIAIOSFODNN7EXAMPLE".into())),
            ..unknown.clone()
        };
        for yaml in ["{account: '123456789012'}", "{account: '1234*'}", "{access_key: AKIA*}"] {
            assert!(matcher(yaml).fits(&known) && !matcher(yaml).fits(&unknown), "{yaml}");
        }
        assert!(!matcher("{account: '210987654321'}").fits(&known) && !matcher("{access_key: ASIA*}").fits(&known));
    }

    #[test]
    fn only_rules_that_may_fit_ask_for_the_resource() {
        let put = request("dynamodb", "PutItem");
        for (yaml, asks) in [
            ("{}", false),
            ("{resource: orders}", true),
            ("{account: '123456789012'}", true),
            ("{service: dynamodb, resource: orders}", true),
            ("{service: s3, resource: orders}", false),
            ("{operation: GetItem, resource: orders}", false),
            ("{region: eu-*, resource: orders}", false),
        ] {
            assert_eq!(matcher(yaml).asks_for_resource(&put), asks, "{yaml}");
        }
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
            (
                "{resource: 'arn:aws:sqs:us-east-1:123456789012:q'}",
                "`arn:aws:sqs:us-east-1:123456789012:q` is an ARN; a resource is matched by its name",
                Some("write the name alone, and `account` and `region` beside it where they matter"),
            ),
            ("{account: 123}", "`123` is not an account; write it with its twelve digits, or as in `1234*`", None),
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
            (
                "{service: s3, resource: [data, 'data/a*'], account: '123456789012', access_key: AKIA*}",
                "s3 of data or data/a* in account 123456789012 signed by AKIA*",
            ),
            ("{service: [s3, sqs, sns], attempt: 1..2}", "s3, sqs or sns on attempt 1..2"),
        ] {
            assert_eq!(matcher(yaml).to_string(), words);
        }
    }
}
