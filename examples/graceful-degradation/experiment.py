"""A round of the lab: sets its stage, lets customers in, takes the database away, gives it back, and counts."""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import postgres
from postgres import Postgres
from result import Result
from stage import PRODUCTS, Stage
from traffic import Tally, Traffic

from rig import ministack, processes, squall
from rig.ministack import MiniStack

PROFILES = Path(__file__).resolve().parent / "profiles"
# The worker has so many seconds to place what waits, once the customers are gone.
DRAIN = 60.0
AT_LEAST_ONCE = "at-least-once"


@dataclass(frozen=True)
class Phases:
    """Seconds of each."""

    calm: float
    outage: float
    recovery: float


@dataclass(frozen=True)
class Round:
    """One run of all phases. During the outage these profiles hold: of the database, and of AWS."""

    name: str
    heading: str
    degrades: bool
    database: str
    aws: str = "calm"


@dataclass(frozen=True)
class Experiment:
    """The services that all rounds use, each with resources of its own in them."""

    binary: Path
    aws: MiniStack
    postgres: Postgres
    folder: Path
    seed: int

    def play(self, round_: Round, phases: Phases) -> Result:
        """From its stage to its result."""
        folder = self.folder / round_.name
        folder.mkdir()
        stage = Stage(round_.name, self.aws, self.postgres)
        port, ledger = processes.free_port(), folder / "ledger.jsonl"
        database_url = self.postgres.url(round_.name, port)
        stage.set_up(database_url)
        weather = Weather(folder)
        weather.becomes("calm", "calm")
        profiles = [listener(folder, port, self.postgres.port), PROFILES / f"{AT_LEAST_ONCE}.yaml", *weather.files]
        options: list[str | Path] = ["--seed", str(self.seed), "--ledger", ledger]
        options += (word for profile in profiles for word in ("--profile", profile))
        with squall.serve(self.binary, self.aws.url, folder, *options) as proxy:
            with stage.app(database_url, proxy.url, round_.degrades, folder / "app.log") as url:
                traffic = Traffic(url, [product.id for product in PRODUCTS], self.seed)
                with traffic.running():
                    time.sleep(phases.calm)
                    weather.becomes(round_.database, round_.aws)
                    proxy.reload()
                    time.sleep(phases.outage)
                    weather.becomes("calm", "calm")
                    proxy.reload()
                    time.sleep(phases.recovery)
            stage.drain(DRAIN)
        return counted(round_, traffic.tally, stage, ledger)


class Weather:
    """The two profiles that change while Squall watches them: the database's, and AWS's."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / "database.yaml", folder / "aws.yaml"]

    def becomes(self, *profiles: str) -> None:
        """Puts these in place, each at a stroke: nobody reads half of one."""
        for file, profile in zip(self.files, profiles, strict=True):
            beside = file.with_suffix(".new")
            shutil.copy(PROFILES / f"{profile}.yaml", beside)
            os.replace(beside, file)


@contextmanager
def start(binary: Path, seed: int) -> Iterator[Experiment]:
    """Starts the services; ends them afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="squall-lab-") as folder,
        postgres.start() as database,
        ministack.start(Path(folder)) as aws,
    ):
        yield Experiment(binary, aws, database, Path(folder), seed)


def listener(folder: Path, port: int, upstream: int) -> Path:
    """The profile that has Squall listen for Postgres, on ports that are known only now. YAML reads JSON."""
    profile = folder / "listener.yaml"
    entry = {"name": "postgres", "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{upstream}"}
    profile.write_text(json.dumps({"name": "listener", "tcp": [entry], "rules": []}))
    return profile


def counted(round_: Round, tally: Tally, stage: Stage, ledger: Path) -> Result:
    """What customers were told, against what is in the database and the queues."""
    arrived = stage.orders()
    waiting = stage.waiting(stage.queue), stage.waiting(stage.dead_letter_queue)
    lost = sorted(tally.answers.keys() - arrived.keys())
    promised = {"OK", "QUEUED"}
    return Result(
        name=round_.name,
        heading=round_.heading,
        reads=tally.reads,
        writes=tally.writes,
        slowest_read=tally.slowest["reads"],
        slowest_write=tally.slowest["writes"],
        refused_later=sum(tally.answers[order] == "QUEUED" and arrived.get(order) == "stock_out" for order in tally.answers),
        lost=lost,
        lost_after_promise=[order for order in lost if tally.answers[order] in promised],
        queue_left=waiting[0],
        dead_letters_left=waiting[1],
        miscounted=stage.miscounted(),
        struck=struck(ledger),
    )


def struck(ledger: Path) -> dict[str, int]:
    """How often each rule struck, by Squall's ledger."""
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    # A message that is throttled is not sent, and so not sent twice.
    rules = (rule for line in lines for rule in line.get("rules", []) if rule != AT_LEAST_ONCE or line.get("copies"))
    return dict(Counter(rules))
