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

import pytest

SHOP = Path(__file__).parents[1]
POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
VALKEY = "redis://127.0.0.1:6379/0"
READY = re.compile(r"(\w+) is ready at (\S+)")


@dataclass(frozen=True)
class Shop:
    """The shop while it runs."""

    folder: Path
    """A copy of the shop's files, with the addresses of the test."""
    process: "subprocess.Popen[str]"
    """`towpath up`, the parent of the services."""
    addresses: dict[str, str]
    """Where each service listens."""

    def __getitem__(self, service: str) -> str:
        return self.addresses[service]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("copy") / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".venv", "tests", "__pycache__"))
    for file in folder.glob("*/towpath.toml"):
        text = file.read_text().replace(POSTGRES, os.environ.get("SHOP_POSTGRES", POSTGRES))
        text = text.replace(VALKEY, os.environ.get("SHOP_VALKEY", VALKEY))
        file.write_text(text.replace('packing = "2s"', 'packing = "0.2s"'))
    system = folder / "system.toml"
    system.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", system.read_text()))
    towpath = [sys.executable, "-m", "towpath", "up", "system.toml"]
    with subprocess.Popen(towpath, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as process:
        try:
            yield Shop(folder, process, started(process))
        finally:
            process.send_signal(signal.SIGTERM)
            print(process.communicate()[0])


def started(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Where each service listens, once all of them are ready."""
    addresses: dict[str, str] = {}
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if found := READY.search(line):
            addresses[found[1]] = found[2]
        if "shop is up" in line:
            return addresses
    pytest.fail("the shop did not start:\n" + "".join(lines))
