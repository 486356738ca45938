"""Products as last seen, in DynamoDB: what readers get while the database is away."""

import logging

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shop import Product

RETRIES = {"mode": "standard", "total_max_attempts": 2}
# The SDK's own 60 s would keep a reader, and a thread, for a minute.
QUICK = Config(connect_timeout=1, read_timeout=1, retries=RETRIES, max_pool_connections=32)
UNAVAILABLE = (BotoCoreError, ClientError)


class Cache:
    """A table with an item a product."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._client = boto3.client("dynamodb", config=QUICK)
        self._written: dict[str, Product] = {}

    def put(self, product: Product) -> None:
        """Keeps it. Where that fails the reader has his answer all the same: it came from the database."""
        if self._written.get(product.id) == product:
            return
        item = {"id": {"S": product.id}, "name": {"S": product.name}, "stock": {"N": str(product.stock)}}
        try:
            self._client.put_item(TableName=self._table, Item=item)
        except UNAVAILABLE as error:
            logging.warning("not cached: %s", error)
        else:
            self._written[product.id] = product

    def get(self, product: str) -> Product | None:
        """As it was last seen; raises UNAVAILABLE."""
        item = self._client.get_item(TableName=self._table, Key={"id": {"S": product}}).get("Item")
        return Product(item["id"]["S"], item["name"]["S"], int(item["stock"]["N"])) if item else None
