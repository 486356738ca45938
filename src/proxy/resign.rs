//! A request made fit for the host that AWS itself answers at: named for it, and signed for it.
//!
//! Only a request whose host had to change comes here. What was not signed still is not. The body streams, but for one whose hash
//! stands in the signature alone, which is read whole first, within bounds.

use std::borrow::Cow;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;

use super::Proxy;
use super::ahead::Ahead;
use super::own::Reason;
use super::route::NoRoute;
use crate::aws::host::RealHost;
use crate::aws::request::Head;
use crate::aws::sign::{self, Chunks, Claim, Unsignable};
use crate::net::body::{BoxError, Rewrite};

/// Names `real` in the request and signs it anew. Gives what its body must go through.
pub(super) async fn resign(
    proxy: &Proxy,
    real: &RealHost,
    request: &mut Request<Incoming>,
    ahead: &mut Ahead,
) -> Result<Option<Box<dyn Rewrite>>, NoRoute> {
    let claim = Claim::read(&head(request)).map_err(|why| cannot_sign(&why))?;
    let Some(claim) = claim else {
        sign::rename(request, &real.name).map_err(|why| cannot_sign(&why))?;
        return Ok(None);
    };
    let credentials = proxy.identity.credentials().await;
    let credentials = credentials.map_err(|why| NoRoute { reason: Reason::NoCredentials, text: why.to_string() })?;
    if claim.needs_body() && !ahead.read_whole(request, MOST_OF_BODY).await {
        let text = format!(
            "this request must be signed anew with the hash of its body, which is longer than {} MiB or broken",
            MOST_OF_BODY >> 20
        );
        return Err(NoRoute { reason: Reason::CannotSign, text });
    }
    let body = if claim.needs_body() { ahead.bytes() } else { Cow::default() };
    let signed = claim.sign(request, &real.name, real.region, &credentials, &body);
    let chunks = signed.map_err(|why| cannot_sign(&why))?;
    Ok(chunks.map(|chunks| Box::new(Resigned(chunks)) as Box<dyn Rewrite>))
}

fn head(request: &Request<Incoming>) -> Head<'_> {
    let uri = request.uri();
    Head { method: request.method(), host: "", path: uri.path(), query: uri.query(), headers: request.headers() }
}

fn cannot_sign(why: &Unsignable) -> NoRoute {
    NoRoute { reason: Reason::CannotSign, text: format!("this request must be signed anew for AWS's own host: {why}") }
}

/// A body whose chunks are signed anew.
#[derive(Clone, Debug)]
struct Resigned(Chunks);

impl Rewrite for Resigned {
    fn take(&mut self, data: &Bytes) -> Result<Bytes, BoxError> {
        Ok(self.0.take(data)?)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.0.end()?)
    }

    fn once_more(&self) -> Box<dyn Rewrite> {
        Box::new(self.clone())
    }
}

/// Lambda takes the largest: a function's code of 50 MiB, written in base64.
const MOST_OF_BODY: usize = 72 << 20;
