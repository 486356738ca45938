//! A connection's way from its first bytes to HTTP: sniff, terminate or tunnel.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::own::{self, Reason};
use super::route::{self, Connection};
use super::tcp::Passage;
use super::{Proxy, Sightings, approach, carry, handle, transparent};
use crate::aws::host;
use crate::ledger::Mode;
use crate::net::body::{ResponseBody, Watched};
use crate::net::cut::{ConnectionEnding, Ending, Near};
use crate::net::io::ClientIo;
use crate::net::listen::Arrival;
use crate::net::name::HostName;
use crate::net::rewind::Rewind;
use crate::net::serve::{self, Served, Terms};
use crate::net::sniff::{self, Hello, Speech};
use crate::net::target::{Scheme, Target};
use crate::net::tls;

/// The client's stream with what was sniffed put back. All clients come on this one, or on TLS over it: each further type would have a
/// copy of TLS and HTTP of its own.
type ClientStream = Rewind<ClientIo>;

/// Serves one accepted connection to its end.
pub async fn serve(proxy: Arc<Proxy>, arrival: Arrival) {
    let original = arrival.original.filter(|original| !proxy.listens_at(*original));
    let mut io = ClientIo::new(arrival.stream).holding(arrival.place);
    let control = Arc::clone(io.control());
    let connection = Connection {
        client: arrival.client,
        control,
        secure: false,
        target: None,
        mode: Mode::Endpoint,
        streams: Arc::default(),
        progress: Arc::default(),
    };
    if let Some(original) = original {
        return Box::pin(transparent::serve(proxy, connection, io, original, arrival.name, arrival.apart)).await;
    }
    let mut seen = BytesMut::new();
    let patience = proxy.limits.idle;
    let speech = match waited(&proxy, patience, sniff::sniff(&mut io, &mut seen)).await {
        Ok(Ok(Some(speech))) => speech,
        Ok(Ok(None)) => return,
        Ok(Err(e)) => return tracing::debug!("{} closed before a first request: {e}", arrival.client),
        Err(why) => return tracing::debug!("{} has not spoken: {why}", arrival.client),
    };
    if !arrival.apart && proxy.upstream.dialer().is_ours(arrival.client, arrival.local) {
        return tracing::warn!(
            "refused a connection of our own: the upstream leads back to Squall; check --upstream and --resolve"
        );
    }
    match speech {
        Speech::Http1 => speak_proxy(proxy, connection, Rewind::new(seen.freeze(), io)).await,
        Speech::Http2 => speak_origin(proxy, connection, Rewind::new(seen.freeze(), io), true).await,
        Speech::Tls => direct_tls(proxy, connection, io, seen, arrival.local.ip()).await,
        Speech::Other => tracing::debug!("{} speaks neither HTTP nor TLS", arrival.client),
    }
}

/// TLS without a CONNECT before it: the client took us for the server.
async fn direct_tls(
    proxy: Arc<Proxy>,
    mut connection: Connection,
    mut io: ClientIo,
    mut seen: BytesMut,
    local: std::net::IpAddr,
) {
    let Some(hello) = hello(&proxy, &connection, &mut io, &mut seen).await else { return };
    let name = hello.server_name.as_deref().map_or_else(|| HostName::Ip(local.to_canonical()), HostName::parse);
    let is_loopback = match &name {
        HostName::Ip(ip) => ip.is_loopback(),
        HostName::Dns(name) => host::is_local(name),
    };
    let text = name.to_string();
    if !is_loopback && !proxy.intercepts(&text) {
        return tracing::warn!(
            "{} wants TLS as {name}, which is neither AWS's nor listed; add --intercept {name}",
            connection.client
        );
    }
    connection.target = (!is_loopback).then(|| Arc::new(Target::new(Scheme::Https, &text, 443)));
    connection.mode = Mode::Tls;
    terminate(proxy, connection, Rewind::new(seen.freeze(), io), &name, &hello).await;
}

/// The ClientHello that begins in `seen`, if one comes.
async fn hello<T: AsyncRead + Unpin>(
    proxy: &Proxy,
    connection: &Connection,
    stream: &mut T,
    seen: &mut BytesMut,
) -> Option<Hello> {
    let patience = proxy.limits.head;
    match waited(proxy, patience, Box::pin(sniff::client_hello(stream, seen))).await {
        Ok(Ok(hello)) => return Some(hello),
        Ok(Err(e)) => tracing::debug!("{}: no TLS ClientHello: {e}", connection.client),
        Err(why) => tracing::debug!("{}: no whole TLS ClientHello: {why}", connection.client),
    }
    None
}

/// Speaks TLS as `name`, then HTTP inside it: HTTP/2 if client and far end both can.
pub(super) async fn terminate(
    proxy: Arc<Proxy>,
    mut connection: Connection,
    mut io: ClientStream,
    name: &HostName,
    hello: &Hello,
) {
    if let Some(ended) = approach::at_hello(&proxy, &connection, name) {
        connection.control.end(ended.ending);
        // Whoever reads next brings it about.
        let _ended = tokio::io::copy(&mut io, &mut tokio::io::sink()).await;
        return;
    }
    let http2 = match route::far_end(&proxy, &connection).filter(|_| hello.offers_http2) {
        Some(far_end) => Box::pin(proxy.upstream.speaks_http2(far_end, &connection.streams)).await,
        None => false,
    };
    let config = match proxy.authority.server_config(name, http2) {
        Ok(config) => config,
        Err(e) => return tracing::warn!("{e}"),
    };
    let Some(stream) = Box::pin(shake_hands(&proxy, &connection, io, name, config)).await else { return };
    connection.secure = true;
    let http2 = tls::is_http2(stream.get_ref().1);
    speak_origin(proxy, connection, stream, http2).await;
}

/// The TLS handshake; boxed, as the stream lives as long as the connection, in the future of whoever speaks on it.
async fn shake_hands(
    proxy: &Proxy,
    connection: &Connection,
    io: ClientStream,
    name: &HostName,
    config: Arc<ServerConfig>,
) -> Option<Box<TlsStream<ClientStream>>> {
    match waited(proxy, proxy.limits.head, TlsAcceptor::from(config).accept(io)).await {
        Ok(Ok(stream)) => return Some(Box::new(stream)),
        Ok(Err(e)) => refused(proxy, name, &e),
        Err(why) => tracing::debug!("no TLS handshake with {}: {why}", connection.client),
    }
    None
}

/// Why something was not waited for any longer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum GivenUp {
    /// It took too long.
    #[error("not within {0:?}")]
    Late(Duration),
    /// Everything ends.
    #[error("Squall is to stop")]
    Stopping,
}

/// Waits for what a client must do before there can be an exchange: for so long, and not when everything is to stop.
pub(super) async fn waited<F: Future>(proxy: &Proxy, patience: Duration, happening: F) -> Result<F::Output, GivenUp> {
    tokio::select! {
        biased;
        waited = tokio::time::timeout(patience, happening) => waited.map_err(|_| GivenUp::Late(patience)),
        () = proxy.stop.cancelled() => Err(GivenUp::Stopping),
    }
}

fn refused(proxy: &Proxy, name: &HostName, e: &io::Error) {
    Sightings::count(&proxy.sightings.refused_handshakes);
    tracing::warn!(
        "a client broke off the TLS handshake for {name}: {e}; does it trust Squall's certificate authority?"
    );
}

/// HTTP/1 on a connection as it was accepted: the one place where CONNECT has a meaning.
async fn speak_proxy(proxy: Arc<Proxy>, connection: Connection, io: ClientStream) {
    let (here, connection) = (Arc::clone(&proxy), Arc::new(connection));
    let terms = terms(&proxy, &connection);
    let client = connection.client;
    let answer = move |request: Request<Incoming>| {
        let (proxy, connection) = (Arc::clone(&here), Arc::clone(&connection));
        async move {
            if request.method() == Method::CONNECT {
                // As any other exchange it keeps the connection from being idle, or slow.
                let open = Near::new(Arc::clone(&connection.control), request.version());
                if let Some(ending) = ended_at_connect(&proxy, &connection, &request) {
                    return Err(open.end_unanswered(Ending::Connection(ending)).await);
                }
                return match connect(proxy, &connection, request).await {
                    Ok(answer) => Ok(answer.map(Watched::unwatched)),
                    Err(ending) => Err(open.end_unanswered(Ending::Connection(ending)).await),
                };
            }
            handle::handle(proxy, connection, request).await
        }
    };
    ended(client, serve::http1(io, terms, answer).await);
}

/// HTTP inside TLS or a tunnel, and HTTP/2 anywhere.
pub(super) async fn speak_origin<T>(proxy: Arc<Proxy>, connection: Connection, io: T, http2: bool)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Arc::new(connection);
    let terms = terms(&proxy, &connection);
    let client = connection.client;
    let answer = move |request| handle::handle(Arc::clone(&proxy), Arc::clone(&connection), request);
    let served = match http2 {
        true => Box::pin(serve::http2(io, terms, service_fn(answer))).await,
        false => serve::http1(io, terms, answer).await,
    };
    ended(client, served);
}

fn terms(proxy: &Proxy, connection: &Connection) -> Terms {
    Terms { control: Arc::clone(&connection.control), limits: proxy.limits, stop: proxy.stop.clone() }
}

fn ended(client: SocketAddr, served: hyper::Result<()>) {
    if let Err(e) = served {
        tracing::debug!("the connection of {client} ended: {e}");
    }
}

/// How a rule ends a connection to the host that is to be connected to, if one does.
fn ended_at_connect<B>(proxy: &Arc<Proxy>, connection: &Connection, request: &Request<B>) -> Option<ConnectionEnding> {
    let host = request.uri().host().filter(|host| proxy.intercepts(host))?;
    let ended = approach::at_connect(proxy, connection, host)?;
    approach::record(proxy, Mode::Connect, Some(request.method()), host, &ended);
    Some(ended.ending)
}

/// Answers a CONNECT and goes on with its tunnel; or says how a rule ends the connection instead.
async fn connect(
    proxy: Arc<Proxy>,
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, ConnectionEnding> {
    let Some(authority) = request.uri().authority() else {
        return Ok(own::answer(Reason::BadRequest, "CONNECT needs HOST:PORT"));
    };
    let target = Arc::new(Target::from_authority(Scheme::Https, authority));
    if proxy.is_self(&target.host, target.port) {
        return Ok(own::answer(Reason::Loop, &format!("a tunnel to {target} would lead back to Squall itself")));
    }
    Sightings::count(&proxy.sightings.connects);
    let connection = Connection { target: Some(Arc::clone(&target)), mode: Mode::Connect, ..connection.clone() };
    let here = Arc::clone(&proxy);
    if proxy.intercepts(&target.host) {
        here.spawn(upgraded(request, move |stream| intercept(proxy, connection, stream)));
        return Ok(connected());
    }
    let passage = Passage::open(&proxy, &connection, &target, None).admitted().await?;
    Ok(match carry::reach(proxy.upstream.dialer(), &target).await {
        Ok(far) => {
            Sightings::count(&proxy.sightings.tunnels);
            here.spawn(upgraded(request, move |stream| passage.carry(stream, Some(far))));
            connected()
        }
        Err(e) => own::answer(Reason::UpstreamUnreachable, &format!("cannot reach {target}: {e}")),
    })
}

fn connected() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Own(None));
    *response.status_mut() = StatusCode::OK;
    response
}

/// Takes the stream back from hyper once the CONNECT is answered, and goes on with it.
async fn upgraded<F>(request: Request<Incoming>, proceed: impl FnOnce(ClientStream) -> F)
where
    F: Future<Output = ()>,
{
    let upgraded: Upgraded = match hyper::upgrade::on(request).await {
        Ok(upgraded) => upgraded,
        Err(e) => return tracing::debug!("a client left while its tunnel was opened: {e}"),
    };
    match upgraded.downcast::<TokioIo<Served<ClientStream>>>() {
        Ok(parts) => {
            let (mut stream, ahead) = parts.io.into_inner().into_parts();
            stream.put_back(ahead);
            stream.put_back(parts.read_buf);
            proceed(stream).await;
        }
        Err(_) => tracing::error!("hyper gave back another stream than it was given"),
    }
}

/// Inside a CONNECT to AWS: TLS is terminated, HTTP is read, anything else is carried through.
async fn intercept(proxy: Arc<Proxy>, mut connection: Connection, mut stream: ClientStream) {
    let Some(target) = connection.target.clone() else { return };
    let mut seen = BytesMut::new();
    // A tunnel that is given up for another protocol is one that no rule sees: never where only HTTP can be meant.
    let patience = if matches!(target.port, 80 | 443) { proxy.limits.idle } else { SILENCE };
    match waited(&proxy, patience, sniff::sniff(&mut stream, &mut seen)).await {
        Ok(Ok(Some(Speech::Tls))) => {
            let Some(hello) = hello(&proxy, &connection, &mut stream, &mut seen).await else { return };
            let name = hello.server_name.as_deref().unwrap_or(&target.host);
            connection.target = Some(Arc::new(named(&target, name)));
            let name = HostName::parse(name);
            stream.put_back(seen.freeze());
            terminate(proxy, connection, stream, &name, &hello).await;
        }
        Ok(Ok(Some(speech @ (Speech::Http1 | Speech::Http2)))) => {
            connection.target = Some(Arc::new(Target { scheme: Scheme::Http, ..(*target).clone() }));
            stream.put_back(seen.freeze());
            speak_origin(proxy, connection, stream, speech == Speech::Http2).await;
        }
        Ok(Ok(None)) | Err(GivenUp::Stopping) => {}
        // Something else, or a client that waits for the server to speak first.
        Ok(Ok(Some(Speech::Other))) | Err(GivenUp::Late(_)) => {
            Sightings::count(&proxy.sightings.tunnels);
            stream.put_back(seen.freeze());
            Box::pin(Passage::open(&proxy, &connection, &target, None).carry(stream, None)).await;
        }
        Ok(Err(e)) => tracing::debug!("{} closed its tunnel to {target}: {e}", connection.client),
    }
}

/// The CONNECT authority under the name its ClientHello gives: a client that resolved the name itself connects to an address.
fn named(target: &Target, name: &str) -> Target {
    let address = target.host.parse().ok().filter(|_| name != target.host);
    Target { host: name.into(), address, ..target.clone() }
}

/// After this, a client in a tunnel to an unusual port is taken to wait for the server to speak first.
const SILENCE: Duration = Duration::from_secs(2);
