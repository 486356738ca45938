//! A stand-in for what hands out credentials on a machine of AWS's: instance metadata (IMDSv2) and container credentials.
//!
//! `--upstream imds=stand-in` and `--upstream container-credentials=stand-in` start it, so that a program's chain of credentials can be tried
//! where there is no instance and no task. What it hands out opens nothing: keys are called `ASIAEXAMPLE000000001` and count up with every
//! answer, so that it shows which of them a program uses. It listens on loopback alone, for Squall.

mod machine;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use self::machine::Machine;
use crate::clock;
use crate::net::listen::Listener;

pub use self::machine::{AUTHORIZATION, CONTAINER_PATH};

/// Starts it on a free port of loopback, until the runtime ends: its tokens go by `seed`. Where it listens.
pub fn start(seed: u64, region: Option<String>) -> io::Result<SocketAddr> {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.address();
    let machine = Arc::new(Machine::new(seed, region.unwrap_or_else(|| "us-east-1".to_owned())));
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    tokio::spawn(async move {
        loop {
            let mut arrival = listener.accept().await;
            arrival.place = Arc::clone(&room).acquire_owned().await.ok();
            let machine = Arc::clone(&machine);
            tokio::spawn(async move {
                let _place = arrival.place;
                serve(arrival.stream, machine).await;
            });
        }
    });
    Ok(address)
}

async fn serve(stream: tokio::net::TcpStream, machine: Arc<Machine>) {
    let service = service_fn(move |request| {
        let machine = Arc::clone(&machine);
        async move { Ok::<_, Infallible>(answer(&machine, &request)) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(e) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("a connection to the stand-in for credentials ended: {e}");
    }
}

fn answer(machine: &Machine, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    machine.answer(request.method(), request.uri().path(), request.headers(), clock::wall())
}

const MOST_CONNECTIONS: usize = 256;
/// For a request on an open connection.
const PATIENCE: Duration = Duration::from_secs(60);
