"""The whole shop, started by `towpath up` as in production, on free ports.

SHOP_POSTGRES and SHOP_VALKEY say where the two servers are that it needs; without them, where the files of the services say.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

import pytest

from shop_layers import token_of

SHOP = Path(__file__).parents[1]
POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
VALKEY = "redis://127.0.0.1:6379/0"
KEY = "for development alone"
PATIENCE = 600.0


class Running:
    """A program, and the lines that it prints."""

    def __init__(self, command: list[str], folder: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=subprocess.STDOUT, encoding="utf-8")
        self._lines: list[str] = []
        self._printed = Condition()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._printed:
                self._lines.append(line)
                self._printed.notify_all()

    def line(self, pattern: str) -> "re.Match[str]":
        """The first line in which `pattern` is, once there is one."""

        def found() -> "re.Match[str] | bool":
            matches = (re.search(pattern, line) for line in self._lines)
            return next((match for match in matches if match), self.process.poll() is not None)

        with self._printed:
            match = self._printed.wait_for(found, PATIENCE)
        assert isinstance(match, re.Match), f"no line has {pattern!r}:\n" + "".join(self._lines)
        return match

    def stop(self) -> int:
        """Stop the program as an orchestrator does, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()
        return status


@dataclass(frozen=True)
class Shop:
    """The shop while it runs."""

    folder: Path
    """A copy of the shop's files, with the addresses of the test."""
    up: Running
    """`towpath up`, the parent of the services."""

    def __getitem__(self, service: str) -> str:
        """Where a service listens."""
        return self.up.line(rf"{service} is ready at (\S+)")[1]

    def token(self, customer: str) -> str:
        """The header `authorization` of `customer`."""
        return f"Bearer {token_of(customer, KEY)}"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("copy") / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".venv", "tests", "__pycache__"))
    for file in folder.glob("*/towpath.toml"):
        text = file.read_text().replace(POSTGRES, os.environ.get("SHOP_POSTGRES", POSTGRES))
        text = text.replace(VALKEY, os.environ.get("SHOP_VALKEY", VALKEY))
        file.write_text(text.replace('packing = "2s"', 'packing = "0.2s"'))
    system = folder / "system.toml"
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", system.read_text())
    system.write_text(text.replace("[system]", '[system]\nready_timeout = "600s"'))
    up = Running([sys.executable, "-m", "towpath", "up", "system.toml"], folder)
    try:
        up.line("shop is up")
        yield Shop(folder, up)
    finally:
        assert up.stop() == 0
