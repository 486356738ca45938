//! What a program must find in its environment so that its AWS calls go through Squall, and what it must not.
//!
//! Pure: [`Environment::for_program`] computes from the inherited variables which to set and which to take away, and says in words what
//! it overrode. Which variable is read by whom: boto3 and the aws CLI take `HTTPS_PROXY` and `AWS_CA_BUNDLE` (or
//! `REQUESTS_CA_BUNDLE`), Rust and Go `SSL_CERT_FILE`, Node `NODE_EXTRA_CA_CERTS` and, for the proxy, a file named in `NODE_OPTIONS`,
//! the JVM `JAVA_TOOL_OPTIONS`, PHP settings in a folder of `PHP_INI_SCAN_DIR`, curl and libcurl `CURL_CA_BUNDLE`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::keystore::CUSTOMARY_PASSWORD;
use super::trust::Trust;
use crate::aws::partition;
use crate::report::Runtime;

/// Variables to set and to take away, and what to tell the user about it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// Set in the program, over what it inherits.
    pub set: Vec<(OsString, OsString)>,
    /// Taken away from what it inherits.
    pub unset: Vec<String>,
    /// One sentence each.
    pub notes: Vec<String>,
}

/// How a program is led to Squall.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// As its endpoint: `AWS_ENDPOINT_URL`.
    Endpoint,
    /// By its network, whatever it obeys: it must trust Squall, and need not know of it.
    Isolated {
        /// Whether the system's JVMs trust Squall without being told.
        java_trusts_us: bool,
    },
    /// As its proxy: `HTTPS_PROXY`.
    Proxy,
}

impl Environment {
    /// For a program that reaches Squall at `url` (`http://127.0.0.1:4577`) and is to trust what `trust` holds.
    pub fn for_program(
        way: Way,
        url: &str,
        trust: &Trust,
        runtime: Option<Runtime>,
        inherited: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let mut environment = Self::default();
        match way {
            Way::Endpoint => environment.lead_to_endpoint(url, &inherited),
            Way::Isolated { java_trusts_us } => environment.lead_nowhere(trust, runtime, java_trusts_us, &inherited),
            Way::Proxy => environment.lead_to_proxy(url, trust, runtime, &inherited),
        }
        environment.notes.extend(told(way, runtime).map(str::to_owned));
        environment
    }

    fn lead_to_proxy(
        &mut self,
        url: &str,
        trust: &Trust,
        runtime: Option<Runtime>,
        inherited: &impl Fn(&str) -> Option<OsString>,
    ) {
        for name in ["HTTPS_PROXY", "https_proxy"] {
            self.note_replaced_proxy(name, inherited(name).as_deref());
            self.set(name, url);
        }
        self.keep_exceptions(inherited);
        self.trust(trust, runtime);
        if runtime == Some(Runtime::Ruby) {
            // Net::HTTP asks it for https too. Programs that follow it for what it says lose nothing: Squall carries plain HTTP.
            self.set("http_proxy", url);
        }
        self.append("NODE_OPTIONS", &quoted("--require ", &trust.node), inherited);
        self.append("JAVA_TOOL_OPTIONS", &java_options(url, &trust.java), inherited);
        // Empty before the separator: the folders that were compiled in.
        let (mut scanned, ours) =
            (inherited("PHP_INI_SCAN_DIR").unwrap_or_default(), format!(":{}", trust.php.display()));
        if !scanned.to_string_lossy().contains(&ours) {
            scanned.push(ours);
        }
        self.set("PHP_INI_SCAN_DIR", scanned);
    }

    /// The system's own files are trusted in the program's namespace with ours in them; these are for what brings its own.
    fn lead_nowhere(
        &mut self,
        trust: &Trust,
        runtime: Option<Runtime>,
        java_trusts_us: bool,
        inherited: &impl Fn(&str) -> Option<OsString>,
    ) {
        for name in PROXY_VARIABLES {
            if let Some(old) = inherited(name).filter(|old| !old.is_empty()) {
                let old = without_userinfo(&old.to_string_lossy());
                self.notes.push(format!("{name} was {old}: left out, as Squall itself goes through that proxy"));
                self.unset.push(name.to_owned());
            }
        }
        self.trust(trust, runtime);
        if !java_trusts_us {
            self.append("JAVA_TOOL_OPTIONS", &java_trust(&trust.java), inherited);
        }
    }

    fn trust(&mut self, trust: &Trust, runtime: Option<Runtime>) {
        for name in BUNDLE_VARIABLES {
            self.set(name, &trust.bundle);
        }
        if runtime == Some(Runtime::Rclone) {
            self.set.retain(|(name, _)| name != "AWS_CA_BUNDLE");
            self.unset.push("AWS_CA_BUNDLE".to_owned());
        }
        // Node adds this file to its built-in roots, so it gets ours alone.
        self.set("NODE_EXTRA_CA_CERTS", &trust.own);
    }

    fn lead_to_endpoint(&mut self, url: &str, inherited: &impl Fn(&str) -> Option<OsString>) {
        self.set("AWS_ENDPOINT_URL", url);
        // Rust's object_store, and with it obstore, refuses to speak in the clear otherwise.
        self.set("AWS_ALLOW_HTTP", "true");
        // A proxy for http:// takes this machine's endpoints too, but for its exceptions.
        self.keep_exceptions(inherited);
        if inherited(IGNORE_ENDPOINTS).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            self.unset.push(IGNORE_ENDPOINTS.to_owned());
            self.notes.push(format!("{IGNORE_ENDPOINTS} would have kept AWS calls away from Squall: left out"));
        }
    }

    /// Leaves out the endpoints of single services, which come before the one for all.
    pub fn without_endpoints(mut self, named: impl IntoIterator<Item = (String, OsString)>) -> Self {
        for (name, value) in named.into_iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL") {
            let url = without_userinfo(&value.to_string_lossy());
            self.notes
                .push(format!("{name} was {url}, past Squall: left out; give it to --upstream, for that service"));
            self.unset.push(name);
        }
        self
    }

    fn keep_exceptions(&mut self, inherited: &impl Fn(&str) -> Option<OsString>) {
        let (no_proxy, dropped) = no_proxy(inherited);
        for name in dropped {
            self.notes
                .push(format!("NO_PROXY named {name}, which would have kept AWS calls away from Squall: left out"));
        }
        self.set("NO_PROXY", &no_proxy);
        self.set("no_proxy", &no_proxy);
    }

    /// Adds words to a variable that may hold some.
    fn append(&mut self, name: &str, words: &str, inherited: &impl Fn(&str) -> Option<OsString>) {
        let mut value = inherited(name).unwrap_or_default();
        if !value.to_string_lossy().contains(words) {
            if !value.is_empty() {
                value.push(" ");
            }
            value.push(words);
        }
        self.set(name, value);
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

/// What the JVM is told: it reads no variable of the others.
fn java_options(url: &str, store: &Path) -> String {
    let (host, port) = url.trim_start_matches("http://").rsplit_once(':').unwrap_or((url, "80"));
    let trust = java_trust(store);
    format!("-Dhttps.proxyHost={host} -Dhttps.proxyPort={port} -Dhttp.nonProxyHosts=localhost|127.*|[::1] {trust}")
}

fn java_trust(store: &Path) -> String {
    let store = quoted("-Djavax.net.ssl.trustStore=", store);
    format!("{store} -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword={CUSTOMARY_PASSWORD}")
}

/// A path behind `words`; quoted if it has spaces, as both node and the JVM take it.
fn quoted(words: &str, path: &Path) -> String {
    let path = path.display().to_string();
    if path.contains(' ') { format!("{words}\"{path}\"") } else { format!("{words}{path}") }
}

/// What was done for a program of this kind, in a sentence.
fn told(way: Way, runtime: Option<Runtime>) -> Option<&'static str> {
    Some(match (way, runtime?) {
        (Way::Proxy, Runtime::AwsCli | Runtime::Python) => {
            "the program looks like Python's: boto3 follows HTTPS_PROXY and trusts AWS_CA_BUNDLE"
        }
        (Way::Proxy, Runtime::Go | Runtime::Rust | Runtime::Terraform) => {
            "the program's AWS SDK follows HTTPS_PROXY and trusts SSL_CERT_FILE"
        }
        (Way::Proxy, Runtime::Java) => {
            "the program looks like the JVM's: JAVA_TOOL_OPTIONS tells it proxy and trust store, which it says itself at its start"
        }
        (Way::Proxy, Runtime::Node) => {
            "the program looks like node's: NODE_OPTIONS loads a file that leads AWS's names through Squall, as its SDK reads no HTTPS_PROXY"
        }
        (Way::Proxy, Runtime::Php) => {
            "the program looks like PHP's: it follows HTTPS_PROXY, and PHP_INI_SCAN_DIR adds what it trusts"
        }
        (Way::Proxy, Runtime::Rclone) => {
            "rclone follows HTTPS_PROXY and trusts SSL_CERT_FILE; AWS_CA_BUNDLE, which it refuses, is left out"
        }
        (Way::Proxy, Runtime::Ruby) => {
            "the program looks like Ruby's: Net::HTTP follows http_proxy, for https too, and its SDK trusts SSL_CERT_FILE"
        }
        (Way::Proxy, Runtime::S3cmd) => {
            "s3cmd reads no HTTPS_PROXY: set proxy_host, proxy_port and ca_certs_file in its configuration"
        }
        (Way::Endpoint, Runtime::Rclone | Runtime::S3cmd) => {
            "the program reads no AWS_ENDPOINT_URL: name the endpoint in its configuration"
        }
        (Way::Endpoint | Way::Isolated { .. }, _) => return None,
    })
}

/// What holds words of the user's beside ours.
pub const APPENDED: [&str; 3] = ["JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "PHP_INI_SCAN_DIR"];
const IGNORE_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
/// What leads to a proxy, or past a network of one's own.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Files of all roots that a program trusts instead of the system's.
const BUNDLE_VARIABLES: [&str; 4] = ["AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];

#[cfg(test)]
mod tests {
    use super::*;

    fn trust() -> Trust {
        let file = |name: &str| Path::new("/t").join(name);
        let [own, bundle, java, node, php] = ["ca.pem", "bundle.pem", "trust.jks", "preload.cjs", "php"].map(file);
        Trust { own, bundle, java, node, php }
    }

    fn environment_of(way: Way, runtime: Option<Runtime>, inherited: &[(&str, &str)]) -> Environment {
        let value = |name: &str| inherited.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        Environment::for_program(way, "http://127.0.0.1:4577", &trust(), runtime, value)
    }

    fn environment(inherited: &[(&str, &str)]) -> Environment {
        environment_of(Way::Proxy, None, inherited)
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
    fn node_and_java_are_told_beside_what_they_were_told_before() {
        let environment = environment(&[("NODE_OPTIONS", "--max-old-space-size=99"), ("JAVA_TOOL_OPTIONS", "-Xmx1g")]);
        assert_eq!(value(&environment, "NODE_OPTIONS"), "--max-old-space-size=99 --require /t/preload.cjs");
        let java = value(&environment, "JAVA_TOOL_OPTIONS");
        assert!(java.starts_with("-Xmx1g -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4577 "), "{java}");
        assert!(java.contains("-Djavax.net.ssl.trustStore=/t/trust.jks"), "{java}");
        assert_eq!(value(&environment, "PHP_INI_SCAN_DIR"), ":/t/php");
        assert_eq!(quoted("--require ", Path::new("/a b/c")), "--require \"/a b/c\"");
    }

    #[test]
    fn rclone_loses_the_bundle_that_it_refuses() {
        let environment = environment_of(Way::Proxy, Some(Runtime::Rclone), &[("AWS_CA_BUNDLE", "/old.pem")]);
        assert!(environment.set.iter().all(|(name, _)| name != "AWS_CA_BUNDLE"));
        assert_eq!(environment.unset, ["AWS_CA_BUNDLE"]);
        assert_eq!(value(&environment, "SSL_CERT_FILE"), "/t/bundle.pem");
    }

    #[test]
    fn an_endpoint_needs_no_trust_and_loses_what_comes_before_it() {
        let inherited = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("HTTP_PROXY", "http://proxy:1")];
        let environment = environment_of(Way::Endpoint, Some(Runtime::Ruby), &inherited);
        let environment =
            environment.without_endpoints([("AWS_ENDPOINT_URL_S3".to_owned(), "http://minio:9000".into())]);
        let names: Vec<_> = environment.set.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "NO_PROXY", "no_proxy"]);
        assert_eq!(environment.unset, ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_S3"]);
        assert!(environment.notes.iter().any(|note| note.contains("http://minio:9000")), "{:?}", environment.notes);
    }

    #[test]
    fn an_isolated_program_is_told_whom_to_trust_and_no_proxy() {
        let inherited = [("HTTPS_PROXY", "http://me:secret@proxy.corp:3128"), ("no_proxy", "x")];
        let environment = environment_of(Way::Isolated { java_trusts_us: true }, None, &inherited);
        let names: Vec<_> = environment.set.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, [&BUNDLE_VARIABLES[..], &["NODE_EXTRA_CA_CERTS"]].concat());
        assert_eq!(environment.unset, ["HTTPS_PROXY"]);
        assert!(environment.notes[0].contains("http://…@proxy.corp:3128"), "{:?}", environment.notes);
        let environment = environment_of(Way::Isolated { java_trusts_us: false }, None, &[]);
        assert!(value(&environment, "JAVA_TOOL_OPTIONS").starts_with("-Djavax.net.ssl.trustStore=/t/trust.jks "));
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
