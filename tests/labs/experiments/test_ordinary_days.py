"""The lab on real processes runs on both sides, does to its servers what it says, and tells harm from chance."""

import asyncio
import signal

import pytest

from labs.experiments.do_no_harm.experiment import Comparison
from labs.experiments.do_no_harm.load import Outcome
from labs.experiments.do_no_harm.sides import BARE, SIDES, STACK
from labs.experiments.ordinary_days.experiment import compare, holds
from labs.experiments.ordinary_days.replica import site
from labs.experiments.ordinary_days.situations import SITUATIONS, Situation
from labs.work.v1.work_pb2 import ReadRequest
from towpath import CallOptions

PATIENT = CallOptions(timeout=60.0)


@pytest.mark.parametrize("side", SIDES.values(), ids=lambda side: side.name)
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_a_replica_keeps_its_port_when_it_is_ended_and_started(side, by):
    async def use():
        async with site(side, 0) as opened:
            (replica,) = await opened.serve()
            client, address = opened.connect(), replica.address
            await client.work.read(ReadRequest(id="burn=0.001,sleep=0.001"), PATIENT)
            await replica.end(by)
            await replica.start()
            assert replica.address == address
            await client.work.read(ReadRequest(id=""), CallOptions(timeout=60.0, wait_for_ready=True))

    asyncio.run(use())


def test_a_paused_replica_answers_when_it_goes_on():
    async def use():
        async with site(STACK, 0) as opened:
            (replica,) = await opened.serve()
            client = opened.connect()
            await client.work.read(ReadRequest(id=""), PATIENT)
            replica.send(signal.SIGSTOP)
            calling = asyncio.create_task(client.work.read(ReadRequest(id=""), PATIENT))
            await replica.pause(0.0)
            await calling

    asyncio.run(use())


def test_both_sides_get_the_same_calls():
    burst = Situation(what="300 calls at once", run=SITUATIONS["cold start"].run)
    comparison = asyncio.run(compare(burst, 1))
    assert comparison.stack.calls == comparison.bare.calls == 300


@pytest.mark.parametrize(
    ("stack", "bare", "harmless"),
    [
        (0, 0, True),
        (1, 0, True),  # a thousandth
        (9, 0, False),
        (60, 50, True),  # chance
        (90, 50, False),
    ],
)
def test_harm_is_told_from_chance(stack, bare, harmless):
    comparison = Comparison(stack=_outcome(failed=stack), bare=_outcome(failed=bare))
    assert holds(SITUATIONS["hot loop"], comparison) is harmless


def test_a_slower_side_does_harm():
    assert not holds(SITUATIONS["hot loop"], Comparison(stack=_outcome(p99=0.2), bare=_outcome(p99=0.1)))
    assert holds(SITUATIONS["hot loop"], Comparison(stack=_outcome(p99=0.13), bare=_outcome(p99=0.1)))


def test_sides_are_those_of_the_simulated_lab():
    assert [side.name for side in (STACK, BARE)] == list(SIDES)


def _outcome(failed: int = 0, p99: float = 0.001) -> Outcome:
    return Outcome(calls=1000, failed=failed, latencies=[p99] * (1000 - failed))
