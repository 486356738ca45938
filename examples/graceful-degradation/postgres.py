"""A Postgres of the lab's own, from the system's package."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig import processes, trouble

# Postgres refuses to run as root; Debian's package makes this user.
INSTEAD_OF_ROOT = "postgres"
# The cluster is thrown away: nothing needs to survive a power cut.
SETTINGS = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]


@dataclass(frozen=True)
class Postgres:
    """One that is running."""

    port: int
    password: str

    def url(self, database: str, port: int | None = None) -> str:
        """Of a database: straight, or through what listens at `port`."""
        return f"postgresql://lab:{self.password}@127.0.0.1:{port or self.port}/{database}"


@contextmanager
def start() -> Iterator[Postgres]:
    """On a free port of the loopback interface, with a password of its own."""
    programs = found()
    user = INSTEAD_OF_ROOT if os.geteuid() == 0 else None
    # For another user not below TMPDIR, which may be ours alone.
    folder = Path(tempfile.mkdtemp(prefix="squall-lab-postgres-", dir="/tmp" if user else None))
    try:
        postgres = Postgres(processes.free_port(), secrets.token_hex(16))
        password, data, log = folder / "password", folder / "data", folder / "postgres.log"
        password.write_text(postgres.password)
        if user:
            shutil.chown(folder, user)
            shutil.chown(password, user)
        initdb = [programs / "initdb", "--pgdata", data, "--username", "lab", "--pwfile", password, "--no-sync"]
        initdb += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]
        made = subprocess.run([str(word) for word in initdb], capture_output=True, text=True, **processes.identity(user))
        if made.returncode != 0:
            raise trouble.Trouble(f"initdb failed:\n{made.stdout}{made.stderr}")
        command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(postgres.port), *SETTINGS]
        # SIGINT is Postgres's fast shutdown. SIGTERM waits until the last client has left.
        is_ready = lambda: processes.listens(postgres.port)  # noqa: E731
        with processes.running(command, log, is_ready, end_with=signal.SIGINT, user=user):
            yield postgres
    finally:
        shutil.rmtree(folder)


def found() -> Path:
    """The folder of its programs: Debian keeps them off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    programs = versions[-1] if versions else Path(on_path).resolve() if on_path else None
    if programs is None:
        raise trouble.Missing("there is no Postgres here (on Debian: apt-get install postgresql)")
    if os.geteuid() == 0 and INSTEAD_OF_ROOT not in (entry.pw_name for entry in pwd.getpwall()):
        raise trouble.Missing(f"Postgres refuses to run as root, and here is no user {INSTEAD_OF_ROOT}: start the lab as another")
    return programs.parent
