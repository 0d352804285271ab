"""The whole shop, started by `towpath up` as in production, on free ports.

SHOP_POSTGRES and SHOP_VALKEY say where the two servers are that it needs; without them, where the files of the services say.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs import Shop, held_port, running

SHOP = Path(__file__).parents[1]
POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
VALKEY = "redis://127.0.0.1:6379/0"


@pytest.fixture(scope="session")
def page_port() -> Iterator[int]:
    with held_port() as port:
        yield port


@pytest.fixture(scope="session")
def shop(page_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("copy") / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".venv", "tests", "__pycache__"))
    for file in folder.glob("*/towpath.toml"):
        text = file.read_text().replace(POSTGRES, os.environ.get("SHOP_POSTGRES", POSTGRES))
        text = text.replace(VALKEY, os.environ.get("SHOP_VALKEY", VALKEY))
        text = text.replace("http://localhost:5000", f"http://localhost:{page_port}")
        file.write_text(text.replace('packing = "2s"', 'packing = "0.2s"'))
    system = folder / "system.toml"
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", system.read_text())
    system.write_text(text.replace("[system]", '[system]\nready_timeout = "600s"'))
    with running([sys.executable, "-m", "towpath", "up", "system.toml"], folder) as up:
        up.line("shop is up")
        yield Shop(folder, up, page_port)
