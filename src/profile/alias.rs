//! `services`: which of the services that the wire cannot tell apart a program means.
//!
//! RDS, Neptune and DocumentDB share hosts, signatures and actions. `services: {rds: neptune}` says that a request that may be either
//! is Neptune's; a request that only RDS knows stays RDS's.

use super::matcher::no_such_service;
use crate::aws::catalog::{self, Service};
use crate::aws::request::AwsRequest;
use crate::fault::written::{At, Complaint, Content, Node};

/// One entry: what may be `of` or `instead`, is `instead`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alias {
    pub(super) at: At,
    pub(super) of: &'static Service,
    pub(super) instead: &'static Service,
}

impl Alias {
    /// Reads the map.
    pub(super) fn read(node: &Node) -> Result<Vec<Self>, Complaint> {
        let Content::Map(entries) = &node.content else {
            let complaint = Complaint::new(node.at, format!("`services` must be a map, found {}", node.content));
            return Err(complaint.help("write it as in `services: {rds: neptune}`"));
        };
        let mut aliases: Vec<Self> = Vec::new();
        for (key, value) in entries {
            let alias = Self::between(service(key)?, value)?;
            let alias = Self { at: key.at, ..alias };
            if aliases.iter().any(|earlier| earlier.of == alias.of) {
                return Err(Complaint::new(key.at, format!("`{}` is given twice in `services`", alias.of.name)));
            }
            aliases.push(alias);
        }
        Ok(aliases)
    }

    fn between(of: &'static Service, value: &Node) -> Result<Self, Complaint> {
        let instead = service(value)?;
        if of != instead && of.signing_name == instead.signing_name {
            return Ok(Self { at: value.at, of, instead });
        }
        let twins = catalog::by_signing_name(of.signing_name).iter().map(|twin| twin.name);
        let twins: Vec<_> = twins.filter(|name| *name != of.name).collect();
        let complaint = Complaint::new(value.at, format!("`{}` is never mistaken for `{}`", of.name, instead.name));
        Err(match twins.is_empty() {
            true => complaint,
            false => complaint.help(format!("it shares its signature with {}", twins.join(", "))),
        })
    }

    /// Settles a request that may be either.
    pub(super) fn settle(&self, request: &mut AwsRequest) {
        if request.readings.len() > 1 {
            request.settle(self.of, self.instead);
        }
    }
}

fn service(node: &Node) -> Result<&'static Service, Complaint> {
    let name = node.word("a service")?;
    catalog::service(name).ok_or_else(|| Complaint {
        help: no_such_service(name),
        ..Complaint::new(node.at, format!("unknown service `{name}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::request::Reading;
    use crate::fault::tests::{request, tree};

    fn settled(yaml: &str, services: &[&str], operation: &str) -> Vec<&'static str> {
        let readings = services.iter().map(|name| {
            let service = catalog::service(name).unwrap();
            Reading { service, operation: service.operation(operation) }
        });
        let mut request = AwsRequest { readings: readings.collect(), ..request("rds", "CreateDBCluster") };
        Alias::read(&tree(yaml)).unwrap().iter().for_each(|alias| alias.settle(&mut request));
        request.readings.iter().map(|reading| reading.service.name).collect()
    }

    #[test]
    fn only_what_may_be_either_is_settled() {
        let all = ["rds", "docdb", "neptune"];
        assert_eq!(settled("{rds: neptune}", &all, "CreateDBCluster"), ["neptune"]);
        assert_eq!(settled("{docdb: rds}", &all, "CreateDBCluster"), ["rds"]);
        assert_eq!(settled("{rds: neptune}", &["rds", "docdb"], "DescribeCertificates"), ["rds", "docdb"]);
        assert_eq!(settled("{rds: neptune}", &["rds"], "CreateDBInstanceReadReplica"), ["rds"]);
        assert_eq!(settled("{}", &all, "CreateDBCluster"), all);
    }

    #[test]
    fn an_alias_that_could_never_settle_anything_is_refused_with_what_could() {
        let told = |yaml: &str| {
            let complaint = Alias::read(&tree(yaml)).unwrap_err();
            (complaint.message, complaint.help.unwrap_or_default())
        };
        let shares = "it shares its signature with docdb, neptune".to_owned();
        assert_eq!(told("{rds: s3}"), ("`rds` is never mistaken for `s3`".to_owned(), shares.clone()));
        assert_eq!(told("{rds: rds}"), ("`rds` is never mistaken for `rds`".to_owned(), shares));
        assert_eq!(told("{sqs: sns}").1, "");
        assert_eq!(told("{rds: neptun}"), ("unknown service `neptun`".into(), "did you mean `neptune`?".into()));
        assert_eq!(told("{states: rds}").1, "it is called `stepfunctions` here");
        assert_eq!(told("{rds: neptune, rds: docdb}").0, "`rds` is given twice in `services`");
        assert_eq!(told("neptune").1, "write it as in `services: {rds: neptune}`");
    }
}
