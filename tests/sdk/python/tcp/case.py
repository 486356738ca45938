"""Every row of tcp.json with psycopg, without TLS and with it, and with redis-py: what each fault looks like, and for how long.

Each row's fault meets a connection that is new, or one that has been used before the fault began; `ends` lets go of it after that long.
What is asked: `one` value, a `big` one of 20 kB, or to `leave` (the server ends the connection).
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common import databases, squall

# Nobody waits longer; a client that has no limit of its own is then told to have hung.
PATIENCE = 4
BIG = 20_000


class Postgres:
    entry, sslmode = "postgres", "disable"

    def connect(self, port):
        where = f"host=127.0.0.1 port={port} user=app dbname=postgres sslmode={self.sslmode} gssencmode=disable"
        # Its least; without it there is none.
        self.session = psycopg.connect(f"{where} connect_timeout=2", autocommit=True)

    def one(self):
        return self.session.execute("SELECT 1").fetchone()[0] == 1

    def big(self):
        return len(self.session.execute(f"SELECT repeat('x', {BIG})").fetchone()[0]) == BIG

    def leave(self):
        return self.session.execute("SELECT pg_terminate_backend(pg_backend_pid())").fetchone()


class PostgresTls(Postgres):
    sslmode = "require"


class Redis:
    entry = "redis"

    def connect(self, port):
        # By itself it tries three times more, a second or so apart: what a try sees would not show.
        once = {"retry": Retry(NoBackoff(), 0), "socket_connect_timeout": 1, "socket_timeout": 1}
        self.session = redis.Redis(port=port, **once)
        self.session.ping()

    def one(self):
        return self.session.ping()

    def big(self):
        return len(self.session.execute_command("LRANGE", "big", 0, -1)) == BIG // 100

    def leave(self):
        return self.session.execute_command("QUIT")


CLIENTS = {"psycopg": Postgres, "psycopg, sslmode=require": PostgresTls, "redis-py": Redis}


def main():
    rows = json.loads(Path(os.environ["CASE"], "../../tcp.json").read_text())["rows"]
    with ExitStack() as stack:
        try:
            ports = {"postgres": stack.enter_context(databases.postgres()), "redis": stack.enter_context(databases.redis())}
        except databases.Missing as missing:
            print(f"skipped: {missing}")
            sys.exit(1 if "all" in os.environ.get("SQUALL_SDKS", "") else 0)
        store = redis.Redis(port=ports["redis"])
        store.rpush("big", *["x" * 100] * (BIG // 100))
        cases = [(row, client) for row in rows for client in CLIENTS]
        with ThreadPoolExecutor(6) as pool:
            stories = [pool.submit(outage, ports["postgres"]), pool.submit(slow, ports["redis"])]
            wrong = [line for line in pool.map(lambda case: difference(*case, ports), cases) if line]
            wrong += [line for line in (story.result() for story in stories) if line]
    assert not wrong, "\n".join(wrong)


def difference(row, client, ports):
    """What differs between what is seen and what the row says, if anything does."""
    got, expected = seen(row, CLIENTS[client](), ports), row.get(client, {})
    what = f"{json.dumps(row['fault'])} {row['on']} {row['asks']}{' ends ' + str(row['ends']) if 'ends' in row else ''}: {client}"
    print(what, json.dumps(got), flush=True)
    same = got["saw"] in expected.get("saw", "").split(" or ")
    # A loaded machine is slower, and hardly ever faster.
    in_time = same and 0.9 * expected["took"] - 0.1 <= got["took"] <= expected["took"] + 1.8
    return None if in_time else f"{what}: {got}, not {expected}"


def seen(row, client, ports):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "profile.yaml")
        calm, struck = profile(client, ports, None), profile(client, ports, row["fault"])
        file.write_text(calm if row["on"] == "open" else struck)
        with squall.serve("http://127.0.0.1:9", "--profile", str(file)) as proxy:
            port = int(proxy.ready["tcp"][0]["listen"].rsplit(":")[1])
            if row["on"] == "open":
                client.connect(port)
                assert client.one()
                change(proxy, file, struck)
            ending = threading.Timer(row.get("ends", 0), change, (proxy, file, calm))
            if "ends" in row:
                ending.start()
            saw, took = timed(client, port, row)
            if "ends" in row:
                ending.join()
        assert proxy.summary["rules"] or "ends" in row
        assert "ends" in row or proxy.summary["rules"][0]["fired"] > 0, f"the rule did not strike: {proxy.report}"
        return {"saw": saw, "took": round(took, 1)}


@contextmanager
def ready_made(name, written, port, *changes):
    """That profile, in front of this port instead of the usual one."""
    text = subprocess.run([squall.SQUALL, "profiles", name], capture_output=True, check=True, text=True).stdout
    for before, after in [(f"127.0.0.1:1{written}", "127.0.0.1:0"), (f'"127.0.0.1:{written}"', f'"127.0.0.1:{port}"'), *changes]:
        assert before in text, f"{before} is not in {text}"
        text = text.replace(before, after)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.yaml")
        file.write_text(text)
        with squall.serve("http://127.0.0.1:9", "--profile", str(file)) as proxy:
            yield int(proxy.ready["tcp"][0]["listen"].rsplit(":")[1]), proxy


def outage(port):
    """postgres-outage, in a tenth of its time."""
    story = []
    with ready_made("postgres-outage", 5432, port, ("20s..40s", "4s..6s")) as (port, proxy):
        client, deadline = Postgres(), time.monotonic() + 40
        while story[-1:] != ["ok"] or len(story) < 3:
            try:
                client.connect(port)
                saw = "ok" if client.one() else "another answer"
            except psycopg.Error as e:
                saw = told(e)
            story += [saw] if story[-1:] != [saw] else []
            assert time.monotonic() < deadline, story
            time.sleep(0.05)
    row = proxy.summary["tcp"][0]
    print("postgres-outage", story, row["shut_us"], flush=True)
    # A connection that is being made as the outage begins is broken off.
    told_first = "OperationalError: server closed the connection unexpectedly"
    whole = [saw for saw in story if saw != told_first]
    right = whole == ["ok", "OperationalError: Connection refused", "ok"] and 1_900_000 < row["shut_us"] < 6_000_000
    return None if right else f"postgres-outage: {story} {row}"


def slow(port):
    with ready_made("redis-slow", 6379, port) as (port, _):
        client, took = Redis(), []
        while len(took) < 60:
            try:
                client.connect(port)
                started = time.monotonic()
                client.one()
                took.append(time.monotonic() - started)
            except redis.TimeoutError:
                took.append(1)
    median = sorted(took)[len(took) // 2]
    print(f"redis-slow: {median * 1000:.0f} ms in the middle, {max(took) * 1000:.0f} ms at most", flush=True)
    return None if 0.03 < median < 0.3 and max(took) > 0.15 else f"redis-slow: {took}"


def profile(client, ports, fault):
    entry = {"name": "db", "listen": 0, "upstream": f"127.0.0.1:{ports[client.entry]}"}
    rules = [{"name": "r", "match": {"tcp": "db"}, "fault": fault}] if fault else []
    return json.dumps({"tcp": [entry], "rules": rules})


def change(proxy, file, text):
    """Puts another profile in its place, and waits until it holds."""
    before = proxy.told().count("reloaded the profile")
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)
    deadline = time.monotonic() + 20
    while proxy.told().count("reloaded the profile") == before and time.monotonic() < deadline:
        time.sleep(0.01)
    # What is open is struck by another thread.
    time.sleep(0.1)


def timed(client, port, row):
    result, started = {}, time.monotonic()

    def run():
        try:
            if row["on"] == "new":
                client.connect(port)
            result["saw"] = "ok" if getattr(client, row["asks"])() else "another answer"
        except Exception as e:
            result["saw"] = told(e)
        result["took"] = time.monotonic() - started

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return result.get("saw", "nothing, and waits on"), result.get("took", PATIENCE)


def told(e):
    """Its class, and what it says in a few words."""
    words = ["Connection refused", "Connection reset by peer", "server closed the connection unexpectedly", "Connection closed by server",
             "terminating connection due to administrator command", "SSL connection has been closed unexpectedly",
             "SSL error: unexpected eof", "SSL SYSCALL error: EOF detected", "could not receive", "timeout expired", "Timeout"]
    said = next((word for word in words if word.lower() in str(e).lower()), str(e).strip().splitlines()[0] if str(e).strip() else "")
    return f"{type(e).__name__}: {said}"


if __name__ == "__main__":
    main()
