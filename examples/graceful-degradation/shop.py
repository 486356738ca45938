"""The shop's database: products with stock, and orders that take from it.

An order's id is the customer's own, so placing it again changes nothing. That is what lets everybody around retry: the customer,
the app that does not know whether its COMMIT arrived, and SQS, which delivers at least once.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

SCHEMA = """
CREATE TABLE products (id text PRIMARY KEY, name text NOT NULL, stock integer NOT NULL CHECK (stock >= 0));
CREATE TABLE orders (
    id text PRIMARY KEY,
    product text NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    status text NOT NULL CHECK (status IN ('accepted', 'stock_out'))
);
"""
# What the database raises when it is not there, whichever way: refused, reset, too late. Everything else is a mistake of ours.
GONE = psycopg.OperationalError


@dataclass(frozen=True)
class Product:
    """What is for sale."""

    id: str
    name: str
    stock: int


@dataclass(frozen=True)
class Order:
    """What a customer wants."""

    id: str
    product: str
    quantity: int


class Shop:
    """Reads and orders. Each thread keeps a connection of its own until one fails, its own or another's."""

    def __init__(self, url: str, seconds: float = 2.0) -> None:
        self._url = url
        self._seconds = seconds
        self._mine = threading.local()
        self._outages = 0

    def product(self, product: str) -> Product | None:
        """One, with its stock."""
        with self._connection() as connection:
            row = connection.execute("SELECT id, name, stock FROM products WHERE id = %s", (product,)).fetchone()
        return Product(*row) if row else None

    def place(self, order: Order) -> str:
        """Its status: `accepted`, or `stock_out` where less is left than it asks for. The second time is as the first."""
        with self._connection() as connection, connection.transaction():
            is_new = connection.execute(
                "INSERT INTO orders VALUES (%s, %s, %s, 'accepted') ON CONFLICT DO NOTHING",
                (order.id, order.product, order.quantity),
            ).rowcount
            if is_new and not self._take(connection, order):
                # A refusal is kept too: an order that is not in this table is one that was lost.
                connection.execute("UPDATE orders SET status = 'stock_out' WHERE id = %s", (order.id,))
            row = connection.execute("SELECT status FROM orders WHERE id = %s", (order.id,)).fetchone()
        assert row is not None
        return str(row[0])

    @staticmethod
    def _take(connection: psycopg.Connection, order: Order) -> bool:
        taken = connection.execute(
            "UPDATE products SET stock = stock - %(quantity)s WHERE id = %(product)s AND stock >= %(quantity)s",
            {"product": order.product, "quantity": order.quantity},
        )
        return taken.rowcount == 1

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        connection = self._kept() or self._opened()
        try:
            with within(self._seconds, connection):
                yield connection
        except GONE:
            connection.close()
            self._outages += 1
            raise

    def _kept(self) -> psycopg.Connection | None:
        """This thread's, where it is still good.

        What ended one connection has most likely ended all, and the others do not know yet: each of them would fail one more
        request after the database is back. A circuit breaker, which tries with one at a time, would stay open for as many tries.
        """
        connection: psycopg.Connection | None = getattr(self._mine, "connection", None)
        if connection is None or connection.closed:
            return None
        if self._mine.outages != self._outages:
            connection.close()
            return None
        return connection

    def _opened(self) -> psycopg.Connection:
        """A new one. libpq would make 2 s of less; without prepared statements any pooler may stand in between."""
        outages = self._outages
        connection = psycopg.connect(self._url, connect_timeout=2, autocommit=True, prepare_threshold=None)
        self._mine.connection, self._mine.outages = connection, outages
        return connection


@contextmanager
def within(seconds: float, connection: psycopg.Connection) -> Iterator[None]:
    """Breaks the connection off where it takes longer.

    Neither psycopg nor the kernel does: once a query is sent they wait for its answer, and as long as something at the other end
    (a load balancer, a proxy) acknowledges the bytes, no keep-alive and no TCP_USER_TIMEOUT ends it. `statement_timeout` is kept
    by the server, which is the one that does not answer.
    """
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as twin:

        def break_off() -> None:
            # The other thread sees an end of stream, and raises OperationalError; unless it has just seen one.
            with suppress(OSError):
                twin.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, break_off)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
