"""A full compartment takes nobody in, and the others stay dry."""

import asyncio

import pytest
from echo.v1.echo_towpath import FAIL, INSPECT, SAY
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath._core.context import Context
from towpath._core.decisions import Decision, reason_of
from towpath._core.errors import Code, RpcError
from towpath._layers.bulkhead import BULKHEAD_FULL, Bulkhead, Compartment

CTX = Context("a/b")


class Handler:
    def __init__(self):
        self.under_way = 0
        self.go = asyncio.Event()

    async def __call__(self, request, _ctx):
        self.under_way += 1
        try:
            await self.go.wait()
        finally:
            self.under_way -= 1
        return request


def bulkhead(compartments):
    told = []
    layer = Bulkhead(compartment_of=lambda method: compartments.get(method.name), signal=told.append)
    return layer, told


async def full(handle, count):
    calls = [asyncio.create_task(handle(n, CTX)) for n in range(count)]
    await asyncio.sleep(0)
    return calls


async def end(handler, calls):
    handler.go.set()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_one_too_many_is_rejected_until_another_has_ended():
    layer, told = bulkhead({"Say": Compartment(max_concurrent=2)})
    handler = Handler()
    handle = layer.wrap(SAY, handler)
    calls = await full(handle, 2)
    with pytest.raises(RpcError) as caught:
        await handle(3, CTX)
    error = caught.value
    assert (error.code, reason_of(error), error.pushback) == (Code.RESOURCE_EXHAUSTED, BULKHEAD_FULL, None)
    assert error.message == "echo.v1.EchoService/Say: 2 calls of echo.v1.EchoService/Say are under way, and no more are let in"
    assert told == [Decision("echo.v1.EchoService/Say", "bulkhead", BULKHEAD_FULL, shadow=False, ctx=CTX, rejected=True)]
    await end(handler, calls)
    assert await handle(4, CTX) == 4


async def test_methods_of_a_group_share_their_places_and_others_do_not():
    layer, _ = bulkhead(
        {
            "Say": Compartment(max_concurrent=1, group="db"),
            "Fail": Compartment(max_concurrent=1, group="db"),
            "Inspect": Compartment(max_concurrent=1),
        }
    )
    handler = Handler()
    calls = await full(layer.wrap(SAY, handler), 1)
    with pytest.raises(RpcError, match="1 calls of db are under way"):
        await layer.wrap(FAIL, handler)(0, CTX)
    calls += await full(layer.wrap(INSPECT, handler), 1)
    assert handler.under_way == 2
    await end(handler, calls)


async def test_in_shadow_everybody_passes():
    layer, told = bulkhead({"Say": Compartment(max_concurrent=1, shadow=True)})
    handler = Handler()
    calls = await full(layer.wrap(SAY, handler), 3)
    assert handler.under_way == 3
    assert told == [Decision("echo.v1.EchoService/Say", "bulkhead", BULKHEAD_FULL, shadow=True, ctx=CTX)] * 2
    await end(handler, calls)


def test_a_method_without_a_bound_has_no_such_role():
    layer, _ = bulkhead({})
    handler = object()
    assert layer.wrap(SAY, handler) is handler


async def test_a_method_with_a_smaller_bound_leaves_the_rest_of_its_group_to_the_others():
    layer, _ = bulkhead({"Say": Compartment(max_concurrent=1, group="db"), "Fail": Compartment(max_concurrent=2, group="db")})
    handler = Handler()
    say, fail = layer.wrap(SAY, handler), layer.wrap(FAIL, handler)
    calls = await full(say, 1)
    with pytest.raises(RpcError, match="1 calls of db"):
        await say(0, CTX)
    calls += await full(fail, 1)
    assert handler.under_way == 2
    with pytest.raises(RpcError, match="2 calls of db"):
        await fail(0, CTX)
    await end(handler, calls)


@pytest.mark.parametrize("group", ["", "db"])
async def test_calls_under_way_count_towards_a_bound_that_is_set_anew(group):
    compartments = {"Say": Compartment(max_concurrent=2, group=group)}
    layer, _ = bulkhead(compartments)
    handler = Handler()
    calls = await full(layer.wrap(SAY, handler), 2)
    compartments["Say"] = Compartment(max_concurrent=3, group=group)
    larger = layer.wrap(SAY, handler)
    calls += await full(larger, 1)
    with pytest.raises(RpcError, match="3 calls of"):
        await larger(0, CTX)
    await end(handler, calls)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        Compartment(max_concurrent=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["call", "cancel", "turn"]), st.integers(0, 9)), max_size=40), st.integers(1, 3))
def test_whatever_comes_and_goes_the_bound_holds_and_no_place_is_lost(steps, most):
    async def main():
        layer, _ = bulkhead({"Say": Compartment(max_concurrent=most)})
        handler = Handler()
        handle = layer.wrap(SAY, handler)
        calls = []
        for step, which in steps:
            if step == "call":
                calls.append(asyncio.create_task(handle(which, CTX)))
            elif step == "cancel" and calls:
                calls[which % len(calls)].cancel()
            else:
                await asyncio.sleep(0)
            assert handler.under_way <= most
        await end(handler, calls)
        await asyncio.gather(*(handle(n, CTX) for n in range(most)))

    asyncio.run(main())


async def test_the_places_taken_are_told_by_group_and_by_method():
    layer, _ = bulkhead({"Say": Compartment(max_concurrent=3, group="db"), "Inspect": Compartment(max_concurrent=1)})
    handler = Handler()
    calls = await full(layer.wrap(SAY, handler), 2)
    layer.wrap(INSPECT, handler)
    assert layer.taken == {"db": 2, INSPECT.full_name: 0}
    await end(handler, calls)
    assert layer.taken == {"db": 0, INSPECT.full_name: 0}
