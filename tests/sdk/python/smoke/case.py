"""A calm Squall is not there: S3, SQS, STS, Lambda and DynamoDB answer the same with it as without it.

The same calls go three ways, each to an emulator of its own: straight, through CONNECT to AWS's own names, and with Squall as the
endpoint. Answers and errors are compared whole, but for what differs from call to call (dates, ids) and for the host in URLs.
"""

import hashlib
import io
import re
import sys

from botocore.exceptions import ClientError
from boto3.s3.transfer import TransferConfig

from common import clients, emulator, squall

PART = 5 << 20
# What differs from call to call: ids, dates, and lengths and checksums of answers that have them inside.
VARYING = {"RequestId", "HostId", "MessageId", "ReceiptHandle", "UploadId", "TableId", "x-amzn-requestid", "x-amz-request-id", "x-amz-id-2"}
VARYING |= {"LastModified", "last-modified", "date", "CreationDateTime", "SentTimestamp", "content-length", "x-amz-crc32"}
# The emulator sends back how the upload was signed, which boto3 does in one way over http and in another over https.
VARYING |= {"x-amz-content-sha256"}


def calls(client):
    """Yields (what was called, its answer)."""
    s3 = client("s3")
    yield "CreateBucket", s3.create_bucket(Bucket="squall-smoke")
    for key, body in {"plain.txt": b"hello", "empty": b"", "odd name +&=%20\u00fc.bin": bytes(range(256)) * 300}.items():
        yield f"PutObject {key}", s3.put_object(Bucket="squall-smoke", Key=key, Body=body, Metadata={"team": "checkout"})
        yield f"GetObject {key}", read(s3.get_object(Bucket="squall-smoke", Key=key))
    yield "GetObject range", read(s3.get_object(Bucket="squall-smoke", Key="plain.txt", Range="bytes=1-3"))
    yield "HeadObject", s3.head_object(Bucket="squall-smoke", Key="plain.txt")
    big = io.BytesIO(b"".join(hashlib.sha256(bytes([n % 256])).digest() * 32768 for n in range(11)))
    sent = (big.getbuffer().nbytes, hashlib.sha256(big.getbuffer()).hexdigest())
    s3.upload_fileobj(big, "squall-smoke", "big", Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART))
    got = read(s3.get_object(Bucket="squall-smoke", Key="big"))
    assert got["Body"] == sent, "the multipart upload came back changed"
    yield "multipart upload", got
    yield "ListObjectsV2", s3.list_objects_v2(Bucket="squall-smoke")
    yield "GetObject absent", error_of(s3.get_object, Bucket="squall-smoke", Key="absent")
    yield "HeadObject absent", error_of(s3.head_object, Bucket="squall-smoke", Key="absent")
    yield "DeleteObject", s3.delete_object(Bucket="squall-smoke", Key="empty")

    sqs = client("sqs")
    created = sqs.create_queue(QueueName="smoke")
    yield "CreateQueue", created
    queue = created["QueueUrl"]
    yield "SendMessage", sqs.send_message(QueueUrl=queue, MessageBody="a body with <angles> & \u00fc")
    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0)
    yield "ReceiveMessage", received
    handle = received["Messages"][0]["ReceiptHandle"]
    yield "DeleteMessage", sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    yield "GetQueueUrl absent", error_of(sqs.get_queue_url, QueueName="absent")

    yield "GetCallerIdentity", client("sts").get_caller_identity()
    yield "ListFunctions", client("lambda").list_functions()

    dynamodb = client("dynamodb")
    key = {"id": {"S": "1"}}
    table = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    yield "CreateTable", dynamodb.create_table(TableName="smoke", AttributeDefinitions=attributes, **table)
    yield "PutItem", dynamodb.put_item(TableName="smoke", Item={**key, "n": {"N": "1"}})
    yield "GetItem", dynamodb.get_item(TableName="smoke", Key=key, ConsistentRead=True)
    condition = {"ConditionExpression": "attribute_not_exists(id)"}
    yield "PutItem refused", error_of(dynamodb.put_item, TableName="smoke", Item=key, **condition)


def read(answer):
    body = answer["Body"].read()
    return {**answer, "Body": (len(body), hashlib.sha256(body).hexdigest())}


def error_of(call, **arguments):
    try:
        return call(**arguments)
    except ClientError as error:
        return {"raised": type(error).__name__, **error.response}


def normal(value, key=""):
    """The answer without what differs from call to call, and with URLs reduced to their last step."""
    if key in VARYING:
        return f"<{key}>"
    if isinstance(value, dict):
        return {name: normal(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"https?://[^\s<\"]*/", "<url>/", value)
    return value


def main():
    with emulator.start() as upstream:
        expected = {what: normal(answer) for what, answer in calls(clients.at(upstream))}
    ways = {"connect": clients.through, "endpoint": lambda proxy: clients.at(proxy.url)}
    for way, make in ways.items():
        with emulator.start() as upstream, squall.serve(upstream, "--profile", "calm") as proxy:
            got = {what: normal(answer) for what, answer in calls(make(proxy))}
        assert list(got) == list(expected)
        differing = [f"{what}:\n  without {expected[what]}\n  with    {got[what]}" for what in got if got[what] != expected[what]]
        assert not differing, f"{way}: these differ\n" + "\n".join(differing)
        aws = summary_of(proxy.summary, way)
        print(f"{way}: {len(got)} answers the same, {aws['attempts']} exchanges, {aws['answered']} answered")


def summary_of(summary, way):
    """Every exchange was read as AWS's and answered by the emulator; none was touched."""
    aws, exchanges = summary["aws"], summary["exchanges"]
    assert exchanges["total"] == exchanges["aws"] == aws["attempts"] == aws["answered"], (way, exchanges, aws)
    assert aws["injected"] == aws["delayed"] == aws["proxy_failed"] == 0, (way, aws)
    operations = {(row["service"], row.get("operation")) for row in summary["operations"]}
    wanted = {("s3", "UploadPart"), ("s3", "PutObject"), ("sqs", "SendMessage"), ("sts", "GetCallerIdentity"), ("lambda", "ListFunctions")}
    assert wanted <= operations and all(operation for _, operation in operations), (way, operations)
    return aws


if __name__ == "__main__":
    sys.exit(main())
