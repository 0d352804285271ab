"""Background work is supervised: its end is logged and counted, and does what its policy says."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo
from tests.logs import told
from towpath import App, SetupError, connect, current
from towpath._app.life_cycle.background_work import MAX_RESTARTS, SETTLED
from towpath._telemetry.metrics import CallMetrics
from towpath.testing import Simulation, simulate


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
    assert told(caplog) == []


async def test_what_never_began_is_closed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.background(goes_on())
    await app.close()
    assert told(caplog) == []


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


# ---------------------------------------------------------------------------------------------------------- restarts


class Fails:
    """Work that fails so many times, after `lasting` seconds each, and goes on then."""

    def __init__(self, times: int, lasting: float = 0.0) -> None:
        self.times = times
        self.lasting = lasting
        self.begun: list[float] = []

    async def work(self) -> None:
        loop = asyncio.get_running_loop()
        self.begun.append(loop.time())
        if len(self.begun) > self.times:
            await goes_on()
        await asyncio.sleep(self.lasting)
        raise ConnectionError("the queue is gone")


def restarts(app: App, work: str) -> float | None:
    return app.metrics.registry.get_sample_value("towpath_background_restarts_total", {"work": work})


def simulated(main: Callable[[App], Awaitable[None]]) -> None:
    """Run `main` with an application, on the virtual clock."""

    async def run(_: Simulation) -> None:
        async with App() as app:
            await main(app)

    simulate(run, seed=1)


def test_work_that_fails_is_started_anew_after_longer_and_longer_waits(caplog: pytest.LogCaptureFixture) -> None:
    fails = Fails(4)

    async def main(app: App) -> None:
        app.background(fails.work, restart="on_failure")
        assert restarts(app, "Fails.work") == 0
        await asyncio.sleep(100)
        waits = [after - before for before, after in pairwise(fails.begun)]
        assert [round(wait / wanted) for wait, wanted in zip(waits, (1, 2, 4, 8), strict=True)] == [1] * 4
        assert (restarts(app, "Fails.work"), deaths(app, "Fails.work"), app.readiness.ready) == (4, 0, True)

    simulated(main)
    assert caplog.messages == ["background work Fails.work failed: the queue is gone; it is started anew"] * 4


def test_work_that_fails_again_and_again_ends_by_its_policy(caplog: pytest.LogCaptureFixture) -> None:
    fails = Fails(1000)

    async def main(app: App) -> None:
        task = app.background(fails.work, restart="on_failure", name="queue")
        await ended(task)
        assert (len(fails.begun), restarts(app, "queue"), deaths(app, "queue")) == (1 + MAX_RESTARTS, MAX_RESTARTS, 1)
        assert app.readiness.failed == ("background work queue",)

    simulated(main)
    what = "failed: the queue is gone, after it was started anew again and again"
    assert caplog.messages[-1] == f"background work queue {what}; the service is not ready any more"


def test_failures_that_are_far_apart_are_not_in_a_row() -> None:
    fails = Fails(20, lasting=SETTLED)

    async def main(app: App) -> None:
        app.background(fails.work, restart="on_failure")
        await asyncio.sleep(30 * SETTLED)
        assert (restarts(app, "Fails.work"), app.readiness.ready) == (20, True)

    simulated(main)


@pytest.mark.parametrize(("work", "how"), [(returns, "returned"), (is_cancelled, "was cancelled")])
async def test_an_end_that_is_no_failure_is_the_end(work: Callable[[], Any], how: str, caplog: pytest.LogCaptureFixture) -> None:
    async with App() as app:
        await ended(app.background(work, restart="on_failure"))
        assert caplog.messages == [f"background work {work.__name__} {how}; the service is not ready any more"]
        assert restarts(app, work.__name__) == 0


def test_an_application_that_closes_waits_for_no_restart(caplog: pytest.LogCaptureFixture) -> None:
    async def run(_: Simulation) -> None:
        app = App()
        task = app.background(Fails(1000).work, restart="on_failure")
        await asyncio.sleep(0.1)
        begun = asyncio.get_running_loop().time()
        await app.close()
        assert task.cancelled()
        assert asyncio.get_running_loop().time() == begun

    simulate(run, seed=1)
    assert caplog.messages == ["background work Fails.work failed: the queue is gone; it is started anew"]


def test_a_function_that_makes_no_coroutine_any_more_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    made: list[Any] = [fails(), None]

    async def main(app: App) -> None:
        await ended(app.background(lambda: made.pop(0), restart="on_failure", on_end="log"))

    simulated(main)
    assert "the function returned an object of NoneType and no coroutine" in caplog.messages[1]
    assert "pop from empty list" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("work", "restart", "message"),
    [
        (goes_on, "always", "restart is 'always'; give one of 'never', 'on_failure'"),
        (
            None,
            "on_failure",
            "app.background was given an object of NoneType; give a coroutine function: app.background(work, restart=...)",
        ),
        (Echo, "on_failure", "app.background was given an object of ABCMeta; give a coroutine function: app.background(work, restart=...)"),
    ],
)
async def test_what_cannot_be_started_anew_is_one_sentence(work: Any, restart: Any, message: str) -> None:
    async with App() as app:
        with pytest.raises(SetupError, match=f"^{re.escape(message)}$"):
            app.background(work, restart=restart)


async def test_a_coroutine_cannot_be_started_anew() -> None:
    async with App() as app:
        with pytest.raises(SetupError, match=r"give the function: app\.background\(goes_on, restart=\.\.\.\)"):
            app.background(goes_on(), restart="on_failure")
        assert not app.background_work
