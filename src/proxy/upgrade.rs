//! Upgraded connections (WebSocket, or any other protocol): once both sides have agreed, their bytes are copied unread.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::Proxy;
use crate::net::body::ResponseBody;
use crate::net::tunnel;

/// The client's side of an upgrade that it asks for and the upstream may grant.
pub struct Wanted(OnUpgrade);

impl Wanted {
    /// Takes the client's side out of its request, if there is an upgrade to ask for.
    pub fn take(request: &mut Request<Incoming>) -> Option<Self> {
        let asks = request.headers().contains_key(http::header::UPGRADE);
        asks.then(|| Self(hyper::upgrade::on(request)))
    }

    /// Joins both sides, if the upstream's answer grants the upgrade.
    pub fn join(self, proxy: &Arc<Proxy>, response: &mut Response<ResponseBody>) {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let (near, far, stop) = (self.0, hyper::upgrade::on(response), proxy.stop.clone());
        proxy.tasks.spawn(async move {
            tokio::select! {
                () = carry(near, far) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

async fn carry(near: OnUpgrade, far: OnUpgrade) {
    let both = tokio::try_join!(near, far);
    let (near, far): (Upgraded, Upgraded) = match both {
        Ok(both) => both,
        Err(e) => return tracing::debug!("an upgrade came to nothing: {e}"),
    };
    match tunnel::tunnel(&mut TokioIo::new(near), &mut TokioIo::new(far)).await {
        Ok(carried) => tracing::debug!("upgraded: {} bytes up, {} down", carried.up, carried.down),
        Err(e) => tracing::debug!("an upgraded connection broke: {e}"),
    }
}
