"""Lambda's answers of status 200 that tell of a failure, with functions that MiniStack runs: what they left behind says whether they ran."""

import io
import json
import os
import sys
import time
import zipfile
from pathlib import Path

from common import clients, ministack, squall

# Each run leaves an item: its number, and what it was given.
FUNCTION = """
import json, os
import boto3

def handler(event, context):
    table = boto3.client("dynamodb", endpoint_url=os.environ["STORE"], region_name="us-east-1")
    for record in event.get("Records", [{"body": event.get("body", "")}]):
        item = {"run": {"S": context.aws_request_id + record.get("messageId", "")}, "body": {"S": record["body"]}}
        table.put_item(TableName="runs", Item=item)
    if "Records" in event:
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "poison"]}
    if event.get("body") == "poison":
        raise RuntimeError("poison")
    return {"ran": True}
"""


def main():
    with ministack.start() as upstream:
        direct = clients.at(upstream)
        set_up(direct, upstream)
        for check in (not_carried_out, carried_out, tried_again, not_waited_for, its_own_failure, records):
            check(upstream, direct("lambda"), Runs(direct("dynamodb")))


def set_up(direct, upstream):
    key = {"KeySchema": [{"AttributeName": "run", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "run", "AttributeType": "S"}]}
    direct("dynamodb").create_table(TableName="runs", BillingMode="PAY_PER_REQUEST", **key)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("function.py", FUNCTION)
    function = {"Runtime": "python3.12", "Handler": "function.handler", "Role": "arn:aws:iam::123456789012:role/r", "Timeout": 30}
    store = {"Environment": {"Variables": {"STORE": upstream}}}
    direct("lambda").create_function(FunctionName="order", Code={"ZipFile": code.getvalue()}, **function, **store)


class Runs:
    """What functions left behind."""

    def __init__(self, dynamodb):
        self.dynamodb = dynamodb

    def take(self):
        items = self.dynamodb.scan(TableName="runs", ConsistentRead=True)["Items"]
        for item in items:
            self.dynamodb.delete_item(TableName="runs", Key={"run": item["run"]})
        return sorted(item["body"]["S"] for item in items)


def invoke(client, event, **how):
    """The status, how the function failed, and what it returned."""
    answer = client.invoke(FunctionName="order", Payload=json.dumps(event).encode(), **how)
    payload = answer["Payload"].read()
    return answer["StatusCode"], answer.get("FunctionError"), json.loads(payload) if payload else None


def behind(upstream, fault, when=None):
    file = Path(os.environ["TMPDIR"], "profile.yaml")
    rule = {"name": "failing", "match": {"operation": "Invoke"}, "fault": fault} | ({"when": when} if when else {})
    file.write_text(json.dumps({"rules": [rule]}))
    return squall.serve(upstream, "--profile", file)


def not_carried_out(upstream, _, runs):
    with behind(upstream, "function_error") as proxy:
        status, failed, told = invoke(clients.through(proxy)("lambda"), {"body": "order 1"})
    assert (status, failed, told["errorType"]) == (200, "Unhandled", "RuntimeError"), (status, failed, told)
    assert runs.take() == []
    assert (proxy.summary["aws"]["attempts"], proxy.summary["aws"]["injected"], proxy.summary["aws"]["lost"]) == (1, 1, 0), proxy.summary
    print("function_error: the function has not run")


def carried_out(upstream, _, runs):
    payload = {"errorMessage": "out of stock", "errorType": "StockError"}
    with behind(upstream, {"function_error": {"type": "Handled", "payload": payload, "carried_out": True}}) as proxy:
        seen = invoke(clients.through(proxy)("lambda"), {"body": "order 1"})
    assert seen == (200, "Handled", payload), seen
    assert runs.take() == ["order 1"]
    assert (proxy.summary["aws"]["attempts"], proxy.summary["aws"]["injected"], proxy.summary["aws"]["lost"]) == (1, 1, 1), proxy.summary
    print("function_error, carried out: the function has run, and the caller is told that it failed")


def tried_again(upstream, _, runs):
    """A caller that looks at FunctionError and invokes again."""
    for carried_out, expected in [(False, ["order 1"]), (True, ["order 1", "order 1"])]:
        with behind(upstream, {"function_error": {"carried_out": carried_out}}, {"calls": "first 1"}) as proxy:
            client = clients.through(proxy)("lambda")
            seen = [invoke(client, {"body": "order 1"})[1] for _ in range(2)]
        left = runs.take()
        assert (seen, left) == (["Unhandled", None], expected), (seen, left)
    print("function_error: who invokes again has one run, or two where the first was carried out")


def not_waited_for(upstream, _, runs):
    """Nobody is told of an event's failure: it passes, and the function runs."""
    with behind(upstream, "function_error") as proxy:
        status, failed, _ = invoke(clients.through(proxy)("lambda"), {"body": "event"}, InvocationType="Event")
    assert (status, failed, proxy.summary["aws"]["injected"]) == (202, None, 0), (status, failed, proxy.summary)
    deadline, left = time.monotonic() + 30, []
    while not (left := runs.take()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == ["event"], left
    print("function_error: an event passes, and its function runs")


def its_own_failure(upstream, direct, runs):
    """A function that fails by itself looks the same, and is not counted as injected."""
    with behind(upstream, "function_error", {"probability": 0}) as proxy:
        seen = [invoke(client, {"body": "poison"})[:2] for client in (clients.through(proxy)("lambda"), direct)]
    assert seen == [(200, "Unhandled")] * 2, seen
    assert (runs.take(), proxy.summary["aws"]["injected"]) == (["poison"] * 2, 0), proxy.summary
    print("a function that fails by itself: the same header, and nothing injected")


def records(upstream, _, runs):
    """Of a queue's records some fail: the function gets the others, and its own failures stand beside them."""
    event = {"Records": [{"messageId": f"m{n}", "body": body, "eventSource": "aws:sqs"} for n, body in enumerate(["a", "b", "poison", "d"])]}
    with behind(upstream, {"partial": "every 2nd"}) as proxy:
        status, failed, told = invoke(clients.through(proxy)("lambda"), event)
    assert (status, failed) == (200, None), (status, failed, told)
    assert [failure["itemIdentifier"] for failure in told["batchItemFailures"]] == ["m1", "m2", "m3"], told
    assert runs.take() == ["a", "poison"]
    with behind(upstream, {"partial": "100%"}) as proxy:
        _, _, told = invoke(clients.through(proxy)("lambda"), event)
    assert (len(told["batchItemFailures"]), runs.take()) == (4, []), told
    print("partial: the function got the records that were left, and none where all fail")


if __name__ == "__main__":
    sys.exit(main())
