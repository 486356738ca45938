//! `tcp:` entries: a port of Squall's own, and the far end that whoever connects to it is led to.
//!
//! An entry is for programs that can be told where their database is. What goes wrong there is a rule's affair, which names the entry
//! by `match: {tcp: NAME}`. Nothing is bound here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::fault::written::{At, Complaint, Content, Node};

/// A port that leads to a far end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TcpEntry {
    /// What rules, ledger and report call it.
    pub name: String,
    /// Where clients connect; port 0 is any free one.
    pub listen: SocketAddr,
    /// Where they are led.
    pub upstream: FarEnd,
}

/// A host and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FarEnd {
    /// A name or an address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// An entry as it was written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) name_at: At,
    pub(super) listen_at: At,
    pub(super) entry: TcpEntry,
}

impl Written {
    /// Reads one member of the list.
    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        let fields = node.fields("the `tcp` entry", &["name", "listen", "upstream"])?;
        let (name_at, name) = super::schema::read_name(fields.required("name")?)?;
        let (listen, upstream) = (fields.required("listen")?, fields.required("upstream")?);
        let entry = TcpEntry {
            name: name.as_str().to_owned(),
            listen: read_listen(listen)?,
            upstream: read_far_end(upstream)?,
        };
        if entry.leads_to(&entry) {
            return Err(Complaint::new(upstream.at, "the entry would lead to itself")
                .help("`listen` is Squall's own port, `upstream` the one behind it"));
        }
        Ok(Self { name_at, listen_at: listen.at, entry })
    }
}

impl TcpEntry {
    /// Whether it leads to where another (or itself) listens, as far as what is written shows that.
    fn leads_to(&self, other: &Self) -> bool {
        let is_there = self.upstream.host.parse::<IpAddr>().map_or(self.upstream.host == "localhost", |ip| {
            ip == other.listen.ip() || (other.listen.ip().is_unspecified() && ip.is_loopback())
        });
        is_there && other.listen.port() != 0 && self.upstream.port == other.listen.port()
    }

    /// Whether it leads to itself by way of others.
    pub(super) fn leads_in_a_circle(&self, all: &[&Self]) -> bool {
        let mut at = self;
        for _ in all {
            let Some(next) = all.iter().find(|next| at.leads_to(next)) else { return false };
            if next.name == self.name {
                return true;
            }
            at = next;
        }
        false
    }
}

pub(super) fn read_list(node: &Node) -> Result<&[Node], Complaint> {
    match &node.content {
        Content::List(entries) => Ok(entries),
        other => Err(Complaint::new(node.at, format!("`tcp` must be a list, found {other}")).help(EXAMPLE)),
    }
}

/// An address, a port of `localhost`, or a port alone, which is loopback's.
fn read_listen(node: &Node) -> Result<SocketAddr, Complaint> {
    let word = node.word("an address to listen on")?;
    let loopback = |port: &str| port.parse().ok().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let read = word.parse().ok().or_else(|| loopback(word.strip_prefix("localhost:").unwrap_or(word)));
    read.ok_or_else(|| {
        Complaint::new(node.at, format!("`{word}` is not an address to listen on"))
            .help("write `127.0.0.1:15432`, or `15432`, which is the same")
    })
}

fn read_far_end(node: &Node) -> Result<FarEnd, Complaint> {
    let word = node.word("a host and port")?;
    let read = || {
        let (host, port) = word.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let host = bare
            .filter(|host| host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()))
            .or_else(|| Some(host).filter(|host| !host.is_empty() && host.chars().all(is_host)))?;
        Some(FarEnd { host: host.to_owned(), port })
    };
    read().ok_or_else(|| {
        Complaint::new(node.at, format!("`{word}` is not a host and port"))
            .help("write `127.0.0.1:5432`, `db.internal:5432` or `[::1]:5432`")
    })
}

/// `postgres: 127.0.0.1:15432 -> 127.0.0.1:5432`
impl fmt::Display for TcpEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.name, self.listen, self.upstream)
    }
}

impl fmt::Display for FarEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

const EXAMPLE: &str = "write `tcp: [{name: postgres, listen: 127.0.0.1:15432, upstream: 127.0.0.1:5432}]`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::tree;

    fn told(listen: &str, upstream: &str) -> Result<String, String> {
        let yaml = format!("{{name: db, listen: '{listen}', upstream: '{upstream}'}}");
        Written::read(&tree(&yaml)).map(|written| written.entry.to_string()).map_err(|complaint| complaint.message)
    }

    #[test]
    fn a_port_alone_is_loopbacks_and_a_far_end_has_both() {
        for (listen, upstream, expected) in [
            ("127.0.0.1:15432", "127.0.0.1:5432", "db: 127.0.0.1:15432 -> 127.0.0.1:5432"),
            ("15432", "db.internal:5432", "db: 127.0.0.1:15432 -> db.internal:5432"),
            ("localhost:0", "localhost:5432", "db: 127.0.0.1:0 -> localhost:5432"),
            ("[::1]:1", "[::1]:5432", "db: [::1]:1 -> [::1]:5432"),
        ] {
            assert_eq!(told(listen, upstream).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn wrong_entries_are_told_plainly() {
        for (listen, upstream, message) in [
            ("db:1", "a:1", "`db:1` is not an address to listen on"),
            ("99999", "a:1", "`99999` is not an address to listen on"),
            ("1", "a", "`a` is not a host and port"),
            ("1", "a:0", "`a:0` is not a host and port"),
            ("1", ":5432", "`:5432` is not a host and port"),
            ("1", "postgres://a:1", "`postgres://a:1` is not a host and port"),
            ("1", "::1:5432", "`::1:5432` is not a host and port"),
            ("5432", "127.0.0.1:5432", "the entry would lead to itself"),
            ("5432", "localhost:5432", "the entry would lead to itself"),
        ] {
            assert_eq!(told(listen, upstream).unwrap_err(), message, "{listen} {upstream}");
        }
    }
}
