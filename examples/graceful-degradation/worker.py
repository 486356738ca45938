"""The recovery worker: a Lambda function that takes orders from the queue and places them, once the database is back.

It tells Lambda which messages it could not do (`ReportBatchItemFailures`): those are delivered again after the queue's visibility
timeout, the others are deleted. Without that one failure brings the whole batch back.
"""

import functools
import json
import os
from typing import Any

from shop import GONE, Order, Shop


@functools.cache
def shop() -> Shop:
    """Made at the first message, and kept with its connection as long as Lambda keeps the environment."""
    return Shop(os.environ["DATABASE_URL"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """One batch."""
    undone = list(event["Records"])
    try:
        while undone:
            # In stock or not: either way the order is decided, and the message done with.
            shop().place(Order(**json.loads(undone[0]["body"])))
            undone.pop(0)
    except GONE as error:
        # Gone for one is gone for all: to try each would take longer than the function has, and then none would be told as done.
        print(f"{len(undone)} of {len(event['Records'])} orders wait on: {error}")
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in undone]}
