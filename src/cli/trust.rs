//! Certificates, variables, and the definitions of the command line itself, given to other programs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;
use crate::command::keystore::CUSTOMARY_PASSWORD;

/// `squall ca`
#[derive(Debug, Args)]
pub struct CaArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: CaCommand,
}

/// What can be done with the certificate authority.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Write the certificate that clients must trust, in the form that their trust store takes.
    Export(ExportArgs),
    /// Say where it is, what it is called, how long it holds, and which names it may sign for.
    Show(ShowArgs),
}

/// Which authority. Where none is kept yet, one is made.
#[derive(Args, Clone, Debug, Default)]
pub struct AuthorityArgs {
    /// Where it is kept [default: in the user's data directory].
    #[arg(long, value_name = "DIR", env = "SQUALL_CA_DIR")]
    pub ca_dir: Option<PathBuf>,
    /// Your own instead: its certificate (PEM).
    #[arg(long, value_name = "FILE", env = "SQUALL_CA_CERT", conflicts_with = "ca_dir")]
    pub ca_cert: Option<PathBuf>,
    /// A host beside AWS's that one which is made now may sign for; repeatable.
    #[arg(long, value_name = "HOST", env = "SQUALL_INTERCEPT", value_delimiter = ',')]
    pub intercept: Vec<String>,
}

/// `squall ca show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub authority: AuthorityArgs,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `squall ca export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The form.
    #[arg(long, value_enum, default_value_t = Format::Pem)]
    pub format: Format,
    /// Write it there [default: stdout].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Add the system's roots, for a store that replaces the usual one; `bundle` always has them.
    #[arg(long)]
    pub system: bool,
    /// Of a p12 or jks store; nothing in it is secret.
    #[arg(long, value_name = "TEXT", default_value = CUSTOMARY_PASSWORD)]
    pub password: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub authority: AuthorityArgs,
}

/// The forms of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// The system's roots and ours, in PEM: for SSL_CERT_FILE, which replaces the system's.
    Bundle,
    /// The bare certificate, in binary.
    Der,
    /// A Java key store.
    Jks,
    /// PKCS #12, for Java and Windows.
    P12,
    /// PEM, which most take.
    Pem,
    /// OpenSSL's TRUSTED CERTIFICATE, good for servers alone.
    Trust,
}

/// `squall env`
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// For this shell [default: what $SHELL names, else sh].
    #[arg(long, value_enum)]
    pub shell: Option<Shell>,
    /// Where Squall listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4577")]
    pub url: String,
    /// Lead programs to Squall as their endpoint (AWS_ENDPOINT_URL) instead of as their proxy.
    #[arg(long)]
    pub endpoint: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened; documented on the type")]
    pub authority: AuthorityArgs,
}

/// Who reads variables.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Shell {
    /// NAME="value" lines, as docker --env-file and many libraries read them.
    Dotenv,
    /// fish
    Fish,
    /// {"NAME": "value"}, null for what must be absent.
    Json,
    /// PowerShell
    Powershell,
    /// bash, zsh, dash and their kin.
    Sh,
}

/// `squall completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `squall man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each subcommand into this directory [default: squall(1) alone, to stdout].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
