//! One TCP connection on its way, under the rules that concern it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use compact_str::{CompactString, format_compact};
use http::{HeaderMap, Method};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::lane::{self, Far};
use crate::aws::request::{AwsRequest, Head};
use crate::clock;
use crate::fault::{Breach, Way};
use crate::ledger::{Carried, Entry, Outcome, Side};
use crate::net::cut::ConnectionEnding;
use crate::net::dial;
use crate::net::relay::{Relay, RelayEnd};
use crate::net::target::Target;
use crate::profile::{Course, Line, RuleName, Ruling, Seen, Stop};
use crate::proxy::route::Connection;
use crate::proxy::{Proxy, carry};

/// A connection from when it is known where it goes until its line in the ledger is written.
pub(in crate::proxy) struct Passage {
    proxy: Arc<Proxy>,
    connection: Connection,
    target: Arc<Target>,
    /// Tells when something else may hold: another plan, the panic button, another beginning of time.
    changes: watch::Receiver<()>,
    course: Course,
    /// The plan whose rules have counted it.
    ruling: Option<Arc<Ruling>>,
    /// Whether rules concern it, or did.
    is_concerned: bool,
    name: Option<CompactString>,
    entry: Entry,
    began: Instant,
}

impl Passage {
    /// A connection to `target`, which came to the `tcp:` entry of this name if it has one.
    pub(in crate::proxy) fn open(
        proxy: &Arc<Proxy>,
        connection: &Connection,
        target: &Arc<Target>,
        name: Option<CompactString>,
    ) -> Self {
        let mut entry = Entry::open(0, clock::wall(), connection.mode);
        entry.host = target.host.clone();
        let upstream = format_compact!("{}", target.host_and_port());
        entry.connection = Some(Box::new(Carried { name: name.clone(), client: Some(connection.client), upstream }));
        Self {
            proxy: Arc::clone(proxy),
            connection: connection.clone(),
            target: Arc::clone(target),
            changes: proxy.changes.subscribe(),
            course: Course::default(),
            ruling: None,
            is_concerned: name.is_some(),
            name,
            entry,
            began: clock::now(),
        }
    }

    /// Waits until the far end may be dialled; or says how a rule ends the connection before that.
    pub(in crate::proxy) async fn admitted(mut self) -> Result<Self, ConnectionEnding> {
        loop {
            let line = self.look();
            if !is_silent(&line) {
                return match &line.stop {
                    Some((rule, stop)) if ends(*stop) => Err(self.ended_by(rule.clone(), ending(*stop))),
                    _ => Ok(self),
                };
            }
            self.changed(&line).await;
        }
    }

    /// Carries bytes both ways until the end. Without a far end yet it is dialled, once something may come through.
    pub(in crate::proxy) async fn carry<S>(mut self, mut client: S, far: Option<carry::Far>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut far = far.map_or(Far::Later, Far::from);
        let mut relay = Relay::new();
        let stop = self.proxy.stop.clone();
        loop {
            let line = self.look();
            if let Some((rule, stop)) = line.stop.clone().filter(|(_, stop)| ends(*stop)) {
                self.note(&relay);
                let (connection, ending) = (self.connection.clone(), ending(stop));
                self.ended_by(rule, ending);
                return end(&connection, client, &far, ending, At::Once).await;
            }
            if matches!(far, Far::Later) && !is_silent(&line) {
                far = match carry::reach(self.proxy.upstream.dialer(), &self.target).await {
                    Ok(far) => far.into(),
                    Err(error) if dial::has_broken_off(&error) => {
                        let broken = RelayEnd::Broken { by_client: false, error };
                        return self.relayed(broken, &line, client, &far).await;
                    }
                    Err(e) => return self.unreachable(client, &e).await,
                };
                // A rule's time may have come meanwhile.
                continue;
            }
            relay.set(lane::terms(&line, Way::Up), lane::terms(&line, Way::Down));
            let relayed = tokio::select! {
                relayed = relay.run(&mut client, &mut far) => relayed,
                () = self.changed(&line) => continue,
                () = stop.cancelled() => {
                    self.note(&relay);
                    return self.close_good(&line);
                }
            };
            self.note(&relay);
            return self.relayed(relayed, &line, client, &far).await;
        }
    }

    /// What rules say of it now.
    fn look(&mut self) -> Line {
        self.changes.mark_unchanged();
        if self.proxy.lets_all_pass() {
            return self.course.release();
        }
        let ruling = self.proxy.live.load();
        if self.ruling.as_ref().is_none_or(|joined| !Arc::ptr_eq(joined, &ruling)) {
            let (request, headers) = (AwsRequest::of_host(&self.target.host), HeaderMap::new());
            let host = &self.target.host;
            let head = Head { method: &Method::CONNECT, host, path: "", query: None, headers: &headers };
            let seen = Seen {
                peer: Some(self.connection.client.ip()),
                port: Some(self.target.port),
                address: self.target.address,
                tcp: self.name.as_deref(),
                ..Seen::new(&request, head)
            };
            self.course.join(&ruling, &seen);
            self.is_concerned |= self.course.is_concerned();
            if self.is_concerned && self.entry.seq == 0 {
                self.entry.seq = self.proxy.ledger.next_seq();
            }
            self.ruling = Some(ruling);
        }
        self.course.at(self.proxy.live.now())
    }

    /// Waits until something else may hold.
    async fn changed(&mut self, line: &Line) {
        let now = self.proxy.live.now();
        let until = super::until(line.next, now);
        tokio::select! {
            // Its other end lives as long as the proxy.
            _ = self.changes.changed() => {}
            () = until => {}
        }
    }

    /// The relay has come to its end: whose doing it was, and what is done to the other side.
    async fn relayed<S>(self, relayed: RelayEnd, line: &Line, client: S, far: &Far)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let hanging = line.stop.as_ref().map(|(rule, _)| rule.clone());
        let connection = self.connection.clone();
        match relayed {
            RelayEnd::Cut(number) => {
                let mut cuts = line.up.cuts.iter().chain(&line.down.cuts);
                let (rule, breach) = match cuts.find(|cut| cut.number == number) {
                    Some(cut) => (Some(cut.rule.clone()), cut.breach),
                    None => (None, Breach::Finish),
                };
                let ending = match breach {
                    Breach::Finish => ConnectionEnding::Close,
                    Breach::Reset(_) => ConnectionEnding::Reset,
                };
                match rule {
                    Some(rule) => self.ended_by(rule, ending),
                    None => ending,
                };
                end(&connection, client, far, ending, At::Last).await;
            }
            // Whoever was left waiting left because of the rule.
            RelayEnd::GivenUp => self.close(Outcome::Injected, Some(Side::Injected)),
            RelayEnd::Done => self.close_good(line),
            RelayEnd::Broken { by_client: true, error } => {
                tracing::debug!("{} broke off its connection to {}: {error}", connection.client, self.target);
                far.reset();
                match hanging {
                    Some(_) => self.close(Outcome::Injected, Some(Side::Injected)),
                    None => self.close(Outcome::ClientGone, Some(Side::Client)),
                }
            }
            RelayEnd::Broken { by_client: false, error } => {
                tracing::debug!("the connection of {} to {} broke: {error}", connection.client, self.target);
                self.close(Outcome::UpstreamFailed, Some(Side::Upstream));
                // What the far end did to us is done to the client.
                let ending =
                    if dial::has_broken_off(&error) { ConnectionEnding::Reset } else { ConnectionEnding::Close };
                end(&connection, client, far, ending, At::Last).await;
            }
        }
    }

    /// Nobody is there: nearest to that is a reset, the connection having been accepted.
    async fn unreachable<S: AsyncRead + AsyncWrite + Unpin>(self, client: S, e: &io::Error) {
        let who = self.connection.client;
        tracing::warn!("{}: cannot reach {}, where {who} was going: {e}", self.what(), self.target);
        let connection = self.connection.clone();
        self.close(Outcome::ProxyFailed, Some(Side::Proxy));
        end(&connection, client, &Far::Later, ConnectionEnding::Reset, At::Once).await;
    }

    fn what(&self) -> &str {
        self.name.as_deref().unwrap_or("a tunnel")
    }

    fn note(&mut self, relay: &Relay) {
        let carried = relay.carried();
        (self.entry.request_bytes, self.entry.response_bytes) = (carried.up, carried.down);
    }

    /// A rule ends it in this way.
    fn ended_by(mut self, rule: RuleName, ending: ConnectionEnding) -> ConnectionEnding {
        self.entry.rules.push(rule);
        self.close(Outcome::Injected, Some(Side::Injected));
        ending
    }

    /// It ended in good order; unless a rule left somebody waiting.
    fn close_good(self, line: &Line) {
        match line.stop {
            Some(_) => self.close(Outcome::Injected, Some(Side::Injected)),
            None => self.close(Outcome::Carried, None),
        }
    }

    /// Writes its line, if it is anybody's business.
    fn close(mut self, outcome: Outcome, side: Option<Side>) {
        if !self.is_concerned {
            return;
        }
        if self.entry.seq == 0 {
            self.entry.seq = self.proxy.ledger.next_seq();
        }
        // Who ended it stands first.
        for rule in self.course.struck() {
            if !self.entry.rules.contains(rule) {
                self.entry.rules.push(rule.clone());
            }
        }
        (self.entry.outcome, self.entry.side) = (outcome, side);
        let took = clock::now().duration_since(self.began);
        self.entry.total_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(target: "squall::exchange", "{}", self.entry);
        self.proxy.ledger.record(self.entry);
    }
}

/// When an ending comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// Once what was written is on its way.
    Last,
    /// Whatever is on its way.
    Once,
}

/// Ends both sides of a connection.
async fn end<S>(connection: &Connection, mut client: S, far: &Far, ending: ConnectionEnding, at: At)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if ending == ConnectionEnding::Reset {
        far.reset();
    }
    connection.control.end(ending);
    if ending == ConnectionEnding::Reset && at == At::Once {
        return; // dropping it does that
    }
    // Whoever reads next brings it about.
    let _ended = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
}

/// Whether a rule keeps everything from coming through, so that the far end need not be there.
fn is_silent(line: &Line) -> bool {
    lane::stalls(line, Way::Up) && lane::stalls(line, Way::Down)
}

fn ends(stop: Stop) -> bool {
    !matches!(stop, Stop::Hang(_))
}

fn ending(stop: Stop) -> ConnectionEnding {
    if stop == Stop::Close { ConnectionEnding::Close } else { ConnectionEnding::Reset }
}
