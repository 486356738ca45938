//! What a host says: whose API, which region, which bucket.
//!
//! Reads AWS's own hosts (regional, global, FIPS, dualstack, VPC endpoints, host prefixes) by the endpoint prefixes of the
//! [`catalog`], S3's family of hosts by their own rules, and emulators' hosts only for a bucket. A host is weak
//! evidence: a credential scope, a target or an Action outweighs it.

use std::sync::OnceLock;

use smallvec::SmallVec;

use super::catalog::{self, Service};
use super::{link_local, partition, quirk};

/// What a host tells, as far as it tells it. Hosts come in lower case.
#[derive(Debug, Default)]
pub(super) struct Endpoint<'a> {
    /// The services that answer there; several where services share hosts.
    pub(super) services: SmallVec<[&'static Service; 2]>,
    pub(super) region: Option<&'a str>,
    /// The bucket or access point in front of an S3 host.
    pub(super) bucket: Option<&'a str>,
}

impl<'a> Endpoint<'a> {
    pub(super) fn read(host: &'a str) -> Self {
        match partition::below_suffix(host) {
            Some(below) => quirk::s3::endpoint(below).unwrap_or_else(|| Self::of_aws(below, host)),
            None => Self {
                services: link_local::service_at(host).into_iter().collect(),
                bucket: quirk::s3::emulator_bucket(host),
                ..Self::default()
            },
        }
    }

    fn of_aws(below: &'a str, host: &str) -> Self {
        let Some((start, region)) = rightmost_region(below) else {
            let services = if below.is_empty() { services_in(host) } else { services_at(strip_variants(below)) };
            return Self { services, ..Self::default() };
        };
        let before = below[..start].trim_end_matches('.');
        let after = below[start + region.len()..].trim_start_matches('.');
        let key = if before.is_empty() { after } else { before };
        let services =
            if key.is_empty() { services_in(&host[region.len()..]) } else { services_at(strip_variants(key)) };
        Self { services, region: Some(region), bucket: None }
    }
}

/// `us-east-1`, `us-gov-west-1`, `us-isob-east-1`, `eusc-de-east-1`: as the regular expressions of partitions.json have it.
pub(super) fn is_region(label: &str) -> bool {
    let mut parts = label.split('-');
    let (Some(area), Some(number)) = (parts.next(), parts.next_back()) else { return false };
    let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let mut between = parts.peekable();
    (area.len() == 2 || area == "eusc") && word(area) && digits && between.peek().is_some() && between.all(word)
}

fn rightmost_region(below: &str) -> Option<(usize, &str)> {
    let mut end = below.len();
    for label in below.rsplit('.') {
        let start = end - label.len();
        if is_region(label) {
            return Some((start, label));
        }
        end = start.saturating_sub(1);
    }
    None
}

fn strip_variants(key: &str) -> &str {
    let mut key = key;
    while let Some((rest, "dualstack" | "global" | "us-gov" | "vpce")) = key.rsplit_once('.') {
        key = rest;
    }
    key
}

/// The services at a host's left part: itself, then with host prefixes taken off its front, with a dot (`api.`) or without (`data-`).
fn services_at(key: &str) -> SmallVec<[&'static Service; 2]> {
    let mut rest = key;
    loop {
        let dashed = rest.split_once('-').map_or("", |(_, rest)| rest);
        let found = [rest, dashed].into_iter().map(at_prefix).find(|found| !found.is_empty());
        match (found, rest.split_once('.')) {
            (Some(found), _) => return found,
            (None, Some((_, shorter))) => rest = shorter,
            (None, None) => return SmallVec::new(),
        }
    }
}

/// The services that a suffix names, where nothing but a region stands before it: `signin.aws.amazon.com` is one service's alone.
fn services_in(suffix: &str) -> SmallVec<[&'static Service; 2]> {
    suffix.split('.').map(at_prefix).find(|found| !found.is_empty()).unwrap_or_default()
}

fn at_prefix(key: &str) -> SmallVec<[&'static Service; 2]> {
    let plain = match key.split_once("-fips") {
        Some((name, "")) => lookup(name),
        Some((name, rest)) if rest.starts_with('.') => lookup(&format!("{name}{rest}")),
        _ => lookup(key),
    };
    plain.iter().map(|(_, _, service)| *service).collect()
}

type Named = (&'static str, u8, &'static Service);

/// Endpoint prefixes first; names and signing names only where they are no other service's prefix.
fn lookup(key: &str) -> &'static [Named] {
    static BY_PREFIX: OnceLock<Vec<Named>> = OnceLock::new();
    let sorted = BY_PREFIX.get_or_init(|| {
        let mut all: Vec<Named> = catalog::services().iter().filter(|s| !s.is_link_local()).flat_map(named).collect();
        all.sort_by_key(|(name, rank, service)| (*name, *rank, service.name));
        all.dedup_by_key(|(name, _, service)| (*name, service.name));
        all
    });
    let start = sorted.partition_point(|(name, ..)| *name < key);
    let Some((_, rank, _)) = sorted.get(start).filter(|(name, ..)| *name == key) else { return &[] };
    let length = sorted[start..].partition_point(|(name, other, _)| *name == key && other == rank);
    &sorted[start..start + length]
}

fn named(service: &'static Service) -> impl Iterator<Item = Named> {
    let prefixes = service.other_prefixes.iter().map(|prefix| (*prefix, 0));
    let own = [(service.endpoint_prefix, 0), (service.name, 1), (service.signing_name, 2)];
    own.into_iter().chain(prefixes).map(move |(name, rank)| (name, rank, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &str) -> (Vec<&str>, Option<&str>, Option<&str>) {
        let endpoint = Endpoint::read(host);
        (endpoint.services.iter().map(|s| s.name).collect(), endpoint.region, endpoint.bucket)
    }

    #[test]
    fn hosts_tell_service_and_region() {
        for (host, service, region) in [
            ("dynamodb.us-east-1.amazonaws.com", "dynamodb", Some("us-east-1")),
            ("dynamodb-fips.us-gov-west-1.amazonaws.com", "dynamodb", Some("us-gov-west-1")),
            ("data.iot-fips.us-east-1.amazonaws.com", "iot-data", Some("us-east-1")),
            ("data.ats.iot.cn-north-1.amazonaws.com.cn", "iot-data", Some("cn-north-1")),
            ("arc-recovery-control-config.us-west-2.api.aws", "route53-recovery-control-config", Some("us-west-2")),
            ("eu-west-1.signin.aws.amazon.com", "signin", Some("eu-west-1")),
            ("signin-fips.amazonaws-us-gov.com", "signin", None),
            ("123456789012.ddb.us-east-1.amazonaws.com", "", Some("us-east-1")),
            ("streams.dynamodb.eu-west-1.amazonaws.com", "dynamodbstreams", Some("eu-west-1")),
            ("monitoring.cn-north-1.amazonaws.com.cn", "cloudwatch", Some("cn-north-1")),
            ("api.ecr.us-east-1.amazonaws.com", "ecr", Some("us-east-1")),
            ("ecr.us-east-1.api.aws", "ecr", Some("us-east-1")),
            ("iam.amazonaws.com", "iam", None),
            ("codecatalyst.global.api.aws", "codecatalyst", None),
            ("sync-states.us-east-1.amazonaws.com", "stepfunctions", Some("us-east-1")),
            ("api.iotsitewise.us-east-1.amazonaws.com", "iotsitewise", Some("us-east-1")),
            ("api-fips.sagemaker.us-gov-west-1.amazonaws.com", "sagemaker", Some("us-gov-west-1")),
            ("vpce-0a-b.sqs.us-east-1.vpce.amazonaws.com", "sqs", Some("us-east-1")),
            ("us-east-1.oauth.signin.aws", "signin", Some("us-east-1")),
            ("abc.lambda-url.us-east-1.on.aws", "", Some("us-east-1")),
        ] {
            let (services, found, bucket) = told(host);
            assert_eq!((services.join(","), found, bucket), (service.to_owned(), region, None), "{host}");
        }
    }

    #[test]
    fn shared_hosts_tell_all_their_services() {
        assert_eq!(told("rds.us-east-1.amazonaws.com").0, ["docdb", "neptune", "rds"]);
    }

    #[test]
    fn regions_are_told_from_other_labels() {
        for region in
            ["us-east-1", "ap-southeast-10", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "eu-isoe-west-1"]
        {
            assert!(is_region(region), "{region}");
        }
        for other in [
            "",
            "-",
            "us",
            "us-1",
            "us--1",
            "us-east-",
            "my-bucket",
            "data-ats",
            "email-smtp-1",
            "us-east-1a",
            "s3-us-west-2",
        ] {
            assert!(!is_region(other), "{other}");
        }
    }
}
