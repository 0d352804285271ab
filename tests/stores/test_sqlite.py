import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from google.protobuf.empty_pb2 import Empty
from payment.v1.payment_pb2 import ChargeRequest
from payment.v1.payment_towpath import PaymentServiceClient

from tests.app.test_application_keys import Payments, client_of
from tests.echo_service import PATIENCE
from towpath import App, CallOptions, Code
from towpath._core.errors import RpcError, SetupError
from towpath._layers.idempotency.store import Answer, KeyLease, StoreUnavailable, current_lease
from towpath._stores.sqlite import SqliteStore


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"nowhere.x\.db could not be opened: .*; make the folder .*nowhere, or"):
        await SqliteStore(tmp_path / "nowhere" / "x.db").open()


async def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(SetupError, match=r"x\.db could not be opened: file is not a database; name another file, or move this one away"):
        await SqliteStore(tmp_path / "x.db").open()


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


async def test_a_file_that_another_process_keeps_locked_is_unavailable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqliteStore(tmp_path / "x.db", busy_timeout=0)
    await store.open()
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written$"):
        async with store.transaction():
            pass
    assert "nothing was written: database is locked" in caplog.text
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.release("k", "h")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.claim("k", b"", "h", 1)
    other.close()
    await store.close()


async def test_a_full_disk_within_a_transaction_is_unavailable_and_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    await store.run(lambda connection: connection.execute("CREATE TABLE effects (text)"))
    await store.run(lambda connection: connection.execute("PRAGMA max_page_count = 20"))

    async def effect() -> None:
        async with store.transaction() as tx:
            await tx.execute("INSERT INTO effects VALUES ('small')")
            await tx.execute("INSERT INTO effects VALUES (?)", ("x" * 1_000_000,))

    async def mistake() -> None:
        async with store.transaction() as tx:
            await tx.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written$"):
        await effect()
    assert "database or disk is full" in caplog.text
    await store.run(lambda connection: connection.execute("PRAGMA max_page_count = 10000"))
    assert await store.run(lambda connection: connection.execute("SELECT count(*) FROM effects").fetchone()) == (0,)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await mistake()
    await store.close()


async def test_a_full_disk_is_what_a_claim_says_and_not_that_nothing_is_left_to_roll_back(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    (pages,) = await store.run(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await store.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"))

    async def claims() -> None:
        for number in range(10_000):
            await store.claim(f"{number}{'k' * 200}", b"f" * 32, "h", 60)

    with pytest.raises(StoreUnavailable, match="full"):
        await claims()
    await store.close()


async def test_a_file_that_takes_no_writes_is_unavailable_and_nothing_is_written(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    await store.run(lambda connection: connection.execute("PRAGMA query_only = 1"))
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.claim("k", b"", "h", 1)

    async def effect() -> None:
        async with store.transaction() as tx:
            await tx.execute("CREATE TABLE effects (text)")

    with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written$"):
        await effect()
    await store.run(lambda connection: connection.execute("PRAGMA query_only = 0"))
    assert (await store.claim("k", b"", "h", 1)).mine
    await store.close()


async def test_a_file_that_is_opened_again_has_its_keys(tmp_path: Path) -> None:
    for _ in range(2):
        store = SqliteStore(tmp_path / "x.db")
        await store.open()
        await store.claim("k", b"print", "h", 1000)
        await store.complete("k", "h", Answer(code=5, body=b"body"), 1000)
        assert (await store.claim("k", b"", "i", 1)).answer == Answer(code=5, body=b"body")
        await store.close()


async def test_a_clock_that_steps_forwards_ends_leases_and_who_lost_one_writes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    await store.run(lambda connection: connection.execute("CREATE TABLE effects (text)"))
    await store.claim("k", b"", "slow", 1000)
    await store.run(lambda connection: connection.execute("UPDATE towpath_idempotency SET until = until - 100000"))  # as after a step

    async def effect() -> None:
        current_lease.set(KeyLease(store, "k", "slow", 1000))
        async with store.transaction() as tx:
            await tx.execute("INSERT INTO effects VALUES (?)", ("twice",))
            tx.answer(Empty())

    assert (await store.claim("k", b"", "h", 1000)).mine
    with pytest.raises(RpcError, match="taken over"):
        await asyncio.create_task(effect())
    assert await store.run(lambda connection: connection.execute("SELECT count(*) FROM effects").fetchone()) == (0,)
    await store.close()


async def test_a_disk_that_hangs_does_not_hang_the_calls(tmp_path: Path) -> None:
    store, payments, hangs = SqliteStore(tmp_path / "x.db"), Payments(), threading.Event()
    async with App(idempotency=store) as app:
        app.add(payments)
        await app.start("127.0.0.1", 0)
        async with client_of(app.address) as channel:
            client = PaymentServiceClient(channel)
            hanging = asyncio.create_task(store.run(lambda _: hangs.wait()))
            await asyncio.sleep(0)
            seconds, codes = 1.0, {Code.DEADLINE_EXCEEDED}
            while Code.DEADLINE_EXCEEDED in codes:  # a busy machine may need longer than the part of the time that is left for saying so
                calls = (client.charge(ChargeRequest(), CallOptions(timeout=seconds)) for _ in range(10))
                ended = await asyncio.gather(*calls, return_exceptions=True)
                codes = {error.code for error in ended if isinstance(error, RpcError)}
                seconds *= 4
            hangs.set()
            await hanging
            assert codes == {Code.UNAVAILABLE}
            assert payments.keys == []
            await client.charge(ChargeRequest(), CallOptions(timeout=PATIENCE))
    assert len(payments.keys) == 1
