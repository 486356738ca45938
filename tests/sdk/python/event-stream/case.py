"""Every row of event-streams.json with boto3: how many events of a broken stream come, and what is raised behind them."""

import json
import os
import sys
from pathlib import Path

from common import clients, emulator, squall


def main():
    rows = json.loads(Path(os.environ["CASE"], "../../event-streams.json").read_text())
    with emulator.start("common.streams") as upstream:
        wrong = [line for number, row in enumerate(rows) if (line := differing(upstream, number, row))]
    assert not wrong, "\n".join(wrong)


def differing(upstream, number, row):
    profile = Path(os.environ["TMPDIR"]) / f"{number}.yaml"
    profile.write_text(json.dumps({"rules": [{"name": "stream", "fault": {"event_stream": row["fault"]}}]}))
    with squall.serve(upstream, "--profile", profile) as proxy:
        bedrock = clients.through(proxy)("bedrock-runtime")
        seen = read(bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=[]))
    injected = proxy.summary["aws"]["injected"]
    got, expected = [*seen, injected], [row["events"], *row["python"]]
    print(json.dumps(row["fault"]), *got)
    return None if got == expected else f"{row['fault']}: {expected}, not {got}; {proxy.summary}"


def read(answer):
    """How many events came, and how it ended."""
    events = 0
    try:
        for _ in answer["stream"]:
            events += 1
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        return events, " ".join(filter(None, [type(error).__name__, code]))
    return events, "end"


if __name__ == "__main__":
    sys.exit(main())
