"""The AWS CLI, unchanged, throttled at every attempt: it retries, gives up, and says so with the service's own error."""

import json
import os
import subprocess
import sys
from pathlib import Path

from common import clients, emulator, squall

AWS = Path(sys.executable).parent / "aws"
ITEM = ["dynamodb", "put-item", "--table-name", "orders", "--item", '{"id": {"S": "1"}}']


def main():
    profile, tmp = Path(os.environ["CASE"], "../../throttle-all.yaml"), Path(os.environ["TMPDIR"])
    environment = {**clients.ENVIRONMENT, "AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "3"}
    with emulator.start() as upstream:
        # What the CLI's exit code is when a service says no, and nothing else is in the way.
        command = [AWS, "--endpoint-url", upstream, *ITEM]
        refused = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
        assert "ResourceNotFoundException" in refused.stderr, refused.stderr
        for way in [], ["--endpoint"]:
            throttled(upstream, profile, way, tmp / f"summary{len(way)}.json", environment, refused)


def throttled(upstream, profile, way, summary, environment, refused):
    options = ["--upstream", upstream, "--profile", profile, "--summary", summary, *way]
    throttled = squall.run(options, [AWS, *ITEM], **environment)
    said = throttled.stderr.decode()
    [words] = [line for line in said.splitlines() if "An error occurred" in line]
    print(f"{' '.join(way) or 'CONNECT'}: exit code {throttled.returncode}: {words}")
    assert "(ProvisionedThroughputExceededException)" in words and "(reached max retries: 2)" in words, said
    assert throttled.returncode == refused.returncode != 0, (throttled.returncode, refused.returncode, said)
    assert throttled.stdout == refused.stdout.encode() == b"", throttled.stdout

    summary = json.loads(summary.read_text())
    [row] = summary["operations"]
    assert (row["operation"], row["invocations"], row["attempts"], row["injected"]) == ("PutItem", 1, 3, 3), row
    assert summary["invocations"]["gave_up"] == {"3": 1}, summary["invocations"]
    assert "1 gave up after 3 attempts" in said and "Rule throttle-all fired 3 times" in said, said


if __name__ == "__main__":
    sys.exit(main())
