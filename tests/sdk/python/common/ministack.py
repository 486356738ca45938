"""MiniStack, which runs Lambda functions, on a port of its own; it ends with the process that started it.

    with ministack.start() as url:
        ...

MINISTACK is the Python that has it: not the one of the cases, since it needs another botocore. That Python runs this module as a program,
which prints the port once MiniStack answers, and ends, with the functions that run, when stdin does.
"""

import os
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from common import emulator


def start():
    """Yields its URL."""
    return emulator.start("common.ministack", os.environ["MINISTACK"])


def main():
    told = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as held:
        # Held, so that nobody else gets the port; whoever asks for one that may be used again can listen there all the same.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        # It runs functions with the first `python` on PATH.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        os.environ |= {"PATH": path, "HOME": folder, "TMPDIR": folder, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"}
        tempfile.tempdir = folder
        sys.argv = ["ministack"]
        threading.Thread(target=tell, args=(port, told), daemon=True).start()
        threading.Thread(target=end, daemon=True).start()

        from ministack.app import main

        main()


def tell(port, told):
    """Its port, once it answers."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=5):
                told.write(f"{port}\n")
                told.close()
                return
        except OSError:
            time.sleep(0.05)


def end():
    """When the other side closes stdin, or dies."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(1)


if __name__ == "__main__":
    main()
