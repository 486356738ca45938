//! One request and its response, and what is known of them until they can be recorded.
//!
//! An [`Exchange`] is opened with the request and travels with it; at last it watches the answer's body, and closes its ledger entry
//! when that has ended. Dropped before, it records that the client went away: hyper drops everything of an exchange whose client is
//! gone. Either way there is exactly one entry for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode, Version};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use smallvec::SmallVec;
use std::hash::Hasher as _;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Proxy;
use super::approach::Ended;
use super::route::{Connection, Progress};
use crate::aws::request::{AwsRequest, Foreign};
use crate::clock;
use crate::ledger::{Entry, Mode, Outcome, Side};
use crate::net::body::{End, ResponseBody, Sent, Watch, Watched};
use crate::net::cut::{Broken, ConnectionEnding, Ending, Near, StreamReset};
use crate::net::translate;
use crate::profile::{Holds, RuleName, Skip, Verdict};

/// The body of every answer to a client; its end closes the exchange.
pub type ExchangeBody = Watched<Exchange>;

/// An exchange under way. It changes hands often, and so lives in a box.
pub struct Exchange {
    proxy: Arc<Proxy>,
    started: Instant,
    sent: Arc<Sent>,
    near: Near,
    /// Places under `max_active`, given back when it ends.
    holds: Holds,
    progress: Arc<Progress>,
    plans: Plans,
    /// Taken when it is recorded.
    entry: Option<Box<Entry>>,
    /// Goes after it is.
    _under_way: TaskTrackerToken,
}

/// What rules are about to do to its answer.
#[derive(Default)]
struct Plans {
    /// It is a rule's, not the far end's.
    injected: bool,
    /// It is to be cut, by these.
    cuts: SmallVec<[RuleName; 1]>,
    /// Its stream of events is to be broken off by this; true once that has happened.
    interrupted: Option<(RuleName, Arc<AtomicBool>)>,
    /// The connection ends so long after it.
    late_end: Option<(RuleName, Duration)>,
    /// It asks the client to wait.
    retry_after: Option<Duration>,
}

impl Exchange {
    /// A request has come.
    pub fn open<B>(proxy: &Arc<Proxy>, connection: &Connection, request: &Request<B>) -> Box<Self> {
        let (started, wall) = clock::both();
        let mut entry = Entry::open(proxy.ledger.next_seq(), wall, connection.mode);
        entry.method = request.method().as_str().into();
        let near = Near::new(Arc::clone(&connection.control), request.version());
        Box::new(Self {
            proxy: Arc::clone(proxy),
            started,
            sent: Arc::default(),
            near,
            holds: Holds::default(),
            progress: Arc::clone(&connection.progress),
            plans: Plans::default(),
            entry: Some(Box::new(entry)),
            _under_way: proxy.exchanges.token(),
        })
    }

    /// Where it goes and what it means is known.
    pub fn understood(&mut self, mode: Mode, host: CompactString, aws: &Result<AwsRequest, Foreign>) {
        let Some(entry) = self.entry.as_mut() else { return };
        (entry.mode, entry.host) = (mode, host);
        match aws {
            Ok(aws) => {
                note(entry, aws);
                let early = aws.invocation.as_ref().and_then(|id| self.proxy.patience.early(id, self.started));
                entry.early_us = early.map_or(0, micros);
            }
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

    /// The version of HTTP the client speaks.
    pub fn version(&self) -> Version {
        self.near.version()
    }

    /// It went out several times, once of them for the client.
    pub fn was_sent_again(&mut self, times: u32) {
        if let Some(entry) = self.entry.as_mut() {
            entry.copies = times;
        }
    }

    /// The far end has carried it out, and the client will not hear that.
    pub fn was_lost(&mut self, status: StatusCode) {
        if let Some(entry) = self.entry.as_mut() {
            entry.upstream_status = Some(status.as_u16());
        }
    }

    /// Its answer is a rule's.
    pub fn is_injected(&mut self) {
        self.plans.injected = true;
    }

    /// However it ends, that is a rule's doing.
    pub fn ends_by_rule(&mut self) {
        if let Some(entry) = self.entry.as_mut() {
            (entry.outcome, entry.side) = (Outcome::Injected, Some(Side::Injected));
        }
    }

    /// Its answer is held back so long.
    pub fn held_back(&mut self, time: Duration) {
        if let Some(entry) = self.entry.as_mut() {
            entry.delay_us = entry.delay_us.saturating_add(micros(time));
        }
    }

    /// Its answer asks the client to come back only after so long.
    pub fn asks_to_wait(&mut self, time: Duration) {
        self.plans.retry_after = Some(time);
    }

    /// Its answer is to be cut, by these rules.
    pub fn will_be_cut(&mut self, by: SmallVec<[RuleName; 1]>) {
        self.plans.cuts = by;
    }

    /// Its stream of events is to be broken off by this rule; `struck` tells when that has happened.
    pub fn will_be_interrupted(&mut self, by: RuleName, struck: Arc<AtomicBool>) {
        self.plans.interrupted = Some((by, struck));
    }

    /// By this rule the connection ends so long after its answer has.
    pub fn will_end_late(&mut self, rule: RuleName, delay: Duration) {
        self.plans.late_end = Some((rule, delay));
    }

    /// A rule that struck found nothing to do.
    pub fn found_nothing(&mut self, rule: &RuleName) {
        self.take_back(rule, Skip::NothingThere);
    }

    /// A rule that struck would have had to keep too large a body.
    pub fn is_too_large(&mut self, rule: &RuleName) {
        self.take_back(rule, Skip::TooLarge);
    }

    /// A rule that struck found no batch, or chose none of its items.
    pub fn has_no_items(&mut self, rule: &RuleName) {
        self.take_back(rule, Skip::NoItems);
    }

    /// A rule lets so many items of its batch fail.
    pub fn lets_fail(&mut self, items: usize) {
        if let Some(entry) = self.entry.as_mut() {
            entry.items_failed = u32::try_from(items).unwrap_or(u32::MAX);
        }
    }

    fn take_back(&mut self, rule: &RuleName, why: Skip) {
        if self.proxy.live.load().take_back(rule, why)
            && let Some(entry) = self.entry.as_mut()
        {
            entry.rules.retain(|name| name != rule);
        }
    }

    /// There is an answer.
    pub fn answered(self: Box<Self>, response: Response<ResponseBody>) -> Response<ExchangeBody> {
        if let (Some(time), Some(id)) =
            (self.plans.retry_after, self.entry.as_ref().and_then(|e| e.invocation.as_ref()))
        {
            self.proxy.patience.ask(id, time, clock::now());
        }
        let (outcome, side) =
            if self.plans.injected { (Outcome::Injected, Some(Side::Injected)) } else { (Outcome::Answered, None) };
        self.respond(response, outcome, side)
    }

    /// Squall answered in its own name.
    pub fn own_answer(self: Box<Self>, response: Response<ResponseBody>) -> Response<ExchangeBody> {
        self.respond(response, Outcome::ProxyFailed, Some(Side::Proxy))
    }

    /// The upstream broke off instead of answering, and the client sees the same.
    pub async fn unanswered(self: Box<Self>, broken: &Broken) -> StreamReset {
        let ending = broken.as_seen_in(self.near.version());
        // A request whose client stops in the middle of it makes hyper give up the connection upstream.
        let (outcome, side) = if self.sent.is_broken() {
            (Outcome::ClientGone, Side::Client)
        } else {
            (Outcome::UpstreamFailed, Side::Upstream)
        };
        self.end(outcome, side, ending).await
    }

    /// It came over a connection that this rule is about to end, and takes no more requests.
    pub async fn silenced(mut self: Box<Self>, rule: RuleName) -> StreamReset {
        if let Some(entry) = self.entry.as_mut() {
            entry.rules.push(rule);
        }
        self.ends_by_rule();
        std::future::pending().await
    }

    /// A rule ends its connection, whose first it is.
    pub(super) async fn ended_at_once(mut self: Box<Self>, ended: Ended) -> StreamReset {
        if let Some(entry) = self.entry.as_mut() {
            entry.rules.push(ended.rule);
        }
        let ending = match ended.ending {
            ConnectionEnding::Close => ConnectionEnding::ShutDown,
            other => other,
        };
        self.ended(Ending::Connection(ending)).await
    }

    /// Squall ends it in this way instead of answering.
    pub async fn ended(self: Box<Self>, ending: Ending) -> StreamReset {
        self.end(Outcome::Injected, Side::Injected, ending).await
    }

    async fn end(mut self: Box<Self>, outcome: Outcome, side: Side, ending: Ending) -> StreamReset {
        if let Some(entry) = self.entry.as_mut() {
            (entry.outcome, entry.side) = (outcome, Some(side));
        }
        self.record();
        self.near.end_unanswered(ending).await
    }

    fn respond(
        mut self: Box<Self>,
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

    /// The connection ends once its answer has, and takes no more requests until then. In HTTP/2 only the stream ends.
    fn end_late(&mut self) {
        let Some((rule, delay)) = self.plans.late_end.take().filter(|_| self.version() != Version::HTTP_2) else {
            return;
        };
        if self.progress.silenced_by.set(rule).is_ok() {
            let (control, stop) = (Arc::clone(self.near.control()), self.proxy.stop.clone());
            self.proxy.tasks.spawn(async move {
                tokio::select! {
                    () = control.end_after(delay, ConnectionEnding::ShutDown) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
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
                End::Cut => {
                    self.plans.cuts.clear();
                    (entry.outcome, entry.side) = (Outcome::Injected, Some(Side::Injected));
                }
                End::Broken(_) => (entry.outcome, entry.side) = (Outcome::UpstreamFailed, Some(Side::Upstream)),
                End::Left if self.proxy.cut.is_cancelled() => {
                    (entry.outcome, entry.side) = (Outcome::ProxyFailed, Some(Side::Proxy));
                }
                End::Left => (entry.outcome, entry.side) = (Outcome::ClientGone, Some(Side::Client)),
                End::Whole => {}
            }
        }
        for rule in std::mem::take(&mut self.plans.cuts) {
            self.found_nothing(&rule);
        }
        match self.plans.interrupted.take() {
            Some((_, struck)) if struck.load(Ordering::Relaxed) => self.ends_by_rule(),
            Some((rule, _)) => self.found_nothing(&rule),
            None => {}
        }
        self.end_late();
        self.record();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let unanswered = self.entry.as_mut().filter(|entry| entry.outcome == Outcome::ClientGone);
        if let Some(entry) = unanswered.filter(|_| self.proxy.cut.is_cancelled()) {
            (entry.outcome, entry.side) = (Outcome::ProxyFailed, Some(Side::Proxy));
        }
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
