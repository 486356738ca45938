"""Every row of event-streams.json with boto3: how many events of a broken stream come, and what is raised behind them.

boto3 has no client for streams that go both ways, and so none for Transcribe's.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path

import boto3

from common import clients, emulator, squall

# Of each operation the service, the call, and the member of the answer that is the stream.
CALLS = {
    "ConverseStream": ("bedrock-runtime", lambda client: client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=[]), "stream"),
    "SelectObjectContent": ("s3", lambda client: client.select_object_content(**SELECT), "Payload"),
    "SubscribeToShard": ("kinesis", lambda client: client.subscribe_to_shard(**SHARD), "EventStream"),
}
SELECT = {
    "Bucket": "orders", "Key": "1", "Expression": "SELECT * FROM S3Object", "ExpressionType": "SQL",
    "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}},
}
SHARD = {
    "ConsumerARN": "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/c:1",
    "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"},
}


def main():
    assert not {service for service in boto3.session.Session().get_available_services() if "transcribe" in service and "stream" in service}
    streams = json.loads(Path(os.environ["CASE"], "../../event-streams.json").read_text())
    rows = [(stream, row) for stream in streams if stream["operation"] in CALLS for row in stream["rows"]]
    with emulator.start("common.streams") as upstream:
        wrong = [line for number, (stream, row) in enumerate(rows) if (line := differing(upstream, number, stream, row))]
    assert not wrong, "\n".join(wrong)


def differing(upstream, number, stream, row):
    profile = Path(os.environ["TMPDIR"]) / f"{number}.yaml"
    profile.write_text(json.dumps({"rules": [{"name": "stream", "fault": {"event_stream": row["fault"]}}]}))
    service, call, member = CALLS[stream["operation"]]
    with squall.serve(upstream, "--profile", profile) as proxy:
        seen = read(call(clients.through(proxy)(service))[member])
    spoken = set(urllib.request.urlopen(f"{upstream}/spoken").read().decode().split("\n")) - {""}
    injected = proxy.summary["aws"]["injected"]
    got, expected = [*seen, injected], [row["events"], *row["python"]]
    print(stream["operation"], json.dumps(row["fault"]), *got, *spoken)
    assert spoken <= {stream["http"]["python"]}, spoken
    return None if got == expected else f"{stream['operation']} {row['fault']}: {expected}, not {got}; {proxy.summary}"


def read(stream):
    """How many events came, and how it ended."""
    events = 0
    try:
        for _ in stream:
            events += 1
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        return events, " ".join(filter(None, [type(error).__name__, code]))
    return events, "end"


if __name__ == "__main__":
    sys.exit(main())
