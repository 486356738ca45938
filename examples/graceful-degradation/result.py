"""What a round came to, and the table of several."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rig import table


@dataclass(frozen=True)
class Result:
    """One round's."""

    name: str
    heading: str
    # What customers were answered.
    reads: Counter[str]
    writes: Counter[str]
    slowest_read: float
    slowest_write: float
    # Promised, and then refused by the worker, as stock was gone.
    refused_later: int
    # Neither sold nor refused, once all is quiet. One that lies in the dead-letter queue until somebody looks is among them.
    lost: list[str]
    # Of these, the ones that the customer was told to have bought. The worst there is.
    lost_after_promise: list[str]
    queue_left: int
    dead_letters_left: int
    # Products of which more or less was taken from the stock than was sold.
    miscounted: list[str]
    # Which rule struck how often.
    struck: dict[str, int]


def compared(results: Sequence[Result]) -> str:
    """Side by side."""
    rows: list[list[object]] = []
    for answer in ("DB", "CACHE", "FAIL"):
        rows.append([f"reads {answer}", *(result.reads[answer] for result in results)])
    rows.append(["slowest read", *(f"{result.slowest_read:.1f} s" for result in results)])
    for answer in ("OK", "QUEUED", "STOCK_OUT", "FAIL"):
        rows.append([f"writes {answer}", *(result.writes[answer] for result in results)])
    rows.append(["slowest write", *(f"{result.slowest_write:.1f} s" for result in results)])
    rows.append(["queued, then out of stock", *(result.refused_later for result in results)])
    rows.append(["orders lost", *(len(result.lost) for result in results)])
    rows.append(["  of these, promised", *(len(result.lost_after_promise) for result in results)])
    rows.append(["left in the queue", *(result.queue_left for result in results)])
    rows.append(["left in the dead-letter queue", *(result.dead_letters_left for result in results)])
    return table.drawn(["", *(result.heading for result in results)], rows, rules_before=[4, 9])


def told(result: Result) -> str:
    """What it means, in a line or two."""
    struck = ", ".join(f"{rule} {times}x" for rule, times in sorted(result.struck.items())) or "nothing"
    lines = [f"{result.heading}: struck by {struck}."]
    reads = f"{result.reads['FAIL']} of {result.reads.total()} reads"
    writes = f"{result.writes['FAIL']} of {result.writes.total()} orders"
    lines.append(f"  {reads} and {writes} were answered with an error; orders lost: {len(result.lost)}.")
    if result.lost_after_promise:
        lines.append(f"  BROKEN PROMISES (told OK or QUEUED): {', '.join(result.lost_after_promise)}")
    return "\n".join(lines)
