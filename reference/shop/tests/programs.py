"""Programs while they run, and the shop among them."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from shop_layers import token_of

KEY = "for development alone"
PATIENCE = 600.0
"""Seconds after which a test that waits for a program has failed."""


class Running:
    """A program, and the lines that it prints."""

    def __init__(self, command: list[str], folder: Path, **variables: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **variables}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        self._lines: list[str] = []
        self._printed = Condition()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._printed:
                self._lines.append(line)
                self._printed.notify_all()
        self.process.wait()
        with self._printed:  # no further line will come
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
    page_port: int
    """Where the storefront is to listen: the services let in pages from there."""

    def __getitem__(self, service: str) -> str:
        """Where a service listens."""
        return self.up.line(rf"{service} is ready at (\S+)")[1]

    def token(self, customer: str) -> str:
        """The header `authorization` of `customer`."""
        return f"Bearer {token_of(customer, KEY)}"


@contextmanager
def running(command: list[str], folder: Path, **variables: str) -> Iterator[Running]:
    """A program that is stopped in the end."""
    program = Running(command, folder, **variables)
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def held_port() -> Iterator[int]:
    """A port that is given to nobody else. A server that sets SO_REUSEADDR can listen at it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
