"""A Postgres and a Redis of one's own, from the system's packages, on free ports of loopback.

    with databases.postgres() as port, databases.redis() as other: ...

A Missing says which package would bring what is not there.
"""

import datetime
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path


class Missing(Exception):
    """A program that is not installed."""


@contextmanager
def postgres():
    """Yields its port. It takes TLS and plain connections of the user `app`, and no password."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(programs[-1]) if programs else shutil.which("initdb")
    if not initdb:
        raise Missing("there is no Postgres (on Debian: apt-get install postgresql)")
    # It refuses to run as root.
    user = as_user("postgres") if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="squall-postgres-", dir="/tmp"))
    try:
        certificate(folder)
        if user:
            for path in [folder, *folder.iterdir()]:
                shutil.chown(path, "postgres", "postgres")
        data = folder / "data"
        quietly([*user, initdb, "-D", data, "-A", "trust", "-U", "app", "--no-sync", "--no-locale", "-E", "UTF8"], folder)
        port = free_port()
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "ssl": "on",
                    "ssl_cert_file": folder / "cert.pem", "ssl_key_file": folder / "key.pem"}
        command = [*user, str(Path(initdb).with_name("postgres")), "-D", data]
        command += [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with running(command, folder, port):
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis():
    """Yields its port."""
    program = shutil.which("redis-server")
    if not program:
        raise Missing("there is no Redis (on Debian: apt-get install redis-server)")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with running(command, folder, port):
            yield port


def as_user(name):
    if not shutil.which("setpriv"):
        raise Missing("there is no setpriv, without which root cannot start Postgres (on Debian: apt-get install util-linux)")
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"]


def quietly(command, folder):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, env=plain())
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@contextmanager
def running(command, folder, port):
    with open(Path(folder, "log"), "w+") as log:
        server = subprocess.Popen(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=plain())
        try:
            deadline = time.monotonic() + 30
            while not accepts(port):
                told = Path(folder, "log").read_text()
                assert server.poll() is None and time.monotonic() < deadline, f"{command} does not serve:\n{told}"
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def plain():
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/nonexistent"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder):
    """A self-signed one for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    text = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(text))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(text, form, serialization.NoEncryption()))
    (folder / "key.pem").chmod(0o600)
