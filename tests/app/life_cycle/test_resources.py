"""Resources are entered in order and left in reverse, whatever one of them does at its end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo
from towpath import App, RpcError, SetupError, background_task, connect
from towpath._app.life_cycle.resources import ExitError
from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.metrics import CallMetrics


class Stage:
    """Resources that tell of their beginning and their end."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @asynccontextmanager
    async def resource(self, name: str, end: BaseException | None = None) -> AsyncIterator[str]:
        self.said.append(f"+{name}")
        try:
            yield name
        finally:
            self.said.append(f"-{name}")
            if end is not None:
                raise end

    @asynccontextmanager
    async def hanging(self, name: str) -> AsyncIterator[None]:
        yield
        try:
            self.said.append(f"-{name}")
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.said.append(f"!{name}")
            raise

    @contextmanager
    def plain(self, name: str) -> Iterator[str]:
        yield name
        self.said.append(f"-{name}")


async def test_they_are_entered_in_order_and_left_in_reverse_after_the_last_call() -> None:
    stage = Stage()

    class Slow(Echo):
        async def say(self, request: Any, ctx: Any) -> Any:
            begun.set()
            await let_go.wait()
            stage.said.append("answered")
            return await super().say(request, ctx)

    begun, let_go = asyncio.Event(), asyncio.Event()
    app = App()
    assert await app.enter(stage.resource("a")) == "a"
    assert await app.enter(stage.plain("b")) == "b"
    await app.enter(stage.resource("c"))
    app.add(Slow())
    await app.start()
    async with connect(app.address, metrics=CallMetrics()) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(SayRequest()))
        await begun.wait()
        closing = asyncio.create_task(app.close(grace=3600))
        while app.state != "stopping":  # noqa: ASYNC110 # no event says so
            await asyncio.sleep(0)
        let_go.set()
        await call
        await closing
    assert stage.said == ["+a", "+c", "answered", "-c", "-b", "-a"]


async def test_the_end_of_main_comes_before_what_it_entered_and_after_background_work() -> None:
    stage = Stage()

    async def refresh() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            stage.said.append("refresh")

    async def main(app: App) -> AsyncIterator[None]:
        await app.enter(stage.resource("pool"))
        app.background(refresh())
        await asyncio.sleep(0)
        yield
        stage.said.append("main")

    async with App() as app:
        assert await app.setup(main)
    assert stage.said == ["+pool", "refresh", "main", "-pool"]


async def test_one_that_raises_at_its_beginning_leaves_those_before_it() -> None:
    stage = Stage()

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        if stage.said:
            raise OSError("no such host")
        yield

    async def main(app: App) -> AsyncIterator[None]:
        await app.enter(stage.resource("a"))
        await app.enter(broken())
        yield
        stage.said.append("main")

    with pytest.raises(OSError, match="no such host"):
        async with App() as app:
            await app.setup(main)
    assert stage.said == ["+a", "-a"]


@pytest.mark.parametrize(
    "end", [ValueError("torn"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError("by itself"), TimeoutError()]
)
async def test_one_that_raises_at_its_end_is_logged_and_the_others_are_left(end: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    app = App()
    await app.enter(stage.resource("a"))
    await app.enter(stage.resource("b", end))
    await app.enter(stage.resource("c", OSError("gone")))
    with pytest.raises(ExitError, match=r"^_AsyncGeneratorContextManager failed at its end: gone$") as caught:
        await app.close()
    assert isinstance(caught.value.__cause__, OSError)
    assert stage.said == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert sum("failed at its end" in line for line in caplog.messages) == 2


async def test_one_that_hangs_at_its_end_is_cancelled_and_the_others_are_left(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()

    async def main(app: App) -> AsyncIterator[None]:
        await app.enter(stage.resource("a"))
        await app.enter(stage.hanging("h"))
        await app.enter(stage.resource("b"))
        yield

    app = App()
    await app.setup(main)
    with pytest.raises(ExitError, match=r"failed at its end: it took longer than was left of service.grace, and was cancelled$"):
        await app.close(grace=0.01)
    assert stage.said == ["+a", "+b", "-b", "-h", "!h", "-a"]
    assert [record.exc_info for record in caplog.records if record.levelno == logging.ERROR] == [None]


async def test_a_cancelled_close_cuts_one_short_and_leaves_the_others() -> None:
    stage = Stage()
    app = App()
    await app.enter(stage.resource("a"))
    await app.enter(stage.hanging("h"))
    closing = asyncio.create_task(app.close(grace=3600))
    while "-h" not in stage.said:  # noqa: ASYNC110 # the list is all that tells
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert stage.said == ["+a", "-h", "!h", "-a"]


async def test_main_may_hold_a_task_group_whose_tasks_end_with_it() -> None:
    stage = Stage()

    async def main(app: App) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.Event().wait())
            yield
            task.cancel()
        stage.said.append("main")

    async with App() as app:
        await app.setup(main)
    assert stage.said == ["main"]


async def test_closing_twice_leaves_once() -> None:
    stage = Stage()
    app = App()
    await app.enter(stage.resource("a"))
    await app.close()
    await app.close()
    assert stage.said == ["+a", "-a"]


@pytest.mark.parametrize(
    ("manager", "message"),
    [
        (Echo, "app.enter was given the class Echo; give an object of it"),
        (3, "app.enter was given an object of int; give a context manager, such as a pool"),
    ],
)
async def test_what_is_no_context_manager_is_one_sentence(manager: Any, message: str) -> None:
    with pytest.raises(SetupError, match=f"^{message}$"):
        await App().enter(manager)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (Echo, r"app.add was given the class Echo; give an object of it: app.add\(Echo\(\)\)"),
        ({}, "app.add was given an object of dict; give objects of generated service classes"),
    ],
)
def test_what_is_no_service_is_one_sentence(service: Any, message: str) -> None:
    with pytest.raises(SetupError, match=f"^{message}$"):
        App().add(service)


async def test_work_of_the_service_as_a_whole_adds_no_service() -> None:
    async def once(app: App) -> None:
        app.add(Echo())

    async with App() as app:
        with pytest.raises(SetupError, match=r"^app.add was called in `once`, which runs beside the workers; add services in main$"):
            await app.setup(once, serves=False)
        app.add(Echo())


async def test_a_close_that_is_cancelled_again_and_again_leaves_and_closes_all() -> None:
    stage, heard, may_end = Stage(), asyncio.Semaphore(0), asyncio.Event()

    async def stubborn() -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                heard.release()

    app = App(ServiceConfig(targets={"nowhere": "127.0.0.1:9"}))
    channel = app.channel("nowhere")
    await app.enter(stage.resource("pool"))
    queue = app.background(asyncio.Event().wait(), name="queue")
    task = background_task(stubborn())
    closing = asyncio.create_task(app.close(grace=3600))
    await asyncio.sleep(0)
    closing.cancel()
    for _ in range(2):  # as the tasks are ended, and as those are that are left
        await heard.acquire()
        closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    may_end.set()
    await task
    assert (stage.said, queue.cancelled()) == (["+pool", "-pool"], True)
    with pytest.raises(RpcError, match="is closed"):
        await EchoServiceClient(channel).say(SayRequest())
