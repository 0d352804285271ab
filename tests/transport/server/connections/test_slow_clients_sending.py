"""Clients that do not send what they began, in each protocol."""

import asyncio
from typing import Any

import pytest

from tests.echo_service import PATIENCE, Echo, serving, turn_until
from tests.library_service import Library
from tests.stream_service import Streams
from tests.transport.raw_peer import request_head
from tests.transport.slow_client import GREETING, HOURS, JSON, LONG, connected, head, later, posted, refused, sleeping, told
from towpath._core import clock
from towpath._core.decisions import Decision
from towpath._transport import ConnectionLimits, Server
from towpath._transport.server.connections.connection_limits import BODY_TIMEOUT, KEEPALIVE_TIMEOUT, MADE_ROOM, TOO_MANY
from towpath._transport.server.connections.slow_clients import RATE, LateRequests
from towpath._wire.grpc.framing import frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM


class Call:
    """A call whose request comes."""

    def __init__(self, received: int | None) -> None:
        self.received = received


def test_a_request_has_a_second_more_for_each_piece_that_has_come() -> None:
    calls: list[Any]
    requests, slow, fast, whole = LateRequests(), Call(0), Call(0), Call(None)
    calls = [slow, fast, whole]
    assert requests.look(calls, 0.0, 60.0) == []
    assert not requests.alone
    slow.received, fast.received = 10, 30 * RATE
    assert requests.look(calls, 59.9, 60.0) == []
    assert requests.look(calls, 60.1, 60.0) == [slow]
    assert requests.look([fast], 89.9, 60.0) == []
    assert requests.look([fast, slow], 90.0, 60.0) == [fast], "the slow one begins anew once it was away"
    assert requests.alone
    assert requests.all_late([fast], 90.0, 60.0)
    assert not requests.all_late([fast, slow], 90.0, 60.0)
    assert not requests.all_late([fast, whole], 90.0, 60.0)


async def test_the_place_of_a_client_that_is_slow_to_ask_is_for_a_new_one() -> None:
    reasons, signal = told()
    begun = posted("/echo.v1.EchoService/Say", JSON, "Content-Length: 99", LONG)
    async with serving(Echo(), signal=signal, connections=ConnectionLimits(total=1)) as server, connected(server, begun):
        await turn_until(lambda: any(link.busy for link in server.links))
        (link,) = server.links
        now = clock.now()
        with clock.using(lambda: now):
            server.connections.expire()
            now += 7
            server.connections.expire()
            await refused(server)
            now += 1
            async with connected(server, GREETING):
                await turn_until(lambda: server.links and link not in server.links)
        assert reasons == [TOO_MANY, MADE_ROOM]


async def test_the_place_of_a_silent_stream_of_requests_is_for_a_new_one_where_nobody_can_be_pinged() -> None:
    reasons, signal = told()
    message = frame(b"{}")
    chunk = b"%x\r\n%b\r\n" % (len(message), message)
    begun = posted("/stream.v1.StreamService/Collect", "application/connect+json", "Transfer-Encoding: chunked") + chunk
    limits = ConnectionLimits(total=1)
    async with serving(streams := Streams(), signal=signal, connections=limits) as server, connected(server, begun) as client:
        await streams.until(lambda: streams.seen["read"] == 1)
        (link,) = server.links
        now = clock.now()
        with clock.using(lambda: now):
            server.connections.expire()
            now += 29
            await asyncio.get_running_loop().sock_sendall(client, chunk)
            await streams.until(lambda: streams.seen["read"] == 2)
            server.connections.expire()
            now += 29
            await refused(server)
            now += 1
            async with connected(server, GREETING):
                await turn_until(lambda: server.links and link not in server.links)
        assert reasons == [TOO_MANY, MADE_ROOM]


async def test_a_call_at_work_keeps_the_place_of_its_connection() -> None:
    reasons, signal = told()
    both = sleeping() + head(b"Say", HOURS, stream_id=3)
    async with serving(echo := Echo(), signal=signal, connections=ConnectionLimits(total=1)) as server, connected(server, both):
        await echo.until(lambda: echo.seen["sleep"] == 1)
        (link,) = server.links
        await turn_until(lambda: len(link.connection.streams) == 2)
        now = clock.now()
        with clock.using(lambda: now):
            server.connections.expire()
            now += 50
            server.connections.expire()
            await refused(server)
        assert reasons == [TOO_MANY]
        assert list(server.links) == [link]


BEGUN = {
    "gRPC, no body": (GREETING, head(b"Say", HOURS), b"grpc-status"),
    "gRPC, a stream of answers": (GREETING, head(b"", (b":path", b"/stream.v1.StreamService/Repeat"), HOURS), b"grpc-status"),
    "gRPC-Web": (GREETING, head(b"Say", HOURS, (b"content-type", b"application/grpc-web")), b"grpc-status"),
    "Connect over HTTP/2": (
        GREETING,
        head(b"Say", (b"content-type", b"application/json"), (b"connect-timeout-ms", b"9999999999")),
        b"deadline_exceeded",
    ),
    "Connect over HTTP/1.1": (b"", posted("/echo.v1.EchoService/Say", JSON, "Content-Length: 99", LONG), b"deadline_exceeded"),
    "a size of a chunk": (
        b"",
        posted("/echo.v1.EchoService/Say", JSON, "Transfer-Encoding: chunked", LONG) + b"5",
        b"deadline_exceeded",
    ),
    "trailers": (
        b"",
        posted("/echo.v1.EchoService/Say", JSON, "Transfer-Encoding: chunked", LONG) + b"2\r\n{}\r\n0\r\nX-",
        b"deadline_exceeded",
    ),
    "a stream of answers over HTTP/1.1": (
        b"",
        posted("/stream.v1.StreamService/Repeat", "application/connect+json", "Content-Length: 99", LONG) + frame(b"{}")[:3],
        b"deadline_exceeded",
    ),
    "REST": (
        b"",
        posted("/v1/shelves/a/books", JSON, "Content-Length: 99", "grpc-timeout: 99999999H") + b"{",
        b"HTTP/1.1 504 ",
    ),
}
"""What begins a request and does not end it, and what the answer to it has."""


@pytest.mark.parametrize("name", BEGUN)
async def test_a_request_that_never_comes_whole_ends_and_its_connection_serves_on(name: str) -> None:
    greeting, begun, answer = BEGUN[name]
    decisions: list[Decision] = []
    server = Server([Echo(), Streams(), Library()], signal=decisions.append)
    await server.start()
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(greeting + begun)
    await turn_until(lambda: any(link.busy for link in server.links))
    later(server, 0)
    later(server, 59)
    assert decisions == []
    later(server, 61)
    (decision,) = decisions
    assert (decision.reason, decision.rejected, decision.role) == (BODY_TIMEOUT, True, "connections")
    assert "/" in decision.method
    async with asyncio.timeout(PATIENCE):
        said = b""
        while answer not in said:
            said += await reader.read(1 << 16)
    (link,) = server.links
    await turn_until(lambda: not link.calls)
    if greeting:
        writer.write(frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, 3, request_head(b"", (b":path", b"/nothing"))))
        async with asyncio.timeout(PATIENCE):
            assert await reader.read(1 << 16)
    later(server, 1e3)
    assert len(decisions) == 1
    writer.close()
    await server.close(0)


async def test_a_handler_at_work_is_not_a_request_that_comes() -> None:
    reasons, signal = told()
    async with serving(echo := Echo(), signal=signal) as server, connected(server, sleeping()):
        await echo.until(lambda: echo.seen["sleep"] == 1)
        for seconds in (0, 200, 290):
            later(server, seconds)
        assert reasons == []
        echo.release.set()


async def test_what_the_server_does_not_read_is_not_late() -> None:
    reasons, signal = told()
    begun = GREETING + head(b"Say", HOURS)
    async with serving(Echo(), signal=signal) as server, connected(server, begun):
        await turn_until(lambda: any(link.busy for link in server.links))
        (link,) = server.links
        later(server, 0)
        link.hold(1)
        later(server, 100)
        link.release(1)
        later(server, 101)
        assert reasons == []
        later(server, 162)
        assert reasons == [BODY_TIMEOUT]


async def test_a_full_server_asks_sooner_who_is_there() -> None:
    reasons, signal = told()
    async with serving(echo := Echo(), signal=signal, connections=ConnectionLimits(total=1)) as server, connected(server, sleeping()):
        await echo.until(lambda: echo.seen["sleep"] == 1)
        (link,) = server.links
        now = clock.now()
        with clock.using(lambda: now):
            now += 40
            server.connections.expire()
            assert not link.awaits_pong
            await refused(server)
            now += 1
            server.connections.expire()
            assert link.awaits_pong
            now += 38
            server.connections.expire()
        await turn_until(lambda: not server.links)
        assert reasons == [TOO_MANY, KEEPALIVE_TIMEOUT]
