#!/usr/bin/env python3
"""The chaos resilience drill with a real Lambda function: is anything lost while DynamoDB is throttled or slow?

    python3 examples/chaos-resilience/drill.py

Fifty invocations, ten at a time, under the three profiles of `squall demo`, and the rows in the table counted afterwards. Then
once more under the throttle with a writer that does not retry, which must lose rows: what cannot fail proves nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from rig import ministack, squall, table, trouble, venv  # noqa: E402

CALLS, AT_A_TIME, ATTEMPTS = 50, 10, 5
TABLE = "drill"
EXPECTATION_FAILED = 3


@dataclass(frozen=True)
class Round:
    """One writer under one profile."""

    profile: str
    attempts: int = ATTEMPTS

    @property
    def name(self) -> str:
        """As the table has it."""
        return self.profile if self.attempts > 1 else f"{self.profile}, no retries"

    @property
    def slug(self) -> str:
        """As files, functions and items have it."""
        return self.name.replace(", ", "-").replace(" ", "-")


ROUNDS = [Round("calm"), Round("dynamodb-throttle"), Round("slow-300ms"), Round("dynamodb-throttle", attempts=1)]


@dataclass(frozen=True)
class Outcome:
    """What a round came to."""

    profile: str
    requests: int
    ok: int
    failed: int
    throttled: int
    attempts: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    # Sent by the drill and not in the table.
    lost: list[str]
    # Told to be written, and not in the table. The worst there is.
    acknowledged_and_lost: list[str]

    def row(self) -> list[object]:
        """As `squall demo` has it."""
        times = [f"{ms:.1f}" for ms in (self.p50_ms, self.p95_ms, self.p99_ms)]
        counts = [self.requests, self.ok, self.failed, self.throttled, self.attempts]
        return [self.profile, *counts, *times, len(self.lost)]


def main() -> int:
    """Runs the drill and prints it."""
    options = arguments()
    venv.enter(options.venv, HERE / "requirements.txt")
    binary = squall.found(options.squall)
    with tempfile.TemporaryDirectory(prefix="squall-drill-") as folder, ministack.start(Path(folder)) as aws:
        aws.create_table(TABLE)
        outcomes = [drilled(round_, aws, binary, Path(folder) / round_.slug, options.seed) for round_ in ROUNDS]
    if options.output == "json":
        print(json.dumps({"v": 1, "seed": options.seed, "rounds": [asdict(outcome) for outcome in outcomes]}, indent=2))
    else:
        print(told(outcomes, options.seed))
    return verdict(outcomes)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--squall", type=Path, metavar="PATH", help="the binary [default: this checkout's, or the PATH's]")
    parser.add_argument("--venv", type=Path, metavar="DIR", default=HERE / ".venv", help="keep the packages here")
    parser.add_argument("--seed", type=int, default=42, help="of Squall's dice [default: 42]")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    return parser.parse_args()


def drilled(round_: Round, aws: ministack.MiniStack, binary: Path, folder: Path, seed: int) -> Outcome:
    """The load under one profile, with a Squall and a function of its own."""
    name = f"writer-{round_.slug}"
    ids = [f"{round_.slug}-{number:02}" for number in range(CALLS)]
    with squall.serve(binary, aws.url, folder, "--profile", round_.profile, "--seed", str(seed)) as proxy:
        environment = {
            "TABLE": TABLE,
            "ATTEMPTS": str(round_.attempts),
            # As for any program: the function's code knows nothing of Squall, and its SDK signs for AWS's own host.
            "HTTPS_PROXY": proxy.url,
            "AWS_CA_BUNDLE": str(proxy.ca),
            # MiniStack gives functions AWS_ENDPOINT_URL, its own address, which would lead past the proxy.
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        }
        aws.create_function(name, [HERE / "writer.py"], "writer.handler", environment)
        client = aws.client("lambda", retries={"total_max_attempts": 1}, max_pool_connections=AT_A_TIME, read_timeout=60)
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            answers = list(pool.map(lambda item: invoked(client, name, item, seed), ids))
        client.delete_function(FunctionName=name)
    agree(answers, proxy)
    return judged(round_, ids, answers, rows(aws))


def invoked(client: Any, name: str, item: str, seed: int) -> dict[str, Any]:
    """One invocation of the function, and what it returned."""
    # Chance is tied to a call's invocation id, which SDKs draw anew each time; a fixed one makes the drill repeat with its seed.
    event = {"id": item, "invocation": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}/{number_of(item)}"))}
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    payload = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise trouble.Trouble(f"the function failed: {payload}")
    told: dict[str, Any] = json.loads(payload)
    return told


def number_of(item: str) -> str:
    """The last part of its id."""
    return item.rsplit("-", 1)[1]


def rows(aws: ministack.MiniStack) -> set[str]:
    """The ids of all items in the table, asked without Squall in between."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    return {item["id"]["S"] for page in pages for item in page["Items"]}


def agree(answers: list[dict[str, Any]], proxy: squall.Squall) -> None:
    """What the functions saw and what Squall counted must be the same: else their calls went another way."""
    seen = [(row["operation"], row["invocations"], row["attempts"], row["injected"]) for row in proxy.summary["operations"]]
    throttled = sum(answer["throttled"] for answer in answers)
    told = [("PutItem", CALLS, sum(answer["attempts"] for answer in answers), throttled)]
    if seen != told:
        raise trouble.Trouble(f"the functions told of {told}, and Squall saw {seen}; it said:\n{proxy.report}")


def judged(round_: Round, ids: list[str], answers: list[dict[str, Any]], kept: set[str]) -> Outcome:
    """Counts."""
    times = sorted(answer["ms"] for answer in answers)
    acknowledged = {answer["id"] for answer in answers if answer["acknowledged"]}
    return Outcome(
        profile=round_.name,
        requests=len(answers),
        ok=len(acknowledged),
        failed=len(answers) - len(acknowledged),
        throttled=sum(answer["throttled"] for answer in answers),
        attempts=sum(answer["attempts"] for answer in answers),
        p50_ms=quantile(times, 0.50),
        p95_ms=quantile(times, 0.95),
        p99_ms=quantile(times, 0.99),
        lost=[item for item in ids if item not in kept],
        acknowledged_and_lost=sorted(acknowledged - kept),
    )


def quantile(times: list[float], q: float) -> float:
    """Of sorted times, the smallest that so many do not exceed."""
    return times[max(0, -int(-q * len(times) // 1) - 1)]


def told(outcomes: list[Outcome], seed: int) -> str:
    """The table, and what it means."""
    header = ["profile", "requests", "ok", "failed", "throttled", "attempts", "p50 ms", "p95 ms", "p99 ms", "lost"]
    *resilient, naive = outcomes
    lines = [table.drawn(header, [outcome.row() for outcome in outcomes], rules_before=[len(resilient)])]
    lines.append(f"seed {seed} (the same dice again: --seed {seed})")
    for outcome in resilient:
        lines.append(f"{outcome.profile}: {loss(outcome)}")
    lines.append(f"{naive.profile}: {loss(naive)}")
    if not naive.lost:
        lines.append("The writer without retries should have lost rows: this drill would not have seen a loss.")
    return "\n".join(lines)


def loss(outcome: Outcome) -> str:
    """In words."""
    if outcome.acknowledged_and_lost:
        return f"DATA LOSS: acknowledged, and not in the table: {', '.join(outcome.acknowledged_and_lost)}"
    if outcome.lost:
        numbers = ", ".join(number_of(item) for item in outcome.lost)
        return f"{len(outcome.lost)} of {outcome.requests} rows lost: {numbers}"
    return f"zero loss: {outcome.requests} invocations, {outcome.requests} rows"


def verdict(outcomes: list[Outcome]) -> int:
    """0 if the resilient writer lost nothing, and the other one did."""
    *resilient, naive = outcomes
    nothing_lost = not any(outcome.lost or outcome.acknowledged_and_lost for outcome in resilient)
    return 0 if nothing_lost and naive.lost else EXPECTATION_FAILED


if __name__ == "__main__":
    sys.exit(trouble.told(main))
