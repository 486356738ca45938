//! "0 AWS requests seen": why that may be, from what was seen instead and from what each language's SDK is known to do.
//!
//! The facts about clients were observed with their current releases: which follow HTTPS_PROXY, which AWS_ENDPOINT_URL, and which
//! variable names the certificates they trust.

use super::runtime::Runtime;
use crate::ledger::Summary;

/// What is known of the program and its surroundings. All of it may be unknown.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The program and its arguments; empty where clients come by themselves.
    pub command: Vec<String>,
    /// Where Squall can be reached, as a URL.
    pub proxy_url: Option<String>,
    /// Whether the program was led there by AWS_ENDPOINT_URL, and not by HTTPS_PROXY.
    pub as_endpoint: bool,
    /// Whether it was led there by its network.
    pub isolated: bool,
    /// The proxy variable of the surrounding environment that Squall's own took the place of.
    pub replaced_proxy: Option<String>,
    /// Where an endpoint of AWS's is configured, as `AWS_ENDPOINT_URL_S3` or `endpoint_url in ~/.aws/config`.
    pub endpoint_urls: Vec<String>,
}

impl Hints {
    /// The likely reasons why no AWS request was seen, likeliest first, each one sentence or two; none if one was seen.
    pub fn why_no_requests(&self, summary: &Summary) -> Vec<String> {
        // A run may be about connections alone.
        if summary.exchanges.aws > 0 || !summary.tcp.is_empty() {
            return Vec::new();
        }
        let mut why = self.seen_instead(summary);
        if why.is_empty() {
            why.extend(self.went_elsewhere());
            why.push(self.never_came());
        }
        why
    }

    /// Something came, but no AWS request: that narrows it down.
    fn seen_instead(&self, summary: &Summary) -> Vec<String> {
        let seen = summary.run.connections;
        let mut why = Vec::new();
        if seen.ended > 0 {
            why.push(format!(
                "{} ended by a rule before the first request.",
                super::text::counted(seen.ended, "connection")
            ));
        }
        if seen.refused_handshakes > 0 {
            let trust = self.runtime().map_or(TRUST, Runtime::trust);
            why.push(format!(
                "{} began a TLS handshake and broke it off: the program does not trust Squall's certificate authority. {trust}",
                clients(seen.refused_handshakes)
            ));
        }
        if seen.tunnels > 0 {
            let used = if self.isolated { "opened connections" } else { "used the proxy" };
            why.push(format!(
                "The program {used}, but only for hosts that are not AWS's ({} passed undecrypted). If one of them is AWS \
                 under another name, name it with --intercept HOST.",
                super::text::counted(seen.tunnels, "tunnel")
            ));
            if self.isolated {
                why.extend(self.went_elsewhere());
            }
        }
        if summary.exchanges.foreign > 0 {
            why.push(format!(
                "{} came, and nothing in them speaks of AWS (no credential scope, target, action or AWS host), so they passed untouched.",
                super::text::counted(summary.exchanges.foreign, "request")
            ));
        }
        if summary.exchanges.unread > 0 {
            why.push(format!(
                "{} ended unread, leading nowhere (what is sent to Squall itself, as under AWS_ENDPOINT_URL, needs --upstream) or left by \
                 the client. With -v there is a line for each.",
                super::text::counted(summary.exchanges.unread, "request")
            ));
        }
        if why.is_empty() && seen.connects > 0 {
            why.push("The program opened connections through the proxy, but sent no request over them.".to_owned());
        }
        why
    }

    /// Settings that lead past the proxy.
    fn went_elsewhere(&self) -> Vec<String> {
        let mut why = Vec::new();
        for place in &self.endpoint_urls {
            why.push(if self.isolated {
                format!("An endpoint is set ({place}): give that URL to --upstream, and what goes there is looked into.")
            } else {
                format!(
                    "An endpoint is set ({place}), so the program goes there directly: unset it, and give that URL to --upstream."
                )
            });
        }
        if let Some(variable) = &self.replaced_proxy {
            why.push(format!(
                "{variable} was set before; a program that keeps the old value elsewhere goes to that proxy instead."
            ));
        }
        why
    }

    /// Nothing came at all.
    fn never_came(&self) -> String {
        if self.isolated {
            let program = self.command.first().map_or("The program", String::as_str);
            return format!(
                "{program} opened no connection that could be for AWS: either it calls no AWS service, or a mock answered inside it, or \
                 another process calls for it that was running before (a Docker daemon, a build server)."
            );
        }
        let url = self.proxy_url.as_deref().unwrap_or("http://127.0.0.1:4577");
        if self.as_endpoint {
            return format!(
                "The program was given AWS_ENDPOINT_URL={url} and did not come: either it calls no AWS service, or its AWS client does not \
                 follow that variable (JavaScript's version 2, pyarrow, rclone, s3cmd, PHP's async-aws, and releases of Go's, Ruby's and \
                 the AWS CLI before the middle of 2023). Without --endpoint, `squall run` leads it by other means."
            );
        }
        match (self.runtime(), self.command.first()) {
            (Some(runtime), _) => runtime.how_to_reach(url),
            (None, Some(program)) => format!(
                "{program} made no connection: either it calls no AWS service, or its AWS client does not follow HTTPS_PROXY. Many that do \
                 not follow AWS_ENDPOINT_URL: set it to {url} and give the emulator to --upstream."
            ),
            (None, None) => format!(
                "No client came. Set HTTPS_PROXY={url} and make the client trust Squall's certificate authority, or set \
                 AWS_ENDPOINT_URL={url} and give an emulator to --upstream; `squall run -- CMD` does the first for you."
            ),
        }
    }

    fn runtime(&self) -> Option<Runtime> {
        Runtime::of_command(&self.command)
    }
}

impl Runtime {
    fn how_to_reach(self, url: &str) -> String {
        let endpoint = format!("AWS_ENDPOINT_URL={url} (with --upstream EMULATOR)");
        let (host, port) = url.trim_start_matches("http://").rsplit_once(':').unwrap_or(("127.0.0.1", "4577"));
        match self {
            Self::AwsCli => format!(
                "The AWS CLI follows HTTPS_PROXY. Perhaps the command needed no request, or --endpoint-url sent it elsewhere; with \
                 --no-verify-ssl and a proxy of its own it would go past Squall too. {endpoint} is the other way in."
            ),
            Self::Go => format!(
                "Go's SDK follows HTTPS_PROXY unless the program gives it an HTTP client with a transport of its own: that needs \
                 Proxy: http.ProxyFromEnvironment. The other way in is {endpoint}, which older releases ignore."
            ),
            Self::Java => format!(
                "The JVM does not read HTTPS_PROXY. `squall run` and `squall env` give it JAVA_TOOL_OPTIONS with -Dhttps.proxyHost={host} \
                 -Dhttps.proxyPort={port} and a trust store, unless something takes the variable away; a client with a proxy configuration \
                 of its own ignores them. The other way in is {endpoint}."
            ),
            Self::Node => format!(
                "The AWS SDK for JavaScript ignores HTTPS_PROXY. `squall run` and `squall env` lead it here by a file that NODE_OPTIONS names, \
                 unless something takes the variable away (an agent of its own does, and Bun and Deno do not read it). For version 3 the \
                 other way in is {endpoint}; version 2 needs `endpoint` and s3ForcePathStyle in code."
            ),
            Self::Php => format!(
                "PHP's clients follow HTTPS_PROXY where they use curl, and need `-d curl.cainfo` and `-d openssl.cafile` to trust \
                 Squall's certificate authority. The other way in is an `endpoint` of {url} in code."
            ),
            Self::Python => format!(
                "boto3 follows HTTPS_PROXY unless the program sets proxies in botocore's Config. pyarrow and minio ignore it: pyarrow takes \
                 proxy_options= and tls_ca_file_path=, or endpoint_override=; minio takes {url} as its endpoint. Or the program called no \
                 AWS service, or a mock (moto's mock_aws) answered inside it."
            ),
            Self::Rclone => "rclone follows HTTPS_PROXY and trusts SSL_CERT_FILE, but refuses to start while AWS_CA_BUNDLE is set: `squall run -- \
                 rclone …` leaves that out; behind a script of your own, say `env -u AWS_CA_BUNDLE rclone …` there."
                .to_owned(),
            Self::Ruby => format!(
                "Ruby's AWS SDK ignores HTTPS_PROXY, and follows http_proxy: `squall run` sets it where it knows the program for Ruby's. \
                 Or say Aws.config.update(http_proxy: \"{url}\") in code, or set {endpoint}, which older releases ignore."
            ),
            Self::Rust => format!(
                "Recent releases of the AWS SDK for Rust and object_store follow HTTPS_PROXY, older ones do not. The other way in is \
                 {endpoint}."
            ),
            Self::S3cmd => format!(
                "s3cmd ignores HTTPS_PROXY: set proxy_host={host}, proxy_port={port} and ca_certs_file in its configuration."
            ),
            Self::Terraform => format!(
                "Terraform's AWS provider follows HTTPS_PROXY, unless its configuration sets http_proxy, https_proxy or endpoints. The other \
                 way in is {endpoint}."
            ),
        }
    }

    fn trust(self) -> &'static str {
        match self {
            Self::AwsCli | Self::Python => {
                "boto3 and the AWS CLI read AWS_CA_BUNDLE; `verify=` in code, --ca-bundle or ca_bundle in ~/.aws/config come before it."
            }
            Self::Go | Self::Terraform => "Go's SDK reads SSL_CERT_FILE and AWS_CA_BUNDLE.",
            Self::Java => {
                "The JVM reads its own trust store: import the certificate with keytool, or set -Djavax.net.ssl.trustStore."
            }
            Self::Node => "Node reads NODE_EXTRA_CA_CERTS, once, when it starts.",
            Self::Php => "PHP takes `-d curl.cainfo=FILE -d openssl.cafile=FILE`.",
            Self::Rclone => "rclone reads SSL_CERT_FILE or --ca-cert.",
            Self::Ruby => "Ruby's SDK reads SSL_CERT_FILE and AWS_CA_BUNDLE.",
            Self::Rust => "The AWS SDK for Rust and object_store read SSL_CERT_FILE, not AWS_CA_BUNDLE.",
            Self::S3cmd => "s3cmd takes ca_certs_file in its configuration.",
        }
    }
}

fn clients(number: u64) -> String {
    if number == 1 { "A client".to_owned() } else { format!("{number} times a client") }
}

/// Where the certificate authority goes if the program's language is unknown.
const TRUST: &str = "certs/README.md says for each SDK how it is told.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Connections, Entry, Ledger, Mode, Run};

    fn nothing_seen(connections: Connections) -> Summary {
        Ledger::open(None).unwrap().summary(Run { connections, ..Run::default() })
    }

    fn hints(command: &str) -> Hints {
        let command = command.split_whitespace().map(str::to_owned).collect();
        Hints { command, proxy_url: Some("http://127.0.0.1:5005".into()), ..Hints::default() }
    }

    fn why(hints: &Hints, connections: Connections) -> String {
        hints.why_no_requests(&nothing_seen(connections)).join("\n")
    }

    #[test]
    fn a_program_is_known_by_its_name_behind_wrappers_and_versions() {
        let of = |command| hints(command).runtime();
        assert_eq!(of("/usr/bin/python3.11 app.py"), Some(Runtime::Python));
        assert_eq!(of("uv run pytest -x"), Some(Runtime::Python));
        assert_eq!(of("timeout 60 node server.js"), Some(Runtime::Node));
        assert_eq!(of("./dist/main.mjs"), Some(Runtime::Node));
        assert_eq!(of("aws s3 ls"), Some(Runtime::AwsCli));
        assert_eq!(of("./my-service --config x"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn node_is_told_of_the_endpoint_since_its_sdk_ignores_the_proxy() {
        let told = why(&hints("npm test"), Connections::default());
        assert!(
            told.contains("ignores HTTPS_PROXY") && told.contains("AWS_ENDPOINT_URL=http://127.0.0.1:5005"),
            "{told}"
        );
    }

    #[test]
    fn a_program_that_did_not_follow_its_endpoint_is_told_the_other_way() {
        let isolated = Hints { isolated: true, ..hints("php app.php") };
        let told = why(&isolated, Connections::default());
        assert!(told.contains("opened no connection") && !told.contains("HTTPS_PROXY"), "{told}");
        let hints = Hints { as_endpoint: true, ..hints("php app.php") };
        let told = why(&hints, Connections::default());
        assert!(
            told.contains("AWS_ENDPOINT_URL=http://127.0.0.1:5005") && told.contains("Without --endpoint"),
            "{told}"
        );
    }

    #[test]
    fn java_is_told_its_properties_with_host_and_port() {
        let told = why(&hints("java -jar app.jar"), Connections::default());
        assert!(told.contains("-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=5005"), "{told}");
    }

    #[test]
    fn every_runtime_has_something_to_say() {
        for program in ["aws", "go", "java", "node", "php", "python", "rclone", "ruby", "cargo", "s3cmd", "terraform"] {
            assert!(hints(program).runtime().is_some(), "{program}");
            let refused = Connections { refused_handshakes: 1, ..Connections::default() };
            let (reach, trust) = (why(&hints(program), Connections::default()), why(&hints(program), refused));
            assert!(
                reach.len() > 60 && trust.contains("does not trust") && reach != trust,
                "{program}: {reach}\n{trust}"
            );
        }
    }

    #[test]
    fn a_refused_handshake_is_the_reason_whatever_the_environment_says() {
        let mut hints = hints("python app.py");
        hints.replaced_proxy = Some("HTTPS_PROXY".into());
        let told = why(&hints, Connections { connects: 3, refused_handshakes: 3, ..Connections::default() });
        assert!(told.starts_with("3 times a client began a TLS handshake") && told.contains("AWS_CA_BUNDLE"), "{told}");
        assert!(!told.contains("was set before"), "{told}");
    }

    #[test]
    fn tunnels_show_that_the_proxy_was_used_for_something_else() {
        let told = why(&hints("python app.py"), Connections { connects: 2, tunnels: 2, ..Connections::default() });
        assert!(told.contains("2 tunnels") && told.contains("--intercept"), "{told}");
    }

    #[test]
    fn connections_that_rules_ended_are_the_reason_that_nothing_came() {
        let told = why(&hints("python app.py"), Connections { connects: 2, ended: 2, ..Connections::default() });
        assert_eq!(told, "2 connections ended by a rule before the first request.");
    }

    #[test]
    fn connects_without_requests_are_told() {
        let told = why(&hints("python app.py"), Connections { connects: 2, ..Connections::default() });
        assert!(told.contains("sent no request"), "{told}");
    }

    #[test]
    fn settings_that_lead_past_the_proxy_come_first() {
        let mut hints = hints("python app.py");
        hints.endpoint_urls = vec!["endpoint_url in ~/.aws/config".into()];
        hints.replaced_proxy = Some("HTTPS_PROXY".into());
        let told = hints.why_no_requests(&nothing_seen(Connections::default()));
        let found = ["endpoint_url in ~/.aws/config", "HTTPS_PROXY was set before", "boto3 follows"];
        assert_eq!(told.len(), found.len(), "{told:#?}");
        for (told, found) in told.iter().zip(found) {
            assert!(told.contains(found), "{told} does not say {found}");
        }
    }

    #[test]
    fn without_a_program_the_ways_in_are_told() {
        let told = why(&Hints::default(), Connections::default());
        assert!(told.contains("HTTPS_PROXY=http://127.0.0.1:4577") && told.contains("squall run"), "{told}");
    }

    #[test]
    fn requests_that_are_not_awss_are_told() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = Entry::open(1, jiff::Timestamp::UNIX_EPOCH, Mode::Endpoint);
        entry.foreign = Some("no evidence".into());
        ledger.record(entry);
        let told = hints("python app.py").why_no_requests(&ledger.summary(Run::default())).join("\n");
        assert!(told.starts_with("1 request came") && told.contains("untouched"), "{told}");
    }

    #[test]
    fn one_aws_request_is_enough_for_silence() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = Entry::open(1, jiff::Timestamp::UNIX_EPOCH, Mode::Connect);
        entry.service = Some("s3");
        ledger.record(entry);
        assert!(hints("node x.js").why_no_requests(&ledger.summary(Run::default())).is_empty());
    }
}
