"""The calls of faults.json: each says what came of it, as a program that looks at its answer would."""

import json

from common import far_end

ITEM = {"id": {"S": "1"}, "note": {"S": "x" * 1000}}
NAMES = ("a", "b", "c")


def get_item(client):
    answer = client.get_item(TableName="orders", Key={"id": {"S": "1"}})
    return "ok" if answer.get("Item") == ITEM else "ok, and another item" if "Item" in answer else "ok, and no item"


def get_object(client):
    body = client.get_object(Bucket="orders", Key="1")["Body"].read()
    return "ok" if body == far_end.OBJECT else "ok, and another object"


def copy_object(client):
    result = client.copy_object(Bucket="orders", Key="2", CopySource="orders/1")["CopyObjectResult"]
    return "ok" if far_end.ETAG in result["ETag"] else "ok, and another object"


def upload_part_copy(client):
    part = {"UploadId": "u", "PartNumber": 1, "CopySource": "orders/1"}
    result = client.upload_part_copy(Bucket="orders", Key="2", **part)["CopyPartResult"]
    return "ok" if far_end.ETAG in result["ETag"] else "ok, and another part"


def complete(client):
    parts = {"Parts": [{"PartNumber": 1, "ETag": far_end.ETAG}]}
    result = client.complete_multipart_upload(Bucket="orders", Key="2", UploadId="u", MultipartUpload=parts)
    return "ok" if far_end.ETAG in result["ETag"] else "ok, and another object"


def list_objects(client):
    """All pages; of a scan that breaks off, how many keys had come."""
    keys = []
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="orders"):
            keys += [found["Key"] for found in page["Contents"]]
    except client.exceptions.ClientError as error:
        return f"{error.response['Error']['Code']} after {len(keys)} of 2 keys"
    return "ok" if keys == ["1", "2"] else f"ok, and {keys}"


def get_records(client):
    answer = client.get_records(ShardIterator="AAAA")
    return "ok" if answer["Records"] == [] else "ok, and records"


def invoke(client):
    answer = client.invoke(FunctionName="resize", Payload=b"{}")
    payload = answer["Payload"].read()
    if "FunctionError" in answer:
        return f"ok, and FunctionError {answer['FunctionError']} with {json.loads(payload)['errorType']}"
    return "ok" if payload == far_end.RESULT else "ok, and another result"


def batch_write(client):
    puts = [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in NAMES]
    left = client.batch_write_item(RequestItems={"orders": puts})["UnprocessedItems"]
    return of_three(3 - len(left.get("orders", [])), len(left.get("orders", [])))


def transact_write(client):
    puts = [{"Put": {"TableName": "orders", "Item": {"id": {"S": name}}}} for name in NAMES]
    client.transact_write_items(TransactItems=puts)
    return "ok"


def send_messages(client):
    entries = [{"Id": name, "MessageBody": f"order {name}"} for name in NAMES]
    answer = client.send_message_batch(QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/orders", Entries=entries)
    return of_three(len(answer.get("Successful", [])), len(answer.get("Failed", [])))


def put_records(client):
    records = [{"Data": name.encode(), "PartitionKey": name} for name in NAMES]
    answer = client.put_records(StreamName="orders", Records=records)
    failed = [record for record in answer["Records"] if "ErrorCode" in record]
    assert len(failed) == answer["FailedRecordCount"], answer
    return of_three(len(answer["Records"]) - len(failed), len(failed))


def delete_objects(client):
    answer = client.delete_objects(Bucket="orders", Delete={"Objects": [{"Key": name} for name in NAMES]})
    return of_three(len(answer.get("Deleted", [])), len(answer.get("Errors", [])))


def of_three(done, failed):
    assert done + failed == 3, (done, failed)
    return f"ok, and {failed} of 3 failed" if failed else "ok"


CALLS = {
    "BatchWriteItem": ("dynamodb", batch_write),
    "CompleteMultipartUpload": ("s3", complete),
    "CopyObject": ("s3", copy_object),
    "DeleteObjects": ("s3", delete_objects),
    "GetItem": ("dynamodb", get_item),
    "GetObject": ("s3", get_object),
    "GetRecords": ("kinesis", get_records),
    "Invoke": ("lambda", invoke),
    "ListObjectsV2": ("s3", list_objects),
    "PutRecords": ("kinesis", put_records),
    "SendMessageBatch": ("sqs", send_messages),
    "TransactWriteItems": ("dynamodb", transact_write),
    "UploadPartCopy": ("s3", upload_part_copy),
}
