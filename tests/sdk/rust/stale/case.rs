//! Every read after a write of faults.json with the SDK in front of moto: what the program reads right after it has written, while the
//! emulator already has what was written; and that it reads that once the time is over.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use common::{Emulator, behind_squall, is_program, text};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

/// Writes, and prints what it reads right after; the emulator has what was written by then, and after the time this reads it too.
async fn program() -> Result<(), Box<dyn Error>> {
    let [call, seconds, emulator] = &std::env::args().skip(2).collect::<Vec<_>>()[..] else { return Err("call, seconds, URL".into()) };
    let config = common::config().await;
    let straight = config.to_builder().endpoint_url(emulator).build();
    if has_before(call) {
        before(call, &straight).await?;
        assert_eq!(read(call, &config, "").await, "ok, and what was old");
    }
    let made = write(call, &config).await?;
    println!("{}", read(call, &config, &made).await);
    let written = read(call, &straight, &made).await;
    assert!(written.starts_with("ok") && written != "ok, and what was old", "it was not carried out: {written}");
    std::thread::sleep(Duration::from_secs_f64(seconds.parse()?));
    assert_eq!(read(call, &config, &made).await, written, "it is not seen in the end");
    Ok(())
}

fn has_before(call: &str) -> bool {
    !call.contains("Create") && !call.contains("Run")
}

async fn before(call: &str, config: &SdkConfig) -> Result<(), Box<dyn Error>> {
    if call.contains("Object") {
        s3(config).create_bucket().bucket("stale").send().await?;
        s3(config).put_object().bucket("stale").key("1").body(b"old".to_vec().into()).send().await?;
        return Ok(());
    }
    let (schema, attribute) = (KeySchemaElement::builder(), AttributeDefinition::builder());
    let create = aws_sdk_dynamodb::Client::new(config).create_table().table_name(table(call)).billing_mode(BillingMode::PayPerRequest);
    let create = create.key_schema(schema.attribute_name("id").key_type(KeyType::Hash).build()?);
    create.attribute_definitions(attribute.attribute_name("id").attribute_type(ScalarAttributeType::S).build()?).send().await?;
    put_item(call, config, "old").await
}

/// The id of what was made, where only the answer tells it.
async fn write(call: &str, config: &SdkConfig) -> Result<String, Box<dyn Error>> {
    match call {
        "GetItem after PutItem" => put_item(call, config, "new").await?,
        "GetItem after DeleteItem" => {
            let delete = aws_sdk_dynamodb::Client::new(config).delete_item().table_name(table(call)).key("id", one());
            drop(delete.send().await?);
        }
        "GetObject after PutObject" => {
            drop(s3(config).put_object().bucket("stale").key("1").body(b"new".to_vec().into()).send().await?);
        }
        "GetRole after CreateRole" => {
            let create = aws_sdk_iam::Client::new(config).create_role().role_name("stale");
            drop(create.assume_role_policy_document("{}").send().await?);
        }
        "GetQueueUrl after CreateQueue" => {
            drop(aws_sdk_sqs::Client::new(config).create_queue().queue_name("stale").send().await?);
        }
        "DescribeInstances after RunInstances" => {
            let run = aws_sdk_ec2::Client::new(config).run_instances().image_id("ami-12c6146b").min_count(1).max_count(1);
            let instances = run.send().await?.instances.unwrap_or_default();
            return Ok(instances.into_iter().find_map(|instance| instance.instance_id).ok_or("no instance")?);
        }
        other => return Err(other.into()),
    }
    Ok(String::new())
}

async fn read(call: &str, config: &SdkConfig, made: &str) -> String {
    let read = match call.split(' ').next().unwrap_or_default() {
        "GetItem" => {
            let get = aws_sdk_dynamodb::Client::new(config).get_item().table_name(table(call)).key("id", one());
            get.send().await.map_err(|error| kind(&error)).map(|answer| {
                let value = answer.item.and_then(|item| item.get("value")?.as_s().ok().cloned());
                value.unwrap_or_else(|| "none".to_owned())
            })
        }
        "GetObject" => match s3(config).get_object().bucket("stale").key("1").send().await {
            Err(error) => Err(kind(&error)),
            Ok(answer) => match answer.body.collect().await {
                Err(error) => Err(format!("{error:?}")),
                Ok(body) => Ok(text(&body.into_bytes())),
            },
        },
        "DescribeInstances" => {
            let describe = aws_sdk_ec2::Client::new(config).describe_instances().instance_ids(made);
            describe.send().await.map_err(|error| kind(&error)).map(|answer| {
                let mut instances = answer.reservations().iter().flat_map(|reservation| reservation.instances());
                if instances.any(|instance| instance.instance_id() == Some(made)) { "run" } else { "another" }.to_owned()
            })
        }
        "GetRole" => {
            let get = aws_sdk_iam::Client::new(config).get_role().role_name("stale");
            get.send().await.map_err(|error| kind(&error)).map(|answer| answer.role.map_or_else(String::new, |role| role.role_name))
        }
        _ => {
            let get = aws_sdk_sqs::Client::new(config).get_queue_url().queue_name("stale").send().await;
            get.map_err(|error| kind(&error)).map(|answer| answer.queue_url.and_then(|url| url.rsplit('/').next().map(str::to_owned)).unwrap_or_default())
        }
    };
    read.map_or_else(|error| error, |value| format!("ok, and what was {value}"))
}

async fn put_item(call: &str, config: &SdkConfig, value: &str) -> Result<(), Box<dyn Error>> {
    let put = aws_sdk_dynamodb::Client::new(config).put_item().table_name(table(call)).item("id", one());
    put.item("value", AttributeValue::S(value.to_owned())).send().await?;
    Ok(())
}

/// Each row has a table of its own.
fn table(call: &str) -> &str {
    call.rsplit(' ').next().unwrap_or_default()
}

fn one() -> AttributeValue {
    AttributeValue::S("1".to_owned())
}

fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(Builder::from(config).force_path_style(true).build())
}

fn kind<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(service) => service.err().code().unwrap_or("ServiceError").to_owned(),
        _ => "another error".to_owned(),
    }
}

fn case() -> Result<(), Box<dyn Error>> {
    let facts = std::fs::read_to_string(Path::new(&std::env::var("CASE")?).join("../../faults.json"))?;
    let facts: Value = serde_json::from_str(&facts)?;
    let rows = facts["after_a_write"].as_array().ok_or("no rows")?;
    let emulator = Emulator::start()?;
    let url = &emulator.url;
    let differing = std::thread::scope(|scope| {
        let running: Vec<_> =
            rows.iter().enumerate().map(|(number, row)| scope.spawn(move || difference(url, number, row).unwrap())).collect();
        running.into_iter().filter_map(|row| row.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    Ok(())
}

/// What differs between what is seen and what the row says, if anything does.
fn difference(emulator: &str, number: usize, row: &Value) -> Result<Option<String>, Box<dyn Error>> {
    let profile = PathBuf::from(std::env::var("TMPDIR")?).join(format!("row-{number}.yaml"));
    std::fs::write(&profile, json!({"rules": [{"name": "fault", "fault": row["fault"]}]}).to_string())?;
    let call = row["call"].as_str().ok_or("no call")?;
    let seconds = row["fault"]["stale"]["for"].as_str().and_then(|time| time.strip_suffix('s')).ok_or("no time")?;
    let (output, summary) = behind_squall(emulator, &profile, &[call, seconds, emulator])?;
    assert!(output.status.success(), "{call}: {}", text(&output.stderr));
    let count = |name: &str| summary["aws"][name].as_u64().ok_or("no count");
    let passed = if has_before(call) { 3 } else { 2 };
    let (attempts, injected) = (count("attempts")?, count("injected")?);
    let saw = text(&output.stdout).trim().to_owned();
    let got = json!({"saw": saw, "attempts": injected, "carried_out": attempts.saturating_sub(injected + passed)});
    println!("{call} {got}");
    Ok((got != row["rust"]).then(|| format!("{call}: {}, not {got}", row["rust"])))
}
