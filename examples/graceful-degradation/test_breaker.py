"""What the breaker does, with a clock that stands still until it is moved. `python3 -m unittest` in this folder."""

import unittest

from breaker import Breaker, Open


class Gone(Exception):
    """The database is away."""


class BreakerTest(unittest.TestCase):
    """Three failures, two seconds."""

    def setUp(self) -> None:
        self.now = 0.0
        self.breaker = Breaker(trips_on=(Gone,), failures=3, cooldown=2.0, clock=lambda: self.now)

    def fail(self, times: int = 1) -> None:  # type: ignore[override]
        """So many calls that find the database gone."""
        for _ in range(times):
            with self.assertRaises(Gone):
                self.breaker.call(self.gone)

    @staticmethod
    def gone() -> None:
        """The call."""
        raise Gone

    def test_opens_after_three_failures_in_a_row_and_then_makes_no_call(self) -> None:
        self.fail(2)
        self.assertEqual(self.breaker.call(lambda: "there"), "there")
        self.fail(2)
        self.assertEqual(self.breaker.state, "closed")
        self.fail()
        with self.assertRaises(Open):
            self.breaker.call(lambda: self.assertTrue(False, "the call was made"))

    def test_lets_one_call_try_after_the_cooldown_and_closes_if_it_goes_well(self) -> None:
        self.fail(3)
        self.now = 2.0

        def trial() -> str:
            self.assertEqual(self.breaker.state, "half-open")
            with self.assertRaises(Open):
                self.breaker.call(lambda: "a second one at the same time")
            return "there"

        self.assertEqual(self.breaker.call(trial), "there")
        self.assertEqual(self.breaker.state, "closed")
        self.fail(2)
        self.assertEqual(self.breaker.state, "closed")

    def test_opens_for_another_cooldown_if_the_trial_fails(self) -> None:
        self.fail(3)
        self.now = 2.0
        self.fail()
        self.now = 3.9
        with self.assertRaises(Open):
            self.breaker.call(lambda: "too early")
        self.now = 4.0
        self.assertEqual(self.breaker.call(lambda: "there"), "there")

    def test_does_not_count_what_is_no_failure_of_the_database(self) -> None:
        for _ in range(5):
            with self.assertRaises(ValueError):
                self.breaker.call(lambda: int("an order that makes no sense"))
        self.assertEqual(self.breaker.state, "closed")

    def test_is_not_closed_by_a_call_that_began_before_it_opened(self) -> None:
        self.breaker.call(lambda: self.fail(3))
        self.assertEqual(self.breaker.state, "open")


if __name__ == "__main__":
    unittest.main()
