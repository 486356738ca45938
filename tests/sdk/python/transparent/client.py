"""A boto3 program that knows nothing of Squall: bodies and addresses of every kind that SigV4 signs in its own way.

Run by tests/it/clients.rs. Where it goes is in its environment (HTTPS_PROXY and AWS_CA_BUNDLE, or AWS_ENDPOINT_URL), credentials too;
what the answers say is of no interest, so they are as small as can be.
"""

import io
import os
import ssl
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

REGION = "us-east-1"
ONCE = Config(region_name=REGION, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
PART = 5 << 20


def main():
    s3 = boto3.client("s3", config=ONCE)
    # Over https boto3 sends this aws-chunked, unsigned payload, checksum in a trailer, after Expect: 100-continue.
    s3.put_object(Bucket="bucket", Key="dir//odd key+\u00fc.bin", Body=b"x" * 100_000, Metadata={"Team": "check  out"})
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    s3.upload_fileobj(io.BytesIO(b"y" * 300_000), "bucket", "file")
    parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.upload_fileobj(io.BytesIO(b"z" * (2 * PART + 1)), "bucket", "parts", Config=parts)
    s3.get_object(Bucket="bucket", Key="a b/c=d&e~%2F/./..//", VersionId="v 1", Range="bytes=0-9")
    s3.list_objects_v2(Bucket="bucket", Prefix="p q/", Delimiter="/")
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "<&>"}, {"Key": "\u00fc"}]})
    virtual = boto3.client("s3", config=ONCE.merge(Config(s3={"payload_signing_enabled": True})))
    virtual.put_object(Bucket="bucket", Key="hashed", Body=b"hello")
    presigned(boto3.client("s3", config=ONCE.merge(Config(signature_version="s3v4"))))

    dynamodb = boto3.client("dynamodb", config=ONCE)
    dynamodb.put_item(TableName="t", Item={"id": {"S": "\u00fc/ %2F"}, "b": {"B": bytes(range(256))}})
    dynamodb.get_item(TableName="t", Key={"id": {"S": "1"}}, ConsistentRead=True)
    queue = "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
    boto3.client("sqs", config=ONCE).send_message(QueueUrl=queue, MessageBody="a body with <angles> & \u00fc")
    boto3.client("sts", config=ONCE).get_caller_identity()
    boto3.client("sns", config=ONCE).publish(TopicArn="arn:aws:sns:us-east-1:123456789012:topic", Message="a+b c&d=\u00fc%")
    invoke = boto3.client("lambda", config=ONCE).invoke
    invoke(FunctionName="arn:aws:lambda:us-east-1:123456789012:function:f", Qualifier="$LATEST", Payload=bytes(range(256)))
    boto3.client("kinesis", config=ONCE).put_record(StreamName="s", Data=b"\0\xff" * 100, PartitionKey="p")
    boto3.client("cloudwatch", config=ONCE).put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.5}])


def presigned(s3):
    """GET and PUT by a plain HTTP client, which knows as little of Squall."""
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    key = {"Bucket": "bucket", "Key": "pre signed/+\u00fc"}
    opener.open(s3.generate_presigned_url("get_object", Params={**key, "VersionId": "v 1"}, ExpiresIn=900))
    url = s3.generate_presigned_url("put_object", Params={**key, "ContentType": "text/plain"}, ExpiresIn=900)
    put = urllib.request.Request(url, b"hello", {"Content-Type": "text/plain"}, method="PUT")
    opener.open(put)


main()
