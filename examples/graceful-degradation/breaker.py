"""A circuit breaker: after a few failures in a row, calls are refused at once for a while, then one is let through to try.

    breaker = Breaker(trips_on=(OperationalError,))
    breaker.call(lambda: database.read(key))     # raises Open where the call was not even made

What it saves is time: without it every request waits for a database that is not there, until no thread is left that could answer
from somewhere else. It counts the exceptions of `trips_on` only: an order that is refused because stock is gone is no failure of
the database.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Open(Exception):
    """The call was not made."""


class Breaker:
    """Closed, open, or half-open: closed but for one call that is under way to try."""

    def __init__(
        self,
        trips_on: tuple[type[Exception], ...],
        failures: int = 3,
        cooldown: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trips_on = trips_on
        self._most = failures
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._opened: float | None = None
        self._is_trying = False

    def call(self, work: Callable[[], T]) -> T:
        """What `work` gives or raises; or Open."""
        is_trial = self._admit()
        try:
            result = work()
        except self._trips_on:
            self._note_failure(is_trial)
            raise
        except BaseException:
            # Whatever else went wrong, who raised it was there to do so.
            self._note_success(is_trial)
            raise
        self._note_success(is_trial)
        return result

    @property
    def state(self) -> str:
        """In a word, for people."""
        with self._lock:
            if self._opened is None:
                return "closed"
            return "half-open" if self._is_trying else "open"

    def _admit(self) -> bool:
        """Whether the call is the one that tries."""
        with self._lock:
            if self._opened is None:
                return False
            if self._is_trying or self._clock() - self._opened < self._cooldown:
                raise Open
            self._is_trying = True
            return True

    def _note_failure(self, is_trial: bool) -> None:
        with self._lock:
            self._failed += 1
            if is_trial:
                self._is_trying = False
                self._opened = self._clock()
            elif self._opened is None and self._failed >= self._most:
                self._opened = self._clock()

    def _note_success(self, is_trial: bool) -> None:
        with self._lock:
            # A call that began before the breaker opened and ends well now says nothing about now: only the one that tries does.
            if is_trial or self._opened is None:
                self._failed = 0
                self._opened = None
                self._is_trying = self._is_trying and not is_trial
