"""What a round plays on: the database's content, the cache's table, the queues, the worker, and the app itself."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from postgres import Postgres
from shop import SCHEMA, Product

from rig import ministack, processes
from rig.ministack import MiniStack

HERE = Path(__file__).resolve().parent
# Two that never run out, and one that does: STOCK_OUT is an answer, and no failure.
PRODUCTS = [Product("lamp", "Lamp", 10_000), Product("chair", "Chair", 10_000), Product("print", "Signed print", 3)]
# Seconds until a message that the worker could not do is delivered again. Not less than the function's own timeout, or it is
# delivered to a second one while the first still works on it.
VISIBILITY = 6
# Together they must outlast the outage: 6 s * 50 are five minutes. Three, as is often seen, would have every order in the
# dead-letter queue after 18 s.
MOST_RECEIVES = 50
WORKER = ["worker.py", "shop.py"]


@dataclass(frozen=True)
class Stage:
    """One round's."""

    name: str
    aws: MiniStack
    postgres: Postgres

    def set_up(self, database_url: str) -> None:
        """Everything but the app. The worker reaches the database by this URL."""
        self._fill_database()
        self.aws.create_table(self.cache_table)
        dead_letters = self._create_queue(self.dead_letter_queue)
        redrive = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": MOST_RECEIVES})
        orders = self._create_queue(self.queue, VisibilityTimeout=str(VISIBILITY), RedrivePolicy=redrive)
        worker = self.aws.create_function(
            self.name, [HERE / file for file in WORKER], "worker.handler", {"DATABASE_URL": database_url}, seconds=VISIBILITY
        )
        self.aws.client("lambda").create_event_source_mapping(
            EventSourceArn=orders, FunctionName=worker, BatchSize=5, FunctionResponseTypes=["ReportBatchItemFailures"]
        )

    def _fill_database(self) -> None:
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{self.name}"')
        with psycopg.connect(self.postgres.url(self.name)) as connection:
            connection.execute(SCHEMA)
            for product in PRODUCTS:
                connection.execute("INSERT INTO products VALUES (%s, %s, %s)", (product.id, product.name, product.stock))

    def _create_queue(self, name: str, **attributes: str) -> str:
        """Gives its ARN."""
        sqs = self.aws.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    @contextmanager
    def app(self, database_url: str, endpoint_url: str, degrades: bool, log: Path) -> Iterator[str]:
        """Serves the shop at the URL that it gives; its database and its AWS are where these say."""
        port = processes.free_port()
        environment = {
            "PORT": str(port),
            "DATABASE_URL": database_url,
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_DEFAULT_REGION": ministack.REGION,
            **ministack.KEYS,
        }
        if degrades:
            queue_url = self.aws.client("sqs").get_queue_url(QueueName=self.queue)["QueueUrl"]
            environment |= {"CACHE_TABLE": self.cache_table, "QUEUE_URL": queue_url}
        url = f"http://127.0.0.1:{port}"
        ready = lambda: ministack.answers(f"{url}/health")  # noqa: E731
        with processes.running([sys.executable, HERE / "app.py"], log, ready, environment):
            yield url

    def drain(self, seconds: float) -> None:
        """Waits until the worker has done all it can, but not for ever."""
        until = time.monotonic() + seconds
        while self.waiting(self.queue) and time.monotonic() < until:
            time.sleep(0.2)

    def waiting(self, queue: str) -> int:
        """How many messages are in it, those included that are being worked on."""
        sqs = self.aws.client("sqs")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))

    def orders(self) -> dict[str, str]:
        """What became of each that arrived, by its id; asked with no Squall in between."""
        with psycopg.connect(self.postgres.url(self.name)) as connection:
            return dict(connection.execute("SELECT id, status FROM orders").fetchall())

    def miscounted(self) -> list[str]:
        """Products of which more or less was taken than was sold."""
        sold = "SELECT coalesce(sum(quantity), 0) FROM orders WHERE product = products.id AND status = 'accepted'"
        with psycopg.connect(self.postgres.url(self.name)) as connection:
            rows = connection.execute(f"SELECT id, stock, ({sold}) FROM products").fetchall()
        stocked = {product.id: product.stock for product in PRODUCTS}
        return [f"{id_}: {stocked[id_]} - {stock} != {sold}" for id_, stock, sold in rows if stocked[id_] - stock != sold]

    @property
    def cache_table(self) -> str:
        """Its name."""
        return f"{self.name}-products"

    @property
    def queue(self) -> str:
        """Its name."""
        return f"{self.name}-orders"

    @property
    def dead_letter_queue(self) -> str:
        """Its name."""
        return f"{self.name}-orders-dead"
