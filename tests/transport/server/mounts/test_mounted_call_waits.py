"""Requests to a mounted application, and who waits for whom: at either end of the wire, at the end of the request, and after it."""

import asyncio
import gc
from typing import Any

import pytest

from tests.asgi_apps import VERSIONS, answer, counted, curl, dialled, hang_up, mounting, only_http, serving_alone
from tests.deadlines import missed
from tests.echo_service import turn_until
from tests.transport.raw_peer import raw_client
from towpath import App
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

EAGER: Any = getattr(asyncio, "eager_task_factory", None)
MIB = 1024 * 1024
GET_ADMIN = b"".join(
    literal(name, value) for name, value in ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/admin"), (b":authority", b"x"))
)


async def test_what_nobody_reads_is_not_made() -> None:
    """Backpressure: the application waits in `send` once its client does not read."""
    sent = 0

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": bytes(64 * 1024), "more_body": True})
            sent += 1

    async with serving_alone(app) as server:
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        (link,) = server.links
        await turn_until(lambda: link.paused)
        before = -1
        while sent != before:  # the system's buffers may grow for a while
            before = sent
            await asyncio.sleep(0.3)
            assert link.buffered < MIB
        assert link.paused
        for _ in range(1000):
            await asyncio.sleep(0)
        assert sent - before <= 1
        assert link.buffered < MIB
        writer.close()
        await turn_until(lambda: not link.calls)  # what it still sends ends it


async def test_what_the_application_does_not_take_is_not_read() -> None:
    go_on = asyncio.Event()
    taken: list[int] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        more = True
        while more:
            event = await receive()
            taken.append(len(event["body"]))
            more = event["more_body"]
        await answer(send, str(sum(taken)).encode())

    async with serving_alone(app) as server, dialled(server) as (reader, writer):
        writer.write(b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        sending = asyncio.ensure_future(_all(writer, 64))
        await turn_until(lambda: any(link.holds for link in server.links))
        (link,) = server.links
        assert link.connection.unread < 2 * MIB
        assert not sending.done()
        go_on.set()
        await sending
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(8) == b"67108864"
    assert max(taken) < 2 * MIB


async def _all(writer: asyncio.StreamWriter, mebibytes: int) -> None:
    for _ in range(mebibytes):
        writer.write(bytes(MIB))
        await writer.drain()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_that_hangs_up_is_told_and_not_waited_for(version: str) -> None:
    told: list[Any] = []
    waits, ended = asyncio.Event(), asyncio.Event()

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        told.append(await receive())
        waits.set()
        told.append(await receive())
        told.append(await receive())
        await answer(send, b"nobody gets this")
        ended.set()

    async with mounting(app) as server:
        if version == "--http1.1":
            async with dialled(server) as (_, writer):
                writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
                await waits.wait()
                hang_up(writer)
        else:
            async with raw_client(server.address) as peer:
                peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, GET_ADMIN)
                await waits.wait()
                peer.writer.write(frames.rst_stream(1, ErrorCode.CANCEL))
                await ended.wait()
        await ended.wait()
        await turn_until(lambda: counted(server, "CANCELLED") == 1)
    assert [event["type"] for event in told] == ["http.request", "http.disconnect", "http.disconnect"]


async def test_an_application_that_never_looks_ends_at_its_next_pieces(caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        finally:
            ended.set()

    async with mounting(app) as server:
        async with dialled(server) as (reader, writer):
            writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"tick")
        await ended.wait()
    assert not [record for record in caplog.records if record.name == "towpath.server"]


@pytest.mark.parametrize("eager", [False, pytest.param(True, marks=pytest.mark.skipif(EAGER is None, reason="Python 3.12 has them first"))])
async def test_a_request_that_outlives_its_client_is_waited_for_at_the_end(eager: bool) -> None:
    if eager:  # such a task begins before its call knows it
        asyncio.get_running_loop().set_task_factory(EAGER)
    reads, waits, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    done: list[str] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        reads.set()
        assert (await receive())["type"] == "http.disconnect"
        waits.set()
        await go_on.wait()
        done.append("whole")

    async with App() as server:
        server.mount("/admin", app)
        await server.start("127.0.0.1", 0)
        async with dialled(server) as (_, writer):
            writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
            await reads.wait()
            hang_up(writer)
        await waits.wait()
        closing = asyncio.create_task(server.close(60.0))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await closing
    assert done == ["whole"]


async def test_a_request_that_does_not_end_is_cancelled_at_the_end() -> None:
    waits, gone = asyncio.Event(), asyncio.Event()
    ends: list[str] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
            waits.set()
            await receive()
            gone.set()
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("cancelled")

    for hangs_up in (True, False):
        waits.clear()
        async with App() as server:
            server.mount("/admin", app)
            await server.start("127.0.0.1", 0)
            async with dialled(server) as (reader, writer):
                writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
                await waits.wait()
                if hangs_up:
                    hang_up(writer)
                    await gone.wait()
                await server.close(0)
                if not hangs_up:
                    assert (await reader.read()).startswith(b"HTTP/1.1 503")
    assert ends == ["cancelled", "cancelled"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_work_goes_on_after_the_response(version: str) -> None:
    go_on, done = asyncio.Event(), asyncio.Event()

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"accepted", 202)
        assert (await receive())["type"] == "http.disconnect"
        await go_on.wait()
        done.set()

    async with mounting(app) as server:
        assert (await curl(server, "/admin", version))[2] == b"accepted"
        assert not done.is_set()
        go_on.set()
        await done.wait()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_deadline_ends_the_request(version: str) -> None:
    ends: list[str] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append("cancelled")

    async with mounting(app) as server:
        status, _, body = await missed(
            lambda timeout: curl(server, "/admin", version, "-H", f"grpc-timeout: {timeout * 1000:.0f}m"), lambda: ends
        )
        assert (status, body) == (504, b"DEADLINE_EXCEEDED: mount/admin did not finish within its deadline\n")
        assert (await curl(server, "/admin", version, "-H", "grpc-timeout: soon"))[0] == 400


async def test_several_may_wait_for_the_client() -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting = [asyncio.create_task(receive()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        await answer(send, b"done")
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError, dict, dict]

    async with mounting(app) as server:
        assert (await curl(server, "/admin"))[2] == b"done"
        await turn_until(lambda: counted(server, "OK") == 1)


async def test_nothing_is_left_of_a_wait_that_was_given_up() -> None:
    """Starlette's `Request.is_disconnected` begins to wait and gives up at once; a stream of events asks it before each of them."""

    def given_up() -> int:
        return sum(type(found) is asyncio.Future and found.cancelled() for found in gc.get_objects())

    left: list[int] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        before = given_up()
        for _ in range(100):
            waiting = asyncio.create_task(receive())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        del waiting
        left.append(given_up() - before)
        await answer(send)

    async with mounting(app) as server:
        await curl(server, "/admin")
    assert left[0] < 10  # the loop may keep the last ones for a turn


async def test_a_request_that_is_taken_back_in_the_same_read_does_not_reach_the_application() -> None:
    started: list[str] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["path"])
        await answer(send)

    async with mounting(app) as server:
        async with raw_client(server.address) as peer:
            for stream_id in (1, 3, 5):
                peer.send(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, GET_ADMIN)
                peer.send(frames.RST_STREAM, 0, stream_id, ErrorCode.CANCEL.to_bytes(4, "big"))
            await peer.until_silent_with(b"all read")
        await turn_until(lambda: counted(server, "CANCELLED") == 3)
    assert (started, counted(server, "CANCELLED")) == ([], 3)
