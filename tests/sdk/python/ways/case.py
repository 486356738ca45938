"""`squall run` around an unchanged boto3 program, through CONNECT and with `--endpoint`: every call meets a fault and recovers.

The program follows the queue URL it is given, presigns a link and fetches it with a plain HTTP client; all of that passes Squall.
"""

import json
import os
import sys
from pathlib import Path

from common import clients, emulator, squall

PROGRAM = """
import boto3, os, ssl, urllib.request
from botocore.config import Config
config = Config(retries={"mode": "standard", "total_max_attempts": 3}, signature_version="s3v4", s3={"addressing_style": "path"})
s3 = boto3.client("s3", config=config)
s3.create_bucket(Bucket="bucket")
s3.put_object(Bucket="bucket", Key="k", Body=b"x" * 100_000)
link = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}, ExpiresIn=60)
context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
assert len(opener.open(link).read()) == 100_000
retried = Config(retries={"mode": "standard", "total_max_attempts": 3})
queue = boto3.client("sqs", config=retried).create_queue(QueueName="q")["QueueUrl"]
boto3.client("sqs", config=retried).send_message(QueueUrl=queue, MessageBody="hello")
print(queue)
"""
PROFILE = """
name: first-tries
rules:
  - {name: s3, match: {service: s3, operation: [CreateBucket, PutObject], attempt: 1}, fault: throttle}
  - {name: sqs, match: {service: sqs, attempt: 1}, fault: internal}
"""
ATTEMPTS = {"CreateBucket": 2, "PutObject": 2, "GetObject": 1, "CreateQueue": 2, "SendMessage": 2}


def main():
    tmp = Path(os.environ["TMPDIR"])
    program, profile, summary = tmp / "program.py", tmp / "profile.yaml", tmp / "summary.json"
    program.write_text(PROGRAM)
    profile.write_text(PROFILE)
    for way in [], ["--endpoint"]:
        with emulator.start() as upstream:
            options = ["--upstream", upstream, "--profile", profile, "--summary", summary, *way]
            ran = squall.run(options, [sys.executable, program], **clients.ENVIRONMENT)
        said = ran.stderr.decode()
        assert ran.returncode == 0, said
        attempts = {row["operation"]: row["attempts"] for row in json.loads(summary.read_text())["operations"]}
        assert attempts == ATTEMPTS, (attempts, said)
        print(f"{' '.join(way) or 'CONNECT'}: {attempts}; the queue is {ran.stdout.decode().strip()}")


if __name__ == "__main__":
    sys.exit(main())
