//! Which rules a request may fit, by its service: those of other services are not even looked at.

use std::borrow::Cow;

use super::plan::Rule;
use crate::aws::{catalog::Service, request::AwsRequest};

/// Rules by number, in file order.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Those for any service.
    of_any: Vec<usize>,
    /// Those for a service that a rule is about, the ones for any service included; sorted by the service's address.
    of: Vec<(&'static Service, Vec<usize>)>,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        let services: Vec<_> = rules.iter().map(|rule| rule.matcher().services()).collect();
        let mut named: Vec<&'static Service> = services.iter().flatten().flatten().copied().collect();
        named.sort_by_key(|service| std::ptr::from_ref(*service));
        named.dedup();
        index.of = named.into_iter().map(|service| (service, Vec::new())).collect();
        for (number, services) in services.iter().enumerate() {
            match services {
                None => {
                    index.of_any.push(number);
                    index.of.iter_mut().for_each(|(_, rules)| rules.push(number));
                }
                Some(services) => {
                    for service in services {
                        if let Ok(at) = index.find(service) {
                            index.of[at].1.push(number);
                        }
                    }
                }
            }
        }
        index
    }

    /// The rules that a request may fit, in file order.
    pub(super) fn rules(&self, request: &AwsRequest) -> Cow<'_, [usize]> {
        match request.readings.as_slice() {
            [one] => Cow::Borrowed(self.rules_of(one.service)),
            several => {
                let mut rules: Vec<usize> =
                    several.iter().flat_map(|reading| self.rules_of(reading.service)).copied().collect();
                rules.sort_unstable();
                rules.dedup();
                Cow::Owned(rules)
            }
        }
    }

    fn rules_of(&self, service: &Service) -> &[usize] {
        self.find(service).map_or(&self.of_any, |at| &self.of[at].1)
    }

    fn find(&self, service: &Service) -> Result<usize, usize> {
        self.of.binary_search_by_key(&std::ptr::from_ref(service), |(service, _)| std::ptr::from_ref(*service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::tests::request,
        profile::{Source, load::load},
    };

    #[test]
    fn only_rules_of_a_requests_services_are_looked_at_and_in_file_order() {
        let text = "rules: [
            {name: s3, match: {service: s3}, fault: throttle},
            {name: any, match: {region: us-*}, fault: throttle},
            {name: put, match: {operation: PutItem}, fault: throttle},
            {name: both, match: {service: [s3, dynamodb]}, fault: throttle},
            {name: rds, match: {service: rds}, fault: throttle},
            {name: not, match: {not: {service: s3}}, fault: throttle},
            {name: docdb, match: {service: docdb}, fault: throttle}]";
        let plan = load(&[Source { name: "p".to_owned(), text: text.to_owned() }], Some(1)).unwrap().plan;
        let names = |request| -> Vec<&str> {
            Index::new(plan.rules())
                .rules(&request)
                .iter()
                .map(|number| plan.rules()[*number].name().as_str())
                .collect()
        };
        assert_eq!(names(request("s3", "GetObject")), ["s3", "any", "both", "not"]);
        assert_eq!(names(request("dynamodb", "GetItem")), ["any", "put", "both", "not"]);
        assert_eq!(names(request("sqs", "SendMessage")), ["any", "not"]);
        let mut ambiguous = request("docdb", "DescribeDBInstances");
        ambiguous.readings.push(request("rds", "DescribeDBInstances").readings[0]);
        assert_eq!(names(ambiguous), ["any", "rds", "not", "docdb"]);
    }
}
