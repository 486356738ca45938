//! The calls of faults.json: each says what came of it, as a program that looks at its answer would.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, PutRequest, TransactWriteItem, WriteRequest};
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::Blob;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

/// One client of each service, which keeps its connections from call to call.
pub(crate) struct Clients {
    dynamodb: aws_sdk_dynamodb::Client,
    kinesis: aws_sdk_kinesis::Client,
    lambda: aws_sdk_lambda::Client,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Clients {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            kinesis: aws_sdk_kinesis::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(Builder::from(config).force_path_style(true).build()),
            sqs: aws_sdk_sqs::Client::new(config),
        }
    }

    /// What came of one call.
    pub(crate) async fn make(&self, call: &str) -> String {
        match call {
            "BatchWriteItem" => batch_write(&self.dynamodb).await,
            "CompleteMultipartUpload" => complete(&self.s3).await,
            "CopyObject" => copy_object(&self.s3).await,
            "DeleteObjects" => delete_objects(&self.s3).await,
            "GetItem" => get_item(&self.dynamodb).await,
            "GetObject" => get_object(&self.s3).await,
            "GetRecords" => get_records(&self.kinesis).await,
            "Invoke" => invoke(&self.lambda).await,
            "ListObjectsV2" => list_objects(&self.s3).await,
            "PutRecords" => put_records(&self.kinesis).await,
            "SendMessageBatch" => send_messages(&self.sqs).await,
            "TransactWriteItems" => transact_write(&self.dynamodb).await,
            "UploadPartCopy" => upload_part_copy(&self.s3).await,
            _ => format!("no call {call}"),
        }
    }
}

async fn get_item(client: &aws_sdk_dynamodb::Client) -> String {
    let get = client.get_item().table_name("orders").key("id", AttributeValue::S("1".to_owned()));
    match get.send().await {
        Err(error) => kind(&error),
        Ok(answer) => match answer.item {
            None => "ok, and no item".to_owned(),
            Some(item) if item.get("note").and_then(|note| note.as_s().ok()) == Some(&"x".repeat(1000)) => "ok".to_owned(),
            Some(_) => "ok, and another item".to_owned(),
        },
    }
}

async fn get_object(client: &aws_sdk_s3::Client) -> String {
    match client.get_object().bucket("orders").key("1").send().await {
        Err(error) => kind(&error),
        Ok(answer) => match answer.body.collect().await {
            Err(error) if format!("{error:?}").contains("ChecksumMismatch") => "ChecksumMismatch".to_owned(),
            Err(_) => "ByteStreamError".to_owned(),
            Ok(body) if body.clone().into_bytes() == "0123456789".repeat(10_000) => "ok".to_owned(),
            Ok(_) => "ok, and another object".to_owned(),
        },
    }
}

async fn copy_object(client: &aws_sdk_s3::Client) -> String {
    match client.copy_object().bucket("orders").key("2").copy_source("orders/1").send().await {
        Err(error) => kind(&error),
        Ok(answer) => with_etag(answer.copy_object_result.and_then(|result| result.e_tag), "object"),
    }
}

async fn upload_part_copy(client: &aws_sdk_s3::Client) -> String {
    let copy = client.upload_part_copy().bucket("orders").key("2").upload_id("u").part_number(1);
    match copy.copy_source("orders/1").send().await {
        Err(error) => kind(&error),
        Ok(answer) => with_etag(answer.copy_part_result.and_then(|result| result.e_tag), "part"),
    }
}

async fn complete(client: &aws_sdk_s3::Client) -> String {
    let parts = CompletedMultipartUpload::builder().parts(CompletedPart::builder().part_number(1).e_tag(ETAG).build());
    let complete = client.complete_multipart_upload().bucket("orders").key("2").upload_id("u");
    match complete.multipart_upload(parts.build()).send().await {
        Err(error) => kind(&error),
        Ok(answer) => with_etag(answer.e_tag, "object"),
    }
}

fn with_etag(etag: Option<String>, what: &str) -> String {
    if etag.is_some_and(|etag| etag.contains(ETAG)) { "ok".to_owned() } else { format!("ok, and another {what}") }
}

/// All pages; of a scan that breaks off, how many keys had come.
async fn list_objects(client: &aws_sdk_s3::Client) -> String {
    let mut pages = client.list_objects_v2().bucket("orders").into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Err(error) => return format!("{} after {} of 2 keys", kind(&error), keys.len()),
            Ok(page) => keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned))),
        }
    }
    if keys == ["1", "2"] { "ok".to_owned() } else { format!("ok, and {keys:?}") }
}

async fn get_records(client: &aws_sdk_kinesis::Client) -> String {
    match client.get_records().shard_iterator("AAAA").send().await {
        Err(error) => kind(&error),
        Ok(answer) if answer.records().is_empty() => "ok".to_owned(),
        Ok(_) => "ok, and records".to_owned(),
    }
}

async fn invoke(client: &aws_sdk_lambda::Client) -> String {
    let answer = match client.invoke().function_name("resize").payload(Blob::new("{}")).send().await {
        Err(error) => return kind(&error),
        Ok(answer) => answer,
    };
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    match answer.function_error {
        Some(how) => {
            let error: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
            format!("ok, and FunctionError {how} with {}", error["errorType"].as_str().unwrap_or("no type"))
        }
        None if payload == b"{\"resized\": true}" => "ok".to_owned(),
        None => "ok, and another result".to_owned(),
    }
}

async fn batch_write(client: &aws_sdk_dynamodb::Client) -> String {
    let put = |name| PutRequest::builder().item("id", AttributeValue::S(String::from(name))).build().ok();
    let puts = NAMES.map(|name| WriteRequest::builder().set_put_request(put(name)).build()).to_vec();
    match client.batch_write_item().request_items("orders", puts).send().await {
        Err(error) => kind(&error),
        Ok(answer) => {
            let left = answer.unprocessed_items().and_then(|tables| tables.get("orders")).map_or(0, Vec::len);
            of_three(NAMES.len() - left, left)
        }
    }
}

async fn transact_write(client: &aws_sdk_dynamodb::Client) -> String {
    let put = |name| Put::builder().table_name("orders").item("id", AttributeValue::S(String::from(name))).build().ok();
    let puts = NAMES.map(|name| TransactWriteItem::builder().set_put(put(name)).build()).to_vec();
    match client.transact_write_items().set_transact_items(Some(puts)).send().await {
        Err(error) => kind(&error),
        Ok(_) => "ok".to_owned(),
    }
}

async fn send_messages(client: &aws_sdk_sqs::Client) -> String {
    let entry = |name| SendMessageBatchRequestEntry::builder().id(name).message_body(format!("order {name}")).build().ok();
    let send = client.send_message_batch().queue_url("https://sqs.us-east-1.amazonaws.com/123456789012/orders");
    match send.set_entries(Some(NAMES.into_iter().filter_map(entry).collect())).send().await {
        Err(error) => kind(&error),
        Ok(answer) => of_three(answer.successful().len(), answer.failed().len()),
    }
}

async fn put_records(client: &aws_sdk_kinesis::Client) -> String {
    let record = |name| PutRecordsRequestEntry::builder().data(Blob::new(name)).partition_key(name).build().ok();
    let put = client.put_records().stream_name("orders");
    match put.set_records(Some(NAMES.into_iter().filter_map(record).collect())).send().await {
        Err(error) => kind(&error),
        Ok(answer) => {
            let failed = answer.records().iter().filter(|record| record.error_code().is_some()).count();
            assert_eq!(i32::try_from(failed).ok(), answer.failed_record_count());
            of_three(answer.records().len() - failed, failed)
        }
    }
}

async fn delete_objects(client: &aws_sdk_s3::Client) -> String {
    let object = |name| ObjectIdentifier::builder().key(name).build().ok();
    let delete = Delete::builder().set_objects(Some(NAMES.into_iter().filter_map(object).collect())).build().ok();
    match client.delete_objects().bucket("orders").set_delete(delete).send().await {
        Err(error) => kind(&error),
        Ok(answer) => of_three(answer.deleted().len(), answer.errors().len()),
    }
}

fn of_three(done: usize, failed: usize) -> String {
    assert_eq!(done + failed, NAMES.len());
    if failed == 0 { "ok".to_owned() } else { format!("ok, and {failed} of 3 failed") }
}

/// The variant of the error; of a service's, its code.
fn kind<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "DispatchFailure (timeout)".to_owned(),
        SdkError::DispatchFailure(_) => "DispatchFailure".to_owned(),
        SdkError::ResponseError(_) => "ResponseError".to_owned(),
        SdkError::ServiceError(service) => service.err().code().unwrap_or("ServiceError").to_owned(),
        SdkError::TimeoutError(_) => "TimeoutError".to_owned(),
        _ => "another error".to_owned(),
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];
/// Of all that the far end has.
const ETAG: &str = "8d7f4a5b9c0e1f2a3b4c5d6e7f809112";
