"""Calls with one key wait for each other, and a key whose answer was forgotten is not run again."""

import asyncio
import types
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb

from tests.echo_service import turn_until
from tests.layers.idempotency.effects import Effects, context, wrapped
from towpath._core.decisions import reason_of
from towpath._core.errors import Code, RpcError
from towpath._layers.idempotency.idempotency import owner_of
from towpath._layers.idempotency.memory_store import MIN_BYTES, MemoryStore


async def test_duplicates_wait_in_their_order_and_the_end_of_a_call_wakes_one_of_them() -> None:
    async def steps(calls: int) -> int:
        """Steps of all tasks in which `calls` calls with one key are answered, whose handler fails for want of a dependency."""
        effects, taken = Effects(), 0
        effects.error = RpcError(Code.UNAVAILABLE)

        def counted(_: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            @types.coroutine
            def stepping() -> Any:
                nonlocal taken
                sent = None
                while True:
                    taken += 1
                    try:
                        waits = coroutine.send(sent)
                    except StopIteration as ended:
                        return ended.value
                    sent = yield waits

            return asyncio.Task(stepping(), **options)

        handler = wrapped(effects)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(counted)
        try:
            ended = await asyncio.gather(*(handler(pb.FailRequest(), context()) for _ in range(calls)), return_exceptions=True)
        finally:
            loop.set_task_factory(None)
        assert effects.runs == calls
        assert all(isinstance(error, RpcError) and error.code is Code.UNAVAILABLE for error in ended)
        return taken

    assert await steps(200) < 2.5 * await steps(100)


async def test_a_duplicate_that_waits_may_be_cancelled_and_the_next_one_has_its_turn() -> None:
    effects = Effects()
    effects.gate.clear()
    handler = wrapped(effects)
    first, second, third = (asyncio.create_task(handler(pb.FailRequest(), context())) for _ in range(3))
    await turn_until(lambda: effects.runs)
    second.cancel()
    first.cancel()
    await asyncio.wait([first, second])
    effects.gate.set()
    await third
    assert effects.runs == 2


async def test_a_call_whose_answer_was_forgotten_is_not_made_again() -> None:
    effects, told = Effects(), list[str]()
    handler = wrapped(effects, MemoryStore(max_bytes=MIN_BYTES), signal=lambda decision: told.append(decision.reason))
    for number in range(100):
        await handler(pb.FailRequest(), context(f"{number}"))
    assert told[-1] == "KEYS_EVICTED"
    with pytest.raises(RpcError) as caught:
        await handler(pb.FailRequest(), context("80"))
    assert (caught.value.code, reason_of(caught.value)) == (Code.FAILED_PRECONDITION, "ANSWER_FORGOTTEN")
    assert effects.runs == 100
    with pytest.raises(RpcError, match="used for another request"):
        await handler(pb.FailRequest(message="another"), context("80"))


@pytest.mark.parametrize(
    ("caller", "peer", "owner"),
    [
        ("spiffe://x/shop", "10.0.0.1:77", "spiffe://x/shop"),
        ("", "10.0.0.1:77", "10.0.0.1"),
        ("", "2001:db8::1:77", "2001:db8::1"),
        ("", "/run/shop.sock", "/run/shop.sock"),
        ("", "", ""),
    ],
)
def test_keys_are_counted_to_a_tenant_of_a_certificate_or_a_host(caller: str, peer: str, owner: str) -> None:
    ctx = context(tenant="t", peer=peer)
    ctx.caller = caller
    assert owner_of(ctx) == (owner, "t")
