//! A client and an upstream that follow a script each, and what each of them saw of the other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::squall::net::target::{Scheme, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::support::client;
use crate::support::soon;

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Write this.
    Say(Vec<u8>),
    /// Write this in small pieces, with a rest after each.
    Dribble(Vec<u8>),
    /// Read until this has come, after what was heard before.
    Hear(Vec<u8>),
    /// Read until the other side ends.
    HearEnd,
    /// Let the other script go on.
    Beckon,
    /// Wait for the other script's [`Step::Beckon`].
    Await,
    /// End the own half, and go on reading.
    Shut,
    /// Close in order.
    Close,
    /// Close with a TCP reset.
    Reset,
}

/// What came from the other side.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
}

/// How the other side ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The script did not wait for it.
    Unseen,
    Closed,
    Reset,
}

/// What each side saw: one client, and an upstream connection after another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Both {
    pub(super) client: Seen,
    pub(super) upstream: Vec<Seen>,
}

/// How a client gets to the far end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Direct,
    /// As to an endpoint.
    Endpoint,
    /// Through a CONNECT to an AWS host, whose HTTP is read.
    Connect,
    /// Through a CONNECT to somebody else, whose bytes are nobody's business.
    Tunnel,
}

/// A far end that plays the same script on every connection.
struct Stage {
    target: Target,
    seen: mpsc::UnboundedReceiver<Seen>,
}

/// Lets the two scripts wait for each other.
#[derive(Clone)]
struct Cue {
    mine: Arc<Semaphore>,
    theirs: Arc<Semaphore>,
}

pub(super) fn say(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Say(bytes.into())
}

pub(super) fn dribble(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Dribble(bytes.into())
}

pub(super) fn hear(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Hear(bytes.into())
}

/// Plays both scripts, `way` between them.
pub(super) async fn play(name: &str, way: Way, client: &[Step], upstream: &[Step]) -> Both {
    let (one, other) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let mut stage = Stage::open(upstream.to_vec(), Cue { mine: Arc::clone(&one), theirs: Arc::clone(&other) }).await;
    let squall = crate::support::squall::calm().toward_target(stage.target.clone()).run();
    let port = stage.target.port;
    let stream = match way {
        Way::Direct => client::connect(([127, 0, 0, 1], port).into()).await,
        Way::Endpoint => client::connect(squall.address).await,
        Way::Connect => client::tunnel(squall.address, &format!("{}:80", super::HOST)).await,
        Way::Tunnel => client::tunnel(squall.address, &format!("127.0.0.1:{port}")).await,
    };
    let playing = follow(stream, client, Cue { mine: other, theirs: one });
    // The stream is kept: what a script leaves open stays open to the end of the play.
    let (client, _stream) = soon(&format!("{way:?}: the client's part in {name}"), playing).await;
    let first = soon(&format!("{way:?}: the upstream's part in {name}"), stage.seen.recv()).await.unwrap();
    let mut upstream = vec![first];
    while let Ok(another) = stage.seen.try_recv() {
        upstream.push(another);
    }
    Both { client, upstream }
}

impl Stage {
    async fn open(script: Vec<Step>, cue: Cue) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::new(Scheme::Http, "127.0.0.1", listener.local_addr().unwrap().port());
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, cue, tell) = (script.clone(), cue.clone(), tell.clone());
                tokio::spawn(async move {
                    let (seen, _stream) = follow(stream, &script, cue).await;
                    let _ = tell.send(seen);
                    tell.closed().await;
                });
            }
        });
        Self { target, seen }
    }
}

/// Does what the script says; what was seen, and the stream if it is still there.
async fn follow(stream: TcpStream, script: &[Step], cue: Cue) -> (Seen, Option<TcpStream>) {
    let mut stream = Some(stream);
    let mut seen = Seen { bytes: Vec::new(), end: End::Unseen };
    let mut heard = 0;
    for step in script {
        let Some(open) = stream.as_mut() else { panic!("{step:?} on a closed connection") };
        match step {
            // A side that has heard the last word need not listen: then writing fails, and that is its own affair.
            Step::Say(bytes) => drop(open.write_all(bytes).await),
            Step::Dribble(bytes) => in_pieces(open, bytes).await,
            Step::Hear(wanted) => heard = hear_on(open, &mut seen, heard, wanted).await,
            Step::HearEnd => seen.end = hear_end(open, &mut seen.bytes).await,
            Step::Beckon => cue.theirs.add_permits(1),
            Step::Await => cue.mine.acquire().await.unwrap().forget(),
            Step::Shut => drop(open.shutdown().await),
            Step::Close => stream = None,
            Step::Reset => {
                open.set_zero_linger().unwrap();
                stream = None;
            }
        }
    }
    (seen, stream)
}

async fn in_pieces(stream: &mut TcpStream, bytes: &[u8]) {
    for piece in bytes.chunks(PIECE) {
        let _ = stream.write_all(piece).await;
        tokio::time::sleep(REST).await;
    }
}

/// Where what was waited for ends; if the other side ends before, the script goes on, and the comparison tells.
async fn hear_on(stream: &mut TcpStream, seen: &mut Seen, from: usize, wanted: &[u8]) -> usize {
    loop {
        if let Some(at) = seen.bytes[from..].windows(wanted.len()).position(|w| w == wanted) {
            return from + at + wanted.len();
        }
        match stream.read_buf(&mut seen.bytes).await {
            Ok(0) => seen.end = End::Closed,
            Err(_) => seen.end = End::Reset,
            Ok(_) => continue,
        }
        return seen.bytes.len();
    }
}

async fn hear_end(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> End {
    match stream.read_to_end(bytes).await {
        Ok(_) => End::Closed,
        Err(_) => End::Reset,
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(SHOWN)]);
        write!(f, "{} bytes, {:?}: {shown:?}", self.bytes.len(), self.end)
    }
}

/// Small enough that a field's name or a chunk's size is torn.
const PIECE: usize = 7;
const REST: Duration = Duration::from_millis(2);
const SHOWN: usize = 200;
