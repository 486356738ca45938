//! A stream of events that a rule breaks off as it passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};

use super::exchange::Exchange;
use crate::aws::protocol::Stamp;
use crate::aws::protocol::event_stream::Interrupt;
use crate::aws::request::AwsRequest;
use crate::clock;
use crate::net::body::ResponseBody;
use crate::net::shaped::Recast;
use crate::net::translate;
use crate::profile::Shape;

/// What the answer's body must go through; nothing where the answer is no stream, and that is noted.
pub(super) fn interrupt(
    exchange: &mut Exchange,
    response: &mut Response<ResponseBody>,
    shape: &Shape,
    aws: Option<&AwsRequest>,
) -> Option<Box<dyn Recast>> {
    let (rule, after, how) = shape.interrupt.as_ref()?;
    let stamp = Stamp { date: clock::wall(), id: exchange.request_id() };
    let streams = aws.filter(|_| response.status() == StatusCode::OK);
    let Some(interrupt) = streams.and_then(|aws| Interrupt::new(aws, *after, how, &stamp)) else {
        exchange.found_nothing(rule);
        return None;
    };
    translate::retain(response.headers_mut(), |name, _| name != CONTENT_LENGTH);
    let struck = Arc::new(AtomicBool::new(false));
    exchange.will_be_interrupted(rule.clone(), Arc::clone(&struck));
    Some(Box::new(Interrupted { interrupt, struck }))
}

/// A stream, and whether it has been broken off.
#[derive(Debug)]
struct Interrupted {
    interrupt: Interrupt,
    struck: Arc<AtomicBool>,
}

impl Recast for Interrupted {
    fn take(&mut self, data: Bytes) -> (Bytes, bool) {
        let passed = self.interrupt.take(data);
        if passed.struck {
            self.struck.store(true, Ordering::Relaxed);
        }
        (passed.data, passed.ended)
    }
}
