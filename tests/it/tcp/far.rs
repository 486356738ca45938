//! Far ends that speak a protocol of lines, and a client of them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::squall::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::soon;
use crate::support::squall::{self, Squall};

/// Gives back what it gets, until its client ends.
#[derive(Clone)]
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    /// All that came, over all connections.
    pub(crate) got: Arc<Mutex<Vec<u8>>>,
    /// How each connection ended.
    pub(crate) ends: Arc<Mutex<Vec<Result<(), io::ErrorKind>>>>,
    connections: Arc<Mutex<usize>>,
}

impl Echo {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = Self { address, got: Arc::default(), ends: Arc::default(), connections: Arc::default() };
        let here = echo.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                *here.connections.lock().unwrap() += 1;
                tokio::spawn(here.clone().serve(stream));
            }
        });
        echo
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buf = vec![0; 1 << 16];
        let end = loop {
            match stream.read(&mut buf).await {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    self.got.lock().unwrap().extend_from_slice(&buf[..read]);
                    if let Err(e) = stream.write_all(&buf[..read]).await {
                        break Err(e.kind());
                    }
                }
                Err(e) => break Err(e.kind()),
            }
        };
        self.ends.lock().unwrap().push(end);
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Squall in front of it, at the entry `echo`, with these rules.
    pub(crate) fn under(&self, rules: &str) -> Squall {
        self.set_up(rules).run()
    }

    pub(crate) fn set_up(&self, rules: &str) -> squall::Setup {
        squall::profile(&self.profile(rules))
    }

    pub(crate) fn profile(&self, rules: &str) -> String {
        let upstream = self.address;
        format!("tcp: [{{name: echo, listen: 127.0.0.1:0, upstream: '{upstream}'}}]\nrules: [{rules}]")
    }
}

pub(crate) async fn connect(squall: &Squall) -> TcpStream {
    dial(squall.tcp("echo")).await.unwrap()
}

pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = soon("connecting", TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends this, and waits for it to come back; how long that took.
pub(crate) async fn ask(stream: &mut TcpStream, what: &[u8]) -> io::Result<Duration> {
    let started = clock::now();
    stream.write_all(what).await?;
    let mut back = vec![0; what.len()];
    soon("an echo", stream.read_exact(&mut back)).await?;
    assert_eq!(back, what);
    Ok(started.elapsed())
}

/// How a connection ends: what came before, and whether in good order.
pub(crate) async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut all = Vec::new();
    let end = soon("the end of a connection", stream.read_to_end(&mut all)).await;
    (all, end.err().map(|e| e.kind()))
}

/// Whether nothing comes for so long.
pub(crate) async fn is_silent(stream: &mut TcpStream, time: Duration) -> bool {
    tokio::time::timeout(time, stream.read_u8()).await.is_err()
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
