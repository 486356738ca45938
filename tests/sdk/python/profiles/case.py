"""Ready-made profiles with boto3 in front of moto: each shows what its comment says that it does.

What a profile does over minutes is asked of `squall explain`, at the times in question.
"""

import base64
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timezone
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from common import chain, clients, emulator, squall

# What is not AWS's: see ../tcp.
DATABASES = ["postgres-outage", "redis-slow"]
ITEM = {"id": {"S": "1"}}
TABLE = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
STANDARD = {"retries": {"mode": "standard"}}
ONCE = {"retries": {"total_max_attempts": 1, "mode": "standard"}}


def main():
    with emulator.start() as moto, emulator.start("common.streams") as bedrock, ThreadPoolExecutor(4) as pool:
        prepare(clients.at(moto))
        wrong = list(pool.map(lambda name: checked(name, bedrock if name.startswith("bedrock") else moto), CHECKS))
    told = subprocess.run([squall.SQUALL, "profiles", "--output", "json"], capture_output=True, check=True).stdout
    missing = {profile["name"] for profile in json.loads(told)} - set(CHECKS) - set(DATABASES)
    assert not missing, f"no case for {missing}"
    assert not any(wrong), "\n".join(filter(None, wrong))


def prepare(client):
    dynamodb = client("dynamodb")
    dynamodb.create_table(TableName="orders", **TABLE)
    s3 = client("s3")
    s3.create_bucket(Bucket="orders")
    s3.put_object(Bucket="orders", Key="1", Body=b"x" * 50_000)
    client("sqs").create_queue(QueueName="orders")
    client("kinesis").create_stream(StreamName="orders", ShardCount=1)
    client("kms").create_key()


def checked(name, upstream):
    """Nothing, or what is wrong."""
    with squall.serve(upstream, "--profile", name, "--seed", "42") as proxy:
        said = CHECKS[name](clients.through(proxy))
    injected = proxy.summary["aws"]["injected"]
    print(f"{name:30} {said}; {proxy.summary['aws']['attempts']} attempts, {injected} injected")
    right = said is not None if name != "calm" else injected == 0
    return None if right else f"{name}: {proxy.summary}"


def outcomes(call, count):
    """How each of `count` calls ended, one after the other: "ok", or the error's code or class."""
    return [outcome(call) for _ in range(count)]


def outcome(call):
    try:
        call()
        return "ok"
    except ClientError as error:
        return error.response["Error"]["Code"]
    except Exception as error:
        return type(error).__name__


def expect(holds, said):
    return said if holds else None


def calm(client):
    return expect(outcomes(lambda: client("dynamodb").list_tables(), 5) == ["ok"] * 5, "5 of 5 ok")


def every_call_takes(least):
    def check(client):
        dynamodb, since = client("dynamodb"), time.monotonic()
        dynamodb.list_tables()
        return expect(time.monotonic() - since >= least, f"a call takes {least} s at least")

    return check


def some_fail_once(service, call, code, of=40):
    """Without retries some fail with this code, and the others do not; with them all go through."""

    def check(client):
        seen = outcomes(lambda: call(client(service, **ONCE)), of)
        others = set(seen) - {"ok", code}
        retried = outcomes(lambda: call(client(service, **STANDARD)), 10)
        hit = sum(one != "ok" for one in seen)
        return expect(0 < hit < of and not others and retried.count("ok") >= 8, f"{hit} of {of} failed with {code} at once")

    return check


def all_fail(service, call, code):
    def check(client):
        seen = outcomes(lambda: call(client(service, **ONCE)), 3)
        return expect(seen == [code] * 3, f"3 of 3 failed with {code}")

    return check


def first_attempt_fails(client):
    answer = client("dynamodb", **STANDARD).list_tables()["ResponseMetadata"]
    return expect(answer["RetryAttempts"] == 1, "one retry was enough")


def az_latency(client):
    dynamodb, times = client("dynamodb"), []
    for _ in range(12):
        since = time.monotonic()
        dynamodb.list_tables()
        times.append(time.monotonic() - since)
    slow = sum(one > 0.6 for one in times)
    return expect(0 < slow < 9, f"{slow} of 12 took about a second")


def bedrock_stream_cut(client):
    def events():
        seen = 0
        try:
            for _ in client("bedrock-runtime").converse_stream(modelId="amazon.nova-lite-v1:0", messages=[])["stream"]:
                seen += 1
        except Exception as error:
            return seen, type(error).__name__
        return seen, "end"

    seen = [events(), events()]
    return expect(seen == [(5, "end"), (3, "EventStreamError")], f"{seen}")


def brownout_then_recovery(client):
    client("dynamodb", **STANDARD).list_tables()
    fired = {at: explained("brownout-then-recovery", at, put(), 200) for at in ["1s", "58s", "90s", "150s"]}
    errors = {at: sum(bool({"getting-worse", "bad"} & set(one)) for one in rows) for at, rows in fired.items()}
    right = errors["1s"] < 10 and 60 < errors["58s"] < 130 and 60 < errors["90s"] < 140 and not any(fired["150s"])
    return expect(right, f"errors among 200 by time: {errors}")


def clock_skew(client):
    """boto3 is told the time, and does not go by it."""
    dynamodb = client("dynamodb", **STANDARD)
    seen = outcomes(lambda: put_item(dynamodb), 2)
    return expect(seen == ["InvalidSignatureException"] * 2, f"{seen}")


def s3_multipart(client):
    seen = outcomes(lambda: client("s3", **ONCE).copy_object(Bucket="orders", Key="2", CopySource="orders/1"), 4)
    return expect(seen == ["ok", "InternalError"] * 2, f"{seen}")


def credentials_expiring(client):
    """A role's credentials are good for a minute, and used."""
    role = client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/orders", RoleSessionName="session")
    left = (role["Credentials"]["Expiration"] - datetime.now(timezone.utc)).total_seconds()
    program = [sys.executable, "-m", "common.chain"]
    saw, calls_with = chain.behind("container-credentials", "credentials-expiring", program)
    right = 0 < left <= 61 and saw == "ok" and len(set(calls_with)) == 2
    return expect(right, f"a role for {left:.0f} s; in a container each call had new credentials ({calls_with})")


def dynamodb_hot_partition(client):
    put_item(client("dynamodb"))
    rows = explained("dynamodb-hot-partition", "1s", put(), 1_200)
    return expect([len(one) for one in rows] == [0] * 1_000 + [1] * 200, "of 1,200 writes at once 200 are throttled")


def dynamodb_partial_batch(client):
    requests = [{"PutRequest": {"Item": {"id": {"S": str(number)}}}} for number in range(25)]
    answers = [client("dynamodb").batch_write_item(RequestItems={"orders": requests}) for _ in range(4)]
    left = sum(len(answer["UnprocessedItems"].get("orders", [])) for answer in answers)
    return expect(10 < left < 50, f"{left} of 100 items came back unprocessed")


def dynamodb_transaction_conflict(client):
    dynamodb = client("dynamodb", **STANDARD)
    writes = [{"Put": {"TableName": "orders", "Item": {"id": {"S": number}}}} for number in "23"]
    reasons = []

    def transact():
        try:
            dynamodb.transact_write_items(TransactItems=writes)
        except dynamodb.exceptions.TransactionCanceledException as error:
            reasons.append([reason["Code"] for reason in error.response["CancellationReasons"]])
            raise

    seen = outcomes(transact, 4)
    right = seen == ["ok", "TransactionCanceledException"] * 2 and reasons == [["TransactionConflict", "None"]] * 2
    return expect(right, f"{seen}, {reasons}")


def expired_credentials(client):
    seen = outcomes(lambda: put_item(client("dynamodb", **STANDARD)), 6)
    return expect(seen == ["ExpiredTokenException"] * 5 + ["ok"], f"{seen}")


def flaky_network(client):
    seen = outcomes(lambda: client("dynamodb", **ONCE).list_tables(), 60)
    hit = sum(one != "ok" for one in seen)
    return expect(0 < hit < 15, f"{hit} of 60 broke without retries")


def imds_outage(client):
    saw, calls_with = chain.behind("imds", "imds-outage", [sys.executable, "-m", "common.chain"])
    client("dynamodb").list_tables()
    return expect((saw, calls_with) == ("NoCredentialsError", []), f"{saw} without credentials of its own, ok with them")


def kinesis_shard_limit(client):
    records = [{"Data": b"x", "PartitionKey": str(number)} for number in range(50)]
    answer = client("kinesis").put_records(StreamName="orders", Records=records)
    large = [{"Data": b"x" * 900_000, "PartitionKey": "1"}] * 3
    seen = [outcome(lambda: client("kinesis", **ONCE).put_record(StreamName="orders", **record)) for record in large]
    return expect(0 < answer["FailedRecordCount"] < 25, f"{answer['FailedRecordCount']} of 50 records were refused; then {seen}")


def kms_throttle(client):
    kms = client("kms", **ONCE)
    key = kms.list_keys()["Keys"][0]["KeyId"]
    seen = [outcome(lambda: kms.encrypt(KeyId=key, Plaintext=b"x")) for _ in range(3)]
    rows = explained("kms-throttle", "1s", of_kms(), 120)
    return expect(seen == ["ok"] * 3 and sum(map(len, rows)) == 20, "of 120 requests at once 20 are throttled")


def lambda_concurrency(client):
    """moto has no such function, and says so of what is let through."""
    seen = outcomes(lambda: client("lambda", **ONCE).invoke(FunctionName="orders"), 30)
    hit = seen.count("TooManyRequestsException")
    return expect(5 < hit < 20 and hit + seen.count("ResourceNotFoundException") == 30, f"{hit} of 30 were throttled")


def lost_replies(client):
    sqs = client("sqs", **ONCE)
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    seen = [outcome(lambda: sqs.send_message(QueueUrl=url, MessageBody="x")) for _ in range(20)]
    there = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"])
    lost = len(seen) - seen.count("ok")
    return expect(lost > 0 and there >= 20, f"{lost} of 20 sends failed, and all are in the queue")


def pagination_expiry(client):
    """Pages of one object each: without a token nothing is refused, with one some are, and boto3 does not retry it."""
    s3 = client("s3", **STANDARD)
    for number in range(12):
        s3.put_object(Bucket="orders", Key=f"page/{number:02}", Body=b"")
    first = outcomes(lambda: s3.list_objects_v2(Bucket="orders", Prefix="page/", MaxKeys=1), 10)
    token = s3.list_objects_v2(Bucket="orders", Prefix="page/", MaxKeys=1)["NextContinuationToken"]
    later = outcomes(lambda: s3.list_objects_v2(Bucket="orders", Prefix="page/", MaxKeys=1, ContinuationToken=token), 20)
    iterator = client("kinesis").get_shard_iterator(StreamName="orders", ShardId="shardId-000000000000", ShardIteratorType="LATEST")
    reads = outcomes(lambda: client("kinesis").get_records(ShardIterator=iterator["ShardIterator"]), 20)
    hit, codes = 20 - later.count("ok"), {*later, *reads} - {"ok"}
    right = set(first) == {"ok"} and 0 < hit < 15 and "ExpiredIteratorException" in reads
    return expect(right, f"{hit} of 20 pages were refused: {codes}")


def stale_reads(client):
    """Right after a write the old item is read, and a new role is not found; who asks for consistency, or waits, sees what was written."""
    dynamodb, iam = client("dynamodb"), client("iam")
    item = lambda value: {"id": {"S": "stale"}, "value": {"S": value}}  # noqa: E731
    read = lambda **how: dynamodb.get_item(TableName="orders", Key={"id": {"S": "stale"}}, **how)["Item"]["value"]["S"]  # noqa: E731
    dynamodb.put_item(TableName="orders", Item=item("old"))
    time.sleep(2)
    seen = [read()]
    dynamodb.put_item(TableName="orders", Item=item("new"))
    seen += [read(), read(ConsistentRead=True)]
    iam.create_role(RoleName="stale", AssumeRolePolicyDocument="{}")
    seen.append(outcome(lambda: iam.get_role(RoleName="stale")))
    iam.get_waiter("role_exists").wait(RoleName="stale")
    time.sleep(2)
    seen.append(read())
    return expect(seen == ["old", "old", "new", "NoSuchEntity", "new"], f"{seen}")


def region_outage(client):
    """Of what is unavailable; silence would take as long as the client waits."""
    options = {"read_timeout": 1, **ONCE}
    seen = outcomes(lambda: client("dynamodb", **options).list_tables(), 6)
    kinds = {"ServiceUnavailable", "ReadTimeoutError"}
    return expect(kinds >= set(seen) and "ServiceUnavailable" in seen and len(set(seen)) == 2, f"{seen}")


def s3_truncated_get(client):
    def read():
        client("s3", **STANDARD).get_object(Bucket="orders", Key="1")["Body"].read()

    seen = outcomes(read, 20)
    broken = len(seen) - seen.count("ok")
    return expect(0 < broken < 15 and len(set(seen)) == 2, f"{broken} of 20 objects ended early: {set(seen)}")


def sqs_duplicate_delivery(client):
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="twice")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="once")
    there = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
    return expect(there == "2", f"{there} messages of 1")


def put_item(dynamodb):
    dynamodb.put_item(TableName="orders", Item=ITEM)


def put():
    return captured("dynamodb", "DynamoDB_20120810.PutItem", {"TableName": "orders"})


def of_kms():
    return captured("kms", "TrentService.Encrypt", {"KeyId": "1"})


def captured(service, target, body):
    scope = f"AWS4-HMAC-SHA256 Credential=ASIAQNZGKIQY56JQ7WML/20261121/us-east-1/{service}/aws4_request, Signature=0"
    headers = [["x-amz-target", target], ["authorization", scope]]
    body = base64.b64encode(json.dumps(body).encode()).decode()
    return {"method": "POST", "url": f"https://{service}.us-east-1.amazonaws.com/", "headers": headers, "body_b64": body}


def explained(profile, at, request, count):
    """Which rules would fire for each of so many requests."""
    command = [squall.SQUALL, "explain", "--profile", profile, "--seed", "42", "--at", at, "--output", "json"]
    lines = (json.dumps(request) + "\n") * count
    told = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, env=os.environ).stdout
    return [json.loads(line)["fired"] for line in told.splitlines()]


CHECKS = {
    "aws-brownout": every_call_takes(0.05),
    "az-latency": az_latency,
    "bedrock-stream-cut": bedrock_stream_cut,
    "brownout-then-recovery": brownout_then_recovery,
    "calm": calm,
    "clock-skew": clock_skew,
    "credentials-expiring": credentials_expiring,
    "dynamodb-hot-partition": dynamodb_hot_partition,
    "dynamodb-partial-batch": dynamodb_partial_batch,
    "dynamodb-throttle": some_fail_once("dynamodb", put_item, "ProvisionedThroughputExceededException"),
    "dynamodb-transaction-conflict": dynamodb_transaction_conflict,
    "expired-credentials": expired_credentials,
    "first-attempt-fails": first_attempt_fails,
    "flaky-network": flaky_network,
    "imds-outage": imds_outage,
    "kinesis-shard-limit": kinesis_shard_limit,
    "kms-throttle": kms_throttle,
    "lambda-concurrency": lambda_concurrency,
    "lost-replies": lost_replies,
    "pagination-expiry": pagination_expiry,
    "region-outage": region_outage,
    "s3-multipart-200-error": s3_multipart,
    "s3-slowdown": some_fail_once("s3", lambda c: c.get_object(Bucket="orders", Key="1")["Body"].read(), "SlowDown"),
    "s3-truncated-get": s3_truncated_get,
    "service-quota": all_fail("dynamodb", lambda c: c.create_table(TableName="t", **TABLE), "LimitExceededException"),
    "slow-300ms": every_call_takes(0.3),
    "sqs-duplicate-delivery": sqs_duplicate_delivery,
    "stale-reads": stale_reads,
    "sts-outage": all_fail("sts", lambda c: c.get_caller_identity(), "ServiceUnavailable"),
}

if __name__ == "__main__":
    sys.exit(main())
