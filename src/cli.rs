//! The command line, as clap understands it. Only parsing: nothing is opened, bound or started here.

mod iptables;
mod proxy;
mod trust;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::aws::catalog;
use crate::units::Millis;

pub use self::iptables::{Block, IptablesArgs, Ports};
pub use self::proxy::{LimitArgs, Place, ProxyArgs, Upstreamed};
pub use self::trust::{
    AuthorityArgs, CaArgs, CaCommand, CompletionsArgs, EnvArgs, ExportArgs, Format, ManArgs, Shell, ShowArgs,
};

/// A transparent chaos proxy in front of real AWS or any emulator.
#[derive(Debug, Parser)]
#[command(name = "squall", version = long_version(), max_term_width = 110, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Say more: -v one line an exchange, -vv what happens on connections.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say this much instead: error, warn, info, debug or trace; SQUALL_LOG takes levels by target (`squall=debug,h2=info`).
    #[arg(long, global = true, value_enum, value_name = "LEVEL", env = "SQUALL_LOG_LEVEL")]
    #[arg(hide_possible_values = true, hide_env_values = true)]
    pub log_level: Option<Level>,
    /// How to say it, on stderr: `text` for people, or `json`, an object a line for programs.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = Output::Text, env = "SQUALL_LOG_FORMAT")]
    #[arg(hide_possible_values = true, hide_env_values = true)]
    pub log_format: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What Squall can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run CMD with its AWS calls going through Squall; report at the end.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Run the proxy until stopped (Ctrl-C or SIGTERM); report at the end. SIGHUP reloads the profiles.
    Serve(ServeArgs),
    /// The chaos resilience drill, self-contained: a stand-in for DynamoDB, 50 writes, three profiles.
    Demo(DemoArgs),
    /// Parse and lint profiles against the catalog of AWS's services.
    Check(CheckArgs),
    /// Print the very answer that AWS would send for an error.
    #[command(after_help = ERROR_HELP)]
    Error(ErrorArgs),
    /// Say what captured requests mean to AWS: JSON Lines or a HAR file in, JSON Lines out.
    #[command(after_help = DECODE_HELP)]
    Decode(DecodeArgs),
    /// Say what would happen to captured requests under a profile, rule by rule, and why.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// List what can go wrong, or tell all of one kind of fault.
    Faults(FaultsArgs),
    /// List the ready-made profiles, or print one.
    Profiles(ProfilesArgs),
    /// Print the profile language as a JSON Schema, for editors.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// List the AWS services that Squall knows, or one service's operations and errors.
    Services(ServicesArgs),
    /// The certificate authority that clients must trust.
    Ca(CaArgs),
    /// Print the variables that lead a shell's programs through Squall, for the shell to eval.
    #[command(after_help = ENV_HELP)]
    Env(EnvArgs),
    /// Print the rules of the kernel's that lead a machine's (or pod's) connections to Squall, for a shell to run as root.
    #[command(after_help = IPTABLES_HELP)]
    Iptables(IptablesArgs),
    /// Ask whether a Squall serves, and exit with 0 if it does: for the probes of supervisors.
    Probe(ProbeArgs),
    /// Print a shell's completions of this command line.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
    /// Becomes CMD, which then dies with Squall.
    #[command(name = EXEC, hide = true)]
    Exec(ExecArgs),
    /// Isolates itself, then becomes CMD.
    #[command(name = ISOLATE, hide = true)]
    Isolate(IsolateArgs),
}

/// `squall run`
#[derive(Debug, Args)]
pub struct RunArgs {
    // Before what is flattened, whose last heading would stand over it too.
    /// Lead the program to Squall as its endpoint (AWS_ENDPOINT_URL) instead of as its proxy; needs --upstream.
    #[arg(long)]
    pub endpoint: bool,
    /// Give the program a network of its own, out of which every connection leads to Squall, whatever the program obeys and however it was
    /// built. Linux only; needs no root where user namespaces are allowed.
    #[arg(long, conflicts_with = "endpoint")]
    pub isolate: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub proxy: ProxyArgs,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `squall serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    // Before what is flattened, whose last heading would stand over it too.
    /// Write the process id to this file while serving.
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Once listening, write {"listen": […], "ca": "…", "seed": N} to this file.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub proxy: ProxyArgs,
}

/// `squall probe`
#[derive(Args, Clone, Copy, Debug)]
pub struct ProbeArgs {
    /// Where it listens for clients that name the address.
    #[arg(value_name = "ADDR", default_value_t = (std::net::Ipv4Addr::LOCALHOST, crate::settings::DEFAULT_PORT).into())]
    pub address: std::net::SocketAddr,
}

/// `squall demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Replay the dice of another run.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `squall check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Ready-made profiles by name, or profile files.
    #[arg(required = true, value_name = "PROFILE")]
    pub profiles: Vec<String>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `squall decode`
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Add what each piece of evidence said.
    #[arg(long)]
    pub why: bool,
    /// The requests [default: stdin].
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `squall explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A ready-made profile's name or a file; repeatable.
    #[arg(long, required = true, value_name = "NAME|FILE", value_delimiter = ',')]
    pub profile: Vec<String>,
    /// The dice of a run [default: the profile's seed, or drawn].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How long the plan has been live, for `between`, `windows` and ramps.
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub at: Millis,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// The requests, as `squall decode` takes them [default: stdin].
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `squall faults`
#[derive(Debug, Args)]
pub struct FaultsArgs {
    /// A fault, by its word in profiles.
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `squall profiles`
#[derive(Debug, Args)]
pub struct ProfilesArgs {
    /// A ready-made profile.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `squall services`
#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// A service, called as boto3 and the AWS CLI call it.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `squall error`
#[derive(Debug, Args)]
pub struct ErrorArgs {
    /// Service and operation as botocore names them, and the error: a code, or an idiom such as `throttle`.
    #[arg(num_args = 3, required_unless_present = "batch", conflicts_with = "batch", value_names = ["SERVICE", "OPERATION", "CODE|IDIOM"])]
    pub what: Vec<String>,
    /// Answer JSON lines {service, operation, code[, protocol, status, message, members, resource, items, in_stream]} with JSON lines {status, headers, body_b64}.
    #[arg(long)]
    pub batch: bool,
    /// json-1.0, json-1.1, rest-json, rest-xml, rpc-v2-cbor, query or ec2 [default: what botocore would take].
    #[arg(long, value_name = "NAME", conflicts_with = "batch")]
    pub protocol: Option<String>,
    /// Instead of the status that AWS models.
    #[arg(long, value_name = "STATUS", conflicts_with = "batch", value_parser = clap::value_parser!(u16).range(300..600))]
    pub status: Option<u16>,
    /// Instead of AWS's own message.
    #[arg(long, value_name = "TEXT", conflicts_with = "batch")]
    pub message: Option<String>,
    /// A member that the error carries beside its message, its value as JSON or plain text; repeatable.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "batch", value_parser = parse_member)]
    pub member: Vec<(String, serde_json::Value)>,
    /// What the request is about, for errors that name it: a table, a bucket or bucket/key, a function …
    #[arg(long, value_name = "NAME", conflicts_with = "batch")]
    pub resource: Option<String>,
    /// How many items a transaction has, for the reasons of its cancellation.
    #[arg(long, value_name = "N", conflicts_with = "batch")]
    pub items: Option<usize>,
    /// The error inside an event stream that has begun well, instead of before it.
    #[arg(long, conflicts_with = "batch")]
    pub in_stream: bool,
    /// Raw HTTP, or the JSON that --batch prints.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// The hidden last step before a child program.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The process whose death ends the program.
    pub parent: i32,
    /// How many open files the program may have.
    #[arg(long)]
    pub open_files: Option<u64>,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// The same for an isolated one.
#[derive(Debug, Args)]
pub struct IsolateArgs {
    /// What Squall has made ready for it.
    pub dir: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub exec: ExecArgs,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Level {
    /// What failed.
    Error,
    /// And what is doubtful.
    Warn,
    /// And each exchange.
    Info,
    /// And what happens on connections.
    Debug,
    /// And everything else.
    Trace,
}

/// How facts are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// For programs.
    Json,
    /// For people.
    Text,
}

/// The definitions, with a variable for every flag of the commands that run for long: SQUALL_ and the flag's name in capitals.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| {
        if LONG_LIVED.contains(&command.get_name()) { command.mut_args(with_variable) } else { command }
    })
}

fn with_variable(arg: clap::Arg) -> clap::Arg {
    let Some(name) = arg.get_long() else { return arg };
    let variable = format!("SQUALL_{}", name.to_ascii_uppercase().replace('-', "_"));
    arg.env(variable).hide_env_values(true)
}

/// The commands that settings files are for.
pub const LONG_LIVED: [&str; 2] = ["run", "serve"];

fn parse_member(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

fn long_version() -> &'static str {
    static VERSION: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("{} (catalog: {})", env!("CARGO_PKG_VERSION"), catalog::version()));
    &VERSION
}

/// The hidden subcommand's name.
pub const EXEC: &str = "__exec";
/// The other one's.
pub const ISOLATE: &str = "__isolate";

const DECODE_HELP: &str = "\
A line in: {\"id\": …, \"method\": …, \"url\": …, \"headers\": [[name, value]…], \"body_b64\": …}

Examples:
  squall decode --why < requests.jsonl
  squall decode session.har | jq -r .operation | sort | uniq -c";

const EXPLAIN_HELP: &str = "\
Examples:
  squall explain --profile ./chaos.yaml < requests.jsonl
  squall explain --profile ./chaos.yaml --seed 42 --at 90s --output json session.har";

const SCHEMA_HELP: &str = "\
Example:
  squall schema > squall.schema.json
and in a profile's first line
  # yaml-language-server: $schema=./squall.schema.json";

const RUN_HELP: &str = "\
Exit codes: CMD's own (128+n if signal n ended it); 125 if Squall itself failed, 126 if CMD is not executable, 127 if it was not found.

Examples:
  squall run --profile dynamodb-throttle -- pytest tests/
  squall run --upstream http://localhost:4566 --profile ./chaos.yaml -- python app.py";

const ENV_HELP: &str = "\
Examples:
  eval \"$(squall env)\"
  squall env --shell fish | source
  squall env --shell powershell | Invoke-Expression
  squall env --shell dotenv > .env";

const IPTABLES_HELP: &str = "\
Examples:
  squall iptables --uid squall | sudo sh
  squall iptables --uid squall --remove | sudo sh
  squall iptables --nft --mark 0x77 --ports all | sudo sh      # with: squall serve --mark 0x77
  squall iptables --tproxy | sudo sh                           # with: squall serve --listen tproxy:0.0.0.0:4577";

const ERROR_HELP: &str = "\
Idioms: throttle, internal, unavailable, timeout, access_denied, expired_token, invalid_credentials, signature, not_found, conflict, validation,
limit_exceeded: each the service's own way to say it.

Examples:
  squall error dynamodb PutItem throttle
  squall error dynamodb TransactWriteItems TransactionCanceledException --items 3
  squall error --in-stream bedrock-runtime ConverseStream ThrottlingException | xxd
  squall error s3 GetObject NoSuchKey";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_version_names_the_catalog() {
        assert!(long_version().contains("botocore 1."), "{}", long_version());
    }
}
