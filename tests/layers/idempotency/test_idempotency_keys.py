"""Keys that a contract requires, and a store that does not answer in time."""

from dataclasses import replace

import pytest
from echo.v1 import echo_pb2 as pb

from tests.echo_service import turn_until
from tests.layers.idempotency.test_idempotency import FAIL, Broken, Effects, context, wrapped
from towpath._core import clock
from towpath._core.decisions import reason_of
from towpath._core.errors import Code, RpcError
from towpath._core.service import IdempotencyKey
from towpath._layers.idempotency.idempotency import Idempotency
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._layers.idempotency.store import Claim, StoreUnavailable

REQUIRED = replace(FAIL, idempotency_key=IdempotencyKey.REQUIRED)


@pytest.mark.parametrize("store", [MemoryStore(), None], ids=["kept", "not kept"])
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


async def test_an_answer_that_cannot_be_stored_in_time_goes_to_the_caller_all_the_same() -> None:
    store, effects, told = Broken(), Effects(), list[str]()
    store.slow = {"complete"}
    handler = wrapped(effects, store, signal=lambda decision: told.append(decision.reason))
    await handler(pb.FailRequest(), context(deadline=clock.now() + 0.2))
    assert told == ["ANSWER_NOT_KEPT"]
    store.gate.set()
    await handler(pb.FailRequest(), context())  # it was stored behind the caller's back
    assert (effects.runs, told) == (1, ["ANSWER_NOT_KEPT", "REPLAYED"])


async def test_a_claim_of_which_only_the_reply_was_lost_does_not_hold_its_key() -> None:
    class Deaf(Broken):
        async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
            claim = await super().claim(key, fingerprint, holder, lease)
            if self.asked["claim"] == 1:
                raise StoreUnavailable("the reply was lost")
            return claim

    store, effects = Deaf(), Effects()
    handler = wrapped(effects, store)
    with pytest.raises(RpcError, match="the reply was lost"):
        await handler(pb.FailRequest(), context())
    await turn_until(lambda: store.asked["release"] == 1)
    await handler(pb.FailRequest(), context())
    assert effects.runs == 1
