//! What rules look at.

use std::net::IpAddr;

use crate::aws::request::{AwsRequest, Head};

/// A request as AWS means it, and what it was read from. Borrowed: looking costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What it means to AWS.
    pub request: &'a AwsRequest,
    /// Its head as the client sent it.
    pub head: Head<'a>,
    /// As much of its body's beginning as was read; often nothing, see [`super::Plan::asks_for_body`].
    pub body: &'a [u8],
    /// The address it came from, where it came over a network.
    pub peer: Option<IpAddr>,
    /// The port it goes to, where it names one.
    pub port: Option<u16>,
    /// The address it goes to, where that is told beside its host.
    pub address: Option<IpAddr>,
    /// The `tcp:` entry that it came to, if this is a connection to one.
    pub tcp: Option<&'a str>,
}

impl<'a> Seen<'a> {
    /// What a request tells by itself.
    pub fn new(request: &'a AwsRequest, head: Head<'a>) -> Self {
        Self { request, head, body: b"", peer: None, port: None, address: None, tcp: None }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use http::{HeaderMap, Method};

    use super::*;

    static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

    /// A request of which nothing is known but what it means.
    pub(crate) fn seen(request: &AwsRequest) -> Seen<'_> {
        let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &NO_HEADERS };
        Seen::new(request, head)
    }
}
