"""Batches of which some items fail, as boto3 sees them, and what the emulator has carried out then: exactly the others.

Each operation is called through a Squall whose rule lets some of its items fail; then the emulator is asked, without Squall, what it has.
"""

import json
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree
from pathlib import Path

from botocore.exceptions import ClientError

from common import clients, emulator, squall

RULES = """
name: partial
seed: 7
rules:
  - {name: writes, match: {operation: BatchWriteItem}, fault: {partial: {items: {keys: "*bad*"}}}}
  - {name: reads, match: {operation: BatchGetItem}, fault: {partial: first 2}}
  - {name: statements, match: {operation: BatchExecuteStatement}, fault: {partial: every 2nd}}
  - {name: transactions, match: {operation: [TransactWriteItems, TransactGetItems, ExecuteTransaction]}, fault: {partial: {items: every 3rd, code: ThrottlingError}}}
  - {name: sends, match: {operation: [SendMessageBatch, ChangeMessageVisibilityBatch, DeleteMessageBatch]}, fault: {partial: every 2nd}}
  - {name: publishes, match: {operation: PublishBatch}, fault: {partial: first 1}}
  - {name: records, match: {operation: PutRecords}, fault: {partial: {items: {keys: "b*"}}}}
  - {name: deliveries, match: {operation: PutRecordBatch}, fault: {partial: first 1}}
  - {name: events, match: {operation: PutEvents}, fault: {partial: {items: every 2nd, code: InternalFailure, message: again}}}
  - {name: targets, match: {operation: [PutTargets, RemoveTargets]}, fault: {partial: first 1}}
  - {name: deletions, match: {operation: DeleteObjects}, fault: {partial: {items: {keys: "keep/*"}, code: AccessDenied}}}
  - {name: log-events, match: {operation: PutLogEvents}, fault: {partial: first 2}}
"""

ALL = "rules: [{name: all, fault: {partial: 100%}}]"


def main():
    with tempfile.TemporaryDirectory() as folder:
        rules, whole = Path(folder, "rules.yaml"), Path(folder, "all.yaml")
        rules.write_text(RULES)
        whole.write_text("name: all\n" + ALL)
        with emulator.start() as upstream:
            direct = clients.at(upstream)
            ways = {"connect": clients.through, "endpoint": lambda proxy: clients.at(proxy.url)}
            with squall.serve(upstream, "--profile", rules) as proxy:
                for name, make in ways.items():
                    for check in (dynamodb, transactions, sqs, sns, kinesis, firehose, events, s3, logs):
                        check(make(proxy), direct, name)
            fired = {line["name"]: (line["fired"], line["items"]["failed"]) for line in proxy.summary["rules"] if line["fired"]}
            print(f"fired: {fired}")
            assert set(fired) >= {"writes", "reads", "statements", "transactions", "sends", "publishes", "records", "deliveries", "events", "targets", "deletions", "log-events"}, fired
            with squall.serve(upstream, "--profile", whole) as proxy:
                nothing_goes_on(clients.at(proxy.url), direct)


def dynamodb(client, direct, way):
    through, there = client("dynamodb"), direct("dynamodb")
    tables = [f"orders-{way}", f"others-{way}"]
    for table in tables:
        key = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
        there.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **key)
    put = lambda id: {"PutRequest": {"Item": {"id": {"S": id}, "n": {"N": "1.50"}}}}  # noqa: E731
    items = {tables[0]: [put("a"), put("bad-1"), put("c")], tables[1]: [put("bad-2"), put("d")]}
    answer = through.batch_write_item(RequestItems=items)
    assert answer["UnprocessedItems"] == {tables[0]: [put("bad-1")], tables[1]: [put("bad-2")]}, answer
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-squall-fault"] == "writes" and answer["ResponseMetadata"]["RetryAttempts"] == 0
    assert ids(there, tables[0]) == {"a", "c"} and ids(there, tables[1]) == {"d"}
    only = {tables[1]: [put("bad-3")]}
    refused = error_of(through.batch_write_item, RequestItems=only)
    assert refused["Error"]["Code"] == "ProvisionedThroughputExceededException", refused
    assert refused["ResponseMetadata"]["RetryAttempts"] == 3 and ids(there, tables[1]) == {"d"}

    there.put_item(TableName=tables[1], Item={"id": {"S": "e"}})
    keys = {tables[0]: {"Keys": [{"id": {"S": "a"}}], "ConsistentRead": True}, tables[1]: {"Keys": [{"id": {"S": "d"}}, {"id": {"S": "e"}}]}}
    answer = through.batch_get_item(RequestItems=keys)
    assert answer["UnprocessedKeys"] == {tables[0]: keys[tables[0]], tables[1]: {"Keys": [{"id": {"S": "d"}}]}}, answer
    assert answer["Responses"] == {tables[0]: [], tables[1]: [{"id": {"S": "e"}}]}, answer

    statement = lambda id: {"Statement": f"INSERT INTO \"{tables[0]}\" VALUE {{'id': '{id}'}}"}  # noqa: E731
    answer = through.batch_execute_statement(Statements=[statement("s1"), statement("s2"), statement("s3")])
    codes = [response.get("Error", {}).get("Code") for response in answer["Responses"]]
    assert codes == [None, "ProvisionedThroughputExceeded", None], answer
    assert ids(there, tables[0]) == {"a", "c", "s1", "s3"}


def transactions(client, direct, way):
    through, there, table = client("dynamodb"), direct("dynamodb"), f"orders-{way}"
    put = lambda id: {"Put": {"TableName": table, "Item": {"id": {"S": id}}}}  # noqa: E731
    before = ids(there, table)
    error = error_of(through.transact_write_items, TransactItems=[put("t1"), put("t2"), put("t3")])
    reasons = [reason["Code"] for reason in error["CancellationReasons"]]
    assert (error["Error"]["Code"], reasons) == ("TransactionCanceledException", ["None", "None", "ThrottlingError"]), error
    assert ids(there, table) == before
    through.transact_write_items(TransactItems=[put("t1"), put("t2")])
    assert ids(there, table) == before | {"t1", "t2"}
    get = {"Get": {"TableName": table, "Key": {"id": {"S": "t1"}}}}
    error = error_of(through.transact_get_items, TransactItems=[get, get, get])
    assert [reason["Code"] for reason in error["CancellationReasons"]] == ["None", "None", "ThrottlingError"], error
    statement = lambda id: {"Statement": f"INSERT INTO \"{table}\" VALUE {{'id': '{id}'}}"}  # noqa: E731
    error = error_of(through.execute_transaction, TransactStatements=[statement("p1"), statement("p2"), statement("p3")])
    assert [reason["Code"] for reason in error["CancellationReasons"]] == ["None", "None", "ThrottlingError"], error
    through.execute_transaction(TransactStatements=[statement("p1"), statement("p2")])
    assert ids(there, table) == before | {"t1", "t2", "p1", "p2"}


def sqs(client, direct, way):
    through, there = client("sqs"), direct("sqs")
    url = there.create_queue(QueueName=f"queue-{way}")["QueueUrl"]
    answer = through.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": f"body {n}"} for n in range(5)])
    assert [entry["Id"] for entry in answer["Failed"]] == ["1", "3"], answer
    assert answer["Failed"][0] | {"Message": ""} == {"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": ""}, answer
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "2", "4"], answer
    received = there.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in received} == {"body 0", "body 2", "body 4"}
    entries = [{"Id": message["Body"][-1], "ReceiptHandle": message["ReceiptHandle"]} for message in sorted(received, key=lambda m: m["Body"])]
    answer = through.change_message_visibility_batch(QueueUrl=url, Entries=[entry | {"VisibilityTimeout": 600} for entry in entries])
    assert ([e["Id"] for e in answer["Failed"]], [e["Id"] for e in answer["Successful"]]) == (["2"], ["0", "4"]), answer
    answer = through.delete_message_batch(QueueUrl=url, Entries=entries)
    assert ([e["Id"] for e in answer["Failed"]], [e["Id"] for e in answer["Successful"]]) == (["2"], ["0", "4"]), answer
    if way == "endpoint":
        query_form(through.meta.endpoint_url, there, url)
    left = there.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessages"])
    assert sum(int(number) for number in left["Attributes"].values()) == 1, left


def query_form(endpoint, there, url):
    """As older SDKs speak to SQS: forms, and answers in XML."""
    fields = {"Action": "SendMessageBatch", "Version": "2012-11-05", "QueueUrl": url}
    for n in range(1, 4):
        fields |= {f"SendMessageBatchRequestEntry.{n}.Id": f"e{n}", f"SendMessageBatchRequestEntry.{n}.MessageBody": f"form & {n}"}
    scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
    request = urllib.request.Request(endpoint, urllib.parse.urlencode(fields).encode(), {"Authorization": scope})
    told = urllib.request.urlopen(request).read().decode()
    entries = xml.etree.ElementTree.fromstring(told).findall(".//{*}BatchResultErrorEntry")
    assert [(entry.findtext("{*}Id"), entry.findtext("{*}Code")) for entry in entries] == [("e2", "InternalError")], told
    received = there.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in received} == {"form & 1", "form & 3"}, received
    for message in received:
        there.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def sns(client, direct, way):
    topic = direct("sns").create_topic(Name=f"topic-{way}")["TopicArn"]
    queue = direct("sqs").create_queue(QueueName=f"topic-{way}")["QueueUrl"]
    direct("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:topic-{way}")
    entries = [{"Id": f"e{n}", "Message": f"message {n}"} for n in range(3)]
    answer = client("sns").publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert ([e["Id"] for e in answer["Failed"]], [e["Id"] for e in answer["Successful"]]) == (["e0"], ["e1", "e2"]), answer
    assert answer["Failed"][0]["Code"] == "InternalError" and answer["Failed"][0]["SenderFault"] is False
    received = direct("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert {json.loads(message["Body"])["Message"] for message in received} == {"message 1", "message 2"}


def kinesis(client, direct, way):
    through, there, stream = client("kinesis"), direct("kinesis"), f"stream-{way}"
    there.create_stream(StreamName=stream, ShardCount=1)
    records = [{"Data": key.encode(), "PartitionKey": key} for key in ("a1", "b1", "a2", "b2")]
    answer = through.put_records(StreamName=stream, Records=records)
    codes = [record.get("ErrorCode") for record in answer["Records"]]
    exceeded = "ProvisionedThroughputExceededException"
    assert codes == [None, exceeded, None, exceeded], answer
    assert answer["FailedRecordCount"] == 2 and f"in stream {stream} under" in answer["Records"][1]["ErrorMessage"], answer
    shard = there.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = there.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert [record["Data"] for record in there.get_records(ShardIterator=iterator)["Records"]] == [b"a1", b"a2"]


def firehose(client, direct, way):
    bucket, name = f"delivered-{way}", f"stream-{way}"
    direct("s3").create_bucket(Bucket=bucket)
    destination = {"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": f"arn:aws:s3:::{bucket}"}
    direct("firehose").create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination)
    answer = client("firehose").put_record_batch(DeliveryStreamName=name, Records=[{"Data": b"one;"}, {"Data": b"two;"}, {"Data": b"three;"}])
    responses = [response.get("ErrorCode") for response in answer["RequestResponses"]]
    assert (answer["FailedPutCount"], responses) == (1, ["ServiceUnavailableException", None, None]), answer
    keys = [found["Key"] for found in direct("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert b"".join(direct("s3").get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys) == b"two;three;"


def events(client, direct, way):
    through, there = client("events"), direct("events")
    queue = direct("sqs").create_queue(QueueName=f"events-{way}")["QueueUrl"]
    there.put_rule(Name=f"rule-{way}", EventPattern=json.dumps({"source": [f"test.{way}"]}))
    target = lambda id: {"Id": id, "Arn": f"arn:aws:sqs:us-east-1:123456789012:events-{way}"}  # noqa: E731
    answer = through.put_targets(Rule=f"rule-{way}", Targets=[target("lost"), target("kept")])
    assert (answer["FailedEntryCount"], [entry["TargetId"] for entry in answer["FailedEntries"]]) == (1, ["lost"]), answer
    assert [found["Id"] for found in there.list_targets_by_rule(Rule=f"rule-{way}")["Targets"]] == ["kept"]
    entry = lambda n: {"Source": f"test.{way}", "DetailType": "t", "Detail": json.dumps({"n": n})}  # noqa: E731
    answer = through.put_events(Entries=[entry(n) for n in range(3)])
    assert (answer["FailedEntryCount"], answer["Entries"][1]) == (1, {"ErrorCode": "InternalFailure", "ErrorMessage": "again"}), answer
    assert all("EventId" in answer["Entries"][n] for n in (0, 2)), answer
    received = direct("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(message["Body"])["detail"]["n"] for message in received) == [0, 2]
    there.put_targets(Rule=f"rule-{way}", Targets=[target("other")])
    answer = through.remove_targets(Rule=f"rule-{way}", Ids=["kept", "other"])
    assert (answer["FailedEntryCount"], [entry["TargetId"] for entry in answer["FailedEntries"]]) == (1, ["kept"]), answer
    assert [found["Id"] for found in there.list_targets_by_rule(Rule=f"rule-{way}")["Targets"]] == ["kept"]


def s3(client, direct, way):
    through, there, bucket = client("s3"), direct("s3"), f"bucket-{way}"
    there.create_bucket(Bucket=bucket)
    for quiet in (False, True):
        names = ["a & b", "keep/1", "c", "keep/\u00fc"]
        for key in names:
            there.put_object(Bucket=bucket, Key=key, Body=b"x")
        answer = through.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in names], "Quiet": quiet})
        assert [(error["Key"], error["Code"], error["Message"]) for error in answer["Errors"]] == [
            ("keep/1", "AccessDenied", "Access Denied"), ("keep/\u00fc", "AccessDenied", "Access Denied")], answer
        # moto knows no quiet mode, and tells of what it deleted all the same.
        assert [deleted["Key"] for deleted in answer["Deleted"]] == ["a & b", "c"], answer
        assert [found["Key"] for found in there.list_objects_v2(Bucket=bucket)["Contents"]] == ["keep/1", "keep/\u00fc"]


def logs(client, direct, way):
    there, names = direct("logs"), {"logGroupName": f"group-{way}", "logStreamName": "stream"}
    there.create_log_group(logGroupName=names["logGroupName"])
    there.create_log_stream(**names)
    now = int(time.time() * 1000)
    answer = client("logs").put_log_events(**names, logEvents=[{"timestamp": now + n, "message": f"line {n}"} for n in range(4)])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2}, answer
    assert [event["message"] for event in there.get_log_events(**names, startFromHead=True)["events"]] == ["line 2", "line 3"]


def nothing_goes_on(client, direct):
    """Where every item fails, the emulator is not asked at all, and boto3 reads each answer by its own model."""
    url = direct("sqs").create_queue(QueueName="untouched")["QueueUrl"]
    answer = client("sqs").send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])
    assert (answer["Successful"], answer["Failed"][0]["Id"]) == ([], "1"), answer
    assert "Messages" not in direct("sqs").receive_message(QueueUrl=url)
    operations, made = 0, {}
    for service, operation, items, failed in shapes():
        made.setdefault(service, client(service, parameter_validation=False, inject_host_prefix=False))
        members = made[service].meta.service_model.operation_model(operation).input_shape
        given = [name for name, shape in members.members.items() if shape.serialization.get("name", name) == items]
        arguments = {name: value_of(members.members[name]) for name in {*members.required_members, *given}}
        name = next(name for name, called in made[service].meta.method_to_api_mapping.items() if called == operation)
        answer = getattr(made[service], name)(**arguments)
        told = next((value for member, value in answer.items() if member.lower() == failed.lower()), None)
        assert told and len(told) == 2, (service, operation, answer)
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-squall-fault"] == "all", (service, operation)
        operations += 1
    print(f"{operations} operations: every item failed, as boto3 reads it")
    assert operations > 200


def shapes():
    """Service, operation, and lists of items and of failures of every operation that Squall knows to take a batch."""
    for line in Path(__file__).parents[4].joinpath("src/aws/batch/shapes.txt").read_text().splitlines():
        if not line.startswith("#"):
            service, operation, *words = line.split("\t")
            fields = dict(word.split("=", 1) for word in words if "=" in word)
            yield service, operation, fields["items"], fields["failed"]


def value_of(shape, depth=0):
    """Something of this shape: of a list two."""
    if shape.type_name == "structure":
        names = shape.required_members or list(shape.members)[:1]
        return {name: value_of(shape.members[name], depth + 1) for name in names} if depth < 6 else {}
    if shape.type_name == "list":
        return [value_of(shape.member, depth + 1), value_of(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": value_of(shape.value, depth + 1)}
    plain = {"string": "text-0123456789", "integer": 1, "long": 1, "double": 1.0, "float": 1.0, "boolean": True, "blob": b"x", "timestamp": 0}
    return shape.enum[0] if getattr(shape, "enum", None) else plain[shape.type_name]


def ids(client, table):
    return {item["id"]["S"] for item in client.scan(TableName=table, ConsistentRead=True)["Items"]}


def error_of(call, **arguments):
    try:
        raise AssertionError(call(**arguments))
    except ClientError as error:
        return error.response


if __name__ == "__main__":
    sys.exit(main())
