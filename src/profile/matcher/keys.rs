//! The keys that `match` and `not` share.

mod beginnings;
mod told;

use std::fmt;

use compact_str::{CompactString, ToCompactString as _};
use http::HeaderName;
use smallvec::SmallVec;

use super::{
    Misfit,
    pattern::{Pattern, any_fits},
    read,
};
use crate::{
    aws::{
        catalog::{self, Operation, Service},
        member::{self, Pointer},
        request::Reading,
        resource::Resource,
    },
    fault::written::{At, Complaint, Fields, Node},
    profile::seen::Seen,
    units::Ordinals,
};

/// What may be written, beside `not`, and what it means.
pub(in crate::profile) const KEYS: &[(&str, &str)] = &[
    ("service", "The services, as boto3 and the AWS CLI call them: dynamodb, stepfunctions."),
    ("operation", "The operations, as AWS calls them: PutItem, \"Batch*\"."),
    ("region", "The regions that requests are signed for, or sent to."),
    (
        "resource",
        "What requests are about, by name: a table, bucket or bucket/key, queue, topic, stream, function, key, secret …",
    ),
    ("account", "The accounts that requests are for: twelve digits."),
    ("access_key", "The ids of the keys that requests are signed with."),
    ("principal", "The keys that requests are signed with, or the accounts those are of."),
    ("client", "Who asks: by `user_agent`, or by the values of header fields."),
    ("host", "The hosts that requests and TCP connections go to, without port."),
    ("port", "The ports that requests and TCP connections go to: 5432, or 9092..9094."),
    ("tcp", "The `tcp:` entries that connections came to, by name."),
    ("method", "The HTTP methods."),
    ("path", "The paths, as they were sent and without query."),
    ("body", "Members of the body, by name or JSON pointer, and their values."),
    ("attempt", "Which attempt of an SDK's call: 1, or 2..4."),
];

/// Keys as compiled; all that were given must hold.
#[derive(Debug, Default)]
pub(super) struct Keys {
    services: Option<Set<Service>>,
    operations: Option<Set<Operation>>,
    regions: Option<Vec<Pattern>>,
    resources: Option<Vec<Pattern>>,
    accounts: Option<Vec<Pattern>>,
    access_keys: Option<Vec<Pattern>>,
    principals: Option<Vec<Pattern>>,
    user_agents: Option<Vec<Pattern>>,
    headers: Vec<(HeaderName, Vec<Pattern>)>,
    hosts: Option<Vec<Pattern>>,
    ports: Option<Vec<Ordinals>>,
    tcp: Option<Vec<(At, Pattern)>>,
    methods: Option<Vec<Pattern>>,
    paths: Option<Vec<Pattern>>,
    body: Vec<(Pointer, Vec<Pattern>)>,
    attempts: Option<Vec<Ordinals>>,
    /// Whether there is anything about the head, beside service and operation: most rules have nothing.
    are_about_head: bool,
    words: Words,
}

/// What was written, for telling.
#[derive(Debug, Default)]
struct Words {
    services: Vec<String>,
    operations: Vec<String>,
}

/// How much of a request is known when it is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// What its head tells: keys about what may stand in the body are taken to hold.
    Head,
    /// All that will ever be known.
    Whole,
}

impl Keys {
    /// Reads them out of a map.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Complaint> {
        let mut keys = Self::default();
        if let Some(node) = fields.optional("service")? {
            let services = node.any_of()?.iter().map(read::services).collect::<Result<Vec<_>, _>>()?;
            keys.services = Some(services.into_iter().flatten().collect());
            keys.words.services = words(node)?;
        }
        if let Some(node) = fields.optional("operation")? {
            let scope: Vec<_> = catalog::services().iter().filter(|service| keys.allow(service)).collect();
            let operations = |node| read::operations(node, &scope, &keys.words.services);
            let operations = node.any_of()?.iter().map(operations).collect::<Result<Vec<_>, _>>()?;
            keys.operations = Some(operations.into_iter().flatten().collect());
            keys.words.operations = words(node)?;
        }
        if let Some(node) = fields.optional("client")? {
            let client = node.fields("`client`", &["user_agent", "header"])?;
            keys.user_agents = patterns(&client, "user_agent", read::in_lower_case)?;
            keys.headers = client.optional("header")?.map(read::headers).transpose()?.unwrap_or_default();
            if keys.user_agents.is_none() && keys.headers.is_empty() {
                return Err(Complaint::new(node.at, "`client` needs `user_agent` or `header`"));
            }
        }
        if let Some(node) = fields.optional("attempt")? {
            let range = |node: &Node| node.parse("an attempt number or a range");
            keys.attempts = Some(node.any_of()?.iter().map(range).collect::<Result<_, _>>()?);
        }
        keys.regions = patterns(fields, "region", read::region)?;
        keys.resources = patterns(fields, "resource", read::resource)?;
        keys.accounts = patterns(fields, "account", read::account)?;
        keys.access_keys = patterns(fields, "access_key", read::access_key)?;
        keys.principals = patterns(fields, "principal", read::principal)?;
        keys.hosts = patterns(fields, "host", read::host)?;
        if let Some(node) = fields.optional("port")? {
            keys.ports = Some(node.any_of()?.iter().map(read::port).collect::<Result<_, _>>()?);
        }
        if let Some(node) = fields.optional("tcp")? {
            let entry = |node: &Node| Ok((node.at, read::tcp(node)?));
            keys.tcp = Some(node.any_of()?.iter().map(entry).collect::<Result<_, _>>()?);
        }
        keys.methods = patterns(fields, "method", read::method)?;
        keys.paths = patterns(fields, "path", read::path)?;
        keys.body = fields.optional("body")?.map(read::body).transpose()?.unwrap_or_default();
        let of_head =
            ["region", "attempt", "access_key", "principal", "method", "path", "host", "port", "tcp", "client"];
        keys.are_about_head =
            of_head.into_iter().map(|key| fields.optional(key)).any(|key| key.is_ok_and(|node| node.is_some()));
        Ok(keys)
    }

    /// The first key that does not hold, cheap ones first.
    pub(super) fn misfit(&self, seen: &Seen<'_>, part: Part) -> Option<Misfit> {
        self.misfit_of_readings(&seen.request.readings)
            .or_else(|| if self.are_about_head { self.misfit_of_head(seen) } else { None })
            .or_else(|| if part == Part::Whole && self.reach_into_body() { self.misfit_of_body(seen) } else { None })
    }

    fn misfit_of_readings(&self, readings: &[Reading]) -> Option<Misfit> {
        if self.services.is_none() && self.operations.is_none() {
            return None;
        }
        // By far the most usual: one reading, and a rule about a service.
        if let ([one], None) = (readings, &self.operations) {
            return if self.allow(one.service) { None } else { Some(Misfit { key: "service", unknown: false }) };
        }
        let (mut is_for_service, mut is_unknown) = (false, false);
        for reading in readings.iter().filter(|reading| self.allow(reading.service)) {
            is_for_service = true;
            match (&self.operations, reading.operation) {
                (Some(operations), Some(operation)) if !operations.contains(operation) => {}
                (Some(_), None) => is_unknown = true,
                _ => return None,
            }
        }
        let key = if is_for_service { "operation" } else { "service" };
        Some(Misfit { key, unknown: is_unknown })
    }

    fn misfit_of_head(&self, seen: &Seen<'_>) -> Option<Misfit> {
        let (request, head) = (seen.request, &seen.head);
        let access_key = request.access_key.as_ref().map(|key| key.0.as_str());
        misfit("region", self.regions.as_deref(), request.region.as_deref())
            .or_else(|| misfit_of_attempt(self.attempts.as_deref(), request.attempt))
            .or_else(|| misfit("access_key", self.access_keys.as_deref(), access_key))
            .or_else(|| {
                let patterns = self.principals.as_deref()?;
                let account = request.callers_account();
                misfit("principal", Some(patterns), access_key.into_iter().chain(account.as_deref()))
            })
            .or_else(|| misfit("method", self.methods.as_deref(), [head.method.as_str()]))
            .or_else(|| misfit("path", self.paths.as_deref(), [head.path]))
            .or_else(|| {
                let patterns = self.hosts.as_deref()?;
                let host = CompactString::from_str_to_lowercase(head.host);
                let address = seen.address.map(|address| address.to_compact_string());
                let hosts = [Some(host), address];
                misfit(
                    "host",
                    Some(patterns),
                    hosts.iter().flatten().map(CompactString::as_str).filter(|h| !h.is_empty()),
                )
            })
            .or_else(|| misfit_of_port(self.ports.as_deref(), seen.port))
            .or_else(|| {
                let entries = self.tcp.as_deref()?;
                let fits = seen.tcp.is_some_and(|name| entries.iter().any(|(_, pattern)| pattern.fits(name)));
                if fits { None } else { Some(Misfit { key: "tcp", unknown: seen.tcp.is_none() }) }
            })
            .or_else(|| {
                let patterns = self.user_agents.as_deref()?;
                let agents = ["user-agent", "x-amz-user-agent"].into_iter().filter_map(|name| head.headers.get(name));
                let agents: SmallVec<[String; 2]> =
                    agents.filter_map(|agent| agent.to_str().ok()).map(str::to_ascii_lowercase).collect();
                misfit("client", Some(patterns), agents.iter().map(String::as_str))
            })
            .or_else(|| {
                self.headers.iter().find_map(|(name, patterns)| {
                    let values = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
                    misfit("client", Some(patterns), values)
                })
            })
    }

    fn misfit_of_body(&self, seen: &Seen<'_>) -> Option<Misfit> {
        let request = seen.request;
        misfit("account", self.accounts.as_deref(), request.account.as_deref())
            .or_else(|| {
                let patterns = self.resources.as_deref()?;
                let fits = |resource: &Resource| any_fits(patterns, resource.names());
                let unknown = request.resource.is_none();
                if request.resource.as_ref().is_some_and(fits) {
                    None
                } else {
                    Some(Misfit { key: "resource", unknown })
                }
            })
            .or_else(|| {
                self.body.iter().find_map(|(pointer, patterns)| {
                    let texts = member::read(request, &seen.head, seen.body, pointer);
                    misfit("body", Some(patterns), texts.iter().map(|text| text.as_str()))
                })
            })
    }

    /// Whether one of them may depend on the body.
    pub(super) fn reach_into_body(&self) -> bool {
        self.are_about_resource() || self.are_about_body()
    }

    pub(super) fn are_about_resource(&self) -> bool {
        self.resources.is_some() || self.accounts.is_some()
    }

    pub(super) fn are_about_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// The first key that asks for more than the name of a host tells, if one does.
    pub(super) fn about_requests(&self) -> Option<&'static str> {
        let given = [
            ("operation", self.operations.is_some()),
            ("resource", self.resources.is_some()),
            ("account", self.accounts.is_some()),
            ("access_key", self.access_keys.is_some()),
            ("principal", self.principals.is_some()),
            ("client", self.user_agents.is_some() || !self.headers.is_empty()),
            ("method", self.methods.is_some()),
            ("path", self.paths.is_some()),
            ("body", !self.body.is_empty()),
            ("attempt", self.attempts.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// The first key that is about AWS, of those that a host's name tells.
    pub(super) fn about_aws(&self) -> Option<&'static str> {
        let given = [("service", self.services.is_some()), ("region", self.regions.is_some())];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// The `tcp:` entries they name, if they do.
    pub(super) fn tcp(&self) -> Option<&[(At, Pattern)]> {
        self.tcp.as_deref()
    }

    /// Whether they say where connections go.
    pub(super) fn name_far_ends(&self) -> bool {
        self.hosts.is_some() || self.ports.is_some() || self.tcp.is_some()
    }

    /// Whether they hold wherever others hold, as far as that shows: of services and operations by what they are, of all else by how it
    /// is written.
    pub(super) fn cover(&self, other: &Self) -> bool {
        [
            (&self.regions, &other.regions),
            (&self.resources, &other.resources),
            (&self.accounts, &other.accounts),
            (&self.access_keys, &other.access_keys),
            (&self.principals, &other.principals),
            (&self.user_agents, &other.user_agents),
            (&self.hosts, &other.hosts),
            (&self.methods, &other.methods),
            (&self.paths, &other.paths),
        ]
        .into_iter()
        .all(|(own, others)| own.is_none() || own == others)
            && (self.attempts.is_none() || self.attempts == other.attempts)
            && (self.ports.is_none() || self.ports == other.ports)
            && (self.tcp.is_none() || self.tcp == other.tcp)
            && (self.headers.is_empty() || self.headers == other.headers)
            && (self.body.is_empty() || self.body == other.body)
            && self.cover_operations(other)
    }

    fn cover_operations(&self, other: &Self) -> bool {
        if !self.is_bound_to_services() {
            return true;
        }
        // Operations that nobody knows fit a service, but no operation.
        let unknown_too = self.operations.is_none() || other.operations.is_some();
        let within = |service: &'static Service| {
            let others = other.operations_of(service);
            self.allow(service) && self.operations.as_ref().is_none_or(|own| others.iter().all(|o| own.contains(o)))
                || others.is_empty()
        };
        let others = catalog::services().iter().filter(|service| other.allow(service));
        other.is_bound_to_services() && unknown_too && others.into_iter().all(within)
    }

    /// Whether only requests of certain services fit.
    pub(super) fn is_bound_to_services(&self) -> bool {
        self.services.is_some() || self.operations.is_some()
    }

    pub(super) fn name_operations(&self) -> bool {
        self.operations.is_some()
    }

    /// The operations of a service that fit.
    pub(super) fn operations_of(&self, service: &'static Service) -> Vec<&'static Operation> {
        let fits = |operation: &&Operation| self.operations.as_ref().is_none_or(|set| set.contains(operation));
        if self.allow(service) { service.operations().iter().filter(fits).collect() } else { Vec::new() }
    }

    fn allow(&self, service: &Service) -> bool {
        self.services.as_ref().is_none_or(|services| services.contains(service))
    }
}

/// Whether a key holds of what a request says: of one of several texts, if it says any.
fn misfit<'a>(
    key: &'static str,
    patterns: Option<&[Pattern]>,
    texts: impl IntoIterator<Item = &'a str>,
) -> Option<Misfit> {
    let patterns = patterns?;
    let mut unknown = true;
    let mut texts = texts.into_iter().inspect(|_| unknown = false);
    if any_fits(patterns, &mut texts) { None } else { Some(Misfit { key, unknown }) }
}

fn misfit_of_attempt(ranges: Option<&[Ordinals]>, attempt: Option<u32>) -> Option<Misfit> {
    let ranges = ranges?;
    let fits = attempt.is_some_and(|attempt| ranges.iter().any(|range| range.contains(u64::from(attempt))));
    if fits { None } else { Some(Misfit { key: "attempt", unknown: attempt.is_none() }) }
}

fn misfit_of_port(ranges: Option<&[Ordinals]>, port: Option<u16>) -> Option<Misfit> {
    let ranges = ranges?;
    let fits = port.is_some_and(|port| ranges.iter().any(|range| range.contains(u64::from(port))));
    if fits { None } else { Some(Misfit { key: "port", unknown: port.is_none() }) }
}

fn patterns(
    fields: &Fields<'_>,
    key: &str,
    read: fn(&Node) -> Result<Pattern, Complaint>,
) -> Result<Option<Vec<Pattern>>, Complaint> {
    fields.optional(key)?.map(|node| node.any_of()?.iter().map(read).collect()).transpose()
}

fn words(node: &Node) -> Result<Vec<String>, Complaint> {
    node.any_of()?.iter().map(|node| node.word("a word").map(str::to_owned)).collect()
}

/// A set of things that live as long as the program, by address: sorted, so that looking up costs a few comparisons.
struct Set<T: 'static>(Vec<&'static T>);

impl<T> Set<T> {
    fn contains(&self, item: &T) -> bool {
        let address = std::ptr::from_ref(item);
        if let [one] = self.0.as_slice() {
            return std::ptr::from_ref(*one) == address;
        }
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

/// What a `match` without keys is called.
pub(super) const ANYTHING: &str = "anything";
