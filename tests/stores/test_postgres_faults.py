"""The PostgreSQL store under each fault of `docs/howto/stores-under-faults.md`, with a real server, and a relay that loses and silences."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.echo_service import PATIENCE
from tests.relay import Relay, relay
from tests.stores.servers import running_postgres
from towpath._core import clock
from towpath._core.errors import RpcError, SetupError
from towpath._layers.idempotency.store import Answer, StoreUnavailable
from towpath._stores.postgres import PostgresStore

PRINT = bytes(range(32))
ANSWER = Answer(code=5, body=b"\0\xffbody")
LONG = 1000.0
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


@pytest.fixture
def key() -> str:
    return uuid4().hex


@asynccontextmanager
async def behind(url: str, **options: float) -> AsyncGenerator[tuple[PostgresStore, Relay]]:
    credentials, _, rest = url.partition("@")
    where, _, database = rest.partition("/")
    async with relay(where) as way:
        store = PostgresStore(f"{credentials}@{way.address}/{database}", connections=2, **options)
        await store.open()
        try:
            yield store, way
        finally:
            await store.close()


def lose_the_next_reply_to(way: Relay, statement: bytes) -> None:
    """Wait until `statement` was prepared and is executed: its reply is the one that says what it did (CommandComplete)."""
    seen: list[bytes] = []

    def loses(reply: bytes) -> bool:
        if statement in reply and not seen:
            seen.append(reply)
            return True
        return False

    way.loses = loses


async def test_a_server_that_does_not_answer_at_the_start_is_a_matter_of_setup(postgres: str) -> None:
    with pytest.raises(SetupError, match=r"could not be opened: .*(refused|Connect call failed)"):
        await PostgresStore("postgresql://postgres@127.0.0.1:1/postgres").open()
    where = postgres.partition("@")[2].partition("/")[0]
    async with relay(where) as way:
        way.silent = True
        with pytest.raises(SetupError, match="could not be opened: no answer in time; check its address"):
            await PostgresStore(f"postgresql://postgres@{way.address}/postgres", timeout=0.2).open()


async def test_a_claim_whose_reply_is_lost_is_known_by_its_holder(postgres: str, key: str) -> None:
    async with behind(postgres) as (store, way):
        lose_the_next_reply_to(way, b"INSERT 0 1")
        assert (await store.claim(key, PRINT, "h", LONG)).mine
        other = await store.claim(key, PRINT, "i", LONG)
        assert (other.mine, other.answer) == (False, None)


async def test_an_answer_whose_reply_is_lost_was_kept(postgres: str, key: str) -> None:
    async with behind(postgres) as (store, way):
        await store.claim(key, PRINT, "h", LONG)
        lose_the_next_reply_to(way, b"UPDATE 1")
        assert await store.complete(key, "h", ANSWER, LONG) is True
        assert await store.complete(key, "h", Answer(code=0, body=b""), LONG) is False
        assert (await store.claim(key, PRINT, "i", LONG)).answer == ANSWER


async def test_a_server_that_ends_every_connection_is_asked_again(postgres: str, key: str) -> None:
    other = await asyncpg.connect(postgres)
    async with behind(postgres) as (store, _):
        await store.claim(key, PRINT, "h", LONG)
        await other.execute(END)
        assert (await store.claim(f"{key} new", PRINT, "h", LONG)).mine
    await other.close()


async def test_a_silent_server_is_given_up_and_found_again(postgres: str, key: str) -> None:
    async with behind(postgres, timeout=PATIENCE) as (store, way):
        await store.claim(key, PRINT, "h", LONG)
        before = len(asyncio.all_tasks())
        way.silent = True
        way.silence()
        with pytest.MonkeyPatch.context() as impatient:
            impatient.setattr(store, "_timeout", 0.2)
            ended = await asyncio.gather(*(store.claim(f"{key}{number}", PRINT, "h", LONG) for number in range(20)), return_exceptions=True)
            assert {str(error) for error in ended} == {"PostgreSQL: no answer within 0.2 s"}
            with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written$"):
                async with store.transaction():
                    pass
        way.silent = False
        way.cut()
        assert (await store.claim(f"{key} new", PRINT, "h", LONG)).mine
        assert len(asyncio.all_tasks()) <= before + 6  # the relay's, for two connections


async def test_a_handler_that_is_cancelled_at_a_silent_server_ends(postgres: str) -> None:
    begun = asyncio.Event()

    async def effect() -> None:
        async with store.transaction() as tx:
            way.silence()
            begun.set()
            await tx.execute("SELECT 1")

    async with behind(postgres) as (store, way):
        task = asyncio.create_task(effect())
        await begun.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled()
        async with store.transaction() as tx:
            assert await tx.execute("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("provoke", "says"),
    [
        ("SET TRANSACTION READ ONLY; CREATE TABLE never (x int)", "read-only"),
        ("SET LOCAL lock_timeout = 1; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE", "lock timeout"),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(100)", "statement timeout"),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'no space left'; END $$", "no space left"),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected', MESSAGE = 'deadlock'; END $$", "deadlock"),
    ],
    ids=["read-only", "locked", "too slow", "full", "deadlock"],
)
async def test_a_server_that_cannot_write_now_is_unavailable_and_nothing_is_written(
    postgres: str, provoke: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = await asyncpg.connect(postgres)
    await other.execute("CREATE TABLE IF NOT EXISTS locked (x int)")
    holding = other.transaction()
    await holding.start()
    await other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")

    async def effect() -> None:
        async with store.transaction() as tx:
            for statement in provoke.split("; ", 1) if provoke.startswith("SET") else [provoke]:
                await tx.execute(statement)

    async with behind(postgres) as (store, _):
        with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written$"):
            await effect()
    assert re.search(says, caplog.text)
    await holding.rollback()
    await other.close()


async def test_a_server_that_takes_no_writes_is_left_for_its_successor(key: str) -> None:
    with running_postgres() as url:
        other = await asyncpg.connect(url)
        async with behind(url) as (store, _):
            await asyncio.gather(*(store.claim(f"{key}{number}", PRINT, "h", LONG) for number in range(4)))
            await other.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await other.execute("SELECT pg_reload_conf()")
            await until(lambda: refused(store, key))
            await other.execute("SET default_transaction_read_only = off")
            await other.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await other.execute("SELECT pg_reload_conf()")
            await until(lambda: accepted(store, f"{key} new"))
        await other.close()


async def until(condition: Callable[[], Any]) -> None:
    """A reload reaches the server's processes when they get to it."""
    async with asyncio.timeout(60):
        while not await condition():
            pass


async def refused(store: PostgresStore, key: str) -> bool:
    try:
        await store.claim(uuid4().hex + key, PRINT, "h", LONG)
    except StoreUnavailable as error:
        assert "read-only" in str(error)
        return True
    return False


async def accepted(store: PostgresStore, key: str) -> bool:
    return not await refused(store, key)


async def test_a_server_that_was_stopped_is_unavailable_until_it_is_back(port: int, key: str) -> None:
    with running_postgres(port) as url:
        store = PostgresStore(url)
        await store.open()
        await store.claim(key, PRINT, "h", LONG)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="PostgreSQL: "):
            await store.claim(key, PRINT, "h", LONG)
        with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written"):
            async with store.transaction():
                pass
    await store.close()


async def test_a_step_of_this_machines_clock_ends_no_lease(postgres: str, key: str) -> None:
    async with behind(postgres) as (store, _):
        await store.claim(key, PRINT, "h", LONG)
        with clock.using(lambda: clock.now() + 10 * LONG):
            assert (await store.claim(key, PRINT, "i", LONG)).mine is False
