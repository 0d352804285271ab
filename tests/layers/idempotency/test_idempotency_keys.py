"""Keys that a contract requires, and a store that does not answer in time."""

import asyncio
from dataclasses import replace

import pytest
from echo.v1 import echo_pb2 as pb

from tests.echo_service import turn_until
from tests.layers.idempotency.effects import FAIL, Effects, context, wrapped
from tests.layers.idempotency.test_idempotency import Broken
from tests.layers.virtual_time import virtual
from towpath._core import clock
from towpath._core.decisions import reason_of
from towpath._core.errors import Code, RpcError
from towpath._core.service import IdempotencyKey
from towpath._layers.idempotency.idempotency import MAX_SILENT, Idempotency
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._layers.idempotency.store import Claim, StoreUnavailable

REQUIRED = replace(FAIL, idempotency_key=IdempotencyKey.REQUIRED)


@pytest.mark.parametrize("store", [MemoryStore(), None], ids=["kept", "not kept"])
@virtual
async def test_a_call_without_the_key_that_its_contract_requires_is_told_how_to_send_one(store: MemoryStore | None) -> None:
    effects, told = Effects(), list[tuple[str, bool]]()
    layer = Idempotency(store, signal=lambda decision: told.append((decision.reason, decision.rejected)))
    handler = layer.wrap(REQUIRED, effects.handle)
    with pytest.raises(RpcError, match=r"header idempotency-key \(CallOptions\(idempotency_key=") as caught:
        await handler(pb.FailRequest(), context(""))
    assert (caught.value.code, reason_of(caught.value)) == (Code.INVALID_ARGUMENT, "KEY_MISSING")
    assert (effects.runs, told) == (0, [("KEY_MISSING", True)])
    for _ in range(2):
        await handler(pb.FailRequest(), context())
    assert effects.runs == (1 if store else 2)


def test_without_a_store_only_a_required_key_is_a_role() -> None:
    following = Effects().handle
    assert Idempotency(None).wrap(FAIL, following) is following
    assert Idempotency(None).wrap(replace(FAIL, idempotency_key=IdempotencyKey.AUTO), following) is following


@virtual
async def test_a_call_waits_for_half_of_its_time_for_a_store_that_is_silent() -> None:
    store, effects = Broken(), Effects()
    store.slow = {"claim"}
    handler = wrapped(effects, store)
    with pytest.raises(RpcError, match=r"could not be checked: the store gave no answer") as caught:
        await handler(pb.FailRequest(), context(deadline=clock.now() + 0.2))
    assert (caught.value.code, reason_of(caught.value), effects.runs) == (Code.UNAVAILABLE, "STORE_UNAVAILABLE", 0)
    store.gate.set()
    await turn_until(lambda: store.asked["release"] == 1)
    assert len(store) == 0  # the claim that came through at last does not hold the key
    await handler(pb.FailRequest(), context())
    assert effects.runs == 1


@virtual
async def test_an_answer_that_cannot_be_stored_in_time_goes_to_the_caller_all_the_same() -> None:
    store, effects, told = Broken(), Effects(), list[str]()
    store.slow = {"complete"}
    handler = wrapped(effects, store, signal=lambda decision: told.append(decision.reason))
    await handler(pb.FailRequest(), context(deadline=clock.now() + 0.2))
    assert told == ["ANSWER_NOT_KEPT"]
    store.gate.set()
    await handler(pb.FailRequest(), context())  # it was stored behind the caller's back
    assert (effects.runs, told) == (1, ["ANSWER_NOT_KEPT", "REPLAYED"])


@virtual
async def test_a_silent_store_gathers_no_tasks() -> None:
    store, effects = Broken(), Effects()
    store.slow = {"claim"}
    handler = wrapped(effects, store)

    async def ended(number: int) -> str:
        with pytest.raises(RpcError) as caught:
            await handler(pb.FailRequest(), context(f"k{number}", deadline=clock.now() + 0.2))
        return caught.value.message

    assert set(await asyncio.gather(*(ended(number) for number in range(MAX_SILENT)))) == {
        f"{FAIL.full_name}: its idempotency key could not be checked: the store gave no answer within half of the call's time"
    }
    assert "has not answered 64 calls yet" in await ended(MAX_SILENT)
    assert store.asked["claim"] == MAX_SILENT
    store.gate.set()
    await turn_until(lambda: store.asked["release"] == MAX_SILENT)
    await handler(pb.FailRequest(), context())
    assert effects.runs == 1


async def test_cancelled_calls_are_no_sign_of_a_silent_store() -> None:
    store, effects = Broken(), Effects()
    store.slow = {"claim"}
    handler = wrapped(effects, store)
    calls = [asyncio.create_task(handler(pb.FailRequest(), context(f"k{number}"))) for number in range(MAX_SILENT)]
    await turn_until(lambda: store.asked["claim"] == MAX_SILENT)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    store.slow = set()
    await handler(pb.FailRequest(), context())
    assert effects.runs == 1
    store.gate.set()
    await turn_until(lambda: len(store) == 1)


@pytest.mark.parametrize("error", [StoreUnavailable("late"), KeyError("a bug"), asyncio.CancelledError()])
@virtual
async def test_a_claim_that_fails_after_its_call_gave_up_is_not_released(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    class Late(Broken):
        async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
            await self.gate.wait()
            self.asked["failed"] += 1
            raise error

    store, before = Late(), asyncio.all_tasks()
    with pytest.raises(RpcError, match="no answer within half"):
        await wrapped(Effects(), store)(pb.FailRequest(), context(deadline=clock.now() + 0.2))
    store.gate.set()
    await turn_until(lambda: asyncio.all_tasks() == before)
    assert (store.asked["failed"], store.asked["release"]) == (1, 0)
    assert caplog.messages == (["a claim whose call had given up has failed"] if isinstance(error, KeyError) else [])
