//! Reads `catalog.txt` as `build.rs` lays it out. Its grammar is written down in `catalog.py`; what this does not know it skips.

use std::io::Read as _;
use std::sync::OnceLock;

use flate2::bufread::DeflateDecoder;

use super::{Catalog, Contents, ErrorShape, Input, Member, MemberKind, Operation, Partition, Place, Service};
use crate::aws::request::Protocol;

pub(super) fn catalog(head: &'static str, contents: &'static [u8]) -> Catalog {
    let (first, head) = head.split_once('\n').unwrap_or((head, ""));
    let version = first.splitn(3, ' ').nth(2).unwrap_or_default();
    let (mut suffixes, mut partitions) = (Vec::new(), Vec::new());
    let mut services: Vec<Service> = Vec::with_capacity(448);
    for line in head.lines() {
        if let Some(suffix) = line.strip_prefix("suffix\t") {
            suffixes.push(suffix);
        } else if let Some(partition) = line.strip_prefix("partition\t") {
            partitions.push(parse_partition(partition));
        } else if line.starts_with("service\t") {
            let start = services.last().map_or(0, |last| last.deflated.1.end);
            services.push(parse_service(line, contents, start));
        }
    }
    Catalog { version, suffixes, partitions, services }
}

fn parse_partition(line: &'static str) -> Partition {
    let mut fields = line.split('\t');
    let name = fields.next().unwrap_or_default();
    let mut partition = Partition { name, suffix: "", dual_suffix: "", beginning: "" };
    for (key, value) in fields.filter_map(|field| field.split_once('=')) {
        match key {
            "suffix" => partition.suffix = value,
            "dual" => partition.dual_suffix = value,
            "regions" => partition.beginning = value,
            _ => {}
        }
    }
    partition
}

fn parse_service(line: &'static str, contents: &'static [u8], start: usize) -> Service {
    let mut fields = line.split('\t').skip(1);
    let name = fields.next().unwrap_or_default();
    let mut service = Service {
        name,
        id: name,
        signing_name: name,
        endpoint_prefix: name,
        other_prefixes: Vec::new(),
        target_prefix: None,
        protocols: Vec::new(),
        api_version: "",
        xml_namespace: None,
        global_endpoint: None,
        query_compatible: false,
        hosts: "",
        deflated: (contents, start..start),
        contents: OnceLock::new(),
        routes: OnceLock::new(),
    };
    for field in fields {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "deflated" => service.deflated.1.end += value.parse().unwrap_or(0),
            "id" => service.id = value,
            "sign" => service.signing_name = value,
            "host" => service.endpoint_prefix = value,
            "hosts" => service.other_prefixes = list(value).collect(),
            "target" => service.target_prefix = Some(value),
            "proto" => service.protocols = list(value).filter_map(protocol).collect(),
            "version" => service.api_version = value,
            "xmlns" => service.xml_namespace = Some(value),
            "global" => service.global_endpoint = Some(value),
            "querycompat" => service.query_compatible = true,
            "at" => service.hosts = value,
            _ => {}
        }
    }
    service
}

fn protocol(name: &str) -> Option<Protocol> {
    Some(match name {
        "ec2" => Protocol::Ec2,
        "http" => Protocol::Http,
        "json/1.0" => Protocol::Json10,
        "json/1.1" => Protocol::Json11,
        "query" => Protocol::Query,
        "rest-json" => Protocol::RestJson,
        "rest-xml" => Protocol::RestXml,
        "smithy-rpc-v2-cbor" => Protocol::Cbor,
        _ => return None,
    })
}

/// Reads a service's lines; what they say are slices of their text, which stays for as long as the program runs.
pub(super) fn contents(deflated: &[u8]) -> Contents {
    let mut text = String::new();
    let inflated = DeflateDecoder::new(deflated).read_to_string(&mut text);
    debug_assert!(inflated.is_ok(), "{inflated:?}");
    let text: &'static str = Box::leak(text.into_boxed_str());
    let lines = |kind| text.lines().filter_map(move |line| line.strip_prefix(kind)).map(|line| line.split('\t'));
    let errors: Vec<ErrorShape> = lines("e\t").map(parse_error).collect();
    let mut aliases: Vec<(&str, u16)> = errors.iter().map(|error| error.alias).zip(0..).collect();
    aliases.sort_unstable();
    // They stay: no room for more of them.
    let mut operations = Vec::with_capacity(lines("o\t").count());
    operations.extend(lines("o\t").map(|fields| parse_operation(fields, &aliases)));
    let by_name = operations.iter().map(|operation| operation.name).zip(0..).collect();
    Contents { operations, by_name, errors }
}

fn parse_error(mut fields: impl Iterator<Item = &'static str>) -> ErrorShape {
    let alias = fields.next().unwrap_or_default();
    let name = fields.next().unwrap_or_default();
    let mut error = ErrorShape {
        name,
        code: name,
        status: 0,
        fault: false,
        retryable: false,
        throttling: false,
        message_member: None,
        members: Vec::new(),
        alias,
    };
    for field in fields {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "code" => error.code = value,
            "status" => error.status = value.parse().unwrap_or_default(),
            "msg" => error.message_member = Some(value),
            "m" => error.members = list(value).filter_map(member).collect(),
            "fault" => error.fault = true,
            "retry" => error.retryable = true,
            "throttle" => (error.retryable, error.throttling) = (true, true),
            _ => {}
        }
    }
    if error.status == 0 {
        error.status = if error.fault { 500 } else { 400 };
    }
    error
}

fn member(field: &'static str) -> Option<Member> {
    let (name, rest) = field.split_once(':')?;
    let (rest, place) = rest.split_once('@').unwrap_or((rest, ""));
    let (rest, value) = rest.split_once('~').map_or((rest, None), |(rest, value)| (rest, Some(value)));
    let (kind, is_required) = rest.strip_suffix('!').map_or((rest, false), |kind| (kind, true));
    let kind = match kind {
        "L" => MemberKind::List,
        "M" => MemberKind::Map,
        "T" => MemberKind::Structure,
        "b" => MemberKind::Boolean,
        "d" => MemberKind::Double,
        "n" => MemberKind::Integer,
        "s" => MemberKind::String,
        "t" => MemberKind::Timestamp,
        "x" => MemberKind::Blob,
        _ => return None,
    };
    (place != "status").then_some(Member { name, kind, in_header: place == "header", is_required, value })
}

/// `aliases`: those of the service's errors with their numbers, sorted.
fn parse_operation(fields: impl Iterator<Item = &'static str>, aliases: &[(&str, u16)]) -> Operation {
    let mut fields = fields.peekable();
    let mut operation = Operation {
        name: fields.next().unwrap_or_default(),
        route: fields.next_if(|field| field.contains(" /")).and_then(|route| route.split_once(' ')),
        required_query: Vec::new(),
        required_headers: Vec::new(),
        host_prefix: None,
        unsigned: false,
        deprecated: false,
        inputs: Vec::new(),
        errors: Vec::new(),
        stream: None,
        converses: false,
        ways: OnceLock::new(),
    };
    for field in fields {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key {
            "in" => operation.inputs = list(value).map(input).collect(),
            "q" => operation.required_query = list(value).collect(),
            "h" => operation.required_headers = list(value).collect(),
            "prefix" => operation.host_prefix = Some(value),
            "auth" => operation.unsigned = value == "none",
            "e" => {
                let number = |alias| aliases.binary_search_by_key(&alias, |(known, _)| *known).ok();
                operation.errors = list(value).filter_map(number).map(|at| aliases[at].1).collect();
                operation.errors.sort_unstable();
            }
            "stream" => operation.stream = Some(value),
            "converses" => operation.converses = true,
            "deprecated" => operation.deprecated = true,
            _ => {}
        }
    }
    operation
}

fn input(field: &'static str) -> Input {
    let (field, is_required) = field.strip_suffix('!').map_or((field, false), |field| (field, true));
    let (field, place) = match field.rsplit_once('@') {
        Some((field, "h")) => (field, Place::Header),
        Some((field, "q")) => (field, Place::Query),
        _ => (field, Place::Body),
    };
    let (name, is_list) = field.strip_suffix("[]").map_or((field, false), |name| (name, true));
    Input { name, place, is_list, is_required }
}

pub(super) fn list(value: &'static str) -> impl Iterator<Item = &'static str> {
    value.split(',').filter(|part| !part.is_empty())
}
