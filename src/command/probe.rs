//! `squall probe`: whether a Squall serves, for supervisors that ask by running a program.
//!
//! It asks for a tunnel back to Squall itself, which Squall refuses in its own name: so an answer comes from the very task that would
//! serve a client, nothing goes out, and no exchange is counted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::told;
use crate::cli::ProbeArgs;

/// Asks once.
pub fn main(args: &ProbeArgs) -> ExitCode {
    let answered = probe(args.address).with_context(|| format!("no Squall answers at {}", args.address));
    told::end(answered.map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

fn probe(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = [0; 512];
    let mut read = 0;
    while !answer[..read].windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut answer[read..])? {
            0 => bail!("the connection ended without an answer"),
            n => read += n,
        }
    }
    let head = String::from_utf8_lossy(&answer[..read]);
    if !head.contains("server: squall") {
        bail!("something else answers there: {}", head.lines().next().unwrap_or_default());
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(2);
