"""A run in which no AWS request came says why that may be, and a rule that never fired says why too."""

import json
import os
import sys
from pathlib import Path

import certifi

from common import clients, emulator, squall

CALLS_NOTHING = "print('done')"
CALLS_STS = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
TRUSTS_ANOTHER = """
import boto3, botocore.exceptions, sys
from botocore.config import Config
try:
    boto3.client("sts", verify=sys.argv[1], config=Config(retries={"total_max_attempts": 1})).get_caller_identity()
except botocore.exceptions.SSLError as error:
    sys.exit("SSLError" if "CERTIFICATE_VERIFY_FAILED" in str(error) else str(error))
"""


def report(upstream, program, *arguments, **environment):
    """The reasons in the summary, and the report they stand in too."""
    summary = Path(os.environ["TMPDIR"]) / "summary.json"
    options = ["--upstream", upstream, "--profile", "dynamodb-throttle", "--summary", summary]
    ran = squall.run(options, [sys.executable, "-c", program, *arguments], **clients.ENVIRONMENT, **environment)
    said, told = ran.stderr.decode(), json.loads(summary.read_text())
    assert "0 AWS requests seen." in said and told["exchanges"]["aws"] == 0, said
    for reason in told["why_no_requests"]:
        assert reason in said, (reason, said)
    [rule] = told["rules"]
    assert (rule["name"], rule["fired"]) == ("dynamodb-throttle", 0) and rule["why_never"] in said, (rule, said)
    assert "Rule dynamodb-throttle never fired: " in said, said
    return ran, told


def main():
    with emulator.start() as upstream:
        ran, told = report(upstream, CALLS_NOTHING)
        assert (ran.returncode, ran.stdout) == (0, b"done\n"), ran
        [reason] = told["why_no_requests"]
        assert reason.startswith("boto3 follows HTTPS_PROXY"), reason
        print(f"calls nothing: {reason}")

        ran, told = report(upstream, CALLS_STS, AWS_ENDPOINT_URL=upstream)
        assert (ran.returncode, ran.stdout) == (0, b"123456789012\n"), ran
        first, *_ = told["why_no_requests"]
        assert "An endpoint is set (AWS_ENDPOINT_URL)" in first and "--upstream" in first, told["why_no_requests"]
        print(f"goes to an endpoint of its own: {first}")

        ran, told = report(upstream, TRUSTS_ANOTHER, certifi.where())
        assert ran.returncode == 1 and b"SSLError\n" in ran.stderr, ran
        assert told["connections"]["refused_handshakes"] >= 1, told["connections"]
        [reason] = told["why_no_requests"]
        assert "does not trust Squall's certificate authority" in reason and "AWS_CA_BUNDLE" in reason, reason
        print(f"trusts another authority: {reason}")


if __name__ == "__main__":
    sys.exit(main())
