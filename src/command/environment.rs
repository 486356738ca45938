//! What a program must find in its environment so that its AWS calls go through Squall, and what it must not.
//!
//! Pure: [`Environment::for_child`] computes from the inherited variables which to set, and says in words what it overrode. Which
//! variable is read by whom: boto3 and the aws CLI take `HTTPS_PROXY` and `AWS_CA_BUNDLE` (or `REQUESTS_CA_BUNDLE`), Rust and Go
//! `SSL_CERT_FILE`, Node `NODE_EXTRA_CA_CERTS`, curl and libcurl `CURL_CA_BUNDLE`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::aws::partition;

/// Variables to set, and what to tell the user about it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// Set in the child, over what it inherits.
    pub set: Vec<(OsString, OsString)>,
    /// One sentence each.
    pub notes: Vec<String>,
}

impl Environment {
    /// For a child that reaches Squall at `proxy` (`http://127.0.0.1:4577`) and is to trust `bundle`; `own` holds our root alone.
    pub fn for_child(proxy: &str, bundle: &Path, own: &Path, inherited: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut environment = Self::default();
        for name in ["HTTPS_PROXY", "https_proxy"] {
            environment.note_replaced_proxy(name, inherited(name).as_deref());
            environment.set(name, proxy);
        }
        let (no_proxy, dropped) = no_proxy(&inherited);
        for name in dropped {
            environment
                .notes
                .push(format!("NO_PROXY named {name}, which would have kept AWS calls away from Squall: left out"));
        }
        environment.set("NO_PROXY", &no_proxy);
        environment.set("no_proxy", &no_proxy);
        for name in BUNDLE_VARIABLES {
            environment.set(name, bundle);
        }
        // Node adds this file to its built-in roots, so it gets ours alone.
        environment.set("NODE_EXTRA_CA_CERTS", own);
        environment
    }

    fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.set.push((name.into(), value.as_ref().to_owned()));
    }

    fn note_replaced_proxy(&mut self, name: &str, inherited: Option<&OsStr>) {
        if let Some(old) = inherited.filter(|old| !old.is_empty()) {
            let old = without_userinfo(&old.to_string_lossy());
            self.notes
                .push(format!("{name} was {old}: the program goes through Squall now, and Squall through that proxy"));
        }
    }
}

/// The CA bundles the program was told to use: what it trusted before it must go on trusting.
pub fn inherited_bundles(inherited: impl Fn(&str) -> Option<OsString>) -> Vec<std::path::PathBuf> {
    let named = BUNDLE_VARIABLES.iter().chain(["NODE_EXTRA_CA_CERTS"].iter()).filter_map(|name| inherited(name));
    let mut files: Vec<_> = named.map(std::path::PathBuf::from).collect();
    files.sort();
    files.dedup();
    files
}

/// Loopback, and what was there before; entries that cover AWS are dropped and given back second.
fn no_proxy(inherited: &impl Fn(&str) -> Option<OsString>) -> (String, Vec<String>) {
    let mut kept: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut dropped = Vec::new();
    let before: Vec<String> = ["NO_PROXY", "no_proxy"]
        .iter()
        .filter_map(|name| inherited(name))
        .flat_map(|value| value.to_string_lossy().split([',', ' ']).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    for entry in before.into_iter().filter(|entry| !entry.is_empty()) {
        let list = if covers_aws(&entry) { &mut dropped } else { &mut kept };
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    (kept.join(","), dropped)
}

/// Whether a NO_PROXY entry would take AWS hosts past the proxy: `*`, a suffix of AWS's, or a part of one such as `.com`.
fn covers_aws(entry: &str) -> bool {
    let name = entry.trim_start_matches(['*', '.']);
    // A port may follow a name; an IPv6 address has colons of its own.
    let name = name.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(name, |(name, _)| name);
    let below = |suffix: &str| suffix.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    name.is_empty() || partition::is_aws_host(name) || partition::dns_suffixes().iter().any(|suffix| below(suffix))
}

/// A proxy URL with name and password taken out, fit to be printed.
fn without_userinfo(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://…@{}", &url[..scheme], &url[at + 1..]),
        (None, Some(at)) => format!("…@{}", &url[at + 1..]),
        _ => url.to_owned(),
    }
}

/// Files of all roots that a program trusts instead of the system's.
const BUNDLE_VARIABLES: [&str; 4] = ["AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(inherited: &[(&str, &str)]) -> Environment {
        let value = |name: &str| inherited.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        Environment::for_child("http://127.0.0.1:4577", Path::new("/t/bundle.pem"), Path::new("/t/ca.pem"), value)
    }

    fn value(environment: &Environment, name: &str) -> String {
        let found = environment.set.iter().find(|(n, _)| n == name).unwrap();
        found.1.to_string_lossy().into_owned()
    }

    #[test]
    fn a_clean_environment_gets_proxy_bundle_and_loopback_exceptions() {
        let environment = environment(&[]);
        assert_eq!(value(&environment, "HTTPS_PROXY"), "http://127.0.0.1:4577");
        assert_eq!(value(&environment, "https_proxy"), "http://127.0.0.1:4577");
        assert_eq!(value(&environment, "NO_PROXY"), "localhost,127.0.0.1,::1");
        assert_eq!(value(&environment, "AWS_CA_BUNDLE"), "/t/bundle.pem");
        assert_eq!(value(&environment, "NODE_EXTRA_CA_CERTS"), "/t/ca.pem");
        assert!(environment.notes.is_empty());
    }

    #[test]
    fn exceptions_that_cover_aws_are_left_out_and_reported_and_others_stay() {
        let environment =
            environment(&[("NO_PROXY", "internal.example,.amazonaws.com, *"), ("no_proxy", "com,10.0.0.0/8")]);
        assert_eq!(value(&environment, "no_proxy"), "localhost,127.0.0.1,::1,internal.example,10.0.0.0/8");
        assert_eq!(environment.notes.len(), 3, "{:?}", environment.notes);
    }

    #[test]
    fn loopback_covers_nothing_of_aws_and_a_star_a_suffix_or_a_host_does() {
        assert!(!["localhost", "127.0.0.1", "::1"].into_iter().any(covers_aws));
        assert!(["*", "s3.amazonaws.com", ".api.aws", "*.amazonaws.com:443"].into_iter().all(covers_aws));
    }

    #[test]
    fn a_replaced_proxy_is_reported_without_its_password() {
        let environment = environment(&[("HTTPS_PROXY", "http://me:secret@proxy.corp:3128")]);
        assert!(environment.notes[0].contains("http://…@proxy.corp:3128"), "{:?}", environment.notes);
        assert!(!environment.notes[0].contains("secret"));
    }
}
