"""The resilient writer: a Lambda function that puts one item into DynamoDB, throttled or not.

What makes it resilient, and is worth copying:

* the item's id comes with the event, so that a write that is made twice is still one row;
* it retries what DynamoDB asks it to retry, and nothing else, up to ATTEMPTS times, with bounded exponential backoff and jitter:
  100 * 2^n ms and up to half as much again;
* the SDK's own retries are off. Where both retry, their attempts multiply.

With ATTEMPTS=1 it is the writer that nobody means to write.
"""

import os
import random
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Made once for the function's environment and kept between invocations, as Lambda's guide has it.
DYNAMODB = boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10))
TABLE = os.environ["TABLE"]
ATTEMPTS = int(os.environ["ATTEMPTS"])
FIRST_BACKOFF = 0.1
THROTTLES = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One write. It says whether the item was acknowledged, and what that took."""
    started = time.monotonic()
    throttled = 0
    acknowledged = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            put(event["id"], event["invocation"], attempt)
            acknowledged = True
            break
        except ClientError as error:
            if error.response["Error"]["Code"] not in THROTTLES:
                raise
            throttled += 1
            if attempt < ATTEMPTS:
                time.sleep(backoff(attempt))
    took = (time.monotonic() - started) * 1000
    return {"id": event["id"], "acknowledged": acknowledged, "attempts": attempt, "throttled": throttled, "ms": took}


def put(item: str, invocation: str, attempt: int) -> None:
    """One attempt. All attempts of a call carry one invocation id, as an SDK's own retries do; Squall knows the call by it."""

    def number(request: Any, **_: object) -> None:
        request.headers["amz-sdk-invocation-id"] = invocation
        request.headers["amz-sdk-request"] = f"attempt={attempt}; max={ATTEMPTS}"

    # After signing, as the SDK's own are. An invocation has its environment to itself, so the next one finds the last one's gone.
    DYNAMODB.meta.events.register("before-send.dynamodb.PutItem", number, unique_id="number")
    try:
        DYNAMODB.put_item(TableName=TABLE, Item={"id": {"S": item}})
    finally:
        DYNAMODB.meta.events.unregister("before-send.dynamodb.PutItem", unique_id="number")


def backoff(attempt: int) -> float:
    """Seconds until the next attempt."""
    return FIRST_BACKOFF * 2.0 ** (attempt - 1) * (1 + random.uniform(0, 0.5))
