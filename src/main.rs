//! The `squall` binary: parse, log, dispatch, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use squall::cli::{CheckArgs, Cli, Command, Level, Output};
use squall::command;
use squall::command::check::Form;
use squall::command::told;
use squall::settings;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[global_allocator]
static ALLOCATOR: jemalloc::Jemalloc = jemalloc::Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match settings::file::parse(&arguments) {
        Ok(cli) => cli,
        Err(e) => {
            told::line(&format!("{e:#}"));
            return ExitCode::from(USAGE);
        }
    };
    start_log(&cli);
    match cli.command {
        Command::Ca(args) => command::authority::main(&args),
        Command::Check(args) => check(&args),
        Command::Completions(args) => command::definitions::completions(&args),
        Command::Decode(args) => command::decode::main(&args),
        Command::Demo(args) => command::demo::main(&args),
        Command::Env(args) => command::variables::main(&args),
        Command::Error(args) => command::error::main(&args),
        Command::Exec(args) => command::child::exec(&args),
        Command::Explain(args) => command::explain::main(&args),
        Command::Faults(args) => command::faults::main(&args),
        Command::Iptables(args) => command::iptables::main(&args),
        Command::Isolate(args) => command::child::isolate(&args),
        Command::Man(args) => command::definitions::man(&args),
        Command::Probe(args) => command::probe::main(&args),
        Command::Profiles(args) => command::profiles::main(&args),
        Command::Run(args) => command::run::main(&args),
        Command::Schema => command::schema::main(),
        Command::Serve(args) => command::serve::main(&args),
        Command::Services(args) => command::services::main(&args),
    }
}

fn check(args: &CheckArgs) -> ExitCode {
    let form = match args.output {
        Output::Json => Form::Json,
        Output::Text => Form::Text { colour: std::io::stderr().is_terminal() },
    };
    let checked =
        command::check::check(&args.profiles, form, &mut std::io::stdout().lock(), &mut std::io::stderr().lock());
    checked.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn start_log(cli: &Cli) {
    let level = match (cli.log_level, cli.verbose) {
        (Some(Level::Error), _) => LevelFilter::ERROR,
        (Some(Level::Warn), _) | (None, 0) => LevelFilter::WARN,
        (Some(Level::Info), _) | (None, 1) => LevelFilter::INFO,
        (Some(Level::Debug), _) | (None, _) => LevelFilter::DEBUG,
        (Some(Level::Trace), _) => LevelFilter::TRACE,
    };
    let wanted = std::env::var("SQUALL_LOG").unwrap_or_default();
    let filter = wanted.parse().ok().filter(|_| !wanted.is_empty());
    let log =
        tracing_subscriber::registry().with(filter.unwrap_or_else(|| Targets::new().with_target("squall", level)));
    let lines = fmt::layer().with_writer(std::io::stderr);
    if cli.log_format == Output::Json {
        told::in_json();
        log.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).init();
    } else {
        log.with(lines.with_ansi(std::io::stderr().is_terminal()).with_target(false)).init();
    }
}

/// As clap has it.
const USAGE: u8 = 2;
