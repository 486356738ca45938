//! Which rules a request may fit, by its service and operation and then by what else it says: others are not even looked at.
//!
//! There is a list for each question that is asked about a request, so that one costs nothing that no rule could say yes to.

mod merged;
mod sieve;

use merged::Merged;
use sieve::{Found, Sieve, Sought};

use super::{
    matcher::{Aspect, Beginnings},
    plan::Rule,
    seen::Seen,
    stage::Struck,
};
use crate::aws::catalog::{Operation, Service};

/// Which rules to ask what.
#[derive(Debug)]
pub(super) struct Index {
    /// Those that strike at connections before their first request.
    of_connections: Vec<usize>,
    /// Those that strike requests.
    striking: OfRequests,
    /// Of those: the ones that depend on what a request is about.
    about_resource: OfRequests,
    /// Of those: the ones that depend on members of the bodies of some requests.
    about_body: OfRequests,
}

/// Rules by number.
#[derive(Debug)]
struct OfRequests {
    /// For any service.
    of_any: Sieve,
    /// For services that rules are about; sorted by the service's address.
    of_services: Vec<OfService>,
}

/// Those for one service.
#[derive(Debug)]
struct OfService {
    service: &'static Service,
    /// For any operation, and for unknown ones.
    of_any: Sieve,
    /// For operations that rules name; sorted by the operation's address.
    of_operations: Vec<(&'static Operation, Sieve)>,
}

/// A rule to be put into the index.
struct Known<'r> {
    number: usize,
    rule: &'r Rule,
    /// What it is for, if not for any service.
    services: Option<Vec<&'static Service>>,
    beginnings: Vec<Beginnings>,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let number_of = |(number, rule): (usize, &Rule)| {
            matches!(rule.struck(), Struck::Connection | Struck::Handshake).then_some(number)
        };
        let of_requests: Vec<Known<'_>> = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.struck() == Struck::Request)
            .map(|(number, rule)| Known {
                number,
                rule,
                services: rule.matcher().services(),
                beginnings: rule.matcher().beginnings(),
            })
            .collect();
        let those = |ask: fn(&Rule) -> bool| of_requests.iter().filter(|known| ask(known.rule)).collect::<Vec<_>>();
        Self {
            of_connections: rules.iter().enumerate().filter_map(number_of).collect(),
            striking: OfRequests::new(&those(|_| true), |_| true),
            // Asked when the head alone is known.
            about_resource: OfRequests::new(&those(Rule::asks_for_resource), Aspect::is_of_head),
            about_body: OfRequests::new(&those(Rule::may_ask_for_body), Aspect::is_of_head),
        }
    }

    /// The rules that strike at connections before their first request.
    pub(super) fn of_connections(&self) -> &[usize] {
        &self.of_connections
    }

    /// The rules that may strike a request.
    pub(super) fn striking(&self, seen: &Seen<'_>) -> Merged<'_> {
        self.striking.rules(seen)
    }

    /// The rules that may depend on what a request is about, of which the head alone need be known.
    pub(super) fn about_resource(&self, seen: &Seen<'_>) -> Merged<'_> {
        self.about_resource.rules(seen)
    }

    /// The rules that may depend on members of a request's body, of which the head alone need be known.
    pub(super) fn about_body(&self, seen: &Seen<'_>) -> Merged<'_> {
        self.about_body.rules(seen)
    }
}

impl OfRequests {
    /// Of these rules, in file order; sought only by what `may_seek` allows.
    fn new(rules: &[&Known<'_>], may_seek: fn(&Aspect) -> bool) -> Self {
        let mut named: Vec<&'static Service> =
            rules.iter().flat_map(|known| known.services.iter().flatten()).copied().collect();
        named.sort_by_key(|service| std::ptr::from_ref(*service));
        named.dedup();
        let of_any = rules.iter().filter(|known| known.services.is_none());
        Self {
            of_any: Sieve::new(of_any.map(|known| known.sought()), &may_seek),
            of_services: named.into_iter().map(|service| OfService::new(service, rules, may_seek)).collect(),
        }
    }

    /// The rules that a request may fit, in file order.
    fn rules(&self, seen: &Seen<'_>) -> Merged<'_> {
        let mut found = Found::new();
        self.of_any.find(seen, &mut found);
        for reading in &seen.request.readings {
            let address = std::ptr::from_ref(reading.service);
            let at = self.of_services.binary_search_by_key(&address, |of| std::ptr::from_ref(of.service));
            if let Ok(at) = at {
                self.of_services[at].find(reading.operation, seen, &mut found);
            }
        }
        Merged::new(found)
    }
}

impl OfService {
    fn new(service: &'static Service, rules: &[&Known<'_>], may_seek: fn(&Aspect) -> bool) -> Self {
        let (mut of_any, mut of_operations) = (Vec::new(), Vec::new());
        for known in rules.iter().filter(|known| known.is_about(service)) {
            match known.rule.matcher().operations_of(service).filter(|operations| operations.len() <= FEW) {
                Some(operations) => of_operations.extend(operations.into_iter().map(|operation| (operation, *known))),
                None => of_any.push(known.sought()),
            }
        }
        // Stable: rules stay in their order.
        of_operations.sort_by_key(|(operation, _)| std::ptr::from_ref(*operation));
        let of_one = |chunk: &[(&'static Operation, &Known<'_>)]| {
            (chunk[0].0, Sieve::new(chunk.iter().map(|(_, known)| known.sought()), &may_seek))
        };
        let chunks = of_operations.chunk_by(|(one, _), (other, _)| std::ptr::eq(*one, *other));
        let of_operations = chunks.map(of_one).collect();
        Self { service, of_any: Sieve::new(of_any.into_iter(), &may_seek), of_operations }
    }

    fn find<'i>(&'i self, operation: Option<&Operation>, seen: &Seen<'_>, found: &mut Found<'i>) {
        self.of_any.find(seen, found);
        let Some(address) = operation.map(std::ptr::from_ref) else { return };
        if let Ok(at) =
            self.of_operations.binary_search_by_key(&address, |(operation, _)| std::ptr::from_ref(*operation))
        {
            self.of_operations[at].1.find(seen, found);
        }
    }
}

impl Known<'_> {
    fn is_about(&self, service: &'static Service) -> bool {
        let address = std::ptr::from_ref(service);
        let is_among = |services: &Vec<&'static Service>| {
            services.binary_search_by_key(&address, |service| std::ptr::from_ref(*service)).is_ok()
        };
        self.services.as_ref().is_some_and(is_among)
    }

    fn sought(&self) -> Sought<'_> {
        Sought::new(self.number, &self.beginnings)
    }
}

/// A rule about more operations of a service than this is looked at for all of that service's requests: that bounds the index.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::{collection::vec, test_runner::Config as ProptestConfig};

    use super::*;
    use crate::{
        aws::{
            request::{AwsRequest, Head},
            resource::Resource,
        },
        fault::tests::request,
        profile::{Plan, Source, load::load, seen::tests::seen},
    };

    #[test]
    fn only_rules_of_a_requests_services_and_operations_are_looked_at_and_in_file_order() {
        let text = "rules: [
            {name: s3, match: {service: s3}, fault: throttle},
            {name: any, match: {region: us-*}, fault: throttle},
            {name: put, match: {operation: PutItem}, fault: throttle},
            {name: both, match: {service: [s3, dynamodb]}, fault: throttle},
            {name: batch, match: {service: dynamodb, operation: ['Batch*', PutItem]}, fault: throttle},
            {name: rds, match: {service: rds}, fault: throttle},
            {name: not, match: {not: {service: s3}}, fault: throttle},
            {name: docdb, match: {service: docdb}, fault: throttle},
            {name: many, match: {service: ec2, operation: 'Describe*'}, fault: throttle}]";
        let plan = load(&[Source { name: "p".to_owned(), text: text.to_owned() }], Some(1)).unwrap().plan;
        let index = Index::new(plan.rules());
        let names = |request| -> Vec<&str> {
            index.striking(&seen(&request)).map(|number| plan.rules()[number].name().as_str()).collect()
        };
        assert_eq!(names(request("s3", "GetObject")), ["s3", "any", "both", "not"]);
        assert_eq!(names(request("dynamodb", "GetItem")), ["any", "both", "not"]);
        assert_eq!(names(request("dynamodb", "PutItem")), ["any", "put", "both", "batch", "not"]);
        assert_eq!(names(request("dynamodb", "BatchGetItem")), ["any", "both", "batch", "not"]);
        assert_eq!(names(request("sqs", "SendMessage")), ["any", "not"]);
        assert_eq!(names(request("ec2", "RunInstances")), ["any", "not", "many"]);
        let mut ambiguous = request("docdb", "DescribeDBInstances");
        ambiguous.readings.push(request("rds", "DescribeDBInstances").readings[0]);
        assert_eq!(names(ambiguous), ["any", "rds", "not", "docdb"]);
        let mut unknown = request("dynamodb", "PutItem");
        unknown.readings[0].operation = None;
        assert_eq!(names(unknown), ["any", "both", "not"]);
    }

    /// The rules that say yes to each question, by number, of all of them and of those that are looked at.
    fn answers(plan: &Plan, seen: &Seen<'_>) -> [[Vec<usize>; 3]; 2] {
        let index = Index::new(plan.rules());
        let rule = |number: &usize| &plan.rules()[*number];
        let all = || 0..plan.rules().len();
        let fits = |number: &usize| rule(number).matcher().fits(seen);
        let may_fit = |number: &usize| rule(number).matcher().may_fit(seen);
        let about_resource = all().filter(|number| rule(number).asks_for_resource());
        let about_body = all().filter(|number| rule(number).may_ask_for_body());
        [
            [
                all().filter(fits).collect(),
                about_resource.filter(may_fit).collect(),
                about_body.filter(may_fit).collect(),
            ],
            [
                index.striking(seen).filter(fits).collect(),
                index.about_resource(seen).filter(may_fit).collect(),
                index.about_body(seen).filter(may_fit).collect(),
            ],
        ]
    }

    fn about(names: &[&str]) -> Option<Resource> {
        let (name, also) = names.split_first()?;
        let also = also.iter().map(|name| (*name).into()).collect();
        Some(Resource { name: (*name).into(), also, ..Resource::default() })
    }

    proptest::proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_not_looked_at_would_not_have_fitted(
            rules in vec((0..10_usize, 0..9_usize, 0..9_usize, 0..6_usize, 0..4_usize), 1..30),
            kinds in 1..10_usize,
            (asked, region, names, attempt, member) in (0..4_usize, 0..5_usize, 0..6_usize, 0..14_u32, 0..4_usize),
        ) {
            const SERVICES: [&str; 10] = ["", "service: dynamodb", "service: [s3, sqs]", "service: 's*'", "operation: [PutItem, PutObject, SendMessage]",
                "service: dynamodb, operation: PutItem", "service: [s3, sqs], operation: [PutObject, SendMessage]", "operation: 'Get*'",
                "service: 's*', operation: '*'", "service: dynamodb, operation: 'Put*'"];
            const REGIONS: [&str; 9] = ["", "region: eu-west-1", "region: 'eu-*'", "region: [us-east-1, 'eu-w*']", "region: '*-1'",
                "not: {region: eu-west-1}", "region: us-east-1", "region: us-west-2", "region: 'us-????-1'"];
            const RESOURCES: [&str; 9] = ["", "resource: orders", "resource: 'orders-*'", "resource: 'o*'", "resource: [users, 'or*', 'orders-e?']",
                "resource: '*'", "resource: orders-eu", "account: '1*'", "body: {TableName: [a, b*]}"];
            const ATTEMPTS: [&str; 6] = ["", "attempt: 1", "attempt: 2..4", "attempt: 3..1000", "attempt: [1, 12..13]", "client: {header: {x-team: a}}"];
            const FAULTS: [&str; 4] = ["throttle", "expire", "{capacity: {rate: 1/s, unit: items}}", "{stale: {for: 1s}}"];
            let rule = |(number, rule): (usize, &(usize, usize, usize, usize, usize))| {
                let keys = [SERVICES[rule.0 % kinds], REGIONS[rule.1], RESOURCES[rule.2], ATTEMPTS[rule.3]];
                let keys: Vec<&str> = keys.into_iter().filter(|key| !key.is_empty()).collect();
                format!("{{name: r{number}, match: {{{}}}, fault: {}}}", keys.join(", "), FAULTS[rule.4])
            };
            let text = format!("rules: [{}]", rules.iter().enumerate().map(rule).collect::<Vec<_>>().join(", "));
            let loaded = load(&[Source { name: "p".to_owned(), text }], Some(1)).unwrap();
            let requests = [("dynamodb", "PutItem"), ("s3", "GetObject"), ("sqs", "SendMessage"), ("sns", "Publish")];
            let regions = [None, Some("eu-west-1"), Some("eu-west-2"), Some("us-east-1"), Some("eu-")];
            let all_names: [&[&str]; 6] = [&[], &["orders"], &["orders-eu"], &["o", "users"], &["x"], &["orders-", "orders"]];
            let request = AwsRequest {
                region: regions[region].map(Into::into),
                resource: about(all_names[names]),
                attempt: Some(attempt).filter(|attempt| *attempt > 0),
                account: (names % 2 == 0).then(|| "123456789012".into()),
                ..request(requests[asked].0, requests[asked].1)
            };
            let headers = [("x-team", "a")].into_iter().filter(|_| names % 3 == 0);
            let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            let plain = seen(&request);
            let body: [&[u8]; 4] = [b"", br#"{"TableName": "b2"}"#, br#"{"TableName": "a"}"#, br#"{"TableName": "c"}"#];
            let seen = Seen { body: body[member], head: Head { headers: &headers, ..plain.head }, ..plain };
            let [of_all, looked_at] = answers(&loaded.plan, &seen);
            proptest::prop_assert_eq!(of_all, looked_at);
        }
    }
}
