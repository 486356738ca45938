"""Customers: three reads and one order a second, whatever became of the ones before."""

import itertools
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from shop import Order

READS_PER_ORDER = 3
A_SECOND = 1 + READS_PER_ORDER
# A customer waits no longer.
PATIENCE = 5.0


@dataclass
class Tally:
    """What customers met with."""

    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=lambda: {"reads": 0.0, "writes": 0.0})
    answers: dict[str, str] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)


class Traffic:
    """The customers of the shop at `url`, who want these products. The same seed makes the same wishes."""

    def __init__(self, url: str, products: list[str], seed: int) -> None:
        self._url = url
        self._products = products
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.tally = Tally()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Customers come meanwhile; afterwards the last of them has his answer."""
        closing = threading.Event()
        street = threading.Thread(target=self._run, args=[closing])
        street.start()
        try:
            yield
        finally:
            closing.set()
            street.join()

    def _run(self, closing: threading.Event) -> None:
        """Sends each request at its time. Waiting for answers would spare the shop just when it is slow."""
        started = time.monotonic()
        with ThreadPoolExecutor(64) as customers:
            for number in itertools.count():
                if closing.wait(max(0.0, started + number / A_SECOND - time.monotonic())):
                    return
                product = self._dice.choice(self._products)
                if number % A_SECOND:
                    customers.submit(self._read, product)
                else:
                    customers.submit(self._order, Order(f"order-{number // A_SECOND:04}", product, 1))

    def _read(self, product: str) -> None:
        answer, took = self._ask(urllib.request.Request(f"{self._url}/products/{product}"))
        with self._lock:
            self.tally.reads[answer] += 1
            self.tally.slowest["reads"] = max(self.tally.slowest["reads"], took)

    def _order(self, order: Order) -> None:
        body = json.dumps({"id": order.id, "product": order.product, "quantity": order.quantity}).encode()
        request = urllib.request.Request(f"{self._url}/orders", body, {"content-type": "application/json"})
        answer, took = self._ask(request)
        with self._lock:
            self.tally.orders[order.id] = order
            self.tally.answers[order.id] = answer
            self.tally.writes[answer] += 1
            self.tally.slowest["writes"] = max(self.tally.slowest["writes"], took)

    def _ask(self, request: urllib.request.Request) -> tuple[str, float]:
        """What the app says its answer was made of, and how long it took."""
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                said = json.load(answer)["answer"]
        except urllib.error.HTTPError as refusal:
            # 409 says STOCK_OUT; 503 says FAIL; a 500 says nothing that could be read.
            said = json.loads(body)["answer"] if (body := refusal.read()).startswith(b"{") else "FAIL"
        except (urllib.error.URLError, OSError):
            said = "FAIL"
        return said, time.monotonic() - started
