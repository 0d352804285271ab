"""Work that goes on after the answer."""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, turn_until
from towpath import App, CallOptions, Code, Context, RpcError, background_task, connect, current
from towpath._core.background import finish_background_tasks
from towpath._telemetry.metrics import CallMetrics

Work = Callable[[], Coroutine[Any, Any, Any]]


class Leaves(Echo):
    """Leaves `work` behind in a background task."""

    def __init__(self, work: Work, timeout: float | None = None) -> None:
        super().__init__()
        self.work = work
        self.timeout = timeout
        self.tasks: list[asyncio.Task[Any]] = []

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.tasks.append(background_task(self.work(), timeout=self.timeout))
        return await super().say(request, ctx)


async def left(app: App, service: Leaves, options: CallOptions | None = None) -> asyncio.Task[Any]:
    """The task that one call of `service` leaves behind."""
    if not app.address:
        app.add(service)
        await app.start("127.0.0.1", 0)
    async with connect(app.address, metrics=CallMetrics()) as channel:
        await EchoServiceClient(channel).say(pb.SayRequest(), options or CallOptions(timeout=PATIENCE))
    return service.tasks[-1]


@pytest.mark.parametrize("limit", [None, 3600.0])
async def test_calls_that_it_makes_inherit_all_but_deadline_and_key(limit: float | None) -> None:
    echo = Echo()
    async with App() as back:
        back.add(echo)
        await back.start("127.0.0.1", 0)
        async with connect(back.address, metrics=CallMetrics()) as channel, App() as app:

            async def work() -> tuple[Context | None, pb.InspectResponse]:
                return current(), await EchoServiceClient(channel).inspect(pb.InspectRequest(), CallOptions(timeout=1800.0))

            service = Leaves(work, limit)
            options = CallOptions(timeout=PATIENCE, tenant="acme", idempotency_key="k")
            inside, seen = await (await left(app, service, options))
            (ctx,) = service.contexts
            assert inside is not ctx
            assert inside.idempotency_key == ""
            assert (inside.deadline is None) == (limit is None)
            assert PATIENCE < seen.remaining <= 1800
            assert (seen.tenant, seen.trace_id, seen.request_id) == ("acme", ctx.trace.trace_id, ctx.request_id)


async def test_it_is_not_cancelled_with_its_call_and_the_application_waits_for_it() -> None:
    release, done = asyncio.Event(), list[str]()

    async def work() -> None:
        await release.wait()
        background_task(then())

    async def then() -> None:
        await asyncio.sleep(0)
        done.append("then")

    app = App()
    task = await left(app, Leaves(work))
    closing = asyncio.create_task(app.close(PATIENCE))
    await turn_until(lambda: app.state == "stopping")
    assert not task.done()
    release.set()
    await closing
    assert done == ["then"]


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_what_is_left_after_the_grace_is_cancelled(*, cancelled: bool) -> None:
    app = App()
    task = await left(app, Leaves(never))
    closing = asyncio.create_task(app.close(3600 if cancelled else 0))
    if cancelled:
        await turn_until(lambda: app.state == "stopping")
        closing.cancel()
    await asyncio.wait([closing])
    assert task.cancelled()


async def test_a_task_that_closes_the_application_does_not_wait_for_itself() -> None:
    app = App()
    task = await left(app, Leaves(lambda: app.close(PATIENCE)))
    await asyncio.wait_for(task, PATIENCE)


async def test_its_time_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    async with App() as app:
        task = await left(app, Leaves(never, timeout=0.01))
        with pytest.raises(TimeoutError):
            await task
    assert "a background task of echo.v1.EchoService/Say failed, request id" in caplog.text


@pytest.mark.parametrize(("raised", "seen"), [(KeyError(), KeyError), (SystemExit(3), RuntimeError), (KeyboardInterrupt(), RuntimeError)])
async def test_a_failure_is_logged_and_ends_nothing_else(
    raised: BaseException, seen: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def fails() -> None:
        raise raised

    async with App() as app:
        service = Leaves(fails)
        task = await left(app, service)
        with pytest.raises(seen):
            await task
        await left(app, service)
        await turn_until(service.tasks[-1].done)
        service.tasks[-1].exception()
    assert [(record.name, record.levelno) for record in caplog.records] == [("towpath.background", logging.ERROR)] * 2


async def test_the_last_application_of_a_loop_waits_for_the_tasks() -> None:
    going = asyncio.Event()
    async with App() as first, App() as second, App() as client:
        for app in (first, second):
            await app.start("127.0.0.1", 0)
        task = background_task(going.wait())
        await first.close()
        await client.close()  # which never served
        assert not task.done()
        going.set()
        await second.close()
        assert task.done()


async def test_outside_of_a_call_it_is_a_task_that_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        assert current() is None
        gc.collect()
        raise RpcError(Code.NOT_FOUND)

    task = background_task(fails())
    with pytest.raises(RpcError):
        await task
    assert "of no call failed" in caplog.text
    await finish_background_tasks(0)


async def test_one_that_is_cancelled_before_it_begins_warns_of_nothing() -> None:
    task = background_task(never())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_timeout_that_is_none_is_refused() -> None:
    for timeout in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="more than 0"):
            background_task(never(), timeout=timeout)


def test_a_thread_without_a_loop_is_told_so() -> None:
    with pytest.raises(RuntimeError, match="start it in an async handler"):
        background_task(never())
