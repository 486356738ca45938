"""The web app: `GET /products/ID` and `POST /orders`.

Each answer says what it was made of: DB, CACHE, OK, QUEUED, STOCK_OUT or FAIL. With a Fallback the app degrades while the
database is away: readers get products as last seen, orders wait in a queue. Without one it fails. Everything else is the same.
"""

import logging
import os
from dataclasses import asdict, dataclass

import waitress
from flask import Flask, request
from flask.typing import ResponseReturnValue

import buffer
import cache
from breaker import Breaker, Open
from shop import GONE, Order, Product, Shop

THREADS = 32


@dataclass(frozen=True)
class Fallback:
    """What takes over."""

    breaker: Breaker
    cache: cache.Cache
    buffer: buffer.Buffer


def create_app(shop: Shop, fallback: Fallback | None) -> Flask:
    """The app; it degrades if there is something to fall back to."""
    app = Flask(__name__)

    @app.get("/health")
    def health() -> ResponseReturnValue:
        # Of the app alone. One that asks the database here is taken away by its load balancer just when it could still serve.
        return {"breaker": fallback.breaker.state if fallback else "none"}

    @app.get("/products/<product_id>")
    def read(product_id: str) -> ResponseReturnValue:
        try:
            product, source = read_with(fallback, shop, product_id) if fallback else (shop.product(product_id), "DB")
        except (GONE, Open, *cache.UNAVAILABLE) as error:
            return failed(error)
        if product is None:
            return {"answer": "FAIL", "why": "no such product"}, 404
        return {"answer": source, **asdict(product)}

    @app.post("/orders")
    def order() -> ResponseReturnValue:
        wanted = Order(**request.get_json())
        try:
            answer = place_with(fallback, shop, wanted) if fallback else status(shop.place(wanted))
        except (GONE, Open, *buffer.UNAVAILABLE) as error:
            return failed(error)
        return {"answer": answer}, {"OK": 201, "QUEUED": 202, "STOCK_OUT": 409}[answer]

    return app


def read_with(fallback: Fallback, shop: Shop, product_id: str) -> tuple[Product | None, str]:
    """From the database, else from the cache."""
    try:
        product = fallback.breaker.call(lambda: shop.product(product_id))
    except (GONE, Open):
        return fallback.cache.get(product_id), "CACHE"
    if product is not None:
        fallback.cache.put(product)
    return product, "DB"


def place_with(fallback: Fallback, shop: Shop, order: Order) -> str:
    """Into the database, else into the queue."""
    try:
        return status(fallback.breaker.call(lambda: shop.place(order)))
    except (GONE, Open):
        # It may be in the database all the same, where only the answer to COMMIT was lost. The worker finds it there by its id.
        fallback.buffer.send(order)
        return "QUEUED"


def status(placed: str) -> str:
    """To the customer."""
    return {"accepted": "OK", "stock_out": "STOCK_OUT"}[placed]


def failed(error: Exception) -> ResponseReturnValue:
    """The customer is told to come again, and where he does not, is lost."""
    logging.warning("%s %s: %s: %s", request.method, request.path, type(error).__name__, error)
    return {"answer": "FAIL", "why": str(error)}, 503


def main() -> None:
    """Serves as the environment says: PORT, DATABASE_URL, and for the fallback CACHE_TABLE and QUEUE_URL."""
    fallback = None
    if "QUEUE_URL" in os.environ:
        fallback = Fallback(
            Breaker(trips_on=(GONE,)), cache.Cache(os.environ["CACHE_TABLE"]), buffer.Buffer(os.environ["QUEUE_URL"])
        )
    app = create_app(Shop(os.environ["DATABASE_URL"]), fallback)
    # One process with threads: all of them share the breaker, so three failures are three of the app's and not of one worker's.
    waitress.serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=THREADS)


if __name__ == "__main__":
    main()
