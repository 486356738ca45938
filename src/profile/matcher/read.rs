//! What may stand behind the keys of `match`, held against the catalog.

use http::HeaderName;

use super::any;
use super::pattern::Pattern;
use crate::aws::catalog::{self, Operation, Service};
use crate::aws::member::Pointer;
use crate::fault::written::{Complaint, Content, Node, nearest};
use crate::units::Ordinals;

pub(super) fn services(node: &Node) -> Result<Vec<&'static Service>, Complaint> {
    let pattern = Pattern(node.word("a service")?.to_owned());
    let found: Vec<_> = catalog::services().iter().filter(|service| pattern.fits(service.name)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if !pattern.is_literal() {
        return Err(Complaint::new(node.at, format!("`{pattern}` fits no AWS service")));
    }
    let help = no_such_service(&pattern.0);
    Err(Complaint { help, ..Complaint::new(node.at, format!("unknown service `{pattern}`")) })
}

/// What to say to someone who wrote this for a service's name: the right name, if it can be told.
pub fn no_such_service(name: &str) -> Option<String> {
    match otherwise_called(name) {
        Some(service) => Some(format!("it is called `{}` here", service.name)),
        None => nearest(name, catalog::services().iter().map(|service| service.name))
            .map(|near| format!("did you mean `{near}`?")),
    }
}

/// A service by another of its names: `DynamoDB`, `states`, `monitoring`.
fn otherwise_called(name: &str) -> Option<&'static Service> {
    let squeezed = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
    let wanted = squeezed(name);
    catalog::services().iter().find(|service| {
        [service.name, service.id, service.signing_name, service.endpoint_prefix]
            .iter()
            .any(|name| squeezed(name) == wanted)
    })
}

pub(super) fn operations(
    node: &Node,
    scope: &[&'static Service],
    named: &[String],
) -> Result<Vec<&'static Operation>, Complaint> {
    let pattern = Pattern(node.word("an operation")?.to_owned());
    let found: Vec<&'static Operation> = if pattern.is_literal() {
        scope.iter().filter_map(|service| service.operation(&pattern.0)).collect()
    } else {
        scope.iter().flat_map(|service| service.operations()).filter(|o| pattern.fits(o.name)).collect()
    };
    if !found.is_empty() {
        return Ok(found);
    }
    let whose = if named.is_empty() { "any AWS service".to_owned() } else { any(named) };
    if !pattern.is_literal() {
        return Err(Complaint::new(node.at, format!("`{pattern}` fits no operation of {whose}")));
    }
    let complaint = Complaint::new(node.at, format!("unknown operation `{pattern}` of {whose}"));
    if let Some(near) = nearest(&pattern.0, scope.iter().flat_map(|service| service.operations()).map(|o| o.name)) {
        return Err(complaint.help(format!("did you mean `{near}`?")));
    }
    let owners = catalog::services().iter().filter(|service| service.operation(&pattern.0).is_some());
    let owners: Vec<&str> = owners.map(|service| service.name).collect();
    Err(if owners.is_empty() {
        complaint
    } else {
        complaint.help(format!("it is an operation of {}", owners.join(", ")))
    })
}

pub(super) fn region(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a region")?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
    if !word.is_empty() && word.chars().all(allowed) {
        Ok(Pattern(word.to_owned()))
    } else {
        Err(Complaint::new(node.at, format!("`{word}` is not a region; write it as in `us-east-1` or `eu-*`")))
    }
}

pub(super) fn resource(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a resource")?;
    if word.starts_with("arn:") {
        let complaint = Complaint::new(node.at, format!("`{word}` is an ARN; a resource is matched by its name"));
        return Err(complaint.help("write the name alone, and `account` and `region` beside it where they matter"));
    }
    if word.is_empty() { Err(Complaint::new(node.at, "a resource has a name")) } else { Ok(Pattern(word.to_owned())) }
}

pub(super) fn account(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("an account")?;
    let digits = word.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '?'));
    if digits && (word.len() == 12 || word.contains('*')) {
        return Ok(Pattern(word.to_owned()));
    }
    Err(Complaint::new(
        node.at,
        format!("`{word}` is not an account; write it with its twelve digits, or as in `1234*`"),
    ))
}

pub(super) fn access_key(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("an access key id")?;
    let allowed = |c: char| c.is_ascii_graphic();
    if !word.is_empty() && word.chars().all(allowed) {
        return Ok(Pattern(word.to_owned()));
    }
    Err(Complaint::new(
        node.at,
        format!("`{word}` is not an access key id; write it as in `AKIAIOSFODNN7EXAMPLE` or `AKIA*`"),
    ))
}

pub(super) fn principal(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("an access key id or an account")?;
    if word.starts_with("arn:") {
        let complaint =
            Complaint::new(node.at, format!("`{word}` is an ARN; requests do not say under which one they act"));
        return Err(complaint.help("write an access key id, or the twelve digits of the caller's account"));
    }
    access_key(node)
}

/// A port, or a range of them.
pub(super) fn port(node: &Node) -> Result<Ordinals, Complaint> {
    let ports: Ordinals = node.parse("a port or a range")?;
    if ports.ends().1 <= u64::from(u16::MAX) {
        return Ok(ports);
    }
    Err(Complaint::new(node.at, format!("there is no port {}; the last is {}", ports.ends().1, u16::MAX)))
}

/// The name of a `tcp:` entry.
pub(super) fn tcp(node: &Node) -> Result<Pattern, Complaint> {
    Ok(Pattern(node.word("the name of a `tcp:` entry")?.to_owned()))
}

/// Any text.
pub(super) fn text(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a text")?;
    if word.is_empty() {
        Err(Complaint::new(node.at, "an empty text fits nothing"))
    } else {
        Ok(Pattern(word.to_owned()))
    }
}

/// Any text, fitted without regard to case: what it is held against is in lower case.
pub(super) fn in_lower_case(node: &Node) -> Result<Pattern, Complaint> {
    text(node).map(|pattern| Pattern(pattern.0.to_ascii_lowercase()))
}

/// In lower case, as hosts are compared.
pub(super) fn host(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a host")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '*' | '?');
    let has_port = word.matches(':').count() == 1;
    if !word.is_empty() && word.chars().all(allowed) && !has_port {
        return Ok(Pattern(word.to_ascii_lowercase()));
    }
    let complaint = Complaint::new(node.at, format!("`{word}` is not a host; write it as in `*.s3.amazonaws.com`"));
    Err(if word.contains(['/', ':']) { complaint.help("without scheme, port and path") } else { complaint })
}

pub(super) fn method(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a method")?;
    if METHODS.contains(&word) {
        return Ok(Pattern(word.to_owned()));
    }
    Err(Complaint::new(node.at, format!("unknown method `{word}`")).nearest(word, METHODS.iter().copied()))
}

pub(super) fn path(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a path")?;
    if word.contains('?') && word.contains('=') {
        let complaint = Complaint::new(node.at, format!("`{word}` is more than a path"));
        return Err(complaint.help("a path is matched without its query"));
    }
    if word.starts_with(['/', '*']) {
        return Ok(Pattern(word.to_owned()));
    }
    Err(Complaint::new(node.at, format!("`{word}` is not a path; write it as in `/v1/*`")))
}

/// `header: {x-team: checkout}`
pub(super) fn headers(node: &Node) -> Result<Vec<(HeaderName, Vec<Pattern>)>, Complaint> {
    named(node, "`header`", "`header: {x-team: checkout}`", |name| {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not the name of a header"))
    })
}

/// `body: {TableName: "x*"}`
pub(super) fn body(node: &Node) -> Result<Vec<(Pointer, Vec<Pattern>)>, Complaint> {
    named(node, "`body`", "`body: {TableName: orders}`", |name| name.parse::<Pointer>())
}

/// A map from names, each given once, to texts.
fn named<N: PartialEq>(
    node: &Node,
    what: &str,
    example: &str,
    read_name: impl Fn(&str) -> Result<N, String>,
) -> Result<Vec<(N, Vec<Pattern>)>, Complaint> {
    let entries = match &node.content {
        Content::Map(entries) if !entries.is_empty() => entries,
        Content::Map(_) => {
            return Err(Complaint::new(node.at, format!("{what} is empty")).help(format!("write it as in {example}")));
        }
        other => {
            let complaint = Complaint::new(node.at, format!("{what} must be a map, found {other}"));
            return Err(complaint.help(format!("write it as in {example}")));
        }
    };
    let mut read: Vec<(N, Vec<Pattern>)> = Vec::new();
    for (key, value) in entries {
        let word = key.word("a name")?;
        let name = read_name(word).map_err(|message| Complaint::new(key.at, message))?;
        if read.iter().any(|(earlier, _)| *earlier == name) {
            return Err(Complaint::new(key.at, format!("`{word}` is given twice in {what}")));
        }
        if value.content == Content::Empty {
            return Err(Complaint::new(key.at, format!("`{word}` has no value")).help("`\"*\"` fits any value"));
        }
        read.push((name, value.any_of()?.iter().map(text).collect::<Result<_, _>>()?));
    }
    Ok(read)
}

const METHODS: &[&str] = &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
