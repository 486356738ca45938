//! The demo's client: DynamoDB's PutItem as an SDK would send it, through CONNECT, TLS and SigV4.
//!
//! Retrying is left to the caller: one [`Client::put`] is one attempt.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock;
use crate::net::tls;

/// A keep-alive connection to DynamoDB through the proxy.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// What one attempt came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// 200: the item is kept.
    Acknowledged,
    /// An answer that an SDK would not retry.
    Refused(StatusCode),
    /// A throttling error.
    Throttled,
}

/// One attempt of one call.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// The item's key.
    pub id: &'a str,
    /// `amz-sdk-invocation-id`: the same for all attempts of a call.
    pub invocation: &'a str,
    /// From 1.
    pub number: u32,
    /// At most so many.
    pub max: u32,
}

impl Client {
    /// Connects through `proxy` to DynamoDB's host, trusting `trust_anchor` (PEM) alone.
    pub async fn connect(proxy: SocketAddr, trust_anchor: &str) -> Result<Self> {
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        let (mut tunnel, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let connect = Request::connect(format!("{HOST}:443")).header("host", HOST).body(Empty::<Bytes>::new())?;
        let response = tunnel.send_request(connect).await?;
        if response.status() != StatusCode::OK {
            bail!("the proxy answered CONNECT with {}", response.status());
        }
        let upgraded = hyper::upgrade::on(response).await?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trust_anchor.as_bytes())?)?;
        let connector = TlsConnector::from(Arc::new(tls::client_config(roots)?));
        let secure = connector.connect(ServerName::try_from(HOST)?, TokioIo::new(upgraded)).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(secure)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends one attempt and reads its answer to the end.
    pub async fn put(&mut self, attempt: &Attempt<'_>) -> Result<Answer> {
        self.sender.ready().await.context("the connection through the proxy ended")?;
        let response = self.sender.send_request(signed(attempt)?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body);
        Ok(match status {
            StatusCode::OK => Answer::Acknowledged,
            _ if text.contains("ProvisionedThroughputExceededException") => Answer::Throttled,
            _ => Answer::Refused(status),
        })
    }
}

fn signed(attempt: &Attempt<'_>) -> Result<Request<Full<Bytes>>> {
    let item = serde_json::json!({"TableName": "drill", "Item": {"id": {"S": attempt.id}}}).to_string();
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("host", HOST)
        .header("x-amz-target", "DynamoDB_20120810.PutItem")
        .header("content-type", "application/x-amz-json-1.0")
        .header("user-agent", concat!("squall-demo/", env!("CARGO_PKG_VERSION")))
        .header("amz-sdk-invocation-id", attempt.invocation)
        .header("amz-sdk-request", format!("attempt={}; max={}", attempt.number, attempt.max))
        .body(Full::new(Bytes::from(item.clone())))?;
    let headers: Vec<_> = request.headers().iter().filter_map(|(n, v)| Some((n.as_str(), v.to_str().ok()?))).collect();
    let signable = SignableRequest::new("POST", URL, headers.into_iter(), SignableBody::Bytes(item.as_bytes()))?;
    let identity = aws_credential_types::Credentials::new(KEY_ID, SECRET, None, None, "demo").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("dynamodb")
        .time(SystemTime::from(clock::wall()))
        .settings(SigningSettings::default())
        .build()?
        .into();
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

/// The host whose name all three certificates of the demo speak of.
pub const HOST: &str = "dynamodb.us-east-1.amazonaws.com";
const URL: &str = "https://dynamodb.us-east-1.amazonaws.com/";
/// AWS's documentation example key; it opens nothing.
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// For a call in all, so that a demo on a broken machine ends.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
