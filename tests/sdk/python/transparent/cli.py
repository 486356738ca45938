"""The AWS CLI as a script uses it, unaware of Squall. Run by tests/it/clients.rs, as client.py is."""

import os
import subprocess
import sys
from pathlib import Path

AWS = Path(sys.executable).parent / "aws"
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL")
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
# For SQS alone this CLI puts an old host name of its own before the environment's endpoint, but not before an option.
SQS = ["--endpoint-url", ENDPOINT] if ENDPOINT else []
COMMANDS = [
    ["s3", "cp", "small", "s3://bucket/dir//odd key+\u00fc"],
    ["s3", "cp", "large", "s3://bucket/large"],
    ["s3", "cp", "s3://bucket/a b=c&d", "fetched"],
    ["s3api", "list-objects-v2", "--bucket", "bucket", "--prefix", "p q/", "--no-paginate"],
    ["dynamodb", "put-item", "--table-name", "t", "--item", '{"id": {"S": "\u00fc/ %2F"}}'],
    [*SQS, "sqs", "send-message", "--queue-url", QUEUE, "--message-body", "a body with <angles> & \u00fc"],
    ["sts", "get-caller-identity"],
    ["lambda", "invoke", "--function-name", "f", "--payload", '{"a": "\u00fc"}', "answer"],
    ["kinesis", "put-record", "--stream-name", "s", "--data", "AP8=", "--partition-key", "p"],
    ["cloudwatch", "put-metric-data", "--namespace", "n", "--metric-data", "MetricName=m,Value=1.5"],
]


def main():
    Path("small").write_bytes(b"x" * 1000)
    Path("large").write_bytes(b"y" * (9 << 20))
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}
    for command in COMMANDS:
        ran = subprocess.run([AWS, *command], env=environment, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, f"aws {' '.join(command)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}"


main()
