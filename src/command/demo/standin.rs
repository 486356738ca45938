//! A stand-in for DynamoDB: one table in memory behind real TLS, enough for PutItem.
//!
//! It serves the demo alone and claims no more of DynamoDB than an item put is an item kept, under its `id`.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use crate::net::listen::Listener;

/// The running stand-in.
#[derive(Clone, Debug)]
pub struct StandIn {
    address: SocketAddr,
    items: Arc<Mutex<BTreeSet<String>>>,
}

impl StandIn {
    /// Listens on a free loopback port and serves until the runtime ends.
    pub fn start(tls: Arc<ServerConfig>) -> io::Result<Self> {
        let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let standin = Self { address: listener.address(), items: Arc::default() };
        let items = Arc::clone(&standin.items);
        tokio::spawn(async move {
            loop {
                let arrival = listener.accept().await;
                tokio::spawn(serve(TlsAcceptor::from(Arc::clone(&tls)), arrival.stream, Arc::clone(&items)));
            }
        });
        Ok(standin)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The ids in the table, which is empty afterwards.
    pub fn take_items(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(tls: TlsAcceptor, stream: tokio::net::TcpStream, items: Arc<Mutex<BTreeSet<String>>>) {
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(move |request| answer(request, Arc::clone(&items)));
    if let Err(e) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("a connection to the stand-in ended: {e}");
    }
}

async fn answer(
    request: Request<Incoming>,
    items: Arc<Mutex<BTreeSet<String>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_put = request.headers().get("x-amz-target").is_some_and(|t| t == "DynamoDB_20120810.PutItem");
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let id = serde_json::from_slice::<Value>(&body).ok().and_then(|v| Some(v["Item"]["id"]["S"].as_str()?.to_owned()));
    let (status, text) = match id.filter(|_| is_put) {
        Some(id) => {
            items.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            (StatusCode::OK, "{}")
        }
        None => (StatusCode::BAD_REQUEST, r#"{"__type":"com.amazon.coral.validate#ValidationException"}"#),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    Ok(response)
}
