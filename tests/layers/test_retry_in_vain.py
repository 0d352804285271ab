"""Repetitions that come to nothing become rare, until a call is answered."""

import asyncio

import pytest
from echo.v1.echo_towpath import SAY

from tests.layers.retry_stage import Stage, failure
from tests.layers.virtual_time import virtual
from towpath._core.decisions import rejection
from towpath._core.errors import Code
from towpath._layers.retry import PAUSE


@virtual
async def test_what_always_comes_to_nothing_is_hardly_repeated_any_more_until_a_call_is_answered():
    stage = Stage(*(failure() for _ in range(1000)))
    for _ in range(30):
        await stage.fails()
    assert (stage.told["ATTEMPT"], stage.told["IN_VAIN"]) == (2, 29)
    await asyncio.sleep(PAUSE)
    assert (await stage.fails()).pushback == -1
    assert (stage.told["ATTEMPT"], stage.told["IN_VAIN"]) == (3, 30)
    stage.target.failures.clear()
    await stage.run()
    stage.target.failures = [failure(), failure()]
    await stage.run()
    assert stage.told["ATTEMPT"] == 5


@pytest.mark.parametrize("attempts", range(2, 6))
@virtual
async def test_the_first_call_of_a_client_has_all_of_its_attempts(attempts):
    stage = Stage(*(failure() for _ in range(1000)), max_attempts=attempts)
    await stage.fails()
    assert len(stage.target.attempts) == attempts
    await stage.fails()
    assert len(stage.target.attempts) == attempts + 1


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
    assert bool(stage.told["IN_VAIN"]) is (role == "admission")


@virtual
async def test_what_could_not_be_sent_says_nothing_of_what_repetitions_are_worth():
    stage = Stage(*(failure(unprocessed=True) for _ in range(120)))
    for _ in range(30):
        await stage.fails()
    assert not stage.told["IN_VAIN"]
