//! Instance metadata: errors are pages that repeat the status, and name no code.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SERVER};
use http::{HeaderMap, StatusCode};

use crate::aws::protocol::{Told, xml};

/// The page, as seen on instances; the connection ends with it.
pub(in crate::aws) fn write(told: &Told<'_>, headers: &mut HeaderMap) -> Vec<u8> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(SERVER, HeaderValue::from_static("EC2ws"));
    let mut body = String::from(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  ",
    );
    xml::element(&mut body, "title", &title(told.status));
    body.push_str("\n </head>\n <body>\n  ");
    xml::element(&mut body, "h1", &told.message);
    body.push_str("\n </body>\n</html>\n");
    body.into_bytes()
}

/// What the page says for a status: these services' codes are the statuses' own names.
pub(super) fn text(code: &str) -> Option<&'static str> {
    Some(match code {
        "BadRequest" => "400 - Bad Request",
        "Forbidden" => "403 - Forbidden",
        "InternalServerError" => "500 - Internal Server Error",
        "MethodNotAllowed" => "405 - Method Not Allowed",
        "NotFound" => "404 - Not Found",
        "ServiceUnavailable" => "503 - Service Unavailable",
        "TooManyRequests" => "429 - Too Many Requests",
        "Unauthorized" => "401 - Unauthorized",
        _ => return None,
    })
}

fn title(status: StatusCode) -> String {
    format!("{} - {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"))
}
