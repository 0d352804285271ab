"""Faults befall the calls they name, as often as they say, and no others."""

import random

import pytest
from echo.v1.echo_towpath import INSPECT, SAY
from stream.v1.stream_towpath import StreamService

from tests.testing.scene import PORT, Working, channel_to, say
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._transport import Server
from towpath.testing import Simulation, constant, simulate
from towpath.testing._faults import Fault, Faults


async def following(request: object, ctx: Context) -> object:
    return request


def test_a_method_that_no_fault_names_keeps_its_handler() -> None:
    layer = Faults([Fault(methods="echo.v1.EchoService/Say")])
    assert layer.wrap(INSPECT, following) is following
    assert layer.wrap(SAY, following) is not following


def test_latency_and_code_reach_the_caller_of_a_real_server() -> None:
    async def main(simulation: Simulation) -> float:
        node = simulation.node("echo")
        faults = Faults([Fault(latency=constant(0.25)), Fault(latency=0.25, code=Code.UNAVAILABLE, message="on purpose")])
        server = Server([Working(node, 0.0)], layers=[faults])
        await server.start(sock=node.listen(PORT), insecure=True)
        async with channel_to("echo") as channel:
            with pytest.raises(RpcError, match="on purpose") as error:
                await say(channel)
            took = simulation.elapsed
        await server.close()
        assert error.value.code is Code.UNAVAILABLE
        return took

    assert simulate(main) == pytest.approx(0.5, abs=0.01)


def test_the_same_seed_befalls_the_same_calls() -> None:
    async def fates(simulation: Simulation, seed: int | None) -> list[bool]:
        source = None if seed is None else random.Random(seed)
        handler = Faults([Fault(probability=0.3, code=Code.INTERNAL)], random=source).wrap(SAY, following)
        fates: list[bool] = []
        for _ in range(200):
            try:
                await handler(None, Context(SAY.full_name))
            except RpcError:
                fates.append(True)
            else:
                fates.append(False)
        return fates

    first = simulate(lambda simulation: fates(simulation, 1))
    assert first == simulate(lambda simulation: fates(simulation, 1), seed=9)
    assert 30 < sum(first) < 90
    assert simulate(lambda simulation: fates(simulation, None), seed=9) == simulate(lambda simulation: fates(simulation, None), seed=9)


def test_every_kind_of_method_can_have_faults() -> None:
    layer = Faults([Fault(methods="stream.v1.*", code=Code.ABORTED)])

    async def main(simulation: Simulation) -> None:
        for method in StreamService.spec.methods:
            with pytest.raises(RpcError):
                await layer.wrap(method, following)(None, Context(method.full_name))

    simulate(main)


def test_a_probability_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Fault(probability=1.5)
