//! Which rules a request may fit, by its service and operation: others are not even looked at.

use std::borrow::Cow;

use super::plan::Rule;
use crate::aws::{
    catalog::{Operation, Service},
    request::{AwsRequest, Reading},
};

/// Rules by number, in file order.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Those for any service.
    of_any: Vec<usize>,
    /// Those for services that rules are about; sorted by the service's address.
    of_services: Vec<OfService>,
}

/// Those for one service, the ones for any service included.
#[derive(Debug)]
struct OfService {
    service: &'static Service,
    /// For operations that no rule names, and for unknown ones.
    others: Vec<usize>,
    /// For operations that rules name, `others` included; sorted by the operation's address.
    operations: Vec<(&'static Operation, Vec<usize>)>,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let services: Vec<_> = rules.iter().map(|rule| rule.matcher().services()).collect();
        let mut named: Vec<&'static Service> = services.iter().flatten().flatten().copied().collect();
        named.sort_by_key(|service| std::ptr::from_ref(*service));
        named.dedup();
        let of_any = (0..rules.len()).filter(|number| services[*number].is_none()).collect();
        Self {
            of_any,
            of_services: named.into_iter().map(|service| OfService::new(service, rules, &services)).collect(),
        }
    }

    /// The rules that a request may fit, in file order.
    pub(super) fn rules(&self, request: &AwsRequest) -> Cow<'_, [usize]> {
        match request.readings.as_slice() {
            [one] => Cow::Borrowed(self.rules_of(one)),
            several => {
                let mut rules: Vec<usize> =
                    several.iter().flat_map(|reading| self.rules_of(reading)).copied().collect();
                rules.sort_unstable();
                rules.dedup();
                Cow::Owned(rules)
            }
        }
    }

    fn rules_of(&self, reading: &Reading) -> &[usize] {
        let address = std::ptr::from_ref(reading.service);
        let found = self.of_services.binary_search_by_key(&address, |of| std::ptr::from_ref(of.service));
        found.map_or(&self.of_any, |at| self.of_services[at].rules(reading.operation))
    }
}

impl OfService {
    fn new(service: &'static Service, rules: &[Rule], services: &[Option<Vec<&'static Service>>]) -> Self {
        let mut of = Self { service, others: Vec::new(), operations: Vec::new() };
        let is_about = |services: &Vec<&'static Service>| {
            let address = std::ptr::from_ref(service);
            services.binary_search_by_key(&address, |service| std::ptr::from_ref(*service)).is_ok()
        };
        let about: Vec<Option<bool>> = services.iter().map(|services| services.as_ref().map(is_about)).collect();
        // The few operations that each rule names; none of a rule about more.
        let few: Vec<Option<Vec<&Operation>>> = rules
            .iter()
            .zip(&about)
            .map(|(rule, about)| {
                let named = about.is_some_and(|about| about).then(|| rule.matcher().operations_of(service));
                named.flatten().filter(|named| named.len() <= FEW)
            })
            .collect();
        let mut named: Vec<&'static Operation> = few.iter().flatten().flatten().copied().collect();
        named.sort_by_key(|operation| std::ptr::from_ref(*operation));
        named.dedup_by_key(|operation| std::ptr::from_ref(*operation));
        of.operations = named.into_iter().map(|operation| (operation, Vec::new())).collect();
        for (number, about) in about.iter().enumerate() {
            match (about, &few[number]) {
                (Some(false), _) => {}
                (_, Some(few)) => {
                    for operation in few {
                        if let Ok(at) = of.find(operation) {
                            of.operations[at].1.push(number);
                        }
                    }
                }
                _ => {
                    of.others.push(number);
                    of.operations.iter_mut().for_each(|(_, rules)| rules.push(number));
                }
            }
        }
        of
    }

    fn rules(&self, operation: Option<&'static Operation>) -> &[usize] {
        let found = operation.and_then(|operation| self.find(operation).ok());
        found.map_or(&self.others, |at| &self.operations[at].1)
    }

    fn find(&self, operation: &Operation) -> Result<usize, usize> {
        self.operations
            .binary_search_by_key(&std::ptr::from_ref(operation), |(operation, _)| std::ptr::from_ref(*operation))
    }
}

/// A rule about more operations of a service than this is looked at for all of that service's requests: that bounds the index.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::tests::request,
        profile::{Source, load::load},
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
            index.rules(&request).iter().map(|number| plan.rules()[*number].name().as_str()).collect()
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

    proptest::proptest! {
        #[test]
        fn what_is_not_looked_at_would_not_have_fitted(
            rules in proptest::collection::vec((0..4_usize, 0..4_usize), 1..8),
            asked in 0..4_usize,
        ) {
            const SERVICES: [&str; 4] = ["", "service: dynamodb", "service: [s3, sqs]", "service: 's*'"];
            const OPERATIONS: [&str; 4] = ["", "operation: [PutItem, PutObject, SendMessage]", "operation: '*'", "operation: 'Get*'"];
            let rule = |(number, (service, operation)): (usize, &(usize, usize))| {
                let keys = [SERVICES[*service], OPERATIONS[*operation]].into_iter().filter(|key| !key.is_empty());
                format!("{{name: r{number}, match: {{{}}}, fault: throttle}}", keys.collect::<Vec<_>>().join(", "))
            };
            let text = format!("rules: [{}]", rules.iter().enumerate().map(rule).collect::<Vec<_>>().join(", "));
            let Ok(loaded) = load(&[Source { name: "p".to_owned(), text }], Some(1)) else { return Ok(()) };
            let requests = [("dynamodb", "PutItem"), ("s3", "GetObject"), ("sqs", "SendMessage"), ("sns", "Publish")];
            let request = request(requests[asked].0, requests[asked].1);
            let seen = crate::profile::seen::tests::seen(&request);
            let fitting = |numbers: &mut dyn Iterator<Item = usize>| -> Vec<usize> {
                numbers.filter(|number| loaded.plan.rules()[*number].matcher().fits(&seen)).collect()
            };
            let index = Index::new(loaded.plan.rules());
            let all = fitting(&mut (0..loaded.plan.rules().len()));
            proptest::prop_assert_eq!(fitting(&mut index.rules(&request).iter().copied()), all);
        }
    }
}
