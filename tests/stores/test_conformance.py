"""One suite for every store: what the port promises, against the real servers."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from echo.v1 import echo_pb2 as pb

from tests.stores.servers import Opened, stores
from towpath._core.errors import Code, RpcError
from towpath._layers.idempotency.store import Answer, KeyLease, current_lease

PRINT = bytes(range(32))
ANSWER = Answer(code=5, body=b"\0\xffbody")
LONG = 1000.0


async def table(store: Any) -> None:
    async with store.transaction() as tx:
        await tx.execute("CREATE TABLE IF NOT EXISTS effects (key text)")


async def insert(tx: Any, key: str) -> None:
    await tx.execute("INSERT INTO effects VALUES (?)", (key,))


async def effects(store: Any, key: str) -> int:
    async with store.transaction() as tx:
        return len(await tx.execute("SELECT key FROM effects WHERE key = ?", (key,)))


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def test_one_of_many_claims_succeeds(opened: Opened, key: str) -> None:
    async with opened() as store:
        claims = await asyncio.gather(*(store.claim(key, PRINT, f"holder-{number}", LONG) for number in range(20)))
        assert sum(claim.mine for claim in claims) == 1
        other = next(claim for claim in claims if not claim.mine)
        assert (other.fingerprint, other.answer) == (PRINT, None)
        assert 0 < other.lease_left <= LONG


async def test_an_answer_is_kept_with_the_first_fingerprint(opened: Opened, key: str) -> None:
    async with opened() as store:
        await store.claim(key, PRINT, "h", LONG)
        assert await store.complete(key, "h", ANSWER, LONG) is True
        claim = await store.claim(key, bytes(32), "i", LONG)
        assert (claim.mine, claim.fingerprint, claim.answer) == (False, PRINT, ANSWER)


async def test_only_who_holds_a_key_answers_or_frees_it(opened: Opened, key: str) -> None:
    async with opened() as store:
        await store.claim(key, PRINT, "h", LONG)
        assert await store.complete(key, "other", ANSWER, LONG) is False
        await store.release(key, "other")
        assert (await store.claim(key, PRINT, "i", LONG)).mine is False
        assert await store.complete(key, "h", ANSWER, LONG) is True
        assert await store.complete(key, "h", Answer(code=0, body=b""), LONG) is False
        await store.release(key, "h")
        assert (await store.claim(key, PRINT, "i", LONG)).answer == ANSWER


async def test_a_key_that_was_released_is_free(opened: Opened, key: str) -> None:
    async with opened() as store:
        await store.claim(key, PRINT, "h", LONG)
        await store.release(key, "h")
        assert (await store.claim(key, PRINT, "i", LONG)).mine is True
        assert await store.complete(key, "h", ANSWER, LONG) is False


async def test_a_lease_that_has_ended_is_taken_over(opened: Opened, key: str) -> None:
    async with opened() as store:
        await store.claim(key, PRINT, "crashed", 0)
        while not (await store.claim(key, PRINT, "h", LONG)).mine:
            continue
        assert await store.complete(key, "crashed", ANSWER, LONG) is False
        assert await store.complete(key, "h", ANSWER, 0) is True
        while not (await store.claim(key, PRINT, "later", LONG)).mine:
            continue


async def test_an_effect_and_its_answer_are_committed_together(transactional: Opened, key: str) -> None:
    async with transactional() as store:
        await table(store)
        await store.claim(key, PRINT, "h", LONG)
        lease = KeyLease(store, key, "h", LONG)
        current_lease.set(lease)
        async with store.transaction() as tx:
            await insert(tx, key)
            tx.answer(pb.SayResponse(id="x"))
        assert lease.answered
        with pytest.raises(RuntimeError, match="answered already"):
            async with store.transaction():
                pass
        current_lease.set(None)
        assert (await store.claim(key, PRINT, "i", LONG)).answer == Answer.of(pb.SayResponse(id="x"))
        assert await effects(store, key) == 1


async def test_an_attempt_that_was_overtaken_leaves_no_effect(transactional: Opened, key: str) -> None:
    async with transactional() as store:
        await table(store)
        await store.claim(key, PRINT, "slow", 0)
        assert (await store.claim(key, PRINT, "h", LONG)).mine
        current_lease.set(KeyLease(store, key, "slow", LONG))
        with pytest.raises(RpcError, match="taken over") as caught:  # noqa: PT012 # the end of the block raises
            async with store.transaction() as tx:
                await insert(tx, key)
                tx.answer(pb.SayResponse())
        current_lease.set(None)
        assert caught.value.code is Code.ABORTED
        assert await effects(store, key) == 0


async def test_a_transaction_that_fails_or_gives_no_answer_leaves_nothing(transactional: Opened, key: str) -> None:
    async with transactional() as store:
        await table(store)
        await store.claim(key, PRINT, "h", LONG)
        current_lease.set(KeyLease(store, key, "h", LONG))
        with pytest.raises(RuntimeError, match="must end with"):  # the end of the block raises
            async with store.transaction() as tx:
                await insert(tx, key)
        with pytest.raises(asyncio.CancelledError):  # noqa: PT012 # as above
            async with store.transaction() as tx:
                await insert(tx, key)
                tx.answer(pb.SayResponse())
                raise asyncio.CancelledError
        current_lease.set(None)
        assert await effects(store, key) == 0
        assert (await store.claim(key, PRINT, "i", LONG)).answer is None


async def test_one_way_to_write_statements_holds_for_every_database(transactional: Opened) -> None:
    async with transactional() as store:
        async with store.transaction() as tx:
            await tx.execute("CREATE TABLE IF NOT EXISTS seats (flight text, seats integer, note text)")
            await tx.execute("DELETE FROM seats")
            await tx.execute("INSERT INTO seats VALUES (?, ?, 'why?')", ("UA1", 3))
            await tx.execute("INSERT INTO seats VALUES (?, ?, ?)", ("UA2", 5, None))
        async with store.transaction() as tx:
            rows = await tx.execute("SELECT flight, seats, note FROM seats WHERE seats > ? -- how many?\n ORDER BY flight", (2,))
            assert rows == [("UA1", 3, "why?"), ("UA2", 5, None)]
            assert await tx.execute("SELECT flight FROM seats WHERE seats = ?", (9,)) == []
            await tx.execute("DROP TABLE seats")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def answering(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """What opens each of the stores whose transactions take an answer."""
    return stores(request, tmp_path)


async def test_an_answer_of_a_transaction_is_kept(answering: Opened, key: str) -> None:
    async with answering() as store:
        async with store.transaction() as tx:
            assert tx.answer(pb.SayResponse(id="plain")).id == "plain"  # in a call without a key
        await store.claim(key, PRINT, "h", LONG)
        lease = KeyLease(store, key, "h", LONG)
        current_lease.set(lease)
        async with store.transaction() as tx:
            tx.answer(pb.SayResponse(id="x"))
            assert not lease.answered
        assert lease.answered
        current_lease.set(None)
        assert (await store.claim(key, PRINT, "i", LONG)).answer == Answer.of(pb.SayResponse(id="x"))


async def test_a_transaction_without_its_key_keeps_nothing(answering: Opened, key: str) -> None:
    async with answering() as store:
        await store.claim(key, PRINT, "slow", 0)
        while not (await store.claim(key, PRINT, "h", LONG)).mine:
            continue
        current_lease.set(KeyLease(store, key, "slow", LONG))
        with pytest.raises(RpcError, match="taken over") as caught:
            async with store.transaction() as tx:
                tx.answer(pb.SayResponse())
        current_lease.set(KeyLease(store, key, "h", LONG))
        with pytest.raises(RuntimeError, match="must end with"):
            async with store.transaction():
                pass
        current_lease.set(None)
        assert (caught.value.code, caught.value.pushback) == (Code.ABORTED, 0.1)
        assert (await store.claim(key, PRINT, "i", LONG)).answer is None


async def test_expired_keys_are_deleted_in_batches(transactional: Opened) -> None:
    async with transactional() as store:
        while await store.expire():
            continue
        for number in range(5):
            await store.claim(f"expired-{uuid4().hex}", PRINT, str(number), 0)
        assert [await store.expire(3), await store.expire(3), await store.expire(3)] == [3, 2, 0]
