"""50 batches of 25 items, of which 30 % fail each time: a client that looks at UnprocessedItems loses nothing; one that does not loses
items, and Squall's summary names every one of them, its report the first twenty."""

import sys
import tempfile
from pathlib import Path

from common import clients, emulator, squall

PROFILE = """
name: lossy
seed: 11
rules:
  - {name: unprocessed, match: {service: dynamodb, operation: BatchWriteItem}, fault: {partial: 30%}}
"""
BATCHES, SIZE = 50, 25


def main():
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "lossy.yaml")
        profile.write_text(PROFILE)
        for write, loses in ((careful, False), (document_client, False), (one_by_one, False), (careless, True)):
            with emulator.start() as upstream:
                there = clients.at(upstream)("dynamodb")
                key = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
                there.create_table(TableName="orders", BillingMode="PAY_PER_REQUEST", **key)
                with squall.serve(upstream, "--profile", profile) as proxy:
                    write(proxy)
                items = proxy.summary["rules"][0]["items"]
                pages = there.get_paginator("scan").paginate(TableName="orders", ConsistentRead=True)
                stored = {item["id"]["S"] for page in pages for item in page["Items"]}
            missing = {name(number) for number in range(BATCHES * SIZE)} - stored
            said = next(line for line in proxy.report.splitlines() if line.startswith("Rule unprocessed let "))
            print(f"{write.__name__}: {len(missing)} lost; {said}")
            # Of 1,250 draws 375 hold; four standard deviations are 65.
            assert items["failed"] >= 310 and items["lost"] == len(missing), items
            if not loses:
                assert not missing and "all of them were sent again with success" in said and "names" not in items, items
                continue
            assert 310 < len(missing) < 440 and items["failed"] == items["lost"], (len(missing), items)
            assert {known.removeprefix("orders/") for known in items["names"]} == missing, items
            assert all(known in said for known in items["names"][:20]) and f"and {len(missing) - 20} more" in said, said
            assert proxy.summary["invocations"]["in_part"] == proxy.summary["rules"][0]["fired"], proxy.summary["invocations"]


def careful(proxy):
    """Sends again what comes back unprocessed."""
    client = clients.at(proxy.url)("dynamodb")
    for batch in batches():
        left = {"orders": batch}
        while left:
            left = client.batch_write_item(RequestItems=left)["UnprocessedItems"]


def document_client(proxy):
    """boto3's own batch_writer."""
    import boto3

    table = boto3.resource("dynamodb", clients.REGION, endpoint_url=proxy.url, **clients.KEYS).Table("orders")
    with table.batch_writer() as batch:
        for number in range(BATCHES * SIZE):
            batch.put_item(Item={"id": name(number), "batch": number // SIZE})


def one_by_one(proxy):
    """Puts by itself what comes back unprocessed."""
    client = clients.at(proxy.url)("dynamodb")
    for batch in batches():
        for write in client.batch_write_item(RequestItems={"orders": batch})["UnprocessedItems"].get("orders", []):
            client.put_item(TableName="orders", Item=write["PutRequest"]["Item"])


def careless(proxy):
    """Looks at the status only."""
    client = clients.at(proxy.url)("dynamodb")
    for batch in batches():
        assert client.batch_write_item(RequestItems={"orders": batch})["ResponseMetadata"]["HTTPStatusCode"] == 200


def batches():
    for start in range(0, BATCHES * SIZE, SIZE):
        put = lambda number: {"PutRequest": {"Item": {"id": {"S": name(number)}, "batch": {"N": str(number // SIZE)}}}}  # noqa: E731
        yield [put(number) for number in range(start, start + SIZE)]


def name(number):
    return f"order-{number:04}"


if __name__ == "__main__":
    sys.exit(main())
