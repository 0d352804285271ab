import sqlite3
from pathlib import Path

import pytest

from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import StoreUnavailable
from towpath._stores.sqlite import SqliteStore


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"nowhere.x\.db could not be opened: .*; make the folder .*nowhere, or"):
        await SqliteStore(tmp_path / "nowhere" / "x.db").open()


async def test_a_file_of_a_newer_towpath_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    await store.close()
    other = sqlite3.connect(tmp_path / "x.db")
    other.execute("UPDATE towpath_schema SET version = 9")
    other.commit()
    other.close()
    with pytest.raises(SetupError, match="has schema 9"):
        await SqliteStore(tmp_path / "x.db").open()


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is not open"):
        await SqliteStore(tmp_path / "x.db").claim("k", b"", "h", 1)


async def test_a_file_that_another_process_keeps_locked_is_unavailable(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.db", busy_timeout=0)
    await store.open()
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        async with store.transaction():
            pass
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.release("k", "h")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.claim("k", b"", "h", 1)
    other.close()
    await store.close()
