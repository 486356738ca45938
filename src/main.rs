//! The `squall` binary: parse, log, dispatch, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use squall::cli::{CheckArgs, Cli, Command, Output};
use squall::command;
use squall::command::check::Form;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    match cli.command {
        Command::Check(args) => check(&args),
        Command::Decode(args) => command::decode::main(&args),
        Command::Demo(args) => command::demo::main(&args),
        Command::Error(args) => command::error::main(&args),
        Command::Exec(args) => command::child::exec(&args),
        Command::Run(args) => command::run::main(&args),
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

fn start_log(verbose: u8) {
    let default = match verbose {
        0 => "squall=warn",
        1 => "squall=info",
        _ => "squall=debug",
    };
    let filter = EnvFilter::try_from_env("SQUALL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
