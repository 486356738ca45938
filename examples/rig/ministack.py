"""MiniStack: an emulator of AWS without containers, which runs the code of Lambda functions in processes of its own."""

from __future__ import annotations

import io
import os
import sys
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import processes

REGION = "us-east-1"
# AWS's documentation example key; it opens nothing.
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
ROLE = "arn:aws:iam::000000000000:role/example"


@dataclass(frozen=True)
class MiniStack:
    """One that is running."""

    port: int

    @property
    def url(self) -> str:
        """Where it is, with no Squall in between."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, **config: Any) -> Any:
        """A client of boto3's that goes straight to it: for setting up, and for counting what arrived."""
        # Here and not above: this file is read before the environment is made that boto3 is in.
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            REGION,
            endpoint_url=self.url,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(**config),
        )

    def create_function(
        self, name: str, files: Sequence[Path], handler: str, environment: dict[str, str], seconds: int = 30
    ) -> str:
        """Creates it of these files, and gives its ARN."""
        functions = self.client("lambda")
        created = functions.create_function(
            FunctionName=name,
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Role=ROLE,
            Handler=handler,
            Code={"ZipFile": zipped(files)},
            Environment={"Variables": environment},
            Timeout=seconds,
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name)
        return str(created["FunctionArn"])

    def create_table(self, name: str) -> None:
        """Creates a table of items with an `id`."""
        tables = self.client("dynamodb")
        tables.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        tables.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


@contextmanager
def start(folder: Path) -> Iterator[MiniStack]:
    """On a free port, with its files and its log in `folder`."""
    ministack = MiniStack(processes.free_port())
    bin_folder = Path(sys.executable).parent
    environment = {
        "GATEWAY_PORT": str(ministack.port),
        "BIND_HOST": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
        # Where a function's runtime is looked up as `python`, that is this environment's, with what the function imports.
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    ready = lambda: answers(f"{ministack.url}/_ministack/health")  # noqa: E731
    with processes.running([bin_folder / "ministack"], folder / "ministack.log", ready, environment):
        yield ministack


def answers(url: str) -> bool:
    """Whether a GET succeeds."""
    # Without proxies, whatever the surroundings say.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def zipped(files: Sequence[Path]) -> bytes:
    """A function's code."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return memory.getvalue()
