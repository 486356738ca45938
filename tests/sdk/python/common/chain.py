"""Rows of credentials.json: a program that finds its credentials by the SDK's default chain, under `squall run` with a stand-in.

    python -m common.chain                              the program, with boto3: two calls, and what it saw of the last that it made
    python -m common.chain LANGUAGE PROGRAM [ARG …]     holds a program that does the same with another SDK to the rows
"""

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import far_end, squall

OPERATIONS = ["GetToken", "ListRoles", "GetCredentials"]


def check(language, program):
    """Holds a program to what the rows say of its language."""
    rows = json.loads(Path(os.environ["CASE"], "../../credentials.json").read_text())["rows"]
    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(lambda numbered: outcome(*numbered, program), enumerate(rows)))
    wrong = [line for row, (got, took) in zip(rows, seen) for line in differences(row, row.get(language, {}), got, took)]
    assert not wrong, "\n".join(wrong)


def differences(row, expected, got, took):
    """The time is a lower bound: more of it may be the machine's. Where a refresh in the background may or may not be in time, there are
    several outcomes."""
    what = f"{row['at']} {row['operation']} {json.dumps(row['fault'])}"
    print(what, json.dumps(got), f"{took:.1f} s", flush=True)
    several = expected if isinstance(expected, list) else [expected]
    same = [one for one in several if {**one, "seconds": None} == {**got, "seconds": None}]
    if not same:
        yield f"{what}: {expected}, not {got}"
    elif took < same[0]["seconds"] - 0.1:
        yield f"{what}: {took:.1f} s, not {same[0]['seconds']}"


def outcome(number, row, program):
    """What the program saw, how often it asked for what, which credentials its calls were made with, and the time in whole seconds."""
    profile = Path(os.environ["TMPDIR"]) / f"row-{number}.yaml"
    match = {"service": row["at"], "operation": row["operation"]}
    rule = {"name": "fault", "match": match, "fault": row["fault"], **({"when": row["when"]} if "when" in row else {})}
    profile.write_text(json.dumps({"seed": 7, "rules": [rule] if row["fault"] else []}))
    saw, took, lines = ran(row["at"], profile, program)
    asked = {name: sum(line.get("operation") == name for line in lines) for name in OPERATIONS}
    asked = {name: times for name, times in asked.items() if times}
    return {"saw": saw, "asked": asked, "calls_with": calls_with(lines), "seconds": int(took)}, took


def behind(at, profile, program):
    """What a program saw under a profile, and which credentials its calls were made with."""
    saw, _, lines = ran(at, profile, program)
    return saw, calls_with(lines)


def calls_with(lines):
    """The stand-in counts what it hands out."""
    return [int(line["access_key"].removeprefix("ASIAEXAMPLE")) for line in lines if line.get("operation") == "GetItem"]


def ran(at, profile, program):
    """What the program saw, the time it took, and the ledger; no secret is in that, nor in what Squall said."""
    with far_end.start() as far, tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.jsonl"
        options = ["-vv", "--endpoint", "--upstream", far.url, "--upstream", f"{at}=stand-in"]
        process = squall.run([*options, "--profile", profile, "--ledger", ledger], program, **environment(at))
        written, said = ledger.read_text(), process.stderr.decode()
    assert process.returncode == 0, said
    for secret in ["opens/nothing", "EXAMPLE-session"]:
        assert secret not in written and secret not in said, f"a secret was written: {said}"
    return *json.loads(process.stdout), [json.loads(line) for line in written.splitlines()]


def environment(at):
    """Nothing that gives credentials before the chain comes to `at`, and nothing after it."""
    after = {"AWS_EC2_METADATA_DISABLED": "true"} if at == "container-credentials" else {}
    return {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", **after}


def main():
    if len(sys.argv) > 2:
        return check(sys.argv[1], sys.argv[2:])
    import boto3

    since, saw, dynamodb = time.monotonic(), "ok", None
    for _ in range(2):
        try:
            dynamodb = dynamodb or boto3.client("dynamodb")
            dynamodb.get_item(TableName="orders", Key={"id": {"S": "1"}})
        except Exception as error:  # noqa: BLE001: which one is the question
            saw = type(error).__name__
            break
    print(json.dumps([saw, time.monotonic() - since]))


if __name__ == "__main__":
    sys.exit(main())
