//! The error pages of load balancers in front of AWS's services: no error of the service's own, and in none of its protocols.
//!
//! As an Application Load Balancer answers for targets that are broken, missing or slow: bare HTML, `Server: awselb/2.0`.

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, SERVER},
};

use super::protocol::{Stamp, SyntheticResponse};

/// The words that such a page has for a status, in its status line too; none where there is no such page.
pub fn reason(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::BAD_GATEWAY => Some("Bad Gateway"),
        StatusCode::SERVICE_UNAVAILABLE => Some("Service Temporarily Unavailable"),
        StatusCode::GATEWAY_TIMEOUT => Some("Gateway Time-out"),
        _ => None,
    }
}

/// The page for a status; what answers a HEAD has no body.
pub fn page(status: StatusCode, head_only: bool, stamp: &Stamp) -> SyntheticResponse {
    let title = format!("{} {}", status.as_u16(), reason(status).unwrap_or_default());
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    headers.insert(DATE, stamp.http_date());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    SyntheticResponse { status, headers, body: if head_only { Bytes::new() } else { body.into() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_as_long_as_those_that_load_balancers_send() {
        let stamp = Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 };
        // As seen in the wild: `Server: awselb/2.0`, Content-Length 122, 162 and 132.
        for (status, length) in [(502, 122), (503, 162), (504, 132)] {
            let page = page(StatusCode::from_u16(status).unwrap(), false, &stamp);
            assert_eq!(
                (page.body.len(), &page.headers["content-length"]),
                (length, &HeaderValue::from(length)),
                "{status}"
            );
        }
        let head = page(StatusCode::BAD_GATEWAY, true, &stamp);
        assert!(head.body.is_empty() && head.headers["content-length"] == "122");
    }
}
