"""Every row of faults.json with boto3: what the program sees, how often the SDK tries, and what reaches the far end.

Each row's fault meets every attempt of one call. Of lost and repeated requests an emulator's state proves what was carried out.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import ClientError

from calls import CALLS
from common import clients, emulator, far_end, squall

CONFIG = {"retries": {"mode": "standard", "total_max_attempts": 3}, "connect_timeout": 5, "read_timeout": 2}


def main():
    rows = json.loads(Path(os.environ["CASE"], "../../faults.json").read_text())["rows"]
    with ThreadPoolExecutor(6) as pool:
        wrong = [line for line in pool.map(lambda numbered: difference(*numbered), enumerate(rows)) if line]
    with emulator.start() as upstream:
        for proof in (twice, lost_message, lost_item, copies, completed):
            proof(upstream)
    assert not wrong, "\n".join(wrong)


def difference(number, row):
    """What differs between what is seen and what the row says, if anything does."""
    what, got, expected = f"{json.dumps(row['fault'])} {row['call']}", seen(number, row), row.get("python", {})
    print(what, json.dumps(got), flush=True)
    # Which error a broken connection shows itself as depends on who notices first.
    same = got["saw"] in expected.get("saw", "").split(" or ") and {**got, "saw": None} == {**expected, "saw": None}
    return None if same else f"{what}: {got}, not {expected}"


def seen(number, row):
    """What the program sees, the attempts made, the requests that reached the far end, and how many attempts came too early; over TLS
    through CONNECT."""
    match = {"service": ["dynamodb", "s3"]} if row.get("connection") else {"operation": row["call"]}
    file, calls = profile(f"row-{number}", match, row["fault"]), row.get("calls", 1)
    with far_end.start() as far, squall.serve(far.url, "--profile", file, "--seed", "7") as proxy:
        service, call = CALLS[row["call"]]
        client = clients.through(proxy)(service, **CONFIG)
        saw = [outcome(lambda: call(client)) for _ in range(calls)][-1]
    aws, ended = proxy.summary["aws"], proxy.summary["connections"]["ended"]
    [rule] = proxy.summary["rules"]
    assert calls > 1 or rule["fired"] + row.get("passes", 0) == aws["attempts"] + ended, proxy.summary
    assert aws["upstream_failed"] == aws["proxy_failed"] == 0, proxy.summary
    return {"saw": saw, "attempts": aws["attempts"] + ended, "carried_out": far.count(), "early": aws["early"]}


def outcome(call):
    try:
        return call()
    except ClientError as error:
        name, code = type(error).__name__, error.response["Error"]["Code"]
        return name if name == code else f"{name} {code}"
    except Exception as error:  # noqa: BLE001: which one is the question
        return type(error).__name__


def profile(name, match, fault):
    file = Path(os.environ["TMPDIR"]) / f"{name}.yaml"
    file.write_text(json.dumps({"rules": [{"name": "fault", "match": match, "fault": fault}]}))
    return file


def twice(upstream):
    """A message that is sent twice is there twice, and the client knows of one."""
    file = profile("twice", {"service": "sqs", "operation": "SendMessage"}, {"duplicate": {"times": 2}})
    with squall.serve(upstream, "--profile", file) as proxy:
        sqs, straight = clients.through(proxy)("sqs"), clients.at(upstream)("sqs")
        queue = straight.create_queue(QueueName="twice")["QueueUrl"]
        sent = sqs.send_message(QueueUrl=queue, MessageBody="order 1")["MessageId"]
        got = straight.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in got] == ["order 1"] * 2, got
    assert sent in [message["MessageId"] for message in got] and len({message["MessageId"] for message in got}) == 2, got
    assert proxy.summary["aws"]["copies"] == 1, proxy.summary
    print("duplicate: one SendMessage, two messages in the queue")


def lost_message(upstream):
    """A message whose answer is lost is sent again by the SDK, and is there twice."""
    file = profile("lost-message", {"service": "sqs", "operation": "SendMessage", "attempt": 1}, "lose")
    with squall.serve(upstream, "--profile", file) as proxy:
        sqs, straight = clients.through(proxy)("sqs", **CONFIG), clients.at(upstream)("sqs")
        queue = straight.create_queue(QueueName="lost")["QueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="order 1")
        got = straight.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in got] == ["order 1"] * 2, got
    aws = proxy.summary["aws"]
    assert (aws["attempts"], aws["injected"], aws["lost"], aws["answered"]) == (2, 1, 1, 1), aws
    print("lose: one SendMessage, two attempts, two messages in the queue")


def lost_item(upstream):
    """A conditional put whose answer is lost fails over its own success, and the item is there."""
    file = profile("lost-item", {"service": "dynamodb", "operation": "PutItem", "attempt": 1}, "lose")
    with squall.serve(upstream, "--profile", file) as proxy:
        dynamodb, straight = clients.through(proxy)("dynamodb", **CONFIG), clients.at(upstream)("dynamodb")
        straight.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        put = {"TableName": "orders", "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}
        saw = outcome(lambda: dynamodb.put_item(**put))
        items = straight.scan(TableName="orders")["Items"]
    assert saw == "ConditionalCheckFailedException", saw
    assert items == [{"id": {"S": "1"}}], items
    print(f"lose: a conditional PutItem, two attempts, {saw}, and the item is there")


def copies(upstream):
    """A copy that fails inside a 200 is not there, or it is, as the profile says; an SDK that tries again makes it good."""
    straight = clients.at(upstream)("s3")
    straight.create_bucket(Bucket="copies")
    straight.put_object(Bucket="copies", Key="from", Body=b"order 1")
    for key, attempt, carried_out, expected in [
        ("never", None, False, ("InternalError", 3, [])),
        ("unheard", None, True, ("InternalError", 3, ["unheard"])),
        ("late", 1, False, ("ok", 2, ["late"])),
    ]:
        match = {"operation": "CopyObject", **({"attempt": attempt} if attempt else {})}
        file = profile(f"copies-{key}", match, {"error_in_ok": {"carried_out": carried_out}})
        with squall.serve(upstream, "--profile", file) as proxy:
            s3 = clients.through(proxy)("s3", **CONFIG)
            copy = {"Bucket": "copies", "Key": key, "CopySource": "copies/from"}
            saw = outcome(lambda: s3.copy_object(**copy) and "ok").removeprefix("ClientError ")
        there = [object["Key"] for object in straight.list_objects_v2(Bucket="copies", Prefix=key).get("Contents", [])]
        assert (saw, proxy.summary["aws"]["attempts"], there) == expected, (key, saw, proxy.summary["aws"], there)
    print("error_in_ok: copies are there only where they were carried out")


def completed(upstream):
    """An upload whose completion fails inside a 200 though it was carried out: the SDK completes it once more, and the
    object is there."""
    file = profile("completed", {"operation": "CompleteMultipartUpload", "attempt": 1}, {"error_in_ok": {"carried_out": True}})
    with squall.serve(upstream, "--profile", file) as proxy:
        s3, straight = clients.through(proxy)("s3", **CONFIG), clients.at(upstream)("s3")
        straight.create_bucket(Bucket="uploads")
        upload = {"Bucket": "uploads", "Key": "1"}
        upload["UploadId"] = straight.create_multipart_upload(**upload)["UploadId"]
        etag = straight.upload_part(**upload, PartNumber=1, Body=b"order 1")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        saw = outcome(lambda: s3.complete_multipart_upload(**upload, MultipartUpload=parts) and "ok")
        body = straight.get_object(Bucket="uploads", Key="1")["Body"].read()
    assert (saw, proxy.summary["aws"]["attempts"], body) == ("ok", 2, b"order 1"), (saw, proxy.summary["aws"], body)
    print("error_in_ok: a completed upload, two attempts, and the object is there")


if __name__ == "__main__":
    sys.exit(main())
