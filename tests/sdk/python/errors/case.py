"""Every row of errors.json with boto3: the typed exception, its code, status, message and request id, and the attempts made."""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from botocore.exceptions import ClientError

from common import clients, squall

NOBODY = "http://127.0.0.1:9"


def main():
    facts = json.loads(Path(os.environ["CASE"], "../../errors.json").read_text())
    kinds = {}
    for row in facts["errors"]:
        row |= {"type": facts["types"][row["service"]], **row.get("python", {})}
        kinds.setdefault(row["fault"] if isinstance(row["fault"], str) else "error", []).append(row)
    wrong = [line for kind, rows in kinds.items() for line in differing(kind, rows, facts["calls"])]
    assert not wrong, "\n".join(wrong)


def differing(kind, rows, calls):
    """What differs among the calls that meet a kind of fault. A Squall of its own gives each operation one fault, and counts its attempts."""
    rules = [{"name": row["operation"], "match": {"service": row["service"], "operation": row["operation"]}, "fault": row["fault"]} for row in rows]
    profile = Path(os.environ["TMPDIR"]) / f"{kind}.yaml"
    profile.write_text(json.dumps({"rules": rules}))
    with squall.serve(NOBODY, "--profile", profile) as proxy, ThreadPoolExecutor(len(rows)) as pool:
        client = clients.through(proxy)
        made = {service: client(service, retries={"mode": "standard"}) for service in {row["service"] for row in rows}}
        raised = list(pool.map(lambda row: call(made[row["service"]], row["operation"], calls[row["operation"]]), rows))
    lines = [difference(row, error, proxy.summary) for row, error in zip(rows, raised, strict=True)]
    aws, total = proxy.summary["aws"], proxy.summary["exchanges"]["total"]
    if not aws["attempts"] == aws["injected"] == total:
        lines.append(f"{kind}: not all {total} exchanges were answered by Squall: {proxy.summary}")
    return [line for line in lines if line]


def call(client, operation, parameters):
    """What it raised, if anything."""
    method = next(method for method, name in client.meta.method_to_api_mapping.items() if name == operation)
    try:
        getattr(client, method)(**parameters)
    except ClientError as error:
        return error


def difference(row, error, summary):
    service, operation, fault = row["service"], row["operation"], row["fault"]
    what = f"{service:16} {operation:30} {fault if isinstance(fault, str) else fault['error']['code']:32}"
    if error is None:
        return f"{what}: nothing was raised"
    said, metadata = error.response["Error"], error.response["ResponseMetadata"]
    got = [said["Code"], metadata["HTTPStatusCode"], type(error).__name__, metadata["RetryAttempts"] + 1]
    got += [metadata["HTTPHeaders"].get("content-type")]
    print(what, *got)
    expected = [row["code"], row["status"], row["class"] or "ClientError", row["attempts"], row["type"]]
    counts = [count for count in summary["operations"] if (count["service"], count["operation"]) == (service, operation)]
    counted = [[count["invocations"], count["attempts"], count["injected"]] for count in counts]
    # botocore looks for no id in an answer above 499 without a body.
    request_id = metadata.get("RequestId") or operation == "HeadObject" and metadata["HTTPHeaders"].get("x-amz-request-id")
    if got != expected or counted != [[1, row["attempts"], row["attempts"]]] or not said["Message"] or not request_id:
        return f"{what}: {expected}, not {got}, counted {counted}; {error.response}"


if __name__ == "__main__":
    sys.exit(main())
