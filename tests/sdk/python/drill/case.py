"""The chaos resilience drill: fifty writes, ten at a time, under three profiles, and no acknowledged item is lost.

The writer is what a careful team would write: boto3 with its own retries off, each call under an invocation id of its own with
numbered attempts, bounded exponential backoff with jitter (100 * 2^n ms, up to 50 % more), five attempts. moto runs through all three
profiles without a restart; the rows it holds at the end are counted against what the writer was told. The throttled round is run
twice: with the same seed the same calls are throttled, however the threads come.
"""

import random
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from common import clients, emulator, squall

TABLE, CALLS, AT_A_TIME, ATTEMPTS, SEED = "orders", 50, 10, 5, 42
THROTTLES = {"ProvisionedThroughputExceededException", "ThrottlingException"}


class Writer:
    """Writes items and counts what it meets."""

    def __init__(self, client, profile):
        self.client, self.profile = client, profile
        self.current = threading.local()
        self.attempts = Counter()
        self.throttled = Counter()
        client.meta.events.register("before-send.dynamodb.PutItem", self.number)

    def number(self, request, **_):
        """In place of boto3's own numbers, which it adds after signing too."""
        request.headers["amz-sdk-invocation-id"] = self.current.invocation
        request.headers["amz-sdk-request"] = f"attempt={self.current.attempt}; max={ATTEMPTS}"

    def write(self, i):
        """One call: (its item's id, whether it was acknowledged, how long it took)."""
        item = f"{self.profile}-{i:02}"
        jitter = random.Random(item)
        self.current.invocation = str(uuid.uuid5(uuid.NAMESPACE_URL, item))
        started = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            self.current.attempt = attempt
            self.attempts[item] += 1
            try:
                self.client.put_item(TableName=TABLE, Item={"id": {"S": item}, "n": {"N": str(i)}})
                return item, True, time.monotonic() - started
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code not in THROTTLES:
                    raise
                assert isinstance(error, self.client.exceptions.ProvisionedThroughputExceededException), type(error)
                self.throttled[item] += 1
                if attempt < ATTEMPTS:
                    time.sleep(0.1 * 2 ** (attempt - 1) * (1 + 0.5 * jitter.random()))
        return item, False, time.monotonic() - started


def drill(upstream, profile):
    with squall.serve(upstream, "--profile", profile, "--seed", str(SEED)) as proxy:
        config = {"retries": {"total_max_attempts": 1}, "max_pool_connections": AT_A_TIME}
        writer = Writer(clients.through(proxy)("dynamodb", **config), profile)
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            calls = list(pool.map(writer.write, range(CALLS)))
    return writer, calls, proxy.summary


def check(profile, writer, calls, summary):
    """What the client saw and what Squall counted are the same."""
    [row] = summary["operations"]
    ok = sum(acknowledged for _, acknowledged, _ in calls)
    attempts, throttled = writer.attempts.total(), writer.throttled.total()
    assert (row["service"], row["operation"]) == ("dynamodb", "PutItem"), row
    assert (row["invocations"], row["attempts"], row["injected"]) == (CALLS, attempts, throttled), row
    assert (row["upstream_4xx"], row["upstream_5xx"], row["upstream_failed"], row["client_gone"]) == (0, 0, 0, 0), row
    assert (summary["seed"], summary["profiles"]) == (SEED, [profile]), summary
    totals = summary["invocations"]
    assert totals["not_correlatable"] == 0, totals
    if profile == "calm":
        assert (ok, attempts, totals["met_fault"]) == (CALLS, CALLS, 0)
    if profile == "dynamodb-throttle":
        recovered = Counter(writer.attempts[item] for item, ok, _ in calls if ok and writer.throttled[item])
        assert throttled > 0, "30 % of fifty calls were to be throttled, and none was"
        assert totals["recovered"] == {str(n): count for n, count in recovered.items()}, (totals, recovered)
        assert sum(totals["gave_up"].values()) == CALLS - ok, totals
    if profile == "slow-300ms":
        assert (ok, attempts, totals["recovered"]) == (CALLS, CALLS, {"1": CALLS}), totals
        assert min(took for _, _, took in calls) >= 0.3 and row["p50_us"] >= 300_000


def main():
    print(f"{'profile':20}{'requests':>9}{'ok':>5}{'failed':>8}{'throttled':>11}{'attempts':>10}{'p50':>9}{'p95':>9}{'p99':>9}")
    with emulator.start() as upstream:
        direct = clients.at(upstream)("dynamodb")
        direct.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        acknowledged = set()
        for profile in ("calm", "dynamodb-throttle", "slow-300ms"):
            writer, calls, summary = drill(upstream, profile)
            ok = {item for item, acknowledged, _ in calls if acknowledged}
            acknowledged |= ok
            times = sorted(took for _, _, took in calls)
            p50, p95, p99 = (f"{times[min(int(CALLS * q), CALLS - 1)] * 1000:.0f} ms" for q in (0.50, 0.95, 0.99))
            figures = f"{len(ok):5}{CALLS - len(ok):8}{writer.throttled.total():11}{writer.attempts.total():10}"
            print(f"{profile:20}{len(calls):9}{figures}{p50:>9}{p95:>9}{p99:>9}")
            check(profile, writer, calls, summary)
            if profile == "dynamodb-throttle":
                again, _, _ = drill(upstream, profile)
                assert again.throttled == writer.throttled, "the same seed and the same calls met other throttles"
        pages = direct.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        rows = {item["id"]["S"] for page in pages for item in page["Items"]}
    lost = acknowledged - rows
    print(f"seed {SEED}: rows: {len(rows)}, acknowledged: {len(acknowledged)}, acknowledged and lost: {len(lost)}")
    assert not lost, f"lost: {sorted(lost)}"
    # An injected throttle never reaches the table, so a call that gave up has left nothing there either.
    assert rows == acknowledged, f"never acknowledged, yet there: {sorted(rows - acknowledged)}"


if __name__ == "__main__":
    sys.exit(main())
