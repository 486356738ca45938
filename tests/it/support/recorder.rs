//! What a recording far end does with HTTP/2: it writes down what the frames said as a head, and answers.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Response;
use tokio::io::{AsyncRead, AsyncWrite};

use super::http2::{fields, read};
use super::upstream::{Answer, Http2, Request};

/// Serves one connection to its end.
pub(super) async fn serve<S>(stream: S, answer: Answer, requests: Arc<Mutex<Vec<Request>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
        tokio::spawn(async move {
            let request = record(request).await?;
            requests.lock().unwrap().push(request.clone());
            reply(respond, &answer(&request))
        });
    }
}

async fn record(request: http::Request<RecvStream>) -> Result<Request, h2::Error> {
    let (head, mut body) = request.into_parts();
    let (body, trailers) = read(&mut body).await?;
    let target = head.uri.path_and_query().map_or("*", |target| target.as_str());
    let lines: String = fields(&head.headers).iter().map(|line| format!("{line}\r\n")).collect();
    let http2 = Http2 {
        scheme: head.uri.scheme_str().unwrap_or_default().to_owned(),
        authority: head.uri.authority().map_or("", |authority| authority.as_str()).to_owned(),
        trailers: trailers.as_ref().map(fields).unwrap_or_default(),
    };
    let head = format!("{} {target} HTTP/2.0\r\n{lines}\r\n", head.method);
    Ok(Request { head, body, http2: Some(http2) })
}

/// Sends an answer that is written for HTTP/1.1, with a Content-Length.
fn reply(mut respond: SendResponse<Bytes>, answer: &[u8]) -> Result<(), h2::Error> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut response = Response::builder().status(head.split(' ').nth(1).unwrap());
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        response = response.header(name, value);
    }
    let mut sending = respond.send_response(response.body(()).unwrap(), false)?;
    sending.send_data(Bytes::copy_from_slice(&answer[end..]), true)
}
