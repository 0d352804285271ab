"""Tasks that outlive their calls, and locks that are waited for too long."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from towpath._core import context
from towpath._core.calls.activity import activity_of
from towpath._core.context import Context
from towpath._core.server_call import ServerCallInfo
from towpath._telemetry.tasks.leaked_tasks import MAX_TASKS, LeakedTasks


def received(method: str) -> Context:
    ctx = Context(method)
    ctx.server = ServerCallInfo(1.0)
    return ctx


async def nap() -> None:
    await asyncio.Event().wait()


@contextmanager
def under_way(ctx: Context) -> Generator[None]:
    """A server that handles the call."""
    servers = activity_of(asyncio.get_running_loop()).servers

    def calls() -> list[tuple[None, Context]]:
        return [(None, ctx)]

    servers[calls] = None
    token = context.enter(ctx)
    try:
        yield
    finally:
        context.leave(token)
        del servers[calls]


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_task_is_reported_once_when_its_call_has_been_over_for_long(caplog: pytest.LogCaptureFixture) -> None:
    time: Any = SimpleNamespace(now=lambda: 0.0)
    registry = CollectorRegistry()
    leaked = LeakedTasks(asyncio.get_running_loop(), 60, registry, time)
    with under_way(received("a.A/Get")):
        task = asyncio.create_task(nap(), name="left over")
        await asyncio.sleep(0)
        time.now = lambda: 500.0
        leaked.look_when_due()
    assert caplog.messages == []  # its call was under way
    for now in (1000.0, 1030.0, 1061.0, 1100.0, 1200.0):
        time.now = lambda now=now: now
        leaked.look_when_due()
    (message,) = caplog.messages
    assert message.startswith(
        "the task left over of nap goes on, more than 60 s after its call of a.A/Get has ended: it waits for an Event at"
    )
    assert message.endswith("await it, cancel it, or start it with towpath.background_task")
    assert registry.get_sample_value("towpath_leaked_tasks_total", {"rpc_method": "a.A/Get"}) == 1
    await ended(task)


async def test_tasks_without_a_call_and_of_calls_that_this_process_makes_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    time: Any = SimpleNamespace(now=lambda: 0.0)
    leaked = LeakedTasks(asyncio.get_running_loop(), 60, CollectorRegistry(), time)
    own = asyncio.create_task(nap())
    with under_way(Context("a.A/Get")):  # as a background task has it
        background = asyncio.create_task(nap())
    await asyncio.sleep(0)
    for now in (100.0, 200.0):
        time.now = lambda now=now: now
        leaked.look()
    assert caplog.messages == []
    await ended(own, background)


async def test_a_lock_that_is_waited_for_too_long_is_reported_once_with_who_has_it(caplog: pytest.LogCaptureFixture) -> None:
    time: Any = SimpleNamespace(now=lambda: 0.0)
    leaked = LeakedTasks(asyncio.get_running_loop(), 60, CollectorRegistry(), time)
    lock = asyncio.Lock()

    async def have() -> None:
        async with lock:
            await nap()

    async def want() -> None:
        async with lock:
            raise AssertionError

    tasks = [asyncio.create_task(have(), name="holder"), *(asyncio.create_task(want(), name=f"w{n}") for n in range(3))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING, "towpath.tasks"):
        for now in (100.0, 130.0, 161.0, 200.0):
            time.now = lambda now=now: now
            leaked.look()
    (message,) = caplog.messages
    assert " and 2 more wait for a Lock at " in message
    assert "and the task holder has it: it waits for an Event at" in message
    await ended(*tasks)


async def test_where_there_are_very_many_tasks_none_is_looked_at() -> None:
    many: Any = [None] * (MAX_TASKS + 1)
    LeakedTasks(asyncio.get_running_loop(), 60, CollectorRegistry(), tasks=lambda _: many).look()


async def test_a_fault_ends_nothing() -> None:
    def fail(_: object) -> Any:
        raise ZeroDivisionError

    time: Any = SimpleNamespace(now=lambda: 0.0)
    leaked = LeakedTasks(asyncio.get_running_loop(), 60, CollectorRegistry(), time, tasks=fail)
    time.now = lambda: 100.0
    leaked.look_when_due()
