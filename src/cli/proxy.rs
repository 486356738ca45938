//! What `run` and `serve` share: where to listen, where requests go, what goes wrong, which authority signs, what bounds hold.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use crate::aws::catalog::{self, Service};
use crate::fault::written::nearest;
use crate::net::dial::Resolve;
use crate::net::limits::Limits;
use crate::net::listen::Door;
use crate::net::target::Target;
use crate::proxy::destination::Destination;
use crate::units::Millis;

/// What `run` and `serve` share. Each flag has a variable too, and a key in a settings file.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Read from this file (YAML) what no flag and no variable says; its keys are the names of flags.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Listen here, for clients of all ways (proxy, endpoint, redirected); `transparent:`: only for those that a REDIRECT rule leads
    /// here; `tproxy:`: a TPROXY rule; repeatable [default: port 4577 on 127.0.0.1 and ::1; `run` takes a free port if 4577 is taken].
    #[arg(long, value_name = "[MODE:]ADDR", value_delimiter = ',')]
    pub listen: Vec<Door>,
    /// What should go wrong: a ready-made profile's name or a file, which is reloaded when it changes; repeatable [default: nothing goes
    /// wrong].
    #[arg(long, value_name = "NAME|FILE", value_delimiter = ',')]
    pub profile: Vec<String>,
    /// Send what is for AWS (or one service of it) to this emulator; `aws`: from the endpoint on to AWS itself, signed anew; `stand-in`, of
    /// imds and container-credentials: to Squall's own; repeatable [default: the real hosts, and nothing for the endpoint].
    #[arg(long, value_name = "[SERVICE=]URL|aws|stand-in", value_delimiter = ',')]
    pub upstream: Vec<Upstreamed>,
    /// Go out through this proxy, by CONNECT; what NO_PROXY names is reached without it [default: HTTPS_PROXY of Squall's environment].
    #[arg(long, value_name = "http[s]://[USER:PASSWORD@]HOST:PORT", env = "SQUALL_VIA", hide_env_values = true)]
    pub via: Option<String>,
    /// Mark the connections that Squall opens (SO_MARK), for `squall iptables --mark` to let them pass; needs CAP_NET_ADMIN.
    #[arg(long, value_name = "N|0xN", value_parser = parse_mark)]
    pub mark: Option<u32>,
    /// This host (`*`: each) and port is at this address, whatever DNS says; repeatable.
    #[arg(long, value_name = "HOST:PORT:IP[:PORT]", value_delimiter = ',')]
    pub resolve: Vec<Resolve>,
    /// Trust the certificates in this PEM file upstream, beside the system's roots; repeatable.
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub upstream_ca: Vec<PathBuf>,
    /// Terminate TLS for this host too (`*.` in front: for all below it); repeatable.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub intercept: Vec<String>,
    /// Keep the certificate authority here [default: `serve` in the user's data directory, `run` in memory].
    #[arg(long, value_name = "DIR", conflicts_with_all = ["ca_cert", "ca_key"])]
    pub ca_dir: Option<PathBuf>,
    /// Mint with your own certificate authority: its certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub ca_cert: Option<PathBuf>,
    /// … and its key (PEM).
    #[arg(long, value_name = "FILE", requires = "ca_cert")]
    pub ca_key: Option<PathBuf>,
    /// Replay the dice of another run [default: the profile's seed, or drawn and printed].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Write every exchange to this file, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Write the report to this file too, as JSON.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Leave `x-squall-fault` off injected answers.
    #[arg(long)]
    pub unmarked: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub limits: LimitArgs,
}

/// How long Squall waits for whom, and how much it holds at once. How long an answer may take is the client's affair: nothing bounds it.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Give up opening a connection upstream (DNS, TCP and TLS together) after this.
    #[arg(long, value_name = "DURATION", default_value_t = Millis::from(Limits::default().connect))]
    pub connect_timeout: Millis,
    /// Close a client's connection whose TLS handshake, or a request's head, takes longer than this.
    #[arg(long, value_name = "DURATION", default_value_t = Millis::from(Limits::default().head))]
    pub header_timeout: Millis,
    /// Close a client's connection without a request after this.
    #[arg(long, value_name = "DURATION", default_value_t = Millis::from(Limits::default().idle))]
    pub idle_timeout: Millis,
    /// Give open requests this long to end once Squall is to stop.
    #[arg(long, value_name = "DURATION", default_value_t = Millis::from(Limits::default().drain))]
    pub drain_timeout: Millis,
    /// Serve so many client connections at once; more wait.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = parse_connections)]
    pub max_connections: usize,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        Self {
            connect: args.connect_timeout.duration(),
            head: args.header_timeout.duration(),
            idle: args.idle_timeout.duration(),
            connections: args.max_connections,
            drain: args.drain_timeout.duration(),
        }
    }
}

/// `--upstream`: where one service goes, or all.
#[derive(Clone, Debug)]
pub struct Upstreamed {
    /// `None`: all that have no place of their own.
    pub service: Option<&'static Service>,
    /// Where.
    pub place: Place,
}

/// What stands after the service.
#[derive(Clone, Debug)]
pub enum Place {
    /// A far end.
    At(Destination),
    /// Squall's own stand-in.
    StandIn,
}

impl FromStr for Upstreamed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No URL has an equals sign before its host.
        let (service, place) = match text.split_once('=') {
            Some((name, place)) if !name.contains("://") => (Some(known_service(name)?), place),
            _ => (None, text),
        };
        let place = match place {
            "aws" => Place::At(Destination::RealAws),
            "stand-in" if service.is_some_and(Service::is_link_local) => Place::StandIn,
            "stand-in" => return Err("there is a stand-in for imds and container-credentials only".to_owned()),
            url => {
                let target = Target::from_url(url).map_err(|e| format!("{e}, nor `aws`"))?;
                Place::At(Destination::Emulator(Arc::new(target)))
            }
        };
        Ok(Self { service, place })
    }
}

fn known_service(name: &str) -> Result<&'static Service, String> {
    catalog::service(name).ok_or_else(|| {
        let nearest = nearest(name, catalog::services().iter().map(|service| service.name));
        let advice = nearest
            .map_or_else(|| "`squall services` lists them".to_owned(), |right| format!("did you mean `{right}`?"));
        format!("there is no service `{name}`; {advice}")
    })
}

/// Decimal, or hexadecimal behind `0x`; not 0, which every socket has.
pub(super) fn parse_mark(text: &str) -> Result<u32, String> {
    let read = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u32::from_str_radix(hex, 16));
    read.ok()
        .filter(|mark| *mark != 0)
        .ok_or_else(|| "write a number from 1 to 4294967295, or 0x and it in hexadecimal".to_owned())
}

fn parse_connections(text: &str) -> Result<usize, String> {
    let most = tokio::sync::Semaphore::MAX_PERMITS;
    match text.parse() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(format!("write a number of connections from 1 to {most}")),
    }
}
