//! `squall completions` and `squall man`: the definitions of the command line, for shells and for readers.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap_mangen::Man;

use super::told;
use crate::cli::{self, CompletionsArgs, ManArgs};

/// Prints a shell's completions.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "squall", &mut script);
    told::end(print(&script).map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

/// Prints squall(1), or writes a page for each subcommand.
pub fn man(args: &ManArgs) -> ExitCode {
    let written = match &args.dir {
        Some(dir) => std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(cli::command(), dir))
            .with_context(|| format!("cannot write manual pages into {}", dir.display())),
        None => page().and_then(|page| print(&page)),
    };
    told::end(written.map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
}

fn page() -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(cli::command()).render(&mut page).context("cannot write the manual page")?;
    Ok(page)
}

/// Nobody may be listening any more: that is no reason to fail.
fn print(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_every_shells_completions_name_the_subcommands() {
        let page = String::from_utf8(page().unwrap()).unwrap();
        assert!(page.contains("squall\\-serve(1)") || page.contains("squall-serve(1)"), "{page}");
        for shell in clap::ValueEnum::value_variants() as &[clap_complete::Shell] {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut cli::command(), "squall", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("completions") && script.contains("upstream"), "{shell}");
        }
    }
}
