//! Both sides misbehave, one attack after another, and Squall carries on: it serves the next request, keeps nothing of the attack, and
//! blames whom it must.

mod clients;
mod frames;
mod handshakes;
mod process;
mod upstreams;

use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use ::squall::ledger;
use ::squall::net::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_rustls::client::TlsStream;

use crate::support::squall::{Setup, Squall};
use crate::support::upstream::{HOST, Request, Upstream};
use crate::support::{client, eventually, panics, squall};

/// What someone does to Squall.
struct Attack {
    name: &'static str,
    /// What the ledger must say of it, where that is certain.
    blame: Option<Blame>,
    run: Run,
}

type Run = Box<dyn Fn(Door) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// How the exchanges that an attack began have ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Blame {
    answered: u64,
    client_gone: u64,
    upstream_failed: u64,
    proxy_failed: u64,
}

/// What an attack finds: a Squall, and an upstream behind it.
#[derive(Clone)]
struct Door {
    squall: SocketAddr,
    trust_anchor: String,
    aws: Upstream,
}

/// No exchange was begun.
const NOBODY: Blame = Blame { answered: 0, client_gone: 0, upstream_failed: 0, proxy_failed: 0 };
const ANSWERED: Blame = Blame { answered: 1, ..NOBODY };
const CLIENT: Blame = Blame { client_gone: 1, ..NOBODY };
const UPSTREAM: Blame = Blame { upstream_failed: 1, ..NOBODY };
const PROXY: Blame = Blame { proxy_failed: 1, ..NOBODY };

fn attack<F>(name: &'static str, blame: impl Into<Option<Blame>>, run: impl Fn(Door) -> F + Send + 'static) -> Attack
where
    F: Future<Output = ()> + 'static,
{
    Attack { name, blame: blame.into(), run: Box::new(move |door| Box::pin(run(door))) }
}

/// An AWS request without a body, to this path.
fn request(path: &str) -> String {
    with_fields(path, "")
}

fn with_fields(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n{fields}\r\n")
}

/// An upstream that answers at once, or not at all, or in part, as the path says.
async fn obliging() -> Upstream {
    let answer = |request: &Request| match request.head.split(' ').nth(1) {
        Some("/never") => "HTTP/1.1 200 OK\r\n",
        Some("/half") => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
        Some("/kept") => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        _ => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    };
    Upstream::plain_with(move |request| answer(request).into()).await
}

impl Door {
    /// A connection as it was accepted.
    async fn plain(&self) -> TcpStream {
        client::connect(self.squall).await
    }

    /// Through a CONNECT to AWS, in which anything may follow.
    async fn tunnel(&self) -> TcpStream {
        client::tunnel(self.squall, &self.authority()).await
    }

    async fn secure(&self) -> TlsStream<TcpStream> {
        client::secure(self.tunnel().await, HOST, &self.trust_anchor).await.unwrap()
    }

    /// AWS's name, at the upstream's port: what is carried through instead of read ends there too.
    fn authority(&self) -> String {
        format!("{HOST}:{}", self.aws.address.port())
    }

    /// Squall is still what it was: a request that is no AWS request passes, in the clear and over TLS.
    async fn still_serves(&self) {
        let request = format!("GET http://{}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", self.aws.address);
        assert_eq!(client::exchange(&mut self.plain().await, request).await.text(), "hi");
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", self.aws.address);
        assert_eq!(client::exchange(&mut self.secure().await, request).await.text(), "hi");
    }

    /// Waits until Squall has opened a connection for an attack's request, so that the request is known to be under way.
    async fn under_way<F: Future>(&self, sending: F) -> F::Output {
        let before = self.aws.connections();
        let sent = sending.await;
        eventually("the request's way upstream", || self.aws.connections() > before).await;
        sent
    }
}

/// Ends a connection without a word.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// What comes until the connection ends, however it ends.
async fn leftover<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    let _closed_or_reset = crate::support::soon("the end of the connection", stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends what is refused: a status of 4xx, or the end of the connection, and nothing else.
async fn is_refused<S>(mut stream: S, bytes: impl AsRef<[u8]>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let _closed_early = stream.write_all(bytes.as_ref()).await;
    let _closed_early = stream.flush().await;
    let said = leftover(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.0 4"), "{said}");
}

/// How many tasks live in this test's runtime: Squall's, and the upstream's.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// One attack on a Squall of its own, with everything that must hold afterwards.
async fn survive(attack: &Attack) {
    let aws = obliging().await;
    let idle = tasks();
    let squall = setup(&aws).run();
    let door = Door { squall: squall.address, trust_anchor: squall.trust_anchor.clone(), aws };
    door.still_serves().await;
    // One task accepts; what a request began has ended with it.
    eventually("a quiet Squall", || tasks() == idle + 1).await;
    (attack.run)(door.clone()).await;
    door.still_serves().await;
    eventually("the end of all that the attack began", || tasks() == idle + 1).await;
    assert_eq!(squall.proxy().tasks.len(), 0);
    let found = blame(squall).await;
    assert!(attack.blame.is_none_or(|blame| blame == found), "{}: {found:?}", attack.name);
}

fn setup(aws: &Upstream) -> Setup {
    // Whether a client is still there is looked at four times in this time.
    let limits = Limits { head: Duration::from_secs(2), ..Limits::default() };
    squall::calm().resolving_to(aws, HOST).toward_target(aws.target()).within(limits)
}

async fn blame(squall: Squall) -> Blame {
    let counts = squall.finish().await.proxy.ledger.summary(ledger::Run::default()).aws;
    let blame = Blame {
        answered: counts.answered,
        client_gone: counts.client_gone,
        upstream_failed: counts.upstream_failed,
        proxy_failed: counts.proxy_failed,
    };
    let sum = blame.answered + blame.client_gone + blame.upstream_failed + blame.proxy_failed;
    assert_eq!(sum, counts.attempts, "every exchange ends once: {counts:?}");
    blame
}

fn survive_all(attacks: Vec<Attack>) {
    each(attacks, async |attack| survive(&attack).await);
}

/// Each case in a runtime of its own, whose tasks can be counted; several at once, as most of it is waiting.
fn each<T: Debug + Send>(cases: impl IntoIterator<Item = T>, run: impl AsyncFn(T) + Sync) {
    panics::watch();
    let cases = Mutex::new(cases.into_iter().collect::<Vec<_>>());
    let next = || cases.lock().unwrap().pop();
    let work = || {
        let mut failed = Vec::new();
        while let Some(case) = next() {
            let name = format!("{case:.200?}");
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let survived = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(case))));
            failed.extend(survived.is_err().then_some(name));
        }
        failed
    };
    let failed: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(panics::seen(), 0, "something panicked beside the tests");
}

impl Debug for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const AT_ONCE: usize = 8;
