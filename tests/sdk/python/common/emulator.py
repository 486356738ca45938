"""moto, or another far end, as a server of its own, on a port of its own, which ends with the process that started it.

    with emulator.start() as url:
        ...
"""

import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def start(module="common.emulator", python=sys.executable):
    """Yields its URL. It listens before it tells the port, so nobody needs to wait for it."""
    server = subprocess.Popen(
        [python, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        port = server.stdout.readline().strip()
        assert port, f"{module} did not start: exit code {server.wait()}"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stdin.close()
        server.wait(timeout=30)


def main():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()  # ends when the other side closes it, or dies
    server.stop()


if __name__ == "__main__":
    main()
