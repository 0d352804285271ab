"""A store in memory is bounded in bytes, and nobody's keys go because another takes many."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.virtual_time import virtual
from towpath._core import clock
from towpath._layers.idempotency.memory_store import ANSWER_BYTES, KEY_BYTES, MIN_BYTES, SHARES, MemoryStore
from towpath._layers.idempotency.store import Answer, Claim, KeyLease, KeyOwner, StoreUnavailable, current_lease, current_owner

DAY = 86_400.0
BANK = KeyOwner("10.0.0.1", "bank")
GREEDY = KeyOwner("10.0.0.9", "")
SHARE = MIN_BYTES // SHARES


@contextmanager
def owned_by(owner: KeyOwner) -> Iterator[None]:
    token = current_owner.set(owner)
    try:
        yield
    finally:
        current_owner.reset(token)


class Bounded:
    """The smallest store, asked by several owners."""

    def __init__(self, size: int = MIN_BYTES) -> None:
        self.store = MemoryStore(max_bytes=size)
        self.evicted = 0
        """Keys that were told to have been forgotten before their time."""

    async def claim(self, owner: KeyOwner, key: str, lease: float = 60) -> Claim:
        with owned_by(owner):
            claim = await self.store.claim(key, b"f", f"{owner} {key}", lease)
        self.evicted += claim.evicted
        return claim

    async def answer(self, owner: KeyOwner, key: str, size: int = 1) -> bool:
        """Whether the answer was kept; a key that is not free keeps the answer that it has."""
        await self.claim(owner, key)
        return await self.store.complete(key, f"{owner} {key}", Answer(code=0, body=bytes(size)), DAY)

    async def fill(self, caller: str = "", lease: float = 60) -> None:
        """Claim keys until there is no room for another one; each for a caller of its own if `caller` does not name one."""
        for number in count():
            await self.claim(KeyOwner(caller or f"{number}", ""), f"{number}", lease)

    async def found(self, key: str) -> str:
        """What another attempt is told of a key."""
        claim = await self.store.claim(key, b"f", "asks", 60)
        self.evicted += claim.evicted
        if claim.mine:
            await self.store.release(key, "asks")
            return "free"
        return "answered" if claim.answer is not None else "forgotten" if claim.forgotten else "running"


async def test_one_callers_keys_take_no_answer_of_another() -> None:
    bounded = Bounded()
    await bounded.answer(BANK, "transfer", 1000)
    for number in range(1000):
        await bounded.answer(GREEDY, f"{number}", 300)
        assert bounded.store.size <= SHARE + 2000
    assert await bounded.found("transfer") == "answered"
    assert await bounded.found("999") == "answered"


async def test_many_tenants_of_one_caller_take_no_answer_of_another_caller() -> None:
    bounded = Bounded()
    await bounded.answer(BANK, "transfer", 3000)
    for number in range(1000):
        await bounded.answer(KeyOwner(GREEDY.caller, f"{number}"), f"{number}", 300)
        assert bounded.store.size <= MIN_BYTES
    assert await bounded.found("transfer") == "answered"


async def test_an_answer_goes_before_its_key_and_the_oldest_first() -> None:
    bounded = Bounded()
    for number in range(1000):
        await bounded.answer(GREEDY, f"{number}", 200)
    found = [await bounded.found(f"{number}") for number in range(1000)]
    first, last = found.index("forgotten"), found.index("answered")
    assert found == ["free"] * first + ["forgotten"] * (last - first) + ["answered"] * (1000 - last)
    assert KEY_BYTES * (last - first) == pytest.approx(SHARE / 2, abs=2 * KEY_BYTES)


async def test_keys_that_were_forgotten_before_their_time_are_told_once() -> None:
    bounded = Bounded()
    for number in range(100):
        await bounded.answer(GREEDY, f"{number}", 200)
    await bounded.claim(BANK, "k")
    told = bounded.evicted
    assert told == [await bounded.found(f"{number}") for number in range(100)].count("free") > 0
    await bounded.claim(BANK, "l")
    assert bounded.evicted == told


async def test_an_answer_too_large_is_not_kept_and_its_effect_is_not_had_again() -> None:
    bounded = Bounded()
    assert await bounded.answer(BANK, "fits", SHARE // 2 - ANSWER_BYTES)
    assert not await bounded.answer(BANK, "huge", SHARE // 2)
    assert await bounded.found("fits") == "answered"
    assert await bounded.found("huge") == "forgotten"


async def test_a_transaction_whose_answer_is_too_large_is_made_all_the_same() -> None:
    bounded = Bounded()
    await bounded.claim(BANK, "huge")
    lease = KeyLease(bounded.store, "huge", f"{BANK} huge", DAY)
    token = current_lease.set(lease)
    try:
        async with bounded.store.transaction() as tx:
            tx.answer(BytesValue(value=bytes(SHARE)))
    finally:
        current_lease.reset(token)
    assert lease.answered
    assert await bounded.found("huge") == "forgotten"


async def test_a_tenant_whose_keys_all_run_gets_no_other_and_others_do() -> None:
    bounded = Bounded()
    with pytest.raises(StoreUnavailable, match="the calls of all keys that one tenant of a caller may have"):
        await bounded.fill(GREEDY.caller)
    assert len(bounded.store) == SHARE // KEY_BYTES
    assert await bounded.answer(BANK, "transfer")
    assert await bounded.found("0") == "running"


async def test_a_store_whose_keys_all_run_takes_no_other_and_keeps_no_larger_answer() -> None:
    bounded = Bounded()
    with pytest.raises(StoreUnavailable, match="the calls of all keys that the store in memory can hold"):
        await bounded.fill()
    assert len(bounded.store) == MIN_BYTES // KEY_BYTES
    assert not await bounded.answer(KeyOwner("0", ""), "0", SHARE // 4)
    assert await bounded.found("0") == "forgotten"


async def test_keys_whose_holders_were_lost_make_room_when_their_leases_have_ended() -> None:
    bounded, now = Bounded(), 100.0
    with clock.using(lambda: now):
        for number in range(SHARE // KEY_BYTES):
            await bounded.claim(GREEDY, f"{number}", lease=10 + number)
        with pytest.raises(StoreUnavailable):
            await bounded.claim(GREEDY, "new")
        now += 11.5
        assert (await bounded.claim(GREEDY, "new")).mine
        assert (await bounded.claim(GREEDY, "newer")).mine
        with pytest.raises(StoreUnavailable):
            await bounded.claim(GREEDY, "newest")  # all keys are looked at once a second, or each refused call would look at all
        assert await bounded.found("2") == "running"


async def test_a_full_store_has_room_again_when_leases_have_ended() -> None:
    bounded, now = Bounded(), 100.0
    with clock.using(lambda: now):
        with pytest.raises(StoreUnavailable):
            await bounded.fill(lease=10)
        now += 10
        assert (await bounded.claim(BANK, "transfer")).mine
        assert len(bounded.store) == 1


async def test_what_has_expired_goes_first() -> None:
    bounded, now = Bounded(), 0.0
    with clock.using(lambda: now):
        for number in range(10):
            await bounded.answer(GREEDY, f"{number}")
        now += DAY / 2
        await bounded.answer(BANK, "transfer")
        now += DAY / 2
        await bounded.claim(BANK, "first")
        await bounded.claim(BANK, "second")
        assert len(bounded.store) == 3
        assert await bounded.found("transfer") == "answered"


async def test_a_key_that_has_expired_is_free() -> None:
    bounded, now = Bounded(), 0.0
    with clock.using(lambda: now):
        await bounded.claim(BANK, "k", lease=1)
        now = 1.0
        assert (await bounded.claim(BANK, "k")).mine
        assert len(bounded.store) == 1


OWNERS = [KeyOwner(caller, tenant) for caller in "ab" for tenant in "xyz"]
STEPS = st.lists(
    st.tuples(st.sampled_from(["claim", "answer", "release"]), st.integers(0, 5), st.integers(0, 60), st.integers(0, 5000)), max_size=120
)


@given(steps=STEPS)
@virtual
async def test_no_key_that_runs_is_lost_and_the_bounds_hold(steps: list[tuple[str, int, int, int]]) -> None:
    bounded, running, answered = Bounded(), dict[str, KeyOwner](), set[str]()
    for what, whose, number, size in steps:
        owner, key = OWNERS[whose], f"{whose} {number}"
        if what == "claim":
            try:
                claim = await bounded.claim(owner, key)
            except StoreUnavailable:
                continue
            if claim.mine:
                assert key not in running
                bounded.evicted -= key in answered
                answered.discard(key)
                running[key] = owner
        elif key in running:
            del running[key]
            if what == "release":
                await bounded.store.release(key, f"{owner} {key}")
                assert await bounded.found(key) == "free"
            else:
                kept = await bounded.store.complete(key, f"{owner} {key}", Answer(code=0, body=bytes(size)), DAY)
                assert await bounded.found(key) == ("answered" if kept else "forgotten")
                answered.add(key)
        assert bounded.store.size <= MIN_BYTES
        assert bounded.evicted >= 0, "a key was forgotten before its time, and nobody was told"
    for key in running:
        assert await bounded.found(key) == "running"
