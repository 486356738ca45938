//! Every row of credentials.json with the SDK's default chain, held to them as the case in Python is. Started by it, this is the program:
//! two calls, and what it saw of the last that it made.

use std::error::Error;
use std::process::Command;
use std::time::Instant;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::types::AttributeValue;
use common::{PROGRAM, is_program};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

fn case() -> Result<(), Box<dyn Error>> {
    let mut check = Command::new(std::env::var("PYTHON")?);
    check.args(["-m", "common.chain", "rust"]).arg(std::env::current_exe()?).arg(PROGRAM);
    if check.status()?.success() { Ok(()) } else { Err("the rows say otherwise".into()) }
}

async fn program() -> Result<(), Box<dyn Error>> {
    let since = Instant::now();
    let client = aws_sdk_dynamodb::Client::new(&common::config().await);
    let mut saw = "ok".to_owned();
    for _ in 0..2 {
        let get = client.get_item().table_name("orders").key("id", AttributeValue::S("1".to_owned()));
        if let Err(error) = get.send().await {
            saw = kind(&error);
            break;
        }
    }
    println!("{}", json!([saw, since.elapsed().as_secs_f64()]));
    Ok(())
}

/// The chain's own word where there is one.
fn kind(error: &(dyn Error + 'static)) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return match error {
                CredentialsError::CredentialsNotLoaded(_) => "CredentialsNotLoaded",
                CredentialsError::InvalidConfiguration(_) => "InvalidConfiguration",
                CredentialsError::ProviderError(_) => "ProviderError",
                CredentialsError::ProviderTimedOut(_) => "ProviderTimedOut",
                _ => "Unhandled",
            }
            .to_owned();
        }
        cause = error.source();
    }
    "another error".to_owned()
}
