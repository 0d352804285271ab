import time

import pytest
from google.protobuf.empty_pb2 import Empty

from towpath._core import clock
from towpath._core.errors import RpcError
from towpath._layers.idempotency.memory_store import MIN_BYTES, MemoryStore
from towpath._layers.idempotency.store import Answer, KeyLease, current_lease

ANSWER = Answer(code=0, body=b"x")


def test_a_bound_too_small_for_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="max_bytes is 65535; give 65536 or more"):
        MemoryStore(max_bytes=MIN_BYTES - 1)


async def test_only_who_holds_a_key_answers_or_frees_it() -> None:
    store = MemoryStore()
    await store.claim("a", b"", "h", 100)
    assert await store.complete("a", "other", ANSWER, 100) is False
    await store.release("a", "other")
    assert (await store.claim("a", b"", "i", 100)).mine is False
    assert await store.complete("a", "h", ANSWER, 100) is True
    await store.release("a", "h")
    assert (await store.claim("a", b"", "i", 100)).answer == ANSWER


async def test_a_transaction_keeps_the_answer_and_has_no_tables() -> None:
    store = MemoryStore()
    await store.claim("k", b"f", "h", 60)
    lease = KeyLease(store, "k", "h", 60)
    token = current_lease.set(lease)
    with pytest.raises(RuntimeError, match=r"has no tables; set service\.idempotency"):
        async with store.transaction() as tx:
            await tx.execute("SELECT ?", (1,))
    assert not lease.answered
    async with store.transaction() as tx:
        assert tx.answer(Empty()) == Empty()
    assert lease.answered
    with pytest.raises(RuntimeError, match="answered already"):
        async with store.transaction():
            pass
    current_lease.reset(token)
    assert (await store.claim("k", b"f", "i", 60)).answer == Answer.of(Empty())
    async with store.transaction() as tx:
        tx.answer(Empty())  # in a call without a key


async def test_a_transaction_of_a_key_that_was_taken_over_keeps_nothing() -> None:
    store = MemoryStore()
    await store.claim("k", b"f", "slow", 0)
    assert (await store.claim("k", b"f", "h", 60)).mine
    token = current_lease.set(KeyLease(store, "k", "slow", 60))
    with pytest.raises(RpcError, match="taken over"):
        async with store.transaction() as tx:
            tx.answer(Empty())
    with pytest.raises(RuntimeError, match="must end with"):
        async with store.transaction():
            pass
    current_lease.reset(token)
    assert (await store.claim("k", b"f", "i", 60)).answer is None


async def test_a_new_store_knows_no_key() -> None:
    store = MemoryStore()
    await store.claim("k", b"f", "h", 60)
    assert (await store.claim("k", b"f", "i", 60)).mine is False
    assert (await MemoryStore().claim("k", b"f", "i", 60)).mine is True


async def test_leases_end_by_the_clock_that_never_steps() -> None:
    store, now = MemoryStore(), time.monotonic()
    with clock.using(lambda: now):
        await store.claim("k", b"f", "h", 60)
    assert clock.now is time.monotonic
    assert 0 < (await store.claim("k", b"f", "i", 60)).lease_left <= 60
