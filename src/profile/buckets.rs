//! The token buckets of rules with `capacity`, and what a request takes out of them.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lru::LruCache;
use smallvec::SmallVec;

use super::{
    judge::{hash, resource},
    seen::Seen,
};
use crate::{
    aws::extent,
    fault::capacity::{Bucket, Capacity, Costs, Share, Unit},
};

/// A rule's buckets, by a hash of what has them.
#[derive(Debug)]
pub(super) struct Buckets {
    table: Mutex<LruCache<u64, SmallVec<[Bucket; 2]>>>,
    /// Buckets forgotten to bound memory; what had them finds full ones.
    pub(super) evicted: AtomicU64,
}

/// What a request takes, and from which buckets.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    whose: u64,
    costs: Costs,
}

impl Demand {
    /// What a request asks of a capacity. None where it does not tell whose bucket it would be.
    pub(super) fn of(capacity: &Capacity, seen: &Seen<'_>) -> Option<Self> {
        let operation = seen.request.reading().and_then(|reading| reading.operation);
        let applies = capacity.applies(seen.request);
        let costs = capacity.limits().iter().map(|limit| match limit.unit {
            _ if !applies || !limit.applies(operation) => 0.0,
            Unit::Bytes => approximate(extent::bytes(&seen.head, seen.body)),
            Unit::Data => approximate(extent::data(seen.request, &seen.head, seen.body)),
            Unit::Items => approximate(extent::items(seen.request, &seen.head, seen.body)),
            Unit::Requests => 1.0,
        });
        Some(Self { costs: costs.collect(), whose: whose(capacity.share(), seen)? })
    }
}

impl Buckets {
    /// Takes what is asked for, if there is enough of it.
    pub(super) fn take(&self, capacity: &Capacity, demand: &Demand, now: Duration) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buckets) = table.get_mut(&demand.whose) {
            return capacity.take(buckets, &demand.costs, now);
        }
        let mut buckets = capacity.full(now);
        let is_enough = capacity.take(&mut buckets, &demand.costs, now);
        if table.push(demand.whose, buckets).is_some() {
            self.evicted.fetch_add(1, Relaxed);
        }
        is_enough
    }

    /// Puts it back: the request does not go on after all.
    pub(super) fn put_back(&self, capacity: &Capacity, demand: &Demand) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buckets) = table.peek_mut(&demand.whose) {
            capacity.put_back(buckets, &demand.costs);
        }
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self { table: Mutex::new(LruCache::sparse(MOST)), evicted: AtomicU64::default() }
    }
}

/// What has a bucket of its own, as a hash. Regions and services never share one, but for `per` nothing at all.
fn whose(share: Share, seen: &Seen<'_>) -> Option<u64> {
    let request = seen.request;
    let reading = request.reading()?;
    let service = reading.service.name;
    let region = request.region.as_deref().unwrap_or_default();
    // Where the account is not known, a key stands for it: it belongs to one.
    let key = request.access_key.as_ref().map_or("", |key| key.0.as_str());
    let account = request.account.as_deref().unwrap_or(key);
    let operation = || reading.operation.map(|operation| operation.name);
    match share {
        Share::Rule => Some(0),
        Share::Account => Some(hash([service, region, account])),
        Share::AccountOperation => Some(hash([service, region, account, operation()?])),
        Share::Operation => Some(hash([service, region, operation()?])),
        Share::Principal => Some(hash([service, region, Some(key).filter(|key| !key.is_empty())?])),
        Share::Resource => resource(request),
        Share::Prefix => {
            let name = &request.resource.as_ref()?.name;
            let prefix = name.rsplit_once('/').map_or(name.as_str(), |(prefix, _)| prefix);
            Some(hash([service, region, account, prefix]))
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "tokens are counted in floating point; a body of 2⁵³ bytes does not come"
)]
fn approximate(amount: u64) -> f64 {
    amount as f64
}

/// So many buckets each rule keeps: they stay below two megabytes.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{
            request::{AccessKeyId, AwsRequest},
            resource::Resource,
        },
        fault::tests::request,
        profile::{Plan, RuleStates, Skip, Source, load::load, seen::tests::seen},
    };

    fn plan(rules: &str) -> (Plan, RuleStates) {
        let source = Source { name: "test.yaml".to_owned(), text: format!("rules: [{rules}]") };
        let plan = load(&[source], Some(42)).unwrap().plan;
        let states = RuleStates::new(&plan);
        (plan, states)
    }

    fn about(name: &str) -> AwsRequest {
        let resource = Resource { name: name.into(), ..Resource::default() };
        AwsRequest { resource: Some(resource), ..request("s3", "PutObject") }
    }

    /// The rules that struck a request at this time.
    fn struck(of: &(Plan, RuleStates), request: &AwsRequest, millis: u64) -> Vec<String> {
        let verdict = of.0.decide(&of.1, &seen(request), Duration::from_millis(millis));
        verdict.rules.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn within_capacity_a_rule_does_not_fire_and_beyond_it_does() {
        let of = plan("{name: a, fault: {capacity: {rate: 10/s, burst: 2}}}");
        let at = |millis| !struck(&of, &about("x"), millis).is_empty();
        assert_eq!([0, 0, 0, 99, 100, 100].map(at), [false, false, true, true, false, true]);
        let tally = &of.1.tallies(&of.0)[0];
        assert_eq!((tally.fired, tally.passed_over(Skip::WithinCapacity)), (3, 3));
    }

    #[test]
    fn what_does_not_go_on_takes_no_tokens_whichever_rule_keeps_it() {
        let error = "when: {calls: first 3}, fault: {error: {code: X}}";
        for rules in [
            format!("{{name: x, {error}}}, {{name: a, fault: {{capacity: {{rate: 1/h, burst: 2}}}}}}"),
            format!("{{name: a, fault: {{capacity: {{rate: 1/h, burst: 2}}}}}}, {{name: x, {error}}}"),
        ] {
            let of = plan(&rules);
            let struck: Vec<Vec<String>> = (0..6).map(|_| struck(&of, &about("x"), 0)).collect();
            assert_eq!(struck, [vec!["x"], vec!["x"], vec!["x"], vec![], vec![], vec!["a"]], "{rules}");
        }
    }

    #[test]
    fn what_loses_the_dice_or_calls_takes_no_tokens() {
        let of = plan("{name: a, when: {calls: every 2nd}, fault: {capacity: {rate: 1/h}}}");
        let struck: Vec<bool> = (0..4).map(|_| !struck(&of, &about("x"), 0).is_empty()).collect();
        assert_eq!(struck, [false, false, false, true]);
        let of = plan("{name: a, when: {probability: 0%}, fault: {capacity: {rate: 1/h}}}");
        assert!((0..4).all(|_| self::struck(&of, &about("x"), 0).is_empty()));
    }

    #[test]
    fn other_faults_of_the_rule_happen_beyond_capacity_only() {
        let (plan, states) = plan("{name: a, fault: [latency: 1s, capacity: {rate: 1/h}]}");
        let request = about("x");
        let delays = [(); 2].map(|()| plan.decide(&states, &seen(&request), Duration::ZERO).delay);
        assert_eq!(delays, [Duration::ZERO, Duration::from_secs(1)]);
    }

    #[test]
    fn buckets_are_told_apart_as_per_says() {
        let key = |key: &str| Some(AccessKeyId(key.into()));
        let base = AwsRequest { account: Some("1".into()), access_key: key("A"), ..about("b/in/1") };
        let other_key = AwsRequest { access_key: key("B"), ..base.clone() };
        let other_account = AwsRequest { account: Some("2".into()), ..base.clone() };
        let other_region = AwsRequest { region: Some("eu-west-1".into()), ..base.clone() };
        let same_prefix = AwsRequest { resource: about("b/in/2").resource, ..base.clone() };
        let other_prefix = AwsRequest { resource: about("b/out/1").resource, ..base.clone() };
        let get = AwsRequest { readings: request("s3", "GetObject").readings, ..base.clone() };
        let others = [&other_key, &other_account, &other_region, &same_prefix, &other_prefix, &get];
        for (per, own) in [
            ("", [false, false, false, false, false, false]),
            (", per: principal", [true, false, true, false, false, false]),
            (", per: account", [false, true, true, false, false, false]),
            (", per: operation", [false, false, true, false, false, true]),
            (", per: resource", [false, true, true, true, true, false]),
            (", per: prefix", [false, true, true, false, true, false]),
        ] {
            for (other, own) in others.iter().zip(own) {
                let of = plan(&format!("{{name: a, fault: {{capacity: {{rate: 1/h{per}}}}}}}"));
                assert!(struck(&of, &base, 0).is_empty());
                assert_eq!(struck(&of, other, 0).is_empty(), own, "{per} {other:?}");
            }
        }
    }

    #[test]
    fn a_request_that_does_not_tell_whose_tokens_it_takes_is_passed_over() {
        let of = plan("{name: a, fault: {capacity: {rate: 1/h, per: resource}}}");
        let list = request("s3", "ListBuckets");
        assert!((0..3).all(|_| struck(&of, &list, 0).is_empty()));
        let told = of.1.tallies(&of.0)[0].why_never();
        assert_eq!(
            told.as_deref(),
            Some("matched 3 requests, but all of them told no resource, by which `capacity` counts")
        );
    }

    #[test]
    fn items_and_bytes_are_counted_as_the_request_tells_them() {
        let batch = request("dynamodb", "BatchWriteItem");
        let body = br#"{"RequestItems": {"a": [{}, {}, {}]}}"#;
        let seen = Seen { body, ..seen(&batch) };
        for (yaml, passed) in [("{rate: 1/h, burst: 7, unit: items}", 2), ("{rate: 1/h, burst: 80, unit: bytes}", 2)] {
            let (plan, states) = plan(&format!("{{name: a, fault: {{capacity: {yaml}}}}}"));
            assert_eq!(plan.asks_for_body(&seen), yaml.contains("items"));
            let within = (0..5).filter(|_| !plan.decide(&states, &seen, Duration::ZERO).is_settled()).count();
            assert_eq!(within, passed, "{yaml}");
        }
    }

    #[test]
    fn buckets_are_kept_in_bounded_memory() {
        let (plan, states) = plan("{name: a, fault: {capacity: {rate: 1/h, per: resource}}}");
        for n in 0..MOST.get() + 5 {
            plan.decide(&states, &seen(&about(&n.to_string())), Duration::ZERO);
        }
        assert_eq!(states.tallies(&plan)[0].buckets_evicted, 5);
    }
}
