"""Probes decide whether the service is ready, and `grpc.health` and `/readyz` say so."""

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.echo_service import PATIENCE, Echo
from towpath import App, SetupError
from towpath._app.process.admin_server import admin
from towpath._app.standard.health import CHECK, WATCH, ServingStatus
from towpath._transport import Channel
from towpath._transport.address import Address
from towpath._wire.grpc.standard import HEALTH

SOON = 0.001


class Database:
    """A probe whose answer a test decides. `asked` counts the questions."""

    def __init__(self) -> None:
        self.answer: Callable[[], Any] = lambda: True
        self.asked = 0

    async def probe(self) -> Any:
        self.asked += 1
        return self.answer()

    async def again(self) -> None:
        """Wait until two more questions were asked: the answer to the first of them is known then."""
        wanted = self.asked + 2
        while self.asked < wanted:  # noqa: ASYNC110 # the probe is all that tells
            await asyncio.sleep(0)


def fails() -> Any:
    raise ConnectionRefusedError("nobody listens")


def fails_otherwise() -> Any:
    raise ValueError("no such table")


@asynccontextmanager
async def serving(database: Database, **options: Any) -> AsyncIterator[App]:
    async with App() as app:
        app.add(Echo())
        app.ready("db", database.probe, every=SOON, **options)
        await app.start()
        yield app


async def health_of(app: App, service: str = "") -> ServingStatus:
    async with Channel(app.address) as channel:
        return ServingStatus((await channel.bind(CHECK)(HEALTH["HealthCheckRequest"](service=service), None)).status)


async def readyz(app: App) -> tuple[int, str]:
    async with admin(app, Address("127.0.0.1", 0)) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


def gauge(app: App) -> float | None:
    return app.metrics.registry.get_sample_value("towpath_ready", {"probe": "db"})


async def test_a_service_whose_probe_succeeds_is_ready_from_its_start() -> None:
    async with serving(Database()) as app:
        assert app.readiness.ready
        assert await health_of(app) is ServingStatus.SERVING
        assert await readyz(app) == (200, "serving\n")
        assert gauge(app) == 1


async def test_a_probe_that_fails_takes_the_service_out_and_its_success_brings_it_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "towpath.app")
    database = Database()
    async with serving(database) as app:
        database.answer = fails
        await database.again()
        assert app.readiness.failed == ("db",)
        assert await health_of(app) is await health_of(app, Echo.spec.name) is ServingStatus.NOT_SERVING
        assert await readyz(app) == (503, "unready\ndb\n")
        assert gauge(app) == 0
        await database.again()
        database.answer = lambda: None  # which is no failure
        await database.again()
        assert await health_of(app) is ServingStatus.SERVING
        assert await readyz(app) == (200, "serving\n")
    assert caplog.messages == ["not ready: db failed: ConnectionRefusedError: nobody listens", "db is there again"]


async def test_each_kind_of_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    database = Database()
    database.answer = fails
    async with serving(database):
        await database.again()
        database.answer = fails_otherwise
        await database.again()
        database.answer = lambda: False
        await database.again()
    assert caplog.messages == [
        "not ready: db failed: ConnectionRefusedError: nobody listens",
        "not ready: db failed: ValueError: no such table",
        "not ready: db said no",
    ]


async def test_a_service_that_starts_without_its_database_serves_and_is_not_ready() -> None:
    database = Database()
    database.answer = fails
    async with serving(database) as app:
        assert app.state == "serving"
        assert await health_of(app) is ServingStatus.NOT_SERVING


async def test_a_watcher_hears_of_each_change() -> None:
    database = Database()
    async with serving(database) as app, Channel(app.address) as channel:
        from towpath._core.calls.asynchronous import ServerStreamingCall

        request = HEALTH["HealthCheckRequest"]()
        async with ServerStreamingCall[Any](channel.bind_stream(WATCH)(request, None)) as watch:
            assert (await anext(watch)).status == ServingStatus.SERVING
            database.answer = fails
            assert (await anext(watch)).status == ServingStatus.NOT_SERVING
            database.answer = lambda: True
            assert (await anext(watch)).status == ServingStatus.SERVING


async def test_what_a_team_says_of_one_service_is_kept() -> None:
    database = Database()
    async with serving(database) as app:
        assert app.health is not None
        app.health.set(Echo.spec.name, ServingStatus.NOT_SERVING)
        database.answer = fails
        await database.again()
        database.answer = lambda: True
        await database.again()
        assert await health_of(app) is ServingStatus.SERVING
        assert await health_of(app, Echo.spec.name) is ServingStatus.NOT_SERVING


async def test_a_probe_that_hangs_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def hangs() -> None:
        await asyncio.get_running_loop().create_future()

    async with App() as app:
        app.ready("db", hangs, every=SOON, timeout=SOON)
        await app.start()
        assert app.readiness.failed == ("db",)
        assert caplog.messages == ["not ready: db did not answer within 0.001 s"]


async def test_a_probe_that_ignores_its_cancellation_is_not_asked_again_before_it_ends() -> None:
    let_go, beside = asyncio.Event(), Database()
    asked: list[int] = []

    async def stubborn() -> None:
        asked.append(len(asked))
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    async with App() as app:
        app.ready("db", stubborn, every=SOON, timeout=SOON)
        app.ready("beside", beside.probe, every=SOON)
        await app.start()
        for _ in range(3):
            await beside.again()
        assert asked == [0]
        let_go.set()
        while not app.readiness.ready:
            await beside.again()
        assert len(asked) >= 2


async def test_a_late_failure_of_a_probe_that_was_given_up_is_not_complained_about(caplog: pytest.LogCaptureFixture) -> None:
    async def late() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise ValueError("late") from None

    async with App() as app:
        app.ready("db", late, every=3600, timeout=SOON)
        await app.start()
        await asyncio.sleep(0)
    assert caplog.messages == ["not ready: db did not answer within 0.001 s"]


async def test_a_question_that_was_not_begun_when_the_application_closes_leaves_no_coroutine_behind() -> None:
    """Python complains of a coroutine that nobody has awaited when it is freed."""
    questions: list[Any] = []
    closing: list[asyncio.Task[None]] = []

    def ask() -> Any:
        questions.append(Database().probe())
        closing.append(asyncio.ensure_future(app.readiness.close()))  # before the task that the question gets
        return questions[-1]

    async with App() as app:
        app.ready("db", ask, every=3600)
        starting = asyncio.ensure_future(app.start())
        await asyncio.wait([starting])
        await asyncio.gather(starting, *closing, return_exceptions=True)
    assert [inspect.getcoroutinestate(question) for question in questions] == [inspect.CORO_CLOSED]


async def exits() -> None:
    raise SystemExit(3)


async def is_cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("probe", "reason"), [(exits, "failed: RuntimeError: it raised SystemExit"), (is_cancelled, "was cancelled")])
async def test_no_probe_ends_the_service(probe: Callable[[], Any], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    async with App() as app:
        app.ready("db", probe, every=3600)
        await app.start()
        assert caplog.messages == [f"not ready: db {reason}"]


async def test_a_plain_function_may_return_an_awaitable_or_raise() -> None:
    async def answer() -> bool:
        return True

    def broken() -> Any:
        raise OSError

    async with App() as app:
        app.ready("ping", lambda: asyncio.shield(answer()), every=3600, timeout=PATIENCE)
        app.ready("pong", broken, every=3600)
        await app.start()
        assert app.readiness.failed == ("pong",)


async def test_a_plain_function_that_answers_at_once_is_one_sentence() -> None:
    def blocks() -> Any:
        return True

    async with App() as app:
        app.ready("db", blocks)
        message = "app.ready('db'): the probe is a plain function, which would block the event loop, and returned bool; write `async def`"
        with pytest.raises(SetupError, match=f"^{re.escape(message)}$"):
            await app.start()


async def wants_more(pool: object) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("db", wants_more), "app.ready('db'): the probe cannot be called without arguments; give an async function without parameters"),
        (("db", "select 1"), "app.ready('db'): the probe is an object of str; give an async function without parameters"),
        (("db", exits, 0), "app.ready('db'): every is 0; give seconds, more than 0"),
        (("db", exits, 1, -1), "app.ready('db'): timeout is -1; give seconds, more than 0"),
        (("db", exits, float("nan")), "app.ready('db'): every is nan; give seconds, more than 0"),
    ],
)
async def test_what_cannot_be_asked_is_one_sentence(arguments: tuple[Any, ...], message: str) -> None:
    name, probe, *times = arguments
    async with App() as app:
        with pytest.raises(SetupError, match=f"^{re.escape(message)}$"):
            app.ready(name, probe, **dict(zip(("every", "timeout"), times, strict=False)))


async def test_a_coroutine_can_be_asked_only_once() -> None:
    async with App() as app:
        given: Any = exits()
        with pytest.raises(SetupError, match="the probe is a coroutine, which can be asked once; give the function that makes it"):
            app.ready("db", given)


async def test_a_name_is_for_one_probe() -> None:
    async with App() as app:
        app.ready("db", Database().probe)
        with pytest.raises(SetupError, match="was called before; give the second probe another name"):
            app.ready("db", Database().probe)


async def test_probes_are_named_before_the_start() -> None:
    async with App() as app:
        await app.start()
        with pytest.raises(RuntimeError, match="name every probe before"):
            app.ready("db", Database().probe)


def test_without_a_loop_nothing_is_asked() -> None:
    with pytest.raises(SetupError, match=r"app.ready needs the event loop; call it in main"):
        App().ready("db", Database().probe)


def test_compiled_code_without_a_signature_is_asked_all_the_same() -> None:
    with pytest.raises(SetupError, match="needs the event loop"):
        App().ready("db", dict)  # pyright: ignore[reportArgumentType] # no probe, but it has no signature either
