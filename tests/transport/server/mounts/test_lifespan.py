"""The start and the end of mounted applications, in order with the server's own."""

import asyncio
from typing import Any

import pytest

from tests.asgi_apps import answer, curl, mounting, only_http
from towpath import App, SetupError


class Lived:
    """An application with a lifespan, which notes what it hears."""

    def __init__(self, name: str = "", fails: str = "") -> None:
        self.name = name
        self.fails = fails
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.seen.append(f"{self.name}request")
            await answer(send, repr(scope["state"]).encode())
            return
        for stage in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{stage}"
            self.seen.append(f"{self.name}{stage}")
            scope["state"][f"{self.name}db"] = stage
            if self.fails == f"raise {stage}":
                raise OSError("no database\nis there")
            failed = self.fails == f"tell {stage}"
            await send({"type": f"lifespan.{stage}.{'failed' if failed else 'complete'}", "message": "Traceback:\nno database"})
            if failed:
                return


async def test_an_application_starts_before_the_server_and_ends_after_it() -> None:
    first, second = Lived("a "), Lived("b ")
    second.seen = first.seen
    async with App() as server:
        server.mount("/a", first)
        server.mount("/b", second)
        await server.start("127.0.0.1", 0)
        assert first.seen == ["a startup", "b startup"]
        assert (await curl(server, "/a"))[2] == b"{'a db': 'startup'}"
        assert (await curl(server, "/b/x"))[2] == b"{'b db': 'startup'}"
    assert first.seen == ["a startup", "b startup", "a request", "b request", "b shutdown", "a shutdown"]


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ("raise startup", 'the application mounted at /b did not start: is there; mend it, or mount it with lifespan="off"'),
        ("tell startup", "the application mounted at /b did not start: no database; mend it"),
    ],
)
async def test_an_application_that_does_not_start_stops_the_start(fails: str, reason: str) -> None:
    first, second = Lived(), Lived(fails=fails)
    async with App() as server:
        server.mount("/a", first)
        server.mount("/b", second)
        with pytest.raises(SetupError) as refused:
            await server.start("127.0.0.1", 0)
        assert server.address == ""
        assert first.seen == ["startup", "shutdown"]
    assert str(refused.value).startswith(reason)
    assert first.seen == ["startup", "shutdown"]


@pytest.mark.parametrize(("fails", "reason"), [("raise shutdown", "is there"), ("tell shutdown", "no database")])
async def test_an_application_that_does_not_end_well_is_logged(fails: str, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    async with mounting(Lived(fails=fails)):
        pass
    assert [record.getMessage() for record in caplog.records] == [f"the application mounted at /admin failed to end: {reason}"]


async def returns(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await answer(send, b"served")


async def answers_all(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await answer(send, b"served")


@only_http
async def refuses(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"served")


@pytest.mark.parametrize("app", [returns, answers_all, refuses])
async def test_an_application_without_a_lifespan_is_served(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with mounting(app) as server:
        assert (await curl(server, "/admin"))[2] == b"served"
    assert not [record for record in caplog.records if record.name == "towpath.server"]


async def test_an_application_may_be_spared_its_lifespan() -> None:
    lived = Lived(fails="raise startup")
    async with mounting(lived, lifespan="off") as server:
        assert (await curl(server, "/admin"))[2] == b"{}"
    assert lived.seen == ["request"]


async def test_a_start_that_is_cancelled_takes_the_application_along() -> None:
    ends: list[str] = []
    waits = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
            waits.set()
            await receive()
        finally:
            ends.append("cancelled")

    async with App() as server:
        server.mount("/admin", app)
        start = asyncio.create_task(server.start("127.0.0.1", 0))
        await waits.wait()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert ends == ["cancelled"]


async def test_an_application_that_does_not_end_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("cancelled")

    async with App() as server:
        server.mount("/admin", app)
        await server.start("127.0.0.1", 0)
        closing = asyncio.create_task(server.close(0))
        await closing
    assert ends == ["cancelled"]
    assert "did not end within 2.0 seconds, and is cancelled" in caplog.text


async def test_the_end_may_be_cancelled() -> None:
    ends: list[str] = []
    waits = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        waits.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("cancelled")

    server, other = App(), Lived()
    server.mount("/other", other)
    server.mount("/admin", app)
    await server.start("127.0.0.1", 0)
    closing = asyncio.create_task(server.close(600))
    await waits.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (ends, other.seen) == (["cancelled"], ["startup", "shutdown"])
