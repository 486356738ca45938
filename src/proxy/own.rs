//! Answers in Squall's own name: never AWS's, never injected, and marked so.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::route::NoRoute;
use super::{Proxy, unread};
use crate::net::body::ResponseBody;

/// Why Squall itself answers: the value of `x-squall-error`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The request cannot be carried: it names no host, or a scheme nobody speaks.
    BadRequest,
    /// The request must be signed anew, and cannot be.
    CannotSign,
    /// The request would come back to Squall.
    Loop,
    /// The request must be signed anew, and there are no credentials.
    NoCredentials,
    /// AWS's own host for the request cannot be told.
    NoRealHost,
    /// An endpoint request came, and nobody said where the emulator is.
    NoUpstream,
    /// A rule took items out of a batch, and the far end's answer to the others is none that theirs can be joined with.
    NotJoined,
    /// The far end cannot be reached.
    UpstreamUnreachable,
}

impl Reason {
    /// As written in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::CannotSign => "cannot-sign",
            Self::Loop => "loop",
            Self::NoCredentials => "no-credentials",
            Self::NoRealHost => "no-real-host",
            Self::NoUpstream => "no-upstream",
            Self::NotJoined => "not-joined",
            Self::UpstreamUnreachable => "upstream-unreachable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::CannotSign
            | Self::NoCredentials
            | Self::NoRealHost
            | Self::NoUpstream
            | Self::NotJoined
            | Self::UpstreamUnreachable => StatusCode::BAD_GATEWAY,
        }
    }
}

/// The answer to a request that cannot be carried.
pub(super) async fn no_route(proxy: &Arc<Proxy>, why: &NoRoute, request: Request<Incoming>) -> Response<ResponseBody> {
    let (head, body) = request.into_parts();
    let mut answer = answer(why.reason, &why.text);
    unread::settle(proxy, head.version, &head.headers, body, &mut answer).await;
    answer
}

/// An answer that says in plain text what went wrong and what to do.
pub fn answer(reason: Reason, text: &str) -> Response<ResponseBody> {
    let body = Bytes::from(format!("squall: {text}\n"));
    let mut response = Response::new(ResponseBody::Own(None));
    *response.status_mut() = reason.status();
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("squall"));
    headers.insert(HeaderName::from_static("x-squall-error"), HeaderValue::from_static(reason.as_str()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response.map(|_| ResponseBody::Own(Some(body)))
}
