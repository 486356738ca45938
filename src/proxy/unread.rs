//! Request bodies that nobody wants, because the request is answered without going upstream.
//!
//! A connection closed over unread bytes becomes a TCP reset, and an SDK would report that instead of the answer. So the body is read
//! to its end first where that is quick; else it is read on behind the answer, and the client is told that the connection will close.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{HeaderMap, Response, Version};
use http_body::Body;
use http_body_util::BodyExt as _;

use super::Proxy;
use crate::net::body::ResponseBody;

/// Sees to the body of a request that `answer` answers; `version` and `headers` are the request's.
pub async fn settle<B>(
    proxy: &Arc<Proxy>,
    version: Version,
    headers: &HeaderMap,
    mut body: B,
    answer: &mut Response<ResponseBody>,
) where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return;
    }
    let small = body.size_hint().upper().is_some_and(|n| n <= SMALL);
    // Asking for the body of an `Expect: 100-continue` request would make hyper send the 100: answer first.
    if small && !headers.contains_key(EXPECT) {
        if let Ok(true) = tokio::time::timeout(SMALL_TIME, drain(&mut body, SMALL)).await {
            return;
        }
    } else {
        proxy.tasks.spawn(async move {
            let _ended = tokio::time::timeout(LARGE_TIME, drain(&mut body, LARGE)).await;
        });
    }
    // In HTTP/2 it is only this stream that ends.
    if version != Version::HTTP_2 {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Reads up to `limit` bytes; whether the body has ended by then.
pub(super) async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B, limit: u64) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len) as u64;
        if read > limit {
            return false;
        }
    }
    true
}

const SMALL: u64 = 256 << 10;
const SMALL_TIME: Duration = Duration::from_secs(5);
/// A client that has an answer and still sends gets this much patience before the connection is cut.
const LARGE: u64 = 1 << 30;
const LARGE_TIME: Duration = Duration::from_secs(30);
