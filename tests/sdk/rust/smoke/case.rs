//! A calm Squall is not there: under `squall run` S3, SQS, STS and DynamoDB answer the same as without it, each time with
//! an emulator of its own.

use std::error::Error;
use std::path::Path;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_s3::config::Builder;
use common::{Emulator, behind_squall, is_program, straight, text};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if is_program() { program().await } else { case() }
}

/// Prints what is the same about each answer on every run.
async fn program() -> Result<(), Box<dyn Error>> {
    let config = common::config().await;
    let s3 = aws_sdk_s3::Client::from_conf(Builder::from(&config).force_path_style(true).build());
    s3.create_bucket().bucket("smoke").send().await?;
    for (key, body) in [("plain", b"hello".to_vec()), ("odd name +&=%20ü", vec![b'x'; 100_000]), ("empty", Vec::new())]
    {
        let put = s3.put_object().bucket("smoke").key(key).body(body.clone().into()).send().await?;
        let got = s3.get_object().bucket("smoke").key(key).send().await?.body.collect().await?.into_bytes();
        println!("{key}: {:?}, {} bytes, the same: {}", put.e_tag, got.len(), got == body);
    }
    for object in s3.list_objects_v2().bucket("smoke").send().await?.contents() {
        println!("listed: {:?} {:?}", object.key(), object.size());
    }
    let absent = s3.get_object().bucket("smoke").key("absent").send().await.expect_err("it is not there");
    println!("absent: {}", absent.into_service_error().is_no_such_key());

    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = sqs.create_queue().queue_name("smoke").send().await?.queue_url.ok_or("no queue")?;
    let sent = sqs.send_message().queue_url(&queue).message_body("a body with <angles> & ü").send().await?;
    let received = sqs.receive_message().queue_url(&queue).send().await?;
    let bodies: Vec<_> = received.messages().iter().map(|message| message.body()).collect();
    println!("queue: {:?} {bodies:?}", sent.md5_of_message_body);
    let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
    println!("caller: {:?} {:?}", caller.account, caller.arn);

    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build()?;
    let table = dynamodb.create_table().table_name("smoke").key_schema(key).attribute_definitions(id);
    table.billing_mode(BillingMode::PayPerRequest).send().await?;
    let id = AttributeValue::S("ü".to_owned());
    dynamodb.put_item().table_name("smoke").item("id", id.clone()).send().await?;
    let item = dynamodb.get_item().table_name("smoke").key("id", id.clone()).send().await?.item;
    println!("item: {item:?}");
    let again = dynamodb.put_item().table_name("smoke").item("id", id).condition_expression("attribute_not_exists(id)");
    let refused = again.send().await.expect_err("it is there").into_service_error();
    println!("refused: {}", refused.is_conditional_check_failed_exception());
    Ok(())
}

fn case() -> Result<(), Box<dyn Error>> {
    let expected = straight(&Emulator::start()?)?;
    assert!(expected.status.success(), "{}", text(&expected.stderr));
    let (output, summary) = behind_squall(&Emulator::start()?.url, Path::new("calm"), &[])?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), text(&expected.stdout));
    let (aws, total) = (&summary["aws"], &summary["exchanges"]["total"]);
    println!("{} lines the same, {total} exchanges", text(&output.stdout).lines().count());
    assert_eq!((&aws["answered"], &aws["attempts"], &summary["exchanges"]["aws"]), (total, total, total), "{summary}");
    assert_eq!((&aws["injected"], &aws["proxy_failed"]), (&0.into(), &0.into()), "{summary}");
    Ok(())
}
