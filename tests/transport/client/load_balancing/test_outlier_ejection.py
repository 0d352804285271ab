"""Outlier ejection: the algorithm over counters, and a channel that leaves a failing server out."""

import asyncio
import math
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from hypothesis import given
from hypothesis import strategies as st

from tests.echo_service import turn_until
from tests.transport.fleet import WAITING, Named, states
from towpath._core import clock
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.outcome import BLAMES_SERVER, Outcome
from towpath._transport import Channel, ChannelOptions, Ejection, Server
from towpath._transport.client.endpoints.endpoint import State
from towpath._transport.client.load_balancing.outlier_ejection import Ejector, Tally

DEFAULT = Ejection()


def tallies(*counts: tuple[int, int]) -> list[Tally]:
    made = [Tally() for _ in counts]
    for tally, (successes, failures) in zip(made, counts, strict=True):
        tally.successes, tally.failures = successes, failures
    return made


def ejected(among: list[Tally]) -> list[int]:
    return [index for index, tally in enumerate(among) if tally.ejected_at is not None]


GOOD, BAD, SELDOM = (100, 0), (50, 50), (0, 99)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        pytest.param([BAD] + [GOOD] * 4, [0], id="the first may always be ejected, a fifth of all though it is"),
        pytest.param([GOOD] * 5, [], id="all are good"),
        pytest.param([BAD] * 5, [], id="all are as bad"),
        pytest.param([BAD] + [GOOD] * 3, [], id="too few hosts"),
        pytest.param([SELDOM] + [GOOD] * 5, [], id="too few calls to be judged"),
        pytest.param([BAD] + [GOOD] * 3 + [SELDOM], [], id="too few hosts with enough calls"),
        pytest.param([BAD, BAD] + [GOOD] * 8, [0], id="one of ten is the share"),
        pytest.param([BAD, BAD] + [GOOD] * 9, [0, 1], id="one of eleven is below the share, so another one goes"),
        pytest.param([(98, 2), (97, 3), (99, 1), (96, 4), (98, 2)], [], id="differences within the deviations"),
    ],
)
def test_who_is_far_below_the_mean_is_ejected(counts: list[tuple[int, int]], expected: list[int]) -> None:
    among = tallies(*counts)
    assert Ejector(DEFAULT, 0.0).sweep(among, 10.0) is bool(expected)
    assert ejected(among) == expected
    assert all(tally.successes == tally.failures == 0 for tally in among)


def test_it_comes_back_and_stays_out_longer_each_time() -> None:
    among = tallies(*[GOOD] * 5)
    ejector = Ejector(DEFAULT, 0.0)
    now = 0.0
    for times in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11):
        for tally in among:
            tally.successes = 100
        among[0].successes, among[0].failures = 0, 100
        now += 10.0
        assert ejector.sweep(among, now)
        assert ejected(among) == [0]
        assert among[0].times == times
        out = now
        while ejected(among):
            now += 10.0
            ejector.sweep(among, now)
        assert now - out == min(30.0 * times, 300.0) + 10.0  # at the first sweep after the time is over


def test_intervals_in_use_are_forgiving() -> None:
    among = tallies(GOOD)
    among[0].times = 2
    ejector = Ejector(DEFAULT, 0.0)
    seen: list[int] = []
    for now in (10.0, 20.0, 30.0):
        ejector.sweep(among, now)
        seen.append(among[0].times)
    assert seen == [1, 0, 0]


@pytest.mark.parametrize(("now", "expected"), [(10.0, [0]), (19.9, [0]), (20.0, []), (1000.0, [])])
def test_what_is_too_old_is_not_judged(now: float, expected: list[int]) -> None:
    among = tallies(BAD, *[GOOD] * 4)
    ejector = Ejector(DEFAULT, 0.0)
    assert ejector.due == 10.0
    ejector.sweep(among, now)
    assert ejected(among) == expected
    assert ejector.due == now + 10.0


# What a sweep makes of one endpoint: (ejected, how often) and whether it is far below the others, to (ejected, how often).
TRANSITIONS = [
    ((False, 0), False, 10.0, (False, 0)),
    ((False, 2), False, 10.0, (False, 1)),
    ((False, 0), True, 10.0, (True, 1)),
    ((False, 2), True, 10.0, (True, 3)),
    ((True, 1), False, 30.0, (True, 1)),
    ((True, 1), True, 30.0, (True, 1)),
    ((True, 1), False, 30.1, (False, 1)),
    ((True, 1), True, 30.1, (False, 1)),
    ((True, 20), False, 300.0, (True, 20)),
    ((True, 20), False, 300.1, (False, 20)),
]


@pytest.mark.parametrize(("before", "bad", "age", "after"), TRANSITIONS)
def test_transitions(before: tuple[bool, int], bad: bool, age: float, after: tuple[bool, int]) -> None:
    among = tallies(BAD if bad else GOOD, *[GOOD] * 5)
    one = among[0]
    one.ejected_at, one.times = 0.0 if before[0] else None, before[1]
    assert Ejector(DEFAULT, age - 10.0).sweep(among, age) is (before[0] is not after[0])
    assert (one.ejected_at is not None, one.times) == after


@given(st.lists(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=12, max_size=12), max_size=30), st.floats(0.01, 1.0))
def test_whatever_happens_few_are_out_and_nobody_for_ever(rounds: list[list[tuple[int, int]]], share: float) -> None:
    options = Ejection(most_share=share)
    among = tallies(*[GOOD] * 12)
    ejector, now = Ejector(options, 0.0), 0.0
    for counts in rounds:
        for tally, (successes, failures) in zip(among, counts, strict=True):
            if tally.ejected_at is None:  # nobody calls it
                tally.successes, tally.failures = successes, failures
        now += 10.0
        ejector.sweep(among, now)
        assert len(ejected(among)) <= math.ceil(share * 12)
        assert len(ejected(among)) < 12
        for tally in among:
            assert tally.ejected_at is None or now - tally.ejected_at <= options.most_time
            assert tally.times >= (tally.ejected_at is not None)


@given(st.lists(st.sampled_from(Outcome), max_size=50))
def test_servers_are_judged_by_what_blames_them(outcomes: list[Outcome]) -> None:
    tally = Tally()
    for outcome in outcomes:
        tally.count(outcome)
    assert tally.failures == sum(outcome in BLAMES_SERVER for outcome in outcomes)
    assert tally.successes == sum(outcome in {Outcome.SUCCESS, Outcome.CLIENT_FAULT} for outcome in outcomes)


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"interval": 0}, "ejection's interval is 0; give more than 0"),
        ({"sigmas": float("nan")}, "ejection's sigmas is nan"),
        ({"most_time": math.inf}, "ejection's most_time is inf"),
        ({"most_share": 1.5}, r"ejection's most_share is 1\.5; give at most 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SetupError, match=complaint):
        Ejection(**setting)


class Failing(Named):
    """Has a bug."""

    async def say(self, request: pb.SayRequest, ctx: object) -> pb.SayResponse:
        await super().say(request, ctx)
        raise RpcError(Code.INTERNAL, "on purpose")


@pytest.mark.parametrize("ejection", [Ejection(requests=10), None])
async def test_of_six_servers_the_one_that_fails_gets_no_calls_for_a_while(ejection: Ejection | None) -> None:
    asked: Counter[int] = Counter()
    options = ChannelOptions(balancer="round_robin", slow_start=0, ejection=ejection)
    now = clock.now()
    with clock.using(lambda: now):
        async with AsyncExitStack() as stack:
            servers = [Server([(Failing if name == 3 else Named)(name, asked)]) for name in range(6)]
            for server in servers:
                stack.push_async_callback(server.close, 0)
                await server.start()
            target = "static:///" + ",".join(server.address for server in servers)
            channel = await stack.enter_async_context(Channel(target, options=options))
            client = EchoServiceClient(channel)

            async def failures(calls: int) -> int:
                answers = await asyncio.gather(*(client.say(pb.SayRequest()) for _ in range(calls)), return_exceptions=True)
                return sum(isinstance(answer, RpcError) for answer in answers)

            with suppress(RpcError):
                await client.say(pb.SayRequest(), WAITING)
            await turn_until(lambda: states(channel) == [State.READY] * 6)
            asked.clear()
            assert await failures(120) == 20
            now += 11
            assert await failures(60) == (10 if ejection is None else 0)
            now += 49
            assert await failures(60) == 10
