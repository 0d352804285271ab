"""Who hears of requests, and which calls are under way."""

import asyncio
from contextvars import copy_context

from towpath._core import context
from towpath._core.calls.activity import Activity, activity_of
from towpath._core.context import Context


def test_a_listener_hears_of_the_first_read_after_it_asked_and_of_no_other() -> None:
    activity = Activity()
    heard: list[int] = []
    activity.on_request = lambda: heard.append(1)
    assert not activity.quiet  # nobody has asked yet
    activity.quiet = True
    activity.stir()
    assert heard == [1]
    assert not activity.quiet


def test_without_a_listener_nothing_happens() -> None:
    activity = Activity()
    activity.stir()
    assert activity.calls() == []


def test_the_calls_are_those_of_all_servers() -> None:
    activity = Activity()
    first, second = Context("a.A/One"), Context("a.A/Two")
    activity.servers[lambda: [(None, first)]] = None
    activity.servers[lambda: [(None, second)]] = None
    assert [ctx for _, ctx in activity.calls()] == [first, second]


async def test_each_loop_has_one_activity() -> None:
    loop = asyncio.get_running_loop()
    assert activity_of(loop) is activity_of(loop)
    other = asyncio.new_event_loop()
    try:
        assert activity_of(other) is not activity_of(loop)
    finally:
        other.close()


async def test_the_call_of_another_tasks_variables_is_known() -> None:
    ctx = Context("a.A/One")
    token = context.enter(ctx)
    task = asyncio.create_task(asyncio.sleep(0))
    context.leave(token)
    assert context.current_in(copy_context()) is None
    await task
    token = context.enter(ctx)
    assert context.current_in(copy_context()) is ctx
    context.leave(token)
