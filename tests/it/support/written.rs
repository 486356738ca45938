//! A request as a fixture holds it: `request.http` is its head and, after an empty line, its text body; `body.b64`, where there is one,
//! a body that is no text.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use squall::aws::request::Head;

/// A request in parts.
pub(crate) struct Written {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Written {
    /// The request of a case's folder.
    pub(crate) fn of_case(case: &Path) -> Self {
        let mut written = Self::of_text(&fs::read_to_string(case.join("request.http")).unwrap());
        if let Ok(coded) = fs::read_to_string(case.join("body.b64")) {
            written.body = STANDARD.decode(coded.trim_end()).unwrap();
        }
        written
    }

    fn of_text(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| (text.trim_end(), ""));
        let mut lines = head.lines();
        let mut start = lines.next().unwrap().split(' ');
        let (method, target) = (start.next().unwrap(), start.next().unwrap());
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let authority = headers.get("host").unwrap().to_str().unwrap();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        let (path, query) = (path.to_owned(), query.map(str::to_owned));
        Self { method: method.parse().unwrap(), host, path, query, headers, body: body.trim_end_matches('\n').into() }
    }

    /// What decoding looks at.
    pub(crate) fn head(&self) -> Head<'_> {
        let (path, query) = (&*self.path, self.query.as_deref());
        Head { method: &self.method, host: &self.host, path, query, headers: &self.headers }
    }
}

/// The folders of all cases, sorted.
pub(crate) fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}
