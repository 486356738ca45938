#!/usr/bin/env python3
"""The graceful-degradation lab: a shop whose database goes away, without and with something to fall back to.

    python3 examples/graceful-degradation/lab.py           # about six minutes
    python3 examples/graceful-degradation/lab.py --short   # a little more than one

Each round: calm, an outage of the database, recovery, and then the orders counted. A third round has the same outage on a day
when the queue is throttled and the cache is slow too, and tells what that breaks.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from rig import squall, trouble, venv  # noqa: E402

if TYPE_CHECKING:
    from result import Result

EXPECTATION_FAILED = 3


def main() -> int:
    """Runs the lab and prints it."""
    options = arguments()
    venv.enter(options.venv, HERE / "requirements.txt")
    # Here and not above, as these need what is in the environment.
    import experiment
    import result

    phases = experiment.Phases(4, 10, 6) if options.short else experiment.Phases(20, 60, 30)
    rounds = [
        experiment.Round("before", "BEFORE: no fallback", degrades=False, database=options.database),
        experiment.Round("after", "AFTER: cache and queue", degrades=True, database=options.database),
        experiment.Round("bad-day", "AFTER, on a bad day", degrades=True, database=options.database, aws="bad-day"),
    ]
    results = []
    with experiment.start(squall.found(options.squall), options.seed) as lab:
        for round_ in rounds:
            say(f"{round_.heading}: {phases.calm} s calm, {phases.outage} s outage, {phases.recovery} s recovery ...")
            results.append(lab.play(round_, phases))
    failures = verdict(*results[:2])
    if options.output == "json":
        told = {"v": 1, "seed": options.seed, "rounds": [vars(played) for played in results], "failures": failures}
        print(json.dumps(told, indent=2))
    else:
        print("\n".join([result.compared(results), *failures, *map(result.told, results)]))
    return EXPECTATION_FAILED if failures else 0


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="phases of 4, 10 and 6 s instead of 20, 60 and 30")
    parser.add_argument(
        "--database",
        choices=["database-refuses", "database-hangs"],
        default="database-refuses",
        help="the profile of the outage [default: database-refuses]",
    )
    parser.add_argument("--squall", type=Path, metavar="PATH", help="the binary [default: this checkout's, or the PATH's]")
    parser.add_argument("--venv", type=Path, metavar="DIR", default=HERE / ".venv", help="keep the packages here")
    parser.add_argument("--seed", type=int, default=42, help="of customers' wishes and Squall's dice [default: 42]")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    return parser.parse_args()


def verdict(before: Result, after: Result) -> list[str]:
    """What is not as it must be. Of the bad day nothing is expected: what it breaks is what one wants to know."""
    failures = []
    if not before.lost:
        failures.append("BEFORE lost no order: there was no outage, and this run shows nothing")
    if not after.reads["CACHE"] or not after.writes["QUEUED"]:
        failures.append("AFTER fell back to nothing: there was no outage, and this run shows nothing")
    if after.lost:
        failures.append(f"AFTER lost orders: {', '.join(after.lost)}")
    if after.queue_left or after.dead_letters_left:
        failures.append(f"AFTER left messages: {after.queue_left} in the queue, {after.dead_letters_left} given up")
    for result in (before, after):
        failures.extend(f"{result.heading}: the stock is wrong: {wrong}" for wrong in result.miscounted)
    return failures


def say(text: str) -> None:
    """On the way, to whoever waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(trouble.told(main))
