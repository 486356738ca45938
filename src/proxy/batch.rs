//! Batches of which a rule lets some items fail, and those in which such items come again.
//!
//! A batch is read whole, within a bound. The items that fail are taken out, the others go on, and the answer to them is joined with the
//! failures. As long as failed items have not been carried out, batches of their operation are read too, and requests for one such item
//! alone; they go on as they came, and the ledger is told what became of the items.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::ahead::Ahead;
use super::exchange::{Exchange, ExchangeBody};
use super::forward::forward;
use super::handle::{head, no_answer};
use super::inject::{self, Given};
use super::route::{Addressed, Connection, Route};
use super::{Proxy, own};
use crate::aws::batch::{self, Batch, Failure, Item, Joined, Outcome};
use crate::aws::host::RealHost;
use crate::aws::partition;
use crate::aws::protocol::{self, AwsError, Stamp};
use crate::aws::request::{AwsRequest, Reading};
use crate::clock;
use crate::fault::Instead;
use crate::fault::partial::Partial;
use crate::net::body::ResponseBody;
use crate::net::cut::{Broken, StreamReset};
use crate::profile::{RuleName, Verdict};

/// What a request and its answer go by.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) proxy: &'a Arc<Proxy>,
    pub(super) connection: &'a Connection,
    pub(super) addressed: &'a Addressed,
    pub(super) route: &'a Route,
    pub(super) aws: &'a AwsRequest,
    pub(super) verdict: &'a Verdict,
}

type Answer = Result<Response<ExchangeBody>, StreamReset>;

/// Whether the items of a request matter.
pub(super) fn is_wanted(proxy: &Proxy, aws: &AwsRequest, verdict: &Verdict) -> bool {
    let awaits = |reading: &Reading| proxy.ledger.awaits_items(&batch::batch_of(reading).unwrap_or(*reading));
    let awaited = || aws.reading().is_some_and(awaits);
    verdict.partly.is_some() || (verdict.instead.is_none() && awaited())
}

impl Way<'_> {
    /// Carries the request through, whichever of its items fail.
    pub(super) async fn carry(
        self,
        mut request: Request<Incoming>,
        mut ahead: Ahead,
        mut exchange: Box<Exchange>,
    ) -> Answer {
        let rule = self.verdict.partly.as_ref();
        if !ahead.read_whole(&mut request, LARGEST).await {
            rule.iter().for_each(|(rule, _)| exchange.is_too_large(rule));
            return self.pass(request, ahead, exchange).await;
        }
        let body = ahead.bytes().into_owned();
        let batch = batch::read(self.aws, &head(self.addressed, &request), &body);
        let (Some(batch), Some(reading)) = (batch, self.aws.reading()) else {
            rule.iter().for_each(|(rule, _)| exchange.has_no_items(rule));
            let alone = batch::as_batch(self.aws, &head(self.addressed, &request), &body);
            return self.follow_alone(request, ahead, exchange, alone).await;
        };
        let Some((rule, partial)) = rule else { return self.follow(request, ahead, exchange, &batch, reading).await };
        let failed = chosen(partial, &batch);
        let failure = partial.failure();
        match failed.contains(&true).then(|| batch.outcome(&failed, failure)).flatten() {
            None => {
                exchange.has_no_items(rule);
                self.follow(request, ahead, exchange, &batch, reading).await
            }
            Some(Outcome::Error(error)) => {
                self.fails(&mut exchange, rule, reading, batch.items().iter());
                self.refuse(request, exchange, rule, error, &body).await
            }
            Some(Outcome::Answer(answer)) => {
                self.fails(&mut exchange, rule, reading, batch.items().iter());
                self.answer(exchange, rule, &answer).await
            }
            Some(Outcome::Forward(left)) => {
                ahead.replace(left.into());
                request.headers_mut().remove(EXPECT);
                batch::vouch(request.headers_mut(), &ahead.bytes());
                let signed_anew = self.signed_anew();
                let way = Way { route: signed_anew.as_ref().unwrap_or(self.route), ..self };
                way.join(request, ahead, exchange, &Parted { rule, batch: &batch, reading, failed: &failed, failure })
                    .await
            }
        }
    }

    /// The route of a request whose signature no longer holds, where AWS itself would look at it.
    fn signed_anew(self) -> Option<Route> {
        let is_needed = self.route.real.is_none() && partition::is_api_host(&self.route.to.host);
        let real = RealHost { name: self.addressed.host.clone(), region: None };
        is_needed.then(|| Route { real: Some(real), ..self.route.clone() })
    }

    /// As it came.
    async fn pass(self, request: Request<Incoming>, ahead: Ahead, mut exchange: Box<Exchange>) -> Answer {
        match self.forward(request, ahead, &mut exchange).await {
            Ok(answer) => Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await),
            Err(why) => no_answer(exchange, why).await,
        }
    }

    /// As it came, and what became of its items is remembered.
    async fn follow(
        self,
        request: Request<Incoming>,
        ahead: Ahead,
        mut exchange: Box<Exchange>,
        batch: &Batch<'_>,
        reading: &Reading,
    ) -> Answer {
        let answer = match self.forward(request, ahead, &mut exchange).await {
            Ok(answer) => answer,
            Err(why) => return no_answer(exchange, why).await,
        };
        let (head, body) = answer.into_parts();
        let is_told = batch.is_told_in(head.status, &head.headers);
        if !is_told || body.size_hint().exact().is_none_or(|size| size > LARGEST as u64) {
            if is_told {
                // Not looked into: it is taken for an answer without failures.
                self.proxy.ledger.items_done(reading, batch.items().iter());
            }
            let answer = Response::from_parts(head, body);
            return Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await);
        }
        let bytes = match collected(body).await {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(broken) => return Err(exchange.unanswered(&broken).await),
        };
        let none = vec![false; batch.items().len()];
        let plain = batch::plain(&head.headers, &bytes);
        if let Some(joined) = plain.and_then(|plain| batch.joined(&none, &Failure::default(), &plain)) {
            self.proxy.ledger.items_done(reading, carried_out(batch, &joined));
        }
        let answer = Response::from_parts(head, ResponseBody::Own(Some(bytes)));
        Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await)
    }

    /// As it came; if it is a batch of one in other words, and goes well, its item was carried out.
    async fn follow_alone(
        self,
        request: Request<Incoming>,
        ahead: Ahead,
        mut exchange: Box<Exchange>,
        alone: Option<(AwsRequest, Vec<u8>)>,
    ) -> Answer {
        let item = alone.and_then(|(aws, body)| {
            let item = batch::read(&aws, &head(self.addressed, &request), &body)?.items().first().cloned()?;
            Some((*aws.reading()?, item))
        });
        match self.forward(request, ahead, &mut exchange).await {
            Ok(answer) => {
                if let Some((reading, item)) = item.filter(|_| answer.status().is_success()) {
                    self.proxy.ledger.items_done(&reading, std::iter::once(&item));
                }
                Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await)
            }
            Err(why) => no_answer(exchange, why).await,
        }
    }

    /// Without some of its items, and the answer to the others joined with their failures.
    async fn join(
        self,
        request: Request<Incoming>,
        ahead: Ahead,
        mut exchange: Box<Exchange>,
        parted: &Parted<'_>,
    ) -> Answer {
        let Parted { rule, batch, reading, failed, failure } = *parted;
        let answer = match self.forward(request, ahead, &mut exchange).await {
            Ok(answer) => answer,
            Err(why) => return no_answer(exchange, why).await,
        };
        let (mut head, body) = answer.into_parts();
        if !batch.is_told_in(head.status, &head.headers) {
            // An error for all: it is the far end's own.
            exchange.found_nothing(rule);
            let answer = Response::from_parts(head, body);
            return Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await);
        }
        let bytes = match collected(body).await {
            Ok(bytes) => bytes,
            Err(broken) => return Err(exchange.unanswered(&broken).await),
        };
        let plain = bytes.as_ref().and_then(|bytes| batch::plain(&head.headers, bytes));
        let Some(joined) = plain.and_then(|plain| batch.joined(failed, failure, &plain)) else {
            let text = format!(
                "rule {rule} took items out of a batch, and the answer to the others is none to be joined with"
            );
            tracing::warn!("{text}");
            return Ok(exchange.own_answer(own::answer(own::Reason::NotJoined, &text)));
        };
        let ours = batch.items().iter().zip(failed).filter(|(_, failed)| **failed).map(|(item, _)| item);
        // In this order: an item like one that failed does not stand for it.
        self.proxy.ledger.items_done(reading, carried_out(batch, &joined));
        self.fails(&mut exchange, rule, reading, ours);
        batch::vouch_for_answer(&mut head.headers, &joined.body);
        let mut answer = Response::from_parts(head, ResponseBody::Own(Some(joined.body.into())));
        inject::mark(self.proxy, &mut answer, rule);
        exchange.is_injected();
        Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await)
    }

    /// An error of AWS's in place of all.
    async fn refuse(
        self,
        request: Request<Incoming>,
        exchange: Box<Exchange>,
        rule: &RuleName,
        error: AwsError,
        body: &[u8],
    ) -> Answer {
        let mut aws = self.aws.clone();
        protocol::look_into(&mut aws, &head(self.addressed, &request), &error, body);
        let given = Given { rule, instead: &Instead::Error(error), aws: &aws, verdict: self.verdict };
        inject::instead(self.proxy, exchange, &given, &mut Some(request)).await
    }

    /// An answer without an error in which every item failed.
    async fn answer(self, mut exchange: Box<Exchange>, rule: &RuleName, body: &[u8]) -> Answer {
        let stamp = Stamp { date: clock::wall(), id: exchange.request_id() };
        let mut answer = inject::into_response(batch::answer(self.aws, body, &stamp));
        inject::mark(self.proxy, &mut answer, rule);
        exchange.is_injected();
        Ok(inject::answer(exchange, answer, self.verdict, Some(self.aws)).await)
    }

    fn fails<'i>(
        self,
        exchange: &mut Exchange,
        rule: &RuleName,
        reading: &Reading,
        items: impl Iterator<Item = &'i Item> + Clone,
    ) {
        exchange.lets_fail(items.clone().count());
        self.proxy.ledger.items_failed(rule, reading, items);
    }

    async fn forward(
        self,
        request: Request<Incoming>,
        ahead: Ahead,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, super::forward::NoAnswer> {
        forward(self.proxy, self.connection, self.route, request, ahead, exchange, self.verdict).await
    }
}

/// A batch of which some items fail.
#[derive(Clone, Copy)]
struct Parted<'a> {
    rule: &'a RuleName,
    batch: &'a Batch<'a>,
    reading: &'a Reading,
    failed: &'a [bool],
    failure: &'a Failure,
}

fn chosen(partial: &Partial, batch: &Batch<'_>) -> Vec<bool> {
    let mut chosen = partial.choose(batch.items());
    batch.settle(&mut chosen, partial.failure());
    chosen
}

fn carried_out<'a>(batch: &'a Batch<'_>, joined: &'a Joined) -> impl Iterator<Item = &'a Item> {
    batch.items().iter().zip(&joined.failed).filter(|(_, failed)| !**failed).map(|(item, _)| item)
}

/// A whole body; nothing if it is too large to be kept.
async fn collected(mut body: ResponseBody) -> Result<Option<Bytes>, Broken> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() as u64 > LARGEST_ANSWER {
            return Ok(None);
        }
    }
    Ok(Some(bytes.freeze()))
}

/// DynamoDB takes four megabytes in a transaction and sixteen in a batch of 25 at most; what SDKs send is mostly far smaller.
const LARGEST: usize = 8 << 20;
/// BatchGetItem answers with up to 16 MB.
const LARGEST_ANSWER: u64 = 32 << 20;
