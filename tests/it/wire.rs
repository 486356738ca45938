//! Random bytes, and real ones with random wounds, against what reads the wire first: sniffing, ClientHellos, heads, routes.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::squall::ledger::Mode;
use ::squall::net::sniff::{self, Hello, Speech};
use ::squall::net::target::{Scheme, Target};
use ::squall::net::translate;
use ::squall::proxy::route::{self, Addressed, Connection, Route};
use bytes::BytesMut;
use http::{HeaderValue, Request, Uri};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::support::squall::Squall;
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, eventually, panics, squall};

/// Gives what it has piece by piece, then ends.
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    /// `bytes`, cut before each of these places.
    fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Self {
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        places.sort_unstable();
        places.dedup();
        Self(places.windows(2).map(|ends| bytes[ends[0]..ends[1]].to_vec()).collect())
    }

    fn left(self) -> Vec<u8> {
        self.0.into_iter().flatten().collect()
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.0.pop_front() else { return Poll::Ready(Ok(())) };
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The verdict on these bytes; all of them must still be there.
fn sniffed(bytes: &[u8], cuts: &[prop::sample::Index]) -> Option<Speech> {
    let (mut pieces, mut seen) = (Pieces::cut(bytes, cuts), BytesMut::new());
    let speech = runtime().block_on(sniff::sniff(&mut pieces, &mut seen)).unwrap();
    seen.extend_from_slice(&pieces.left());
    assert_eq!(seen, bytes);
    speech
}

/// What the ClientHello in these bytes says, `None` where there is none; all of them must still be there.
fn hello(bytes: &[u8], cuts: &[prop::sample::Index]) -> Option<Hello> {
    let (mut pieces, mut seen) = (Pieces::cut(bytes, cuts), BytesMut::new());
    let hello = runtime().block_on(sniff::client_hello(&mut pieces, &mut seen)).ok();
    seen.extend_from_slice(&pieces.left());
    assert_eq!(seen, bytes);
    hello
}

/// What protocols begin with, and what might be mistaken for it.
const BEGINNINGS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"CONNECT a:443 HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PRI * HTTP/1.1\r\n",
    b"PRI",
    b"\x16",
    b"\x16\x03\x01\x02\x00\x01",
    b"\x16\x02",
    b" ",
    b"\r\n",
    b"M-SEARCH *",
    b"AVERYLONGMETHODTHATNOBODYEVERREGISTERED",
    b"",
];

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

/// So many bytes from such a place, and what stands there instead.
type Wound = (prop::sample::Index, usize, Vec<u8>);

fn wounds(instead: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Wound>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, instead), 0..4)
}

fn wounded(mut bytes: Vec<u8>, wounds: Vec<Wound>) -> Vec<u8> {
    for (at, length, instead) in wounds {
        let start = at.index(bytes.len() + 1);
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, instead);
    }
    bytes
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn a_protocol_is_told_alike_however_its_bytes_are_cut_and_none_is_lost(
        beginning in prop::sample::select(BEGINNINGS),
        length in any::<prop::sample::Index>(),
        rest in prop::collection::vec(any::<u8>(), 0..40),
        cuts in cuts(),
    ) {
        let bytes = [&beginning[..length.index(beginning.len() + 1)], rest.as_slice()].concat();
        prop_assert_eq!(sniffed(&bytes, &cuts), sniffed(&bytes, &[]));
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_client_hello_is_read_alike_however_it_is_cut(cuts in cuts()) {
        let read = hello(&client::hello(HOST), &cuts);
        prop_assert_eq!(read.and_then(|hello| hello.server_name), Some(HOST.to_owned()));
    }

    #[test]
    fn a_wounded_client_hello_is_read_alike_however_it_is_cut_or_refused(
        cuts in cuts(),
        wounds in wounds(prop::collection::vec(any::<u8>(), 0..5)),
    ) {
        let bytes = wounded(client::hello(HOST), wounds);
        prop_assert_eq!(hello(&bytes, &cuts), hello(&bytes, &[]));
    }
}

/// What is left whole of a request, lest it lead elsewhere than to this machine, and what may be wounded.
const REQUESTS: &[(&str, &str)] = &[
    ("", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("", "POST /x?y=1 HTTP/1.1\r\nHost: sqs.us-east-1.amazonaws.com\r\nContent-Length: 2\r\n\r\n{}"),
    ("", "PUT /k HTTP/1.1\r\nHost: b.s3.amazonaws.com\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    (
        "",
        "POST / HTTP/1.1\r\nHost: iam.amazonaws.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nAction=Li",
    ),
    ("", "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("", "PUT /k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
    ("GET http://127.0.0.1:1/", "a?b HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"),
    ("CONNECT 127.0.0.1:1 ", "HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"),
];

/// What wounds are filled with. No host stands in them but this machine's.
const SPLINTERS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b" ",
    b"\t",
    b"\xff",
    b"\x16\x03\x01",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"Host: 127.0.0.1:1\r\n",
    b"Host:\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: x\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"ffffffffffffffff\r\n",
    b"*",
    b"?#",
    b"%",
];

fn wounded_heads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let splinters = prop::sample::select(SPLINTERS).prop_map(<[u8]>::to_vec);
    let head = (prop::sample::select(REQUESTS), wounds(splinters))
        .prop_map(|((whole, rest), wounds)| [whole.as_bytes(), &wounded(rest.into(), wounds)].concat());
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::vec(prop_oneof![9 => head, 1 => noise], 1..20)
}

/// Whatever was sent, the connection must end once the client has ended its half.
async fn is_let_go(squall: SocketAddr, sent: Vec<u8>) -> Result<(), TestCaseError> {
    let mut stream = client::connect(squall).await;
    let _closed_early = stream.write_all(&sent).await;
    let mut byte = [0];
    let _answer_or_none = tokio::time::timeout(GLIMPSE, stream.read(&mut byte)).await;
    let _closed_early = stream.shutdown().await;
    let mut rest = Vec::new();
    let ending = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    prop_assert!(ending.is_ok(), "still open: {:?}", String::from_utf8_lossy(&sent));
    Ok(())
}

#[test]
fn any_head_is_answered_or_let_go_and_leaves_nothing() {
    panics::watch();
    let runtime = runtime();
    let _entered = runtime.enter();
    let aws = runtime.block_on(Upstream::plain("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"));
    let tasks = || runtime.metrics().num_alive_tasks();
    let idle = tasks();
    let squall = squall::calm().toward(&aws).run();
    let ran = TestRunner::new(config(200)).run(&wounded_heads(), |heads| {
        let all: JoinSet<_> = heads.into_iter().map(|head| is_let_go(squall.address, head)).collect();
        runtime.block_on(all.join_all()).into_iter().collect()
    });
    assert!(ran.is_ok(), "{ran:?}");
    runtime.block_on(async {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(client::exchange(&mut client::connect(squall.address).await, get).await.text(), "hi");
        eventually("the end of all that was begun", || tasks() == idle + 1).await;
    });
    assert_eq!(panics::seen(), 0);
}

/// A request that leads somewhere has most of its answer by then.
const GLIMPSE: Duration = Duration::from_millis(30);
const DEADLINE: Duration = Duration::from_secs(2);

/// A host, as it stands in a URL, and what it is without brackets.
fn hosts() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{2,5}){0,3}".prop_map(|name| (name.clone(), name)),
        any::<[u8; 4]>().prop_map(|ip| Ipv4Addr::from(ip).to_string()).prop_map(|ip| (ip.clone(), ip)),
        any::<[u16; 8]>().prop_map(|ip| Ipv6Addr::from(ip).to_string()).prop_map(|ip| (format!("[{ip}]"), ip)),
    ]
}

fn connection() -> Connection {
    Connection {
        client: ([127, 0, 0, 1], 1).into(),
        control: Arc::default(),
        secure: false,
        target: None,
        mode: Mode::Endpoint,
        streams: Arc::default(),
        progress: Arc::default(),
    }
}

/// What a request says of where it goes, and where it goes; an emulator is told at once.
fn routed(squall: &Squall, request: &Request<()>) -> (Addressed, Route) {
    let (proxy, connection) = (squall.proxy(), connection());
    let addressed = route::addressed(proxy, &connection, request).unwrap();
    let route = match pin!(route::route(proxy, &connection, &addressed, None, "/"))
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(route) => route.unwrap(),
        Poll::Pending => panic!("nothing to wait for"),
    };
    (addressed, route)
}

/// Runs cases against the routes of a Squall that has an emulator at port 9.
fn against_routes<S: Strategy>(cases: S, holds: impl Fn(&Squall, S::Value) -> Result<(), TestCaseError>) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let squall = squall::calm().toward_target(Target::new(Scheme::Http, "127.0.0.1", 9)).run();
    let ran = TestRunner::new(config(1_000)).run(&cases, |case| holds(&squall, case));
    assert!(ran.is_ok(), "{}", ran.unwrap_err());
}

#[test]
fn an_absolute_target_names_where_a_request_goes() {
    let secure = any::<bool>();
    let user = prop_oneof![9 => Just(""), 1 => Just("user:secret@")];
    let path = "(/[a-zA-Z0-9%._~!$&'()*+,;=:@/-]{0,20}(\\?[a-z0-9=&%/?]{0,20})?)?";
    against_routes((secure, user, hosts(), prop::option::of(any::<u16>()), path), |squall, case| {
        let (secure, user, (written, host), port, path) = case;
        let scheme = if secure { Scheme::Https } else { Scheme::Http };
        let port_text = port.map_or_else(String::new, |port| format!(":{port}"));
        let name = if secure { "https" } else { "http" };
        let uri: Uri = format!("{name}://{user}{written}{port_text}{path}").parse().unwrap();
        let request = Request::builder().uri(uri).header("host", "elsewhere").body(()).unwrap();
        let (addressed, route) = routed(squall, &request);
        prop_assert_eq!(addressed.mode, Mode::Absolute);
        prop_assert_eq!(&addressed.host, &host);
        prop_assert_eq!(&*route.to, &Target::new(scheme, &host, port.unwrap_or_else(|| scheme.default_port())));
        let mut origin = request.uri().clone();
        translate::origin_form(&mut origin);
        prop_assert_eq!(origin.to_string(), if path.starts_with('/') { path } else { format!("/{path}") });
        prop_assert_eq!(Target::from_url(&route.to.to_string()).unwrap(), (*route.to).clone());
        Ok(())
    });
}

#[test]
fn a_host_field_is_read_without_its_port_and_brackets() {
    against_routes((hosts(), prop::option::of(any::<u16>())), |squall, ((written, host), port)| {
        let field = port.map_or_else(|| written.clone(), |port| format!("{written}:{port}"));
        let request = Request::builder().uri("/").header("host", field).body(()).unwrap();
        let (addressed, route) = routed(squall, &request);
        prop_assert_eq!((addressed.mode, &addressed.host, route.to.port), (Mode::Endpoint, &host.into(), 9));
        Ok(())
    });
}

#[test]
fn whatever_a_host_field_holds_an_endpoint_request_goes_to_the_emulator() {
    against_routes(prop::collection::vec(any::<u8>(), 0..40), |squall, bytes| {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let request = Request::builder().uri("/").header("host", value).body(()).unwrap();
        let (_, route) = routed(squall, &request);
        prop_assert_eq!(route.to.port, 9);
        Ok(())
    });
}
