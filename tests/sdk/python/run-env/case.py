"""`squall run` around an unchanged boto3 program: streams and exit code are the program's own, and nothing stays behind.

It also works where the surrounding environment has a proxy, a bundle and exceptions of its own.
"""

import json
import os
import sys
from pathlib import Path

import certifi

from common import clients, emulator, squall

PROGRAM = """
import boto3, os, sys
identity = boto3.client("sts").get_caller_identity()
queues = boto3.client("sqs").list_queues()
print(identity["Account"], queues.get("QueueUrls", []))
print(os.environ["AWS_CA_BUNDLE"], file=open("bundle-path", "w"), end="")
print("the program's own words", file=sys.stderr)
sys.exit(7)
"""


# What a developer's shell may hold: another proxy, another bundle, and exceptions that would lead past Squall.
SURROUNDINGS = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": "internal.example,.amazonaws.com"}
SURROUNDINGS |= {"AWS_CA_BUNDLE": certifi.where(), "REQUESTS_CA_BUNDLE": certifi.where()}


def main():
    tmp = Path(os.environ["TMPDIR"])
    os.chdir(tmp)
    program, summary, ledger = tmp / "program.py", tmp / "summary.json", tmp / "ledger.jsonl"
    program.write_text(PROGRAM)
    before = set(tmp.iterdir())
    with emulator.start() as upstream:
        options = ["--upstream", upstream, "--profile", "calm"]
        despite = squall.run(options, [sys.executable, program], **{**clients.ENVIRONMENT, **SURROUNDINGS})
        assert (despite.returncode, despite.stdout) == (7, b"123456789012 []\n"), despite
        assert "GetCallerIdentity" in despite.stderr.decode(), despite.stderr.decode()
        options += ["--summary", summary, "--ledger", ledger]
        ran = squall.run(options, [sys.executable, program], **clients.ENVIRONMENT)
    said = ran.stderr.decode()
    print(f"exit code {ran.returncode}, stdout {ran.stdout!r}")
    assert ran.returncode == 7, said
    assert ran.stdout == b"123456789012 []\n", ran.stdout
    assert "the program's own words\n" in said and f"squall: upstream: {upstream}" in said, said
    assert "GetCallerIdentity" in said and "ListQueues" in said, said

    bundle = Path((tmp / "bundle-path").read_text())
    assert bundle.name.endswith(".pem") and not bundle.parent.exists(), f"{bundle.parent} is still there"
    left = set(tmp.iterdir()) - before - {summary, ledger, tmp / "bundle-path"}
    assert not left, f"left behind: {left}"

    counts = {row["operation"]: (row["invocations"], row["attempts"]) for row in json.loads(summary.read_text())["operations"]}
    assert counts == {"GetCallerIdentity": (1, 1), "ListQueues": (1, 1)}, counts
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [(line["seq"], line["operation"], line["mode"], line["status"]) for line in lines] == [
        (1, "GetCallerIdentity", "connect", 200),
        (2, "ListQueues", "connect", 200),
    ], lines
    assert clients.KEYS["aws_secret_access_key"] not in ledger.read_text() + summary.read_text() + said


if __name__ == "__main__":
    sys.exit(main())
