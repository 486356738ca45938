"""Orders that wait in SQS until the database is back."""

import json
from dataclasses import asdict

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shop import Order

RETRIES = {"mode": "standard", "total_max_attempts": 3}
PATIENT = Config(connect_timeout=1, read_timeout=2, retries=RETRIES, max_pool_connections=32)
UNAVAILABLE = (BotoCoreError, ClientError)


class Buffer:
    """A queue with a message an order. `worker.py` drains it."""

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        self._client = boto3.client("sqs", config=PATIENT)

    def send(self, order: Order) -> None:
        """Once this returns the order is safe; raises UNAVAILABLE."""
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(asdict(order)))
