//! What may stand behind the keys of `match`, held against the catalog.

use super::any;
use super::pattern::Pattern;
use crate::aws::catalog::{self, Operation, Service};
use crate::fault::written::{Complaint, Node, nearest};

pub(super) fn read_services(node: &Node) -> Result<Vec<&'static Service>, Complaint> {
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

pub(super) fn read_operations(
    node: &Node,
    scope: &[&'static Service],
    services: &[String],
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
    let whose = if services.is_empty() { "any AWS service".to_owned() } else { any(services) };
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

pub(super) fn read_region(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a region")?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
    if !word.is_empty() && word.chars().all(allowed) {
        Ok(Pattern(word.to_owned()))
    } else {
        Err(Complaint::new(node.at, format!("`{word}` is not a region; write it as in `us-east-1` or `eu-*`")))
    }
}

pub(super) fn read_resource(node: &Node) -> Result<Pattern, Complaint> {
    let word = node.word("a resource")?;
    if word.starts_with("arn:") {
        let complaint = Complaint::new(node.at, format!("`{word}` is an ARN; a resource is matched by its name"));
        return Err(complaint.help("write the name alone, and `account` and `region` beside it where they matter"));
    }
    if word.is_empty() { Err(Complaint::new(node.at, "a resource has a name")) } else { Ok(Pattern(word.to_owned())) }
}

pub(super) fn read_account(node: &Node) -> Result<Pattern, Complaint> {
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

pub(super) fn read_access_key(node: &Node) -> Result<Pattern, Complaint> {
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
