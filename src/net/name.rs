//! Host names as certificates know them, and the bounds within which a certificate authority may speak for them.

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, NameConstraints};

/// A host that a leaf is minted for: a DNS name (lower case, no trailing dot) or an IP address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum HostName {
    /// `dynamodb.us-east-1.amazonaws.com`
    Dns(String),
    /// `127.0.0.1`; certificates carry these as addresses, not as text.
    Ip(IpAddr),
}

/// The names a certificate authority may sign for, as RFC 5280 §4.2.1.10 constrains them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permitted {
    /// DNS subtrees: the name itself and everything below it. Without a leading dot.
    pub dns: Vec<String>,
    /// Address blocks.
    pub ip: Vec<(IpAddr, u8)>,
}

impl HostName {
    /// Reads a host as it stands in a URI authority or in SNI; brackets of an IPv6 literal are taken off.
    pub fn parse(host: &str) -> Self {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        match bare.parse() {
            Ok(ip) => Self::Ip(ip),
            Err(_) => Self::Dns(bare.trim_end_matches('.').to_ascii_lowercase()),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl Permitted {
    /// What the given DNS suffixes and this machine's own loopback names amount to.
    pub fn with_loopback(suffixes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut dns: Vec<String> = suffixes.into_iter().map(Into::into).collect();
        dns.push("localhost".to_owned());
        let ip = vec![([127, 0, 0, 0].into(), 8), (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128)];
        Self { dns, ip }
    }

    /// Adds one more host, as the user listed it (`*.` in front is understood as the subtree that it is).
    pub fn add(&mut self, host: &str) {
        match HostName::parse(host.strip_prefix("*.").unwrap_or(host)) {
            HostName::Dns(name) => self.dns.push(name),
            HostName::Ip(ip) => self.ip.push((ip, if ip.is_ipv4() { 32 } else { 128 })),
        }
    }

    /// Whether a certificate for this name would be accepted by a verifier that honours the constraints.
    pub fn allows(&self, name: &HostName) -> bool {
        match name {
            HostName::Dns(name) => self.dns.iter().any(|subtree| is_within(name, subtree)),
            HostName::Ip(ip) => self.ip.iter().any(|(block, bits)| is_in_block(*ip, *block, *bits)),
        }
    }

    /// Reads the constraints of a certificate back.
    pub fn from_constraints(constraints: &NameConstraints<'_>) -> Self {
        let mut permitted = Self::default();
        for subtree in constraints.permitted_subtrees.iter().flatten() {
            match &subtree.base {
                GeneralName::DNSName(name) => permitted.dns.push(name.trim_start_matches('.').to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => permitted.ip.extend(block(bytes)),
                _ => {}
            }
        }
        permitted
    }
}

fn is_within(name: &str, subtree: &str) -> bool {
    name.strip_suffix(subtree).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

pub(super) fn is_in_block(ip: IpAddr, block: IpAddr, bits: u8) -> bool {
    match (ip, block) {
        (IpAddr::V4(ip), IpAddr::V4(block)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            ip.to_bits() & mask == block.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(block)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            ip.to_bits() & mask == block.to_bits() & mask
        }
        _ => false,
    }
}

/// Address and mask, one after the other, as RFC 5280 encodes an iPAddress constraint.
fn block(bytes: &[u8]) -> Option<(IpAddr, u8)> {
    let (address, mask) = bytes.split_at(bytes.len() / 2);
    let bits = u8::try_from(mask.iter().map(|b| b.count_ones()).sum::<u32>()).ok()?;
    if let (Ok(v4), Ok(_)) = (<[u8; 4]>::try_from(address), <[u8; 4]>::try_from(mask)) {
        return Some((v4.into(), bits));
    }
    let v6 = <[u8; 16]>::try_from(address).ok()?;
    (mask.len() == 16).then(|| (v6.into(), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted() -> Permitted {
        let mut permitted = Permitted::with_loopback(["amazonaws.com"]);
        permitted.add("*.example.test");
        permitted
    }

    #[test]
    fn permitted_names_are_the_subtrees_and_nothing_that_only_looks_like_them() {
        for name in
            ["amazonaws.com", "S3.us-east-1.amazonaws.com.", "localhost", "a.example.test", "127.9.9.9", "[::1]"]
        {
            assert!(permitted().allows(&HostName::parse(name)), "{name}");
        }
        for name in ["evilamazonaws.com", "amazonaws.com.evil.org", "example.com", "128.0.0.1", "::2", ""] {
            assert!(!permitted().allows(&HostName::parse(name)), "{name}");
        }
    }
}
