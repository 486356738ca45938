//! `squall services [NAME]`: what the catalog knows, so that profiles can be written without guessing.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::told;
use crate::aws::catalog::{self, ErrorShape, Operation, Service};
use crate::cli::{Output, ServicesArgs};
use crate::profile::no_such_service;

/// Lists services, or one service's operations and errors.
pub fn main(args: &ServicesArgs) -> ExitCode {
    told::end(list(args.name.as_deref(), args.output, &mut io::stdout().lock()), ExitCode::FAILURE)
}

/// As [`main`], into `out`.
fn list(name: Option<&str>, output: Output, out: &mut dyn Write) -> Result<ExitCode> {
    let service = name.map(find).transpose()?;
    let written = match (service, output) {
        (None, Output::Json) => writeln!(out, "{:#}", all_as_json()),
        (None, Output::Text) => all_as_text(out),
        (Some(service), Output::Json) => writeln!(out, "{:#}", as_json(service)),
        (Some(service), Output::Text) => as_text(service, out),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn find(name: &str) -> Result<&'static Service> {
    match catalog::service(name) {
        Some(service) => Ok(service),
        None => {
            bail!("unknown service `{name}`{}", no_such_service(name).map_or_else(String::new, |s| format!("; {s}")))
        }
    }
}

fn protocols(service: &Service) -> Vec<&'static str> {
    service.protocols.iter().map(|protocol| protocol.as_str()).collect()
}

fn signs(service: &Service) -> String {
    if service.is_link_local() { "is not signed".to_owned() } else { format!("signs as {}", service.signing_name) }
}

fn all_as_text(out: &mut dyn Write) -> io::Result<()> {
    let services = catalog::services();
    let width = services.iter().map(|service| service.name.len()).max().unwrap_or_default();
    let longest = services.iter().map(|service| signs(service).len()).max().unwrap_or_default();
    for service in services {
        let (name, count) = (service.name, service.operations().len());
        let protocols = protocols(service).join(", ");
        let signs = signs(service);
        writeln!(out, "{name:width$}  {signs:longest$}  {count:4} operations  {protocols}")?;
    }
    Ok(())
}

fn all_as_json() -> Value {
    let brief = |service: &'static Service| {
        json!({
            "name": service.name,
            "id": service.id,
            "signing_name": service.signing_name,
            "protocols": protocols(service),
            "operations": service.operations().len(),
        })
    };
    json!({
        "v": 1,
        "catalog": catalog::version(),
        "services": catalog::services().iter().map(brief).collect::<Vec<_>>(),
    })
}

fn as_text(service: &'static Service, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} ({}), API version {}", service.name, service.id, service.api_version)?;
    writeln!(out, "{}, speaks {}", signs(service), protocols(service).join(", "))?;
    writeln!(out, "\nOperations, each with the errors that it models:")?;
    for operation in service.operations() {
        let errors: Vec<_> = service.errors_of(operation).map(|error| error.code).collect();
        let colon = if errors.is_empty() { "" } else { ": " };
        writeln!(out, "  {}{colon}{}", operation.name, errors.join(", "))?;
    }
    writeln!(out, "\nErrors, by their codes on the wire:")?;
    for error in service.errors() {
        writeln!(out, "  {} {}{}", error.status, error.code, remarks(error))?;
    }
    Ok(())
}

fn remarks(error: &ErrorShape) -> String {
    let remarks = [
        (error.fault, "the server's fault"),
        (error.retryable && !error.throttling, "retryable"),
        (error.throttling, "retryable as throttling"),
    ];
    let told: Vec<_> = remarks.into_iter().filter(|(holds, _)| *holds).map(|(_, remark)| remark).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

fn as_json(service: &'static Service) -> Value {
    let operation = |operation: &'static Operation| {
        json!({
            "name": operation.name,
            "method": operation.route.map(|(method, _)| method),
            "uri": operation.route.map(|(_, uri)| uri),
            "unsigned": operation.unsigned,
            "deprecated": operation.deprecated,
            "errors": service.errors_of(operation).map(|error| error.code).collect::<Vec<_>>(),
        })
    };
    let error = |error: &ErrorShape| {
        json!({
            "code": error.code,
            "shape": error.name,
            "status": error.status,
            "fault": error.fault,
            "retryable": error.retryable,
            "throttling": error.throttling,
            "members": error.members.iter().map(|member| member.name).collect::<Vec<_>>(),
        })
    };
    json!({
        "v": 1,
        "catalog": catalog::version(),
        "name": service.name,
        "id": service.id,
        "api_version": service.api_version,
        "signing_name": service.signing_name,
        "endpoint_prefix": service.endpoint_prefix,
        "target_prefix": service.target_prefix,
        "protocols": protocols(service),
        "operations": service.operations().iter().map(operation).collect::<Vec<_>>(),
        "errors": service.errors().iter().map(error).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: Option<&str>, output: Output) -> String {
        let mut out = Vec::new();
        list(name, output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_services_are_listed_one_a_line() {
        let text = listed(None, Output::Text);
        assert_eq!(text.lines().count(), catalog::services().len());
        assert!(text.lines().any(|line| line.starts_with("stepfunctions ") && line.contains("signs as states ")));
        let json: Value = serde_json::from_str(&listed(None, Output::Json)).unwrap();
        assert_eq!(json["services"].as_array().unwrap().len(), catalog::services().len());
    }

    #[test]
    fn a_service_is_told_with_its_operations_and_errors() {
        let text = listed(Some("dynamodb"), Output::Text);
        let throttled = "  400 ProvisionedThroughputExceededException";
        assert!(text.contains(throttled) && text.contains("  PutItem: ") && text.contains("json-1.0"), "{text}");
        let json: Value = serde_json::from_str(&listed(Some("s3"), Output::Json)).unwrap();
        let acl = json["operations"].as_array().unwrap().iter().find(|operation| operation["name"] == "GetBucketAcl");
        assert_eq!(acl.unwrap()["uri"], "/{Bucket}?acl");
        assert!(json["errors"].as_array().unwrap().iter().any(|error| error["code"] == "NoSuchKey"));
    }

    #[test]
    fn a_wrong_name_is_answered_by_the_right_one() {
        let told = |name| list(Some(name), Output::Text, &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(told("states"), "unknown service `states`; it is called `stepfunctions` here");
        assert_eq!(told("dynamodbb"), "unknown service `dynamodbb`; did you mean `dynamodb`?");
        assert_eq!(told("%"), "unknown service `%`");
    }
}
