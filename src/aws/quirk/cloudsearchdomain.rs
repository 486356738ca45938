//! CloudSearch's domain API: SDKs send a long Search as a form.

use crate::aws::catalog::Service;
use crate::aws::request::{Head, Reading};

/// `POST /2013-01-01/search` with the query in the body is Search, which is modeled as a GET (botocore's handlers.py,
/// `change_get_to_post`).
pub(in crate::aws) fn search(services: &[&'static Service], head: &Head<'_>) -> Option<Reading> {
    let service = services.iter().find(|service| service.name == "cloudsearchdomain")?;
    let search = head.method == http::Method::POST && head.path == "/2013-01-01/search";
    search.then(|| Reading { service, operation: service.operation("Search") })
}
