"""Squall as a program: `serve` in front of an emulator, `run` around a command.

    with squall.serve(upstream, "--profile", "calm") as proxy:
        ...                          # proxy.url, proxy.ca
    proxy.summary, proxy.report      # after its end
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

SQUALL = os.environ["SQUALL"]


class Serving:
    """A `squall serve`; `summary` and `report` are there once it has ended."""

    def __init__(self, url, ca):
        self.url = url
        self.ca = ca
        self.summary = None
        self.report = None
        self.ready = None
        self.told = None
        self.hang_up = None


@contextmanager
def serve(upstream, *options):
    """Yields a Serving on a free port, with a certificate authority of its own; ends it as SIGTERM does."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        ready, summary = folder / "ready.json", folder / "summary.json"
        command = [SQUALL, "serve", "--listen", "127.0.0.1:0", "--upstream", upstream, "--ca-dir", folder / "ca"]
        command += ["--ready-file", ready, "--summary", summary, *options]
        with open(folder / "stderr", "w+") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
            told = lambda: (folder / "stderr").read_text()  # noqa: E731
            try:
                state = wait_for(ready, process, told)
                serving = Serving(f"http://{state['listen'][0]}", state["ca"])
                serving.ready, serving.told = state, told
                serving.hang_up = lambda: process.send_signal(signal.SIGHUP)
                yield serving
                process.send_signal(signal.SIGTERM)
                out, _ = process.communicate(timeout=30)
                assert process.returncode == 0, f"squall serve ended with {process.returncode}:\n{told()}"
                assert out == f"squall is ready: {serving.url}\n".encode(), f"squall serve wrote to stdout: {out!r}"
                serving.summary, serving.report = json.loads(summary.read_text()), told()
            except BaseException:
                print(f"squall said:\n{told()}")
                raise
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def run(options, command, **environment):
    """`squall run` around a command: the ended process, with its output as bytes."""
    command = [SQUALL, "run", "--listen", "127.0.0.1:0", *options, "--", *command]
    return subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, timeout=90)


def wait_for(ready, process, told):
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert process.poll() is None, f"squall serve ended with {process.returncode} before it was ready:\n{told()}"
        assert time.monotonic() < deadline, f"squall serve is not ready after 30 s:\n{told()}"
        time.sleep(0.02)
    return json.loads(ready.read_text())
