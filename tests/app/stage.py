"""What the tests of supervision share: systems of actors, and certainty that a process is gone."""

import asyncio
import os
import select
import sys
from pathlib import Path

import pytest

PATIENCE = 120.0
"""Seconds after which a test that waits for a process has failed."""


def system(folder: Path, head: str = "", **services: str) -> Path:
    """A system file in which each of `services` is an actor; the value is its table's further lines, of which `act` is the first word."""
    text = head
    for name, rest in services.items():
        act, _, lines = rest.partition("\n")
        text += f"\n[services.{name}]\nmodule = 'tests.app.actor'\nenv = {{ ACT = '{act}' }}\n{lines}\n"
    path = folder / "system.toml"
    path.write_text(text, encoding="utf-8")
    return path


def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let child processes import what this one can."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path or str(Path.cwd()) for path in sys.path))
    for variable in [name for name in os.environ if name.startswith("TOWPATH_") and name != "TOWPATH_LOG_FORMAT"]:
        monkeypatch.delenv(variable)


async def refusal(address: str) -> None:
    """Wait until nobody listens at `address` any more, which is the first thing that a signal brings about."""
    host, _, port = address.rpartition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it was waiting to be accepted when the listener closed: the next one is refused
            continue


class Watched:
    """A process of which the kernel tells when it has ended, even if it is not our child and its id is taken again."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def gone(self, timeout: float = PATIENCE) -> bool:
        """Wait until the process has ended; False if it has not by then."""
        try:
            return bool(select.select([self._fd], [], [], timeout)[0])
        finally:
            os.close(self._fd)


def exists(pid: int) -> bool:
    """Whether the process still runs; one that ended and was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


linux = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="the test learns of the end of a process through a pidfd, which is Linux's"
)
