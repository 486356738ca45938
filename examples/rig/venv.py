"""The virtual environment that an example runs in: made on its first run, from what its requirements.txt pins."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from .trouble import Missing

# Older ones get as far as here thanks to the future of annotations, and are told.
OLDEST = (3, 11)
# Of the surroundings only this goes on: proxies, certificates and AWS settings of the machine would be tested instead.
KEPT = {"COLUMNS", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "SQUALL", "TERM", "TMPDIR", "TZ", "USER"}
ENTERED = "SQUALL_EXAMPLE_ENTERED"


def enter(folder: Path, requirements: Path) -> None:
    """Returns inside of the environment in `folder`; elsewhere makes it, if need be, and starts the program anew in it."""
    if os.environ.pop(ENTERED, None):
        return
    if sys.version_info < OLDEST:
        raise Missing(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is {sys.version.split()[0]}")
    python = made(folder.absolute(), requirements)
    environment = {name: value for name, value in os.environ.items() if name in KEPT}
    environment |= {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", ENTERED: "1"}
    environment |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.execve(python, [str(python), *sys.argv], environment)


def made(folder: Path, requirements: Path) -> Path:
    """The environment's Python."""
    python, stamp = folder / "bin/python", folder / "installed"
    wanted = f"{sys.version}\n{requirements.read_text()}"
    folder.mkdir(parents=True, exist_ok=True)
    # Two runs may come at once: the second waits here and finds all done.
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return python
        if any(folder.iterdir()) and not stamp.exists():
            raise Missing(f"{folder} holds something that no example put there; remove it, or name another folder with --venv")
        print(f"setting up {folder} (once) ...", file=sys.stderr)
        asked(
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            "no virtual environment could be made (on Debian: apt-get install python3-venv)",
        )
        # Its own from here on, though not finished: an interrupted set-up is begun anew.
        stamp.touch()
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        asked([*pip, "--requirement", str(requirements)], f"what {requirements} names could not be installed")
        stamp.write_text(wanted)
    return python


def asked(command: list[str], otherwise: str) -> None:
    """Runs it to its end."""
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ran.returncode != 0:
        raise Missing(f"{otherwise}:\n{ran.stdout}{ran.stderr}".rstrip())
