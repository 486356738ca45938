//! One request and its response, and what is known of them until they can be recorded.
//!
//! An [`Exchange`] is opened with the request and travels with it; at last it watches the answer's body, and closes its ledger entry
//! when that has ended. Dropped before, it records that the client went away: hyper drops everything of an exchange whose client is
//! gone. Either way there is exactly one entry for each request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode, Version};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::hash::Hasher as _;

use super::Proxy;
use super::route::Connection;
use crate::aws::request::{AwsRequest, Foreign};
use crate::clock;
use crate::ledger::{Entry, Mode, Outcome, Side};
use crate::net::body::{End, ResponseBody, Sent, Watch, Watched};
use crate::net::cut::{Broken, Ending, Near, StreamReset};
use crate::net::translate;
use crate::profile::{Holds, Verdict};

/// The body of every answer to a client; its end closes the exchange.
pub type ExchangeBody = Watched<Exchange>;

/// An exchange under way.
pub struct Exchange {
    proxy: Arc<Proxy>,
    started: Instant,
    sent: Arc<Sent>,
    near: Near,
    /// Places under `max_active`, given back when it ends.
    holds: Holds,
    /// Taken when it is recorded.
    entry: Option<Box<Entry>>,
}

impl Exchange {
    /// A request has come.
    pub fn open<B>(proxy: &Arc<Proxy>, connection: &Connection, request: &Request<B>) -> Self {
        let mut entry = Entry::open(proxy.ledger.next_seq(), clock::wall(), connection.mode);
        entry.method = request.method().as_str().into();
        let near = Near::new(Arc::clone(&connection.control), request.version());
        Self {
            proxy: Arc::clone(proxy),
            started: clock::now(),
            sent: Arc::default(),
            near,
            holds: Holds::default(),
            entry: Some(Box::new(entry)),
        }
    }

    /// Where it goes and what it means is known.
    pub fn understood(&mut self, mode: Mode, host: CompactString, aws: &Result<AwsRequest, Foreign>) {
        let Some(entry) = self.entry.as_mut() else { return };
        (entry.mode, entry.host) = (mode, host);
        match aws {
            Ok(aws) => note(entry, aws),
            Err(foreign) => entry.foreign = Some(CompactString::const_new(foreign.as_str())),
        }
    }

    /// What should happen is known.
    pub fn decided(&mut self, verdict: &Verdict) {
        let Some(entry) = self.entry.as_mut() else { return };
        entry.rules.clone_from(&verdict.rules);
        entry.delay_us = micros(verdict.delay);
        self.holds = verdict.holds.clone();
    }

    /// To be told what becomes of the request's body.
    pub fn sent(&self) -> Arc<Sent> {
        Arc::clone(&self.sent)
    }

    /// Bits for a request id: unlike any other of the run, and the same when it is replayed.
    pub fn request_id(&self) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.proxy.live.load().plan.seed(), REQUEST_ID);
        hasher.write_u64(self.entry.as_ref().map_or(0, |entry| entry.seq));
        hasher.finish128().into()
    }

    /// The upstream answered.
    pub fn answered(self, response: Response<ResponseBody>) -> Response<ExchangeBody> {
        self.respond(response, Outcome::Answered, None)
    }

    /// Squall answered as AWS would.
    pub fn injected(self, response: Response<ResponseBody>) -> Response<ExchangeBody> {
        self.respond(response, Outcome::Injected, Some(Side::Injected))
    }

    /// Squall answered in its own name.
    pub fn own_answer(self, response: Response<ResponseBody>) -> Response<ExchangeBody> {
        self.respond(response, Outcome::ProxyFailed, Some(Side::Proxy))
    }

    /// The upstream broke off instead of answering, and the client sees the same.
    pub async fn unanswered(self, broken: &Broken) -> StreamReset {
        let ending = broken.as_seen_in(self.near.version());
        // A request whose client stops in the middle of it makes hyper give up the connection upstream.
        let (outcome, side) = if self.sent.is_broken() {
            (Outcome::ClientGone, Side::Client)
        } else {
            (Outcome::UpstreamFailed, Side::Upstream)
        };
        self.end(outcome, side, ending).await
    }

    /// Squall ends it in this way instead of answering.
    pub async fn ended(self, ending: Ending) -> StreamReset {
        self.end(Outcome::Injected, Side::Injected, ending).await
    }

    async fn end(mut self, outcome: Outcome, side: Side, ending: Ending) -> StreamReset {
        if let Some(entry) = self.entry.as_mut() {
            (entry.outcome, entry.side) = (outcome, Some(side));
        }
        self.record();
        self.near.end_unanswered(ending).await
    }

    fn respond(
        mut self,
        mut response: Response<ResponseBody>,
        outcome: Outcome,
        side: Option<Side>,
    ) -> Response<ExchangeBody> {
        if let Some(entry) = self.entry.as_mut() {
            entry.status = Some(response.status().as_u16());
            entry.first_byte_us = Some(micros(clock::now().duration_since(self.started)));
            (entry.outcome, entry.side) = (outcome, side);
        }
        let version = self.near.version();
        translate::response_to(version, &mut response);
        let announced = version != Version::HTTP_2
            && response.headers().contains_key(CONTENT_LENGTH)
            && may_have_body(&self, response.status());
        let response = response.map(|body| Watched::new(body, self));
        if announced { response.map(Watched::with_announced_length) } else { response }
    }

    fn record(&mut self) {
        self.holds.release();
        let Some(mut entry) = self.entry.take() else { return };
        entry.total_us = micros(clock::now().duration_since(self.started));
        entry.request_bytes = self.sent.bytes();
        tracing::info!(target: "squall::exchange", "{entry}");
        self.proxy.ledger.record(entry);
    }
}

impl Watch for Exchange {
    fn near(&self) -> &Near {
        &self.near
    }

    fn passed(&mut self, bytes: usize) {
        if let Some(entry) = self.entry.as_mut() {
            entry.response_bytes += bytes as u64;
        }
    }

    fn ended(&mut self, end: End<'_>) {
        if let Some(entry) = self.entry.as_mut() {
            match end {
                End::Cut => (entry.outcome, entry.side) = (Outcome::Injected, Some(Side::Injected)),
                End::Broken(_) => (entry.outcome, entry.side) = (Outcome::UpstreamFailed, Some(Side::Upstream)),
                End::Left => (entry.outcome, entry.side) = (Outcome::ClientGone, Some(Side::Client)),
                End::Whole => {}
            }
        }
        self.record();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.record();
    }
}

fn note(entry: &mut Entry, aws: &AwsRequest) {
    let mut readings = aws.readings.iter();
    if let Some(first) = readings.next() {
        entry.service = Some(first.service.name);
        entry.operation = first.operation.map(|operation| operation.name);
    }
    entry.candidates = readings
        .filter(|reading| reading.operation.is_some())
        .map(|reading| compact_str::format_compact!("{reading}"))
        .collect();
    entry.why = Some(aws.why);
    entry.region.clone_from(&aws.region);
    entry.resource = aws.resource.as_ref().map(|resource| resource.name.clone());
    entry.access_key = aws.access_key.clone();
    entry.account.clone_from(&aws.account);
    entry.client.clone_from(&aws.client);
    entry.invocation.clone_from(&aws.invocation);
    entry.attempt = aws.attempt;
    entry.max_attempts = aws.max_attempts;
}

/// RFC 9110 §6.4.1: what never has a body, whatever its Content-Length says.
fn may_have_body(exchange: &Exchange, status: StatusCode) -> bool {
    let to_head = exchange.entry.as_ref().is_some_and(|entry| entry.method == "HEAD");
    !to_head && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Keeps these draws apart from the dice's, which use the same seed.
const REQUEST_ID: u64 = 0x7265_7175_6573_7449;
