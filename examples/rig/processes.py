"""Programs that run as long as they are needed, and are ended by their process id."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .trouble import Trouble

PATIENCE = 60.0


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    is_ready: Callable[[], bool],
    environment: Mapping[str, str] = MappingProxyType({}),
    end_with: signal.Signals = signal.SIGTERM,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts it and waits until it is ready; what it says is in `log`. Ends it with that signal, and patience."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **identity(user),
        )
    try:
        until = time.monotonic() + PATIENCE
        while not is_ready():
            if process.poll() is not None or time.monotonic() > until:
                state = f"ended with exit code {process.returncode}" if process.returncode is not None else "is not ready"
                raise Trouble(f"{command[0]} {state}; it said:\n{log.read_text(errors='replace').rstrip()}")
            time.sleep(0.02)
        yield process
    finally:
        end(process, end_with)


def identity(user: str | None) -> dict[str, Any]:
    """As which user a process starts, by the words of `subprocess`: with his groups and none of ours."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def end(process: subprocess.Popen[bytes], signal_: signal.Signals) -> None:
    """Asks it to end, and makes it where it does not."""
    process.send_signal(signal_)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of this machine that nobody listened at a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody does at this port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
