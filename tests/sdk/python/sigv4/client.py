"""A boto3 program that knows nothing of Squall: writes of every kind of body that SigV4 signs in its own way.

Run by tests/it/sigv4.rs, whose upstream verifies each signature. It needs HTTPS_PROXY and AWS_CA_BUNDLE, and credentials, in its
environment; what the answers say is of no interest, so they are as small as can be.
"""

import io

import boto3
from botocore.config import Config

REGION = "us-east-1"
ONCE = Config(region_name=REGION, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


def main():
    dynamodb = boto3.client("dynamodb", config=ONCE)
    dynamodb.put_item(TableName="t", Item={"id": {"S": "ü/ %2F"}})
    s3 = boto3.client("s3", config=ONCE)
    # Over https boto3 sends this aws-chunked, unsigned payload, checksum in a trailer, after Expect: 100-continue.
    s3.put_object(Bucket="bucket", Key="dir//odd key+ü.bin", Body=b"x" * 100_000)
    s3.upload_fileobj(io.BytesIO(b"y" * 300_000), "bucket", "file")
    s3.get_object(Bucket="bucket", Key="a b/c=d&e", VersionId="v 1")
    s3.list_objects_v2(Bucket="bucket", Prefix="p q/", Delimiter="/")
    sts = boto3.client("sts", config=ONCE)
    sts.get_caller_identity()


main()
