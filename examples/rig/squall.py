"""A `squall serve` in front of the emulator."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import processes
from .trouble import Missing

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Squall:
    """One that is running; `summary` and `report` are there once it has ended."""

    url: str
    ca: Path
    process: subprocess.Popen[bytes]
    summary: dict[str, Any] = field(default_factory=dict)
    report: str = ""

    def reload(self) -> None:
        """Has it load its profiles anew."""
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def serve(binary: Path, upstream: str, folder: Path, *options: str | Path) -> Iterator[Squall]:
    """On a free port, with a certificate authority of its own, and its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    ready, summary, log = folder / "ready.json", folder / "summary.json", folder / "squall.log"
    command: list[str | Path] = [binary, "serve", "--listen", "127.0.0.1:0", "--upstream", upstream, "--ca-dir", folder / "ca"]
    command += ["--ready-file", ready, "--summary", summary, *options]
    with processes.running(command, log, ready.exists) as process:
        state = json.loads(ready.read_text())
        squall = Squall(f"http://{state['listen'][0]}", Path(state["ca"]), process)
        yield squall
    squall.summary, squall.report = json.loads(summary.read_text()), log.read_text()


def found(told: Path | None) -> Path:
    """The binary: the one that was told, or else this checkout's own, or the one on the PATH."""
    built = [CHECKOUT / "target" / profile / "squall" for profile in ("dist", "release", "debug")]
    named = told or os.environ.get("SQUALL")
    candidates = [Path(named)] if named else sorted(filter(Path.exists, built), key=lambda b: -b.stat().st_mtime)
    installed = None if named else shutil.which("squall")
    candidates += [Path(installed)] if installed else []
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate.absolute()
    where = f"{named} is no program" if named else "there is no squall here"
    raise Missing(f"{where}; build it with `cargo build --release`, or say where it is with --squall PATH")
