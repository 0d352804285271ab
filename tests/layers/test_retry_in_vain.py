"""Repetitions that come to nothing become rare, until a call is answered."""

import asyncio

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import SAY

from tests.layers.retry_stage import Stage, failure
from tests.layers.virtual_time import virtual
from towpath._core.context import Context
from towpath._core.decisions import rejection
from towpath._core.errors import Code, RpcError
from towpath._layers.retry import FORGOTTEN_AFTER, MANY, OUTAGE_AFTER


async def in_an_outage(stage: Stage) -> None:
    """Calls fail, one after the other, for two seconds."""
    stage.target.failures = [failure() for _ in range(10_000)]
    for _ in range(20):
        await stage.fails()
        await asyncio.sleep(0.1)
    stage.told.clear()


@virtual
async def test_what_always_comes_to_nothing_is_hardly_repeated_any_more_until_a_call_is_answered():
    stage = Stage()
    await in_an_outage(stage)
    for _ in range(30):
        await stage.fails()
        await asyncio.sleep(1)
    assert (stage.told["ATTEMPT"], stage.told["IN_VAIN"]) == (1, 30)
    stage.target.failures.clear()
    await stage.run()
    stage.target.failures = [failure(), failure()]
    await stage.run()
    assert stage.told["ATTEMPT"] == 3


@virtual
async def test_a_fault_of_less_than_a_second_is_what_repetitions_are_for():
    stage = Stage()
    for _ in range(MANY // 2):
        stage.target.failures = [failure() for _ in range(3)]
        await stage.fails()
    assert (stage.told["ATTEMPT"], stage.told["IN_VAIN"]) == (MANY, 0)


@virtual
async def test_many_that_fail_within_a_second_are_enough():
    stage = Stage(*(failure() for _ in range(1000)))
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < begun + OUTAGE_AFTER / 2:
        await stage.fails()
        await asyncio.sleep(0.01)
    assert stage.told["ATTEMPT"] == MANY
    assert stage.told["IN_VAIN"]


@virtual
async def test_an_answer_that_is_no_success_ends_an_outage_too():
    stage = Stage()
    await in_an_outage(stage)
    stage.target.failures = [failure(Code.NOT_FOUND)]
    assert (await stage.fails()).code is Code.NOT_FOUND
    stage.target.failures = [failure(), failure()]
    await stage.run()
    assert stage.told["ATTEMPT"] == 2


@virtual
async def test_what_failed_long_ago_says_nothing_of_a_method_that_is_rarely_called():
    stage = Stage()
    await in_an_outage(stage)
    await stage.fails()
    assert stage.told["IN_VAIN"] == 1
    await asyncio.sleep(FORGOTTEN_AFTER + 0.1)
    await stage.fails()
    assert (stage.told["ATTEMPT"], stage.told["IN_VAIN"]) == (2, 1)


@virtual
async def test_a_repetition_that_is_not_counted_is_not_in_vain_either():
    stage = Stage()
    await in_an_outage(stage)
    stage.target.failures.clear()
    await stage.run()
    stage.target.failures = [failure(unprocessed=True), failure(), failure()]
    await stage.run()
    assert not stage.told["IN_VAIN"]


@pytest.mark.parametrize("attempts", range(2, 6))
@virtual
async def test_the_first_calls_of_a_client_have_all_of_their_attempts(attempts):
    stage = Stage(*(failure() for _ in range(1000)), max_attempts=attempts)
    calls = (stage.call(SayRequest(), Context("a/b")) for _ in range(2))
    assert all(isinstance(end, RpcError) for end in await asyncio.gather(*calls, return_exceptions=True))
    assert len(stage.target.attempts) == 2 * attempts


@virtual
async def test_an_answer_now_and_then_keeps_repetitions_worth_while():
    stage = Stage()
    for _ in range(20):
        stage.target.failures = [failure() for _ in range(3)]
        await stage.fails()
        await stage.run()
    assert stage.told["ATTEMPT"] == 40
    assert not stage.told["IN_VAIN"]


@pytest.mark.parametrize("role", ["quota", "admission"])
@virtual
async def test_a_used_up_quota_has_nobody_elses_calls_not_repeated(role):
    stage = Stage(method=SAY)
    error = rejection(Code.RESOURCE_EXHAUSTED, SAY, role=role, reason="R", why="enough", pushback=0.001)
    error.unprocessed = False  # which does not cross the wire
    stage.target.failures = [error] * 100
    for _ in range(10):
        error.pushback = 0.001
        await stage.fails()
        await asyncio.sleep(0.2)
    assert bool(stage.told["IN_VAIN"]) is (role == "admission")


@virtual
async def test_what_could_not_be_sent_says_nothing_of_what_repetitions_are_worth():
    stage = Stage(*(failure(unprocessed=True) for _ in range(120)))
    for _ in range(30):
        await stage.fails()
    assert not stage.told["IN_VAIN"]
