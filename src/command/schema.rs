//! `squall schema`: the profile language as a JSON Schema, with which editors complete and check as one writes.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::told;
use crate::profile::json_schema;

/// Prints the schema.
pub fn main() -> ExitCode {
    let printed = writeln!(io::stdout().lock(), "{:#}", json_schema::json_schema());
    told::end_unless_unread(printed.map(|()| ExitCode::SUCCESS).map_err(Into::into))
}
