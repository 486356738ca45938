"""Every read after a write of faults.json with boto3 in front of moto: what the program reads right after it has written, while the emulator
already has what was written; and that it reads that once the time is over.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import ClientError

from common import clients, emulator, squall


def put_item(name, value):
    return lambda client: client("dynamodb").put_item(TableName=name, Item={"id": {"S": "1"}, "value": {"S": value}})


def delete_item(name):
    return lambda client: client("dynamodb").delete_item(TableName=name, Key={"id": {"S": "1"}})


def get_item(name):
    return lambda client: client("dynamodb").get_item(TableName=name, Key={"id": {"S": "1"}}).get("Item", {"value": {"S": "none"}})["value"]["S"]


def put_object(name, value):
    return lambda client: client("s3").put_object(Bucket=name, Key="1", Body=value.encode())


def get_object(name):
    return lambda client: client("s3").get_object(Bucket=name, Key="1")["Body"].read().decode()


def create_table(name):
    def create(client):
        client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        put_item(name, "old")(client)

    return create


def create_bucket(name):
    def create(client):
        client("s3").create_bucket(Bucket=name)
        put_object(name, "old")(client)

    return create


def create_role(client):
    return client("iam").create_role(RoleName="stale", AssumeRolePolicyDocument="{}")


def get_role(client):
    return client("iam").get_role(RoleName="stale")["Role"]["RoleName"]


def create_queue(client):
    return client("sqs").create_queue(QueueName="stale")


def get_queue_url(client):
    return client("sqs").get_queue_url(QueueName="stale")["QueueUrl"].rsplit("/", 1)[-1]


def run_instances(client):
    image = "ami-12c6146b"  # one of moto's own
    INSTANCES.append(client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])


def describe_instances(client):
    found = client("ec2").describe_instances(InstanceIds=INSTANCES[-1:])["Reservations"][0]["Instances"]
    return "run" if [one["InstanceId"] for one in found] == INSTANCES[-1:] else "another"


INSTANCES = []
# What is there before, the write, the read, and what that tells of what was written.
CALLS = {
    "GetItem after PutItem": (create_table("put"), put_item("put", "new"), get_item("put"), "new"),
    "GetItem after DeleteItem": (create_table("deleted"), delete_item("deleted"), get_item("deleted"), "none"),
    "GetObject after PutObject": (create_bucket("put"), put_object("put", "new"), get_object("put"), "new"),
    "GetRole after CreateRole": (None, create_role, get_role, "stale"),
    "DescribeInstances after RunInstances": (None, run_instances, describe_instances, "run"),
    "GetQueueUrl after CreateQueue": (None, create_queue, get_queue_url, "stale"),
}


def main():
    rows = json.loads(Path(os.environ["CASE"], "../../faults.json").read_text())["after_a_write"]
    with emulator.start() as upstream, ThreadPoolExecutor(len(rows)) as pool:
        wrong = [line for line in pool.map(lambda numbered: difference(upstream, *numbered), enumerate(rows)) if line]
    assert not wrong, "\n".join(wrong)


def difference(upstream, number, row):
    got = seen(upstream, number, row)
    print(row["call"], json.dumps(got), flush=True)
    return None if got == row["python"] else f"{row['call']}: {row['python']}, not {got}"


def seen(upstream, number, row):
    """What was read right after the write, by how many attempts, and how many of those the emulator was asked."""
    before, write, read, written = CALLS[row["call"]]
    straight, lag = clients.at(upstream), float(row["fault"]["stale"]["for"].removesuffix("s"))
    file = Path(os.environ["TMPDIR"]) / f"row-{number}.yaml"
    file.write_text(json.dumps({"rules": [{"name": "fault", "fault": row["fault"]}]}))
    with squall.serve(upstream, "--profile", file) as proxy:
        client, passed = clients.through(proxy), 2
        if before:
            before(straight)
            assert read(client) == "old"
            passed = 3
        write(client)
        saw = outcome(lambda: read(client))
        assert read(straight) == written, f"{row['call']}: it was not carried out"
        time.sleep(lag)
        assert read(client) == written, f"{row['call']}: it is not seen after {lag} s"
    aws = proxy.summary["aws"]
    return {"saw": saw, "attempts": aws["injected"], "carried_out": aws["attempts"] - aws["injected"] - passed}


def outcome(call):
    try:
        return f"ok, and what was {call()}"
    except ClientError as error:
        name, code = type(error).__name__, error.response["Error"]["Code"]
        return name if name == code else f"{name} {code}"


if __name__ == "__main__":
    sys.exit(main())
