//! Which names are AWS's.
//!
//! A partition (aws, aws-cn, aws-us-gov, the isolated and sovereign ones) serves its APIs under DNS suffixes of its own. The list
//! comes from botocore's `partitions.json`, `endpoints.json` and endpoint rule sets, through the [`catalog`]. Use
//! [`is_aws_host`] to decide whether a connection may be looked into, and [`dns_suffixes`] to say which names a certificate authority
//! may vouch for. What a host says beyond "AWS" (service, region, bucket) is not read here.

use super::catalog;

/// DNS suffixes under which AWS serves APIs, sorted, without a leading dot: `amazonaws.com`, `api.aws`, `on.aws` …
pub fn dns_suffixes() -> &'static [&'static str] {
    catalog::suffixes()
}

/// Whether this host name is one of AWS's: a suffix of [`dns_suffixes`] or a name below one, in any case, with or without the root's
/// dot. A port is not expected.
pub fn is_aws_host(host: &str) -> bool {
    below_suffix(host).is_some() && is_written(host)
}

/// Whether each of its labels is one that a host may have.
fn is_written(host: &str) -> bool {
    let written =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    host.strip_suffix('.').unwrap_or(host).split('.').all(written)
}

/// Whether AWS's API may be served under this name: one of AWS's, but not a machine or database of a customer's (an EC2 instance, a
/// load balancer, an RDS, DocumentDB, ElastiCache or Redshift endpoint), whose protocol and certificate are that customer's affair.
///
/// The names are as those services' user guides give them: `ec2-….us-west-2.compute.amazonaws.com`, `….eu-west-1.elb.amazonaws.com`,
/// `….us-east-1.rds.amazonaws.com` and so on. The APIs themselves have the service first (`rds.us-east-1.amazonaws.com`).
pub fn is_api_host(host: &str) -> bool {
    let Some(below) = below_suffix(host) else { return false };
    let kind = below.rsplit_once('.').map(|(_, kind)| kind);
    is_written(host) && !kind.is_some_and(|kind| CUSTOMERS.iter().any(|known| kind.eq_ignore_ascii_case(known)))
}

const CUSTOMERS: [&str; 7] = ["cache", "compute", "compute-1", "docdb", "elb", "rds", "redshift"];

/// The partition that a region belongs to, as ARNs name it; regions that nobody knows are of `aws`.
pub fn of_region(region: &str) -> &'static str {
    PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// The `regionRegex` of botocore's `partitions.json`, by what each begins with.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
];

/// What stands before the partition's suffix: `dynamodb.us-east-1` of `dynamodb.us-east-1.amazonaws.com`; empty for the suffix itself.
pub(super) fn below_suffix(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > LONGEST_NAME {
        return None;
    }
    let below = dns_suffixes().iter().filter_map(|suffix| {
        let (below, tail) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
        let below = if below.is_empty() { below } else { below.strip_suffix('.')? };
        tail.eq_ignore_ascii_case(suffix).then_some(below)
    });
    // The longest suffix wins, so that `x.api.aws.ic.gov` leaves `x`.
    below.min_by_key(|below| below.len())
}

/// RFC 1035: a name has at most 255 octets on the wire, 253 as written.
const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_belong_to_partitions() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("cn-north-1", "aws-cn"),
            ("eu-west-1", "aws"),
        ] {
            assert_eq!(of_region(region), partition, "{region}");
        }
    }

    #[test]
    fn machines_and_databases_of_customers_are_told_from_apis() {
        for host in [
            "ec2-203-0-113-5.us-west-2.compute.amazonaws.com",
            "ec2-203-0-113-5.compute-1.amazonaws.com",
            "app-123.eu-west-1.elb.amazonaws.com",
            "orders.cluster-abc.us-east-1.RDS.amazonaws.com",
            "app-123.cn-north-1.elb.amazonaws.com.cn",
            "x.abc.0001.use1.cache.amazonaws.com",
        ] {
            assert!(is_aws_host(host) && !is_api_host(host), "{host}");
        }
        for host in [
            "rds.us-east-1.amazonaws.com",
            "rds.amazonaws.com",
            "ec2.us-east-1.amazonaws.com",
            "elasticloadbalancing.us-east-1.amazonaws.com",
            "rds.s3.us-east-1.amazonaws.com",
        ] {
            assert!(is_api_host(host), "{host}");
        }
    }

    #[test]
    fn names_of_every_partition_are_aws() {
        for host in [
            "dynamodb.us-east-1.amazonaws.com",
            "DynamoDB.US-East-1.AmazonAWS.com",
            "sts.amazonaws.com.",
            "bucket.with.dots.s3.eu-west-1.amazonaws.com",
            "ec2.cn-north-1.amazonaws.com.cn",
            "datazone.eu-west-1.api.aws",
            "abc123.lambda-url.us-east-1.on.aws",
            "s3.us-iso-east-1.c2s.ic.gov",
            "s3.us-isob-east-1.sc2s.sgov.gov",
            "sqs.eusc-de-east-1.amazonaws.eu",
            "iam.eu-isoe-west-1.cloud.adc-e.uk",
            "lambda.us-isof-south-1.csp.hci.ic.gov",
            "signin.aws.amazon.com",
        ] {
            assert!(is_aws_host(host), "{host}");
        }
    }

    #[test]
    fn names_that_only_look_like_aws_are_not() {
        for host in [
            "",
            ".",
            "evil-amazonaws.com",
            "amazonaws.com.evil.org",
            "s3.amazonaws.com.cn.example",
            "amazonaws.org",
            ".amazonaws.com",
            "s3..amazonaws.com",
            "evil.org/.amazonaws.com",
            "aws",
            "www.amazon.com",
            "aws.amazon.com",
            "localhost",
            "127.0.0.1",
            "xn--mazonaws-1ib.com",
            "äamazonaws.com",
        ] {
            assert!(!is_aws_host(host), "{host}");
        }
    }

    #[test]
    fn suffixes_have_no_dots_around_them() {
        assert!(dns_suffixes().len() > 10);
        assert!(dns_suffixes().iter().all(|s| !s.starts_with('.') && !s.ends_with('.') && s.contains('.')));
    }

    #[test]
    fn what_stands_below_is_told_without_the_suffix() {
        assert_eq!(below_suffix("dynamodb.us-east-1.amazonaws.com"), Some("dynamodb.us-east-1"));
        assert_eq!(below_suffix("x.y.api.aws.ic.gov."), Some("x.y"));
        assert_eq!(below_suffix("amazonaws.com"), Some(""));
    }
}
