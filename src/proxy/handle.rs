//! One exchange, from its request to its answer: the function in which the request path can be read.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::Proxy;
use super::ahead::Ahead;
use super::approach;
use super::exchange::{Exchange, ExchangeBody};
use super::forward::{NoAnswer, forward};
use super::inject::{self, Given};
use super::route::{self, Addressed, Connection};
use super::{batch, expiration, own};
use crate::aws::protocol;
use crate::aws::request::{self, AwsRequest, Foreign, Head, MOST_OF_BODY};
use crate::aws::{member, resource};
use crate::fault::Instead;
use crate::net::body::ResponseBody;
use crate::net::cut::StreamReset;
use crate::profile::{Ruling, Seen, Verdict};

/// Carries one exchange through: decode, decide, inject or forward, record.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` keeps its arguments twice, and the request is the largest thing here"
)]
pub fn handle(
    proxy: Arc<Proxy>,
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ExchangeBody>, StreamReset>> {
    async move {
        let mut exchange = Exchange::open(&proxy, &connection, &request);
        let addressed = match route::addressed(&proxy, &connection, &request) {
            Ok(addressed) => addressed,
            Err(no_route) => return Ok(exchange.own_answer(own::no_route(&proxy, &no_route, request).await)),
        };
        let ruling = proxy.live.load();
        let mut ahead = Ahead::default();
        let mut aws = understand(&ruling, &connection, &addressed, &mut request, &mut ahead).await;
        exchange.understood(addressed.mode, addressed.host.clone(), &aws);
        let route = route::route(&proxy, &connection, &addressed, aws.as_ref().ok(), request.uri().path()).await;
        let route = match route {
            Ok(route) => route,
            Err(no_route) => return Ok(exchange.own_answer(own::no_route(&proxy, &no_route, request).await)),
        };
        if let Some(rule) = connection.progress.silenced_by.get() {
            return Err(exchange.silenced(rule.clone()).await);
        }
        if aws.is_ok()
            && let Some(ended) = approach::at_connect(&proxy, &connection, &addressed.host)
        {
            return Err(exchange.ended_at_once(ended).await);
        }
        let mut verdict = match &aws {
            Ok(aws) if !proxy.lets_all_pass() => {
                ruling.decide(&seen(&connection, &addressed, &request, aws, &ahead.bytes()), proxy.live.now())
            }
            _ => Verdict::default(),
        };
        if let Ok(aws) = &aws {
            inject::by_clock(&mut verdict, aws, &head(&addressed, &request));
        }
        exchange.decided(&verdict);
        inject::before(&verdict).await;
        if let Ok(aws) = &aws
            && batch::is_wanted(&proxy, aws, &verdict)
        {
            let way = batch::Way {
                proxy: &proxy,
                connection: &connection,
                addressed: &addressed,
                route: &route,
                aws,
                verdict: &verdict,
            };
            return Box::pin(way.carry(request, ahead, exchange)).await;
        }
        let (Some((rule, instead)), Ok(aws)) = (&verdict.instead, &mut aws) else {
            return match forward(&proxy, &connection, &route, request, ahead, &mut exchange, &verdict).await {
                Ok(answer) if verdict.shape.is_none() => Ok(exchange.answered(answer)),
                Ok(answer) => Box::pin(change(exchange, answer, &verdict, aws.as_ref().ok())).await,
                Err(why) => no_answer(exchange, why).await,
            };
        };
        look_closer(&addressed, &mut request, &mut ahead, aws, instead).await;
        let mut unsent = Some(request);
        if let Some(request) = unsent.take_if(|_| verdict.goes_on()) {
            // Carried out, and the client will not hear of it.
            match Box::pin(forward(&proxy, &connection, &route, request, ahead, &mut exchange, &verdict)).await {
                Ok(answer) => inject::lose(&mut exchange, answer).await,
                Err(why) => return no_answer(exchange, why).await,
            }
        }
        let given = Given { rule, instead, aws, verdict: &verdict };
        inject::instead(&proxy, exchange, &given, &mut unsent).await
    }
}

/// Gives the client the far end's answer as rules will have it.
async fn change(
    mut exchange: Box<Exchange>,
    answer: Response<ResponseBody>,
    verdict: &Verdict,
    aws: Option<&AwsRequest>,
) -> Result<Response<ExchangeBody>, StreamReset> {
    match expiration::put(&mut exchange, answer, verdict, aws).await {
        Ok(answer) => Ok(inject::answer(exchange, answer, verdict, aws).await),
        Err(broken) => no_answer(exchange, NoAnswer::Broken(broken)).await,
    }
}

/// The far end has not answered: what it did instead is done to the client, or Squall says why.
pub(super) async fn no_answer(exchange: Box<Exchange>, why: NoAnswer) -> Result<Response<ExchangeBody>, StreamReset> {
    match why {
        NoAnswer::Broken(broken) => Err(exchange.unanswered(&broken).await),
        NoAnswer::Own(answer) => Ok(exchange.own_answer(*answer)),
    }
}

pub(super) fn head<'a>(addressed: &'a Addressed, request: &'a Request<Incoming>) -> Head<'a> {
    let uri = request.uri();
    let headers = request.headers();
    Head { method: request.method(), host: &addressed.host, path: uri.path(), query: uri.query(), headers }
}

/// What rules look at.
fn seen<'a>(
    connection: &Connection,
    addressed: &'a Addressed,
    request: &'a Request<Incoming>,
    aws: &'a AwsRequest,
    body: &'a [u8],
) -> Seen<'a> {
    let port = addressed.target.as_ref().map(|target| target.port);
    Seen { body, peer: Some(connection.client.ip()), port, ..Seen::new(aws, head(addressed, request)) }
}

/// Decodes a request, looking into its body only where the head leaves a doubt, or a rule asks for what the body alone tells.
async fn understand(
    ruling: &Ruling,
    connection: &Connection,
    addressed: &Addressed,
    request: &mut Request<Incoming>,
    ahead: &mut Ahead,
) -> Result<AwsRequest, Foreign> {
    if request::needs_body(&head(addressed, request)) {
        ahead.read(request, MOST_OF_BODY).await;
    }
    let mut aws = request::decode(&head(addressed, request), &ahead.bytes())?;
    ruling.plan.settle(&mut aws);
    if ahead.is_empty()
        && !is_conversation(request)
        && asks_for_body(ruling, &seen(connection, addressed, request, &aws, b""))
    {
        ahead.read(request, MOST_OF_BODY).await;
        aws.is_about(resource::read(&aws, &head(addressed, request), &ahead.bytes()));
    }
    Ok(aws)
}

/// Reads as much of the request as the error that answers it, if one does, tells of it.
async fn look_closer(
    addressed: &Addressed,
    request: &mut Request<Incoming>,
    ahead: &mut Ahead,
    aws: &mut AwsRequest,
    instead: &Instead,
) {
    let Instead::Error(error) = instead.at_last() else { return };
    let most = protocol::asks_body(aws, &head(addressed, request), error);
    if most > 0 && !is_conversation(request) {
        ahead.read(request, most).await;
        protocol::look_into(aws, &head(addressed, request), error, &ahead.bytes());
    }
}

/// Whether a rule asks for what only the body can tell.
fn asks_for_body(ruling: &Ruling, seen: &Seen<'_>) -> bool {
    let of_resource = || ruling.plan.asks_for_resource(seen) && resource::stands_in_body(seen.request, &seen.head);
    let of_member = || ruling.plan.asks_for_body(seen) && member::is_readable(seen.request, &seen.head);
    of_resource() || of_member()
}

/// Whether a body may be one half of a conversation, whose other half would have to come first: on HTTP/2, without a length.
fn is_conversation(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_2 && !request.headers().contains_key(CONTENT_LENGTH)
}
