"""Background work is supervised: its end is logged and counted, and does what its policy says."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo
from towpath import App, SetupError, connect, current
from towpath._telemetry.metrics import CallMetrics


async def returns() -> None: ...


async def fails() -> None:
    raise ValueError("no rates")


async def exits() -> None:
    raise SystemExit(3)


async def is_cancelled() -> None:
    raise asyncio.CancelledError


async def goes_on() -> None:
    await asyncio.get_running_loop().create_future()


def deaths(app: App, work: str) -> float | None:
    return app.metrics.registry.get_sample_value("towpath_background_deaths_total", {"work": work})


async def ended(task: "asyncio.Task[Any]") -> None:
    await asyncio.wait({task})
    await asyncio.sleep(0)  # for its callbacks


ENDS = [
    (returns, "returned"),
    (fails, "failed: no rates"),
    (exits, "failed: it raised SystemExit"),
    (is_cancelled, "was cancelled"),
]


@pytest.mark.parametrize(("work", "how"), ENDS)
async def test_an_end_is_logged_and_counted_and_the_service_is_not_ready(
    work: Callable[[], Awaitable[None]], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with App() as app:
        task = app.background(work())  # pyright: ignore[reportArgumentType] # they are coroutines, all of them
        assert deaths(app, work.__name__) == 0
        await ended(task)
        assert f"background work {work.__name__} {how}; the service is not ready any more" in caplog.messages
        assert deaths(app, work.__name__) == 1
        assert app.readiness.failed == (f"background work {work.__name__}",)


async def test_a_policy_may_only_tell() -> None:
    async with App() as app:
        await ended(app.background(fails(), name="rates", on_end="log"))
        assert (deaths(app, "rates"), app.readiness.ready, app.background_work.ended) == (1, True, None)


async def test_a_policy_may_stop_the_service() -> None:
    stops: list[str] = []
    async with App() as app:
        app.background_work.on_stop = lambda: stops.append("stop")
        await ended(app.background(fails(), on_end="stop"))
        assert stops == ["stop"]
        assert str(app.background_work.ended) == "background work fails failed: no rates, and the service is not to go on without it"


async def test_it_ends_with_the_application_and_that_is_no_death(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    task = app.background(goes_on())
    await asyncio.sleep(0)
    await app.close()
    assert task.cancelled()
    assert deaths(app, "goes_on") == 0
    assert caplog.messages == []


async def test_what_never_began_is_closed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.background(goes_on())
    await app.close()
    assert caplog.messages == []


async def test_a_failure_at_its_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def torn() -> None:
        try:
            await goes_on()
        finally:
            raise OSError("torn")

    async with App() as app:
        app.background(torn())
        await asyncio.sleep(0)
    assert caplog.messages == ["background work torn failed as it was cancelled"]


async def test_one_that_ignores_its_cancellation_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    let_go = asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    app = App()
    task = app.background(stubborn())
    await asyncio.sleep(0)
    await app.close(grace=0)
    assert caplog.messages == ["background stubborn goes on in spite of its cancellation, and is left behind"]
    let_go.set()
    await ended(task)


async def test_what_a_handler_starts_belongs_to_no_call() -> None:
    seen: list[object] = []

    async def work() -> None:
        seen.append(current())
        await goes_on()

    class Starts(Echo):
        async def say(self, request: Any, ctx: Any) -> Any:
            app.background(work())
            return await super().say(request, ctx)

    async with App() as app:
        app.add(Starts())
        await app.start()
        async with connect(app.address, metrics=CallMetrics()) as channel:
            await EchoServiceClient(channel).say(SayRequest())
        assert seen == [None]


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (goes_on, "app.background was given the function goes_on; call it: app.background(goes_on(...))"),
        (None, "app.background was given an object of NoneType; give a coroutine: app.background(work())"),
        (Echo, "app.background was given an object of ABCMeta; give a coroutine: app.background(work())"),
    ],
)
async def test_what_is_no_coroutine_is_one_sentence(work: Any, message: str) -> None:
    async with App() as app:
        with pytest.raises(SetupError, match=f"^{re.escape(message)}$"):
            app.background(work)


async def test_an_unknown_policy_is_one_sentence() -> None:
    wrong: Any = "restart"
    async with App() as app:
        with pytest.raises(SetupError, match=r"^on_end is 'restart'; give one of 'unready', 'stop', 'log'$"):
            app.background(goes_on(), on_end=wrong)


async def test_after_the_end_nothing_begins() -> None:
    app = App()
    await app.close()
    with pytest.raises(SetupError, match=r"^the application has closed"):
        app.background(goes_on())


def test_without_a_loop_nothing_begins() -> None:
    with pytest.raises(SetupError, match=r"^app.background needs the event loop"):
        App().background(goes_on())
