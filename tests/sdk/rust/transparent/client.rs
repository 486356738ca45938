//! An AWS SDK for Rust program that knows nothing of Squall. Run by tests/it/clients.rs, as tests/sdk/python/transparent is; HTTPS_PROXY,
//! SSL_CERT_FILE and AWS_ENDPOINT_URL are read by the SDK itself.

use std::error::Error;
use std::path::Path;

use aws_sdk_cloudwatch::types::MetricDatum;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::{Blob, ByteStream};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = common::config().await;
    let s3 = aws_sdk_s3::Client::from_conf(Builder::from(&config).force_path_style(true).build());
    let put = |key: &str| s3.put_object().bucket("bucket").key(key);
    put("dir//odd key+ü.bin").body(vec![b'x'; 100_000].into()).metadata("Team", "check  out").send().await?;
    put("empty").body(Vec::new().into()).send().await?;
    // From a file it goes aws-chunked: over http with every chunk and the trailer signed, over https unsigned.
    std::fs::write("file", vec![b'y'; 150_000])?;
    put("file").body(ByteStream::from_path(Path::new("file")).await?).send().await?;
    multipart(&s3).await?;
    let got = s3.get_object().bucket("bucket").key("a b/c=d&e~%2F/.//").version_id("v 1").send().await?;
    got.body.collect().await?;
    s3.list_objects_v2().bucket("bucket").prefix("p q/").delimiter("/").send().await?;
    if config.endpoint_url().is_none() {
        // An access point for many regions is signed with SigV4a; it is an address of its own, so no endpoint can be given.
        let access_point = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";
        let s3 = aws_sdk_s3::Client::new(&config);
        s3.put_object().bucket(access_point).key("many regions/ü").body(b"hello".to_vec().into()).send().await?;
        s3.get_object().bucket(access_point).key("many regions/ü").send().await?.body.collect().await?;
    }

    let id = AttributeValue::S("ü/ %2F".to_owned());
    let bytes = (0..=255).collect::<Vec<u8>>();
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let item = AttributeValue::B(Blob::new(bytes));
    // One attribute at a time: the SDK writes a HashMap, in another order on each run.
    dynamodb.put_item().table_name("t").item("id", id.clone()).send().await?;
    dynamodb.put_item().table_name("t").item("b", item).send().await?;
    dynamodb.get_item().table_name("t").key("id", id).consistent_read(true).send().await?;
    let queue = "https://sqs.us-east-1.amazonaws.com/123456789012/queue";
    let sqs = aws_sdk_sqs::Client::new(&config);
    sqs.send_message().queue_url(queue).message_body("a body with <angles> & ü").send().await?;
    aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
    let metric = MetricDatum::builder().metric_name("m").value(1.5).build();
    aws_sdk_cloudwatch::Client::new(&config).put_metric_data().namespace("n").metric_data(metric).send().await?;
    Ok(())
}

async fn multipart(s3: &aws_sdk_s3::Client) -> Result<(), Box<dyn Error>> {
    let upload = s3.create_multipart_upload().bucket("bucket").key("parts").send().await?;
    let upload = upload.upload_id().ok_or("no upload id")?;
    let mut parts = CompletedMultipartUpload::builder();
    for number in 1..=2 {
        let part = s3.upload_part().bucket("bucket").key("parts").upload_id(upload).part_number(number);
        let part = part.body(vec![b'z'; 5 << 20].into()).send().await?;
        parts = parts.parts(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build());
    }
    let complete = s3.complete_multipart_upload().bucket("bucket").key("parts").upload_id(upload);
    complete.multipart_upload(parts.build()).send().await?;
    Ok(())
}
