//! A DynamoDB that throttles every attempt: the SDK retries and gives up with the service's own typed error, through CONNECT as to the
//! endpoint.

use std::error::Error;
use std::path::Path;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use common::{Emulator, is_program, led_by_squall, text};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

async fn program() -> Result<(), Box<dyn Error>> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&common::config().await);
    let get = dynamodb.get_item().table_name("orders").key("id", AttributeValue::S("1".to_owned()));
    let error = get.send().await.expect_err("it was to be throttled").into_service_error();
    let is_typed = error.is_provisioned_throughput_exceeded_exception();
    println!("{} {is_typed} {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no message"));
    Ok(())
}

fn case() -> Result<(), Box<dyn Error>> {
    let profile = Path::new(&std::env::var("CASE")?).join("../../throttle-all.yaml");
    let emulator = Emulator::start()?;
    for way in [&[][..], &["--endpoint"]] {
        let (output, summary) = led_by_squall(way, &emulator.url, &profile, &[])?;
        let (said, squall) = (text(&output.stdout), text(&output.stderr));
        print!("{said}");
        assert!(output.status.success(), "{squall}");
        assert!(said.starts_with("ProvisionedThroughputExceededException true The level of configured"), "{said}{squall}");
        let row = &summary["operations"][0];
        let counted = json!([row["operation"], row["invocations"], row["attempts"], row["injected"]]);
        assert_eq!(counted, json!(["GetItem", 1, 3, 3]), "{squall}");
        assert_eq!(summary["invocations"]["gave_up"], json!({"3": 1}), "{squall}");
    }
    Ok(())
}
