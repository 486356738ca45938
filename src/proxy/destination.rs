//! Where requests for AWS go: to the hosts they name, to an emulator, or from an endpoint on to AWS itself.

use std::fmt;
use std::sync::Arc;

use crate::aws::catalog::Service;
use crate::aws::host;
use crate::net::name::HostName;
use crate::net::target::{Scheme, Target};

/// What `--upstream` says, for everything and for single services.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    all: Option<Destination>,
    by_service: Vec<(&'static Service, Destination)>,
}

/// A far end for AWS's requests.
#[derive(Clone, Debug)]
pub enum Destination {
    /// An emulator, in AWS's place.
    Emulator(Arc<Target>),
    /// AWS itself: a request that came to an endpoint gets the real host, and a signature for it.
    RealAws,
}

impl Destinations {
    /// Everything goes to one emulator.
    pub fn emulator(target: Target) -> Self {
        Self { all: Some(Destination::Emulator(Arc::new(target))), by_service: Vec::new() }
    }

    /// Everything that comes to the endpoint goes to AWS itself.
    pub fn real_aws() -> Self {
        Self { all: Some(Destination::RealAws), by_service: Vec::new() }
    }

    /// Adds one, of a service or of all. Whether there was none yet.
    pub fn add(&mut self, service: Option<&'static Service>, destination: Destination) -> bool {
        let Some(service) = service else { return self.all.replace(destination).is_none() };
        let is_new = self.by_service.iter().all(|(other, _)| *other != service);
        self.by_service.push((service, destination));
        is_new
    }

    /// Where requests for one of these services go; of several readings the first that has a place of its own counts.
    pub fn of<'a>(&self, services: impl IntoIterator<Item = &'a Service>) -> Option<&Destination> {
        let found = if self.by_service.is_empty() { None } else { services.into_iter().find_map(|s| self.own_of(s)) };
        found.or(self.all.as_ref())
    }

    /// The place of this service alone. What stands in for AWS's hosts does not stand in for what answers on a machine itself.
    pub fn own_of(&self, service: &Service) -> Option<&Destination> {
        self.by_service.iter().find(|(other, _)| *other == service).map(|(_, destination)| destination)
    }

    /// Whether what comes to the endpoint goes nowhere.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.by_service.is_empty()
    }

    /// Where all requests go, whatever their service; `None`: that depends, or they go where they say.
    pub fn only(&self) -> Option<&Destination> {
        self.all.as_ref().filter(|_| self.by_service.is_empty())
    }

    /// Whether any request may reach AWS itself.
    pub fn may_reach_real_aws(&self) -> bool {
        self.all.is_none() || self.reach_real_aws()
    }

    /// Whether a request may have to be signed anew.
    pub fn reach_real_aws(&self) -> bool {
        self.each().any(|destination| matches!(destination, Destination::RealAws))
    }

    /// Whether anything is reached over TLS: AWS itself always is.
    pub fn need_tls(&self) -> bool {
        self.all.is_none()
            || self.each().any(|destination| match destination {
                Destination::Emulator(target) => target.scheme == Scheme::Https,
                Destination::RealAws => true,
            })
    }

    /// Whether one of them is an emulator at this host and port.
    pub fn include(&self, host: &str, port: u16) -> bool {
        let is_here = |host: &HostName| match host {
            HostName::Dns(name) => host::is_local(name),
            HostName::Ip(ip) => ip.to_canonical().is_loopback(),
        };
        let wanted = HostName::parse(host);
        let is_it = |emulator: &str| {
            let emulator = HostName::parse(emulator);
            emulator == wanted || (is_here(&emulator) && is_here(&wanted))
        };
        self.each().any(|destination| match destination {
            Destination::Emulator(emulator) => emulator.port == port && is_it(&emulator.host),
            Destination::RealAws => false,
        })
    }

    fn each(&self) -> impl Iterator<Item = &Destination> {
        self.all.iter().chain(self.by_service.iter().map(|(_, destination)| destination))
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.all {
            None => f.write_str("REAL AWS")?,
            Some(Destination::RealAws) => f.write_str("REAL AWS (what comes to the endpoint is signed anew)")?,
            Some(Destination::Emulator(target)) => write!(f, "{target} (for every AWS host)")?,
        }
        for (service, destination) in &self.by_service {
            match destination {
                Destination::RealAws => write!(f, "; {}: REAL AWS", service.name)?,
                Destination::Emulator(target) => write!(f, "; {}: {target}", service.name)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    #[test]
    fn an_emulator_is_known_by_its_place_however_loopback_is_called() {
        let destinations = Destinations::emulator(Target::new(Scheme::Http, "localhost", 4566));
        assert!(destinations.include("127.0.0.1", 4566) && destinations.include("::1", 4566));
        assert!(!destinations.include("127.0.0.1", 4567) && !destinations.include("10.0.0.1", 4566));
        let named = Destinations::emulator(Target::new(Scheme::Http, "LocalStack", 4566));
        assert!(named.include("localstack", 4566) && !named.include("localhost", 4566));
        assert!(!Destinations::real_aws().include("localhost", 443));
    }

    #[test]
    fn a_service_of_its_own_place_goes_there_and_the_others_where_all_go() {
        let target = |port| Target::new(Scheme::Http, "127.0.0.1", port);
        let mut destinations = Destinations::emulator(target(1));
        let [s3, sqs] = ["s3", "sqs"].map(|name| catalog::service(name).unwrap());
        assert!(destinations.add(Some(s3), Destination::Emulator(Arc::new(target(2)))));
        assert!(!destinations.add(Some(s3), Destination::RealAws), "twice");
        let port = |service| match destinations.of([service]) {
            Some(Destination::Emulator(target)) => target.port,
            other => panic!("{other:?}"),
        };
        assert_eq!((port(s3), port(sqs)), (2, 1));
        assert!(destinations.only().is_none());
        assert_eq!(
            destinations.to_string(),
            "http://127.0.0.1:1 (for every AWS host); s3: http://127.0.0.1:2; s3: REAL AWS"
        );
    }
}
