import asyncio
from typing import Any

import asyncpg
import pytest
from google.protobuf.empty_pb2 import Empty

from tests.architecture.test_import_weight import loaded_by
from towpath._core.errors import RpcError, SetupError
from towpath._layers.idempotency.store import KeyLease, StoreUnavailable, current_lease
from towpath._stores.postgres import PostgresStore

ABSENT = """
import sys
sys.modules[{driver!r}] = None
from towpath._core.errors import RpcError, SetupError
try:
    import towpath._stores.{module}
except SetupError as error:
    assert "install towpath[{module}]" in str(error)
else:
    raise AssertionError
"""


async def test_a_server_that_does_not_answer_is_a_matter_of_setup() -> None:
    with pytest.raises(SetupError, match="could not be opened"):
        await PostgresStore("postgresql://postgres@127.0.0.1:1/postgres").open()


async def test_a_store_that_is_not_open_says_so() -> None:
    with pytest.raises(StoreUnavailable, match="is not open"):
        await PostgresStore("postgresql://postgres@127.0.0.1:1/postgres").claim("k", b"", "h", 1)


@pytest.mark.parametrize(("module", "driver"), [("postgres", "asyncpg"), ("redis", "redis")])
def test_without_its_driver_a_store_names_the_extra(module: str, driver: str) -> None:
    assert loaded_by(ABSENT.format(module=module, driver=driver), ("no_such_module",)) == []


@pytest.mark.parametrize(("module", "others"), [("sqlite", ("asyncpg", "redis")), ("postgres", ("redis",)), ("redis", ("asyncpg",))])
def test_a_store_loads_no_driver_but_its_own(module: str, others: tuple[str, ...]) -> None:
    assert loaded_by(f"import towpath._stores.{module}", others) == []


END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


@pytest.mark.parametrize("notices", [True, False], ids=["before a statement", "in a statement"])
async def test_a_server_that_ends_a_transaction_is_unavailable_and_nothing_is_written(postgres: str, notices: bool) -> None:
    store, other = PostgresStore(postgres), await asyncpg.connect(postgres)
    await store.open()
    await other.execute("CREATE TABLE IF NOT EXISTS lost_effects (number int)")

    async def effect() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute("INSERT INTO lost_effects VALUES (1)")
            await other.execute(END)
            while notices and not closed(tx.connection):  # noqa: ASYNC110 # asyncpg tells nobody
                await asyncio.sleep(0)
            await tx.connection.execute("INSERT INTO lost_effects VALUES (2)")

    with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written"):
        await effect()
    assert await other.fetchval("SELECT count(*) FROM lost_effects") == 0
    async with store.transaction() as tx:
        await tx.connection.execute("INSERT INTO lost_effects VALUES (3)")
    assert await other.fetchval("SELECT count(*) FROM lost_effects") == 1
    await other.execute("DROP TABLE lost_effects")
    await other.close()
    await store.close()


def closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def test_a_statement_that_is_wrong_stays_the_driver_s_error(postgres: str) -> None:
    store = PostgresStore(postgres)
    await store.open()

    async def mistake() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(asyncpg.UndefinedTableError):
        await mistake()
    await store.close()


async def test_a_server_that_takes_no_writes_is_unavailable(postgres: str) -> None:
    store = PostgresStore(postgres)
    await store.open()

    async def effect() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute("SET TRANSACTION READ ONLY")
            await tx.connection.execute("CREATE TABLE never (x int)")

    with pytest.raises(RpcError, match=r"UNAVAILABLE.*nothing was written$"):
        await effect()
    await store.close()


DYING = """
CREATE TABLE dying (x int);
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER die AFTER INSERT ON dying DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
"""


@pytest.mark.parametrize("key", [True, False], ids=["with a key", "without a key"])
async def test_a_server_that_is_lost_in_a_commit_is_no_word_that_nothing_was_written(postgres: str, key: bool) -> None:
    store, other = PostgresStore(postgres), await asyncpg.connect(postgres)
    await store.open()
    await other.execute(DYING)

    async def effect() -> None:
        if key:
            await store.claim("lost-in-commit", b"", "h", 60)
            current_lease.set(KeyLease(store, "lost-in-commit", "h", 60))
        async with store.transaction() as tx:
            await tx.connection.execute("INSERT INTO dying VALUES (1)")
            tx.answer(Empty())

    with pytest.raises((RpcError, asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
        await asyncio.create_task(effect())
    assert isinstance(caught.value, RpcError) is key
    assert "nothing was written" not in str(caught.value)
    await other.execute("DROP TABLE dying; DROP FUNCTION die")
    await other.close()
    await store.release("lost-in-commit", "h")
    await store.close()
