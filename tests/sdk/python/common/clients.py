"""boto3 clients by the way they take: straight to the emulator, through CONNECT, or with Squall as their endpoint."""

import boto3
from botocore.config import Config

REGION = "us-east-1"
KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
    "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def at(endpoint):
    """Makes clients with this endpoint: the emulator itself, or Squall in endpoint mode."""
    return lambda service, **config: boto3.client(service, REGION, endpoint_url=endpoint, config=Config(**config), **KEYS)


def through(proxy):
    """Makes clients that go to AWS's own names through Squall's CONNECT, as HTTPS_PROXY and AWS_CA_BUNDLE make them."""

    def client(service, **config):
        config = Config(proxies={"https": proxy.url}, **config)
        return boto3.client(service, REGION, config=config, verify=proxy.ca, **KEYS)

    return client
