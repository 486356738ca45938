//! Every row of errors.json with the SDK: the typed error, its code, status, message and request id, and the attempts made.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::MetricDatum;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecordSet, RrType};
use aws_sdk_s3::primitives::Blob;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use common::{behind_squall, is_program, text};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const NOBODY: &str = "http://127.0.0.1:9";
const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/orders";
const MODEL: &str = "amazon.nova-lite-v1:0";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

/// Makes the calls it is told, and prints what each of them failed with.
async fn program() -> Result<(), Box<dyn Error>> {
    let config = common::config().await;
    let mut calls = JoinSet::new();
    for operation in std::env::args().skip(2) {
        let config = config.clone();
        calls.spawn(async move { (operation.clone(), call(&operation, &config).await.map_err(|e| e.to_string())) });
    }
    let mut seen = BTreeMap::new();
    for (operation, told) in calls.join_all().await {
        seen.insert(operation, told?);
    }
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

/// What an operation failed with.
async fn call(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    match operation {
        "GetItem" | "PutItem" | "TransactWriteItems" => dynamodb(operation, config).await,
        "SendMessage" | "ReceiveMessage" => sqs(operation, config).await,
        "PutRecord" | "GetRecords" => kinesis(operation, config).await,
        "GetUser" | "CreateUser" => iam(operation, config).await,
        "GetHostedZone" | "DeleteHostedZone" | "ChangeResourceRecordSets" => route53(operation, config).await,
        "PutMetricData" | "GetDashboard" => cloudwatch(operation, config).await,
        "ConverseStream" | "InvokeModelWithResponseStream" => bedrock(operation, config).await,
        "Publish" => {
            let publish = aws_sdk_sns::Client::new(config).publish().message("hello");
            told(publish.topic_arn("arn:aws:sns:us-east-1:123456789012:orders").send().await)
        }
        "Invoke" => told(aws_sdk_lambda::Client::new(config).invoke().function_name("orders").send().await),
        "AssumeRole" => {
            let assume = aws_sdk_sts::Client::new(config).assume_role().role_session_name("orders");
            told(assume.role_arn("arn:aws:iam::123456789012:role/orders").send().await)
        }
        "RunInstances" => {
            let run = aws_sdk_ec2::Client::new(config).run_instances().image_id("ami-1");
            told(run.min_count(1).max_count(1).send().await)
        }
        "DeleteVpc" => told(aws_sdk_ec2::Client::new(config).delete_vpc().vpc_id("vpc-1").send().await),
        "StartExecution" => {
            let start = aws_sdk_sfn::Client::new(config).start_execution();
            told(start.state_machine_arn("arn:aws:states:us-east-1:123456789012:stateMachine:orders").send().await)
        }
        _ => s3(operation, config).await,
    }
}

async fn dynamodb(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_dynamodb::Client::new(config);
    let id = || AttributeValue::S("1".to_owned());
    match operation {
        "GetItem" => told(client.get_item().table_name("orders").key("id", id()).send().await),
        "PutItem" => told(client.put_item().table_name("orders").item("id", id()).send().await),
        _ => {
            let put = Put::builder().table_name("orders").item("id", id()).build()?;
            let put = TransactWriteItem::builder().put(put).build();
            told(client.transact_write_items().transact_items(put.clone()).transact_items(put).send().await)
        }
    }
}

async fn s3(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_s3::Client::new(config);
    let body = || b"hello".to_vec().into();
    match operation {
        "GetObject" => told(client.get_object().bucket("orders").key("1").send().await),
        "HeadObject" => told(client.head_object().bucket("orders").key("1").send().await),
        "PutObject" => told(client.put_object().bucket("orders").key("1").body(body()).send().await),
        "CreateMultipartUpload" => told(client.create_multipart_upload().bucket("orders").key("1").send().await),
        "UploadPart" => {
            let part = client.upload_part().bucket("orders").key("1").upload_id("2").part_number(1);
            told(part.body(body()).send().await)
        }
        "CompleteMultipartUpload" => {
            let part = CompletedPart::builder().part_number(1).e_tag("e").build();
            let parts = CompletedMultipartUpload::builder().parts(part).build();
            let complete = client.complete_multipart_upload().bucket("orders").key("1").upload_id("2");
            told(complete.multipart_upload(parts).send().await)
        }
        _ => Err(format!("no call is known for {operation}").into()),
    }
}

async fn sqs(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_sqs::Client::new(config);
    match operation {
        "SendMessage" => told(client.send_message().queue_url(QUEUE).message_body("hello").send().await),
        _ => told(client.receive_message().queue_url(QUEUE).send().await),
    }
}

async fn kinesis(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_kinesis::Client::new(config);
    match operation {
        "PutRecord" => {
            let put = client.put_record().stream_name("orders").partition_key("1");
            told(put.data(Blob::new("hello")).send().await)
        }
        _ => told(client.get_records().shard_iterator("1").send().await),
    }
}

async fn iam(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_iam::Client::new(config);
    match operation {
        "GetUser" => told(client.get_user().user_name("orders").send().await),
        _ => told(client.create_user().user_name("orders").send().await),
    }
}

async fn route53(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_route53::Client::new(config);
    match operation {
        "GetHostedZone" => told(client.get_hosted_zone().id("Z1").send().await),
        "DeleteHostedZone" => told(client.delete_hosted_zone().id("Z1").send().await),
        _ => {
            let set = ResourceRecordSet::builder().name("a.example").r#type(RrType::A).build()?;
            let change = Change::builder().action(ChangeAction::Delete).resource_record_set(set).build()?;
            let batch = ChangeBatch::builder().changes(change).build()?;
            told(client.change_resource_record_sets().hosted_zone_id("Z1").change_batch(batch).send().await)
        }
    }
}

async fn cloudwatch(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_cloudwatch::Client::new(config);
    match operation {
        "PutMetricData" => {
            let datum = MetricDatum::builder().metric_name("taken").value(1.0).build();
            told(client.put_metric_data().namespace("orders").metric_data(datum).send().await)
        }
        _ => told(client.get_dashboard().dashboard_name("orders").send().await),
    }
}

async fn bedrock(operation: &str, config: &SdkConfig) -> Result<Value, Box<dyn Error>> {
    let client = aws_sdk_bedrockruntime::Client::new(config);
    match operation {
        "ConverseStream" => told(client.converse_stream().model_id(MODEL).send().await),
        _ => told(client.invoke_model_with_response_stream().model_id(MODEL).body(Blob::new("{}")).send().await),
    }
}

/// What an error holds; its class is the variant of the operation's error.
fn told<O: Debug, E: ProvideErrorMetadata + Debug>(
    answer: Result<O, SdkError<E, HttpResponse>>,
) -> Result<Value, Box<dyn Error>> {
    let error = answer.err().ok_or("nothing failed")?;
    let variant = error.as_service_error().map(|error| format!("{error:?}")).ok_or_else(|| format!("{error:?}"))?;
    let class = variant.split(|c: char| !c.is_alphanumeric()).next();
    let response = error.raw_response().ok_or("there is no answer")?;
    let (status, content_type) = (response.status().as_u16(), response.headers().get("content-type"));
    let (code, message, id) = (error.code(), error.message(), error.request_id());
    Ok(
        json!({"class": class, "code": code, "status": status, "type": content_type, "message": message, "request_id": id}),
    )
}

fn case() -> Result<(), Box<dyn Error>> {
    let facts = std::fs::read_to_string(Path::new(&std::env::var("CASE")?).join("../../errors.json"))?;
    let facts: Value = serde_json::from_str(&facts)?;
    let rows = facts["errors"].as_array().ok_or("no rows")?;
    // A Squall for each kind of fault: a service's operation then meets one fault there, and the summary counts its attempts alone.
    let mut kinds: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for row in rows {
        let mut own = row.clone();
        own["type"] = facts["types"][row["service"].as_str().ok_or("no service")?].clone();
        if row["service"] == "cloudwatch" {
            own["type"] = "application/cbor".into(); // what this SDK speaks to it
        }
        own.as_object_mut().ok_or("no row")?.extend(row["rust"].as_object().cloned().unwrap_or_default());
        kinds.entry(row["fault"].as_str().unwrap_or("error")).or_default().push(own);
    }
    let differing: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = kinds.iter().map(|(kind, rows)| scope.spawn(|| check(kind, rows).unwrap())).collect();
        running.into_iter().flat_map(|kind| kind.join().unwrap()).collect()
    });
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    Ok(())
}

/// What differs among the calls that meet this kind of fault.
fn check(kind: &str, rows: &[Value]) -> Result<Vec<String>, String> {
    let (output, summary) = behind(kind, rows).map_err(|e| e.to_string())?;
    let seen: Value = serde_json::from_str(&output).map_err(|e| format!("{e}: {output}"))?;
    let (aws, total) = (&summary["aws"], &summary["exchanges"]["total"]);
    assert_eq!((&aws["attempts"], &aws["injected"]), (total, total), "{summary}");
    Ok(rows.iter().filter_map(|row| difference(row, &seen, &summary)).collect())
}

fn behind(kind: &str, rows: &[Value]) -> Result<(String, Value), Box<dyn Error>> {
    let rules = rows.iter().map(|row| {
        let target = json!({"service": row["service"], "operation": row["operation"]});
        json!({"name": row["operation"], "match": target, "fault": row["fault"]})
    });
    let profile = PathBuf::from(std::env::var("TMPDIR")?).join(format!("{kind}.yaml"));
    std::fs::write(&profile, json!({"rules": rules.collect::<Value>()}).to_string())?;
    let operations: Vec<_> = rows.iter().filter_map(|row| row["operation"].as_str()).collect();
    let (output, summary) = behind_squall(NOBODY, &profile, &operations)?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    Ok((text(&output.stdout), summary))
}

/// What was seen of a call, unless it is what was to be seen.
fn difference(row: &Value, seen: &Value, summary: &Value) -> Option<String> {
    let [service, operation] = ["service", "operation"].map(|name| row[name].as_str().unwrap());
    let fault = row["fault"].as_str().unwrap_or_else(|| row["fault"]["error"]["code"].as_str().unwrap());
    let mut counts = summary["operations"].as_array().unwrap().iter();
    let count = counts.find(|count| count["service"] == service && count["operation"] == operation);
    let (told, count) = (&seen[operation], count.unwrap_or(&Value::Null));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (code, class) = (text(&told["code"]), text(&told["class"]));
    let (status, content_type, attempts) = (&told["status"], text(&told["type"]), &count["attempts"]);
    println!("{service:16} {operation:30} {fault:32} {code} {status} {class} {attempts} {content_type}");
    let got = json!([code, status, class, content_type, count["invocations"], attempts, count["injected"]]);
    let (class, attempts) = (row["class"].as_str().unwrap_or("Unhandled"), &row["attempts"]);
    let expected = json!([text(&row["code"]), row["status"], class, row["type"], 1, attempts, attempts]);
    // The answer to a HEAD has no body that could hold a message.
    let said = (told["message"].is_string() || operation == "HeadObject") && told["request_id"].is_string();
    (got != expected || !said).then(|| format!("{service} {operation} {fault}: {expected}, not {got} {told}"))
}
