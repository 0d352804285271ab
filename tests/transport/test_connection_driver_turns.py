"""One peer that sends without end does not keep the loop from all others: however much waits, one read at a time."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.transport.raw_peer import request_head
from tests.transport.test_connection_driver import Recording, turns
from towpath._transport import Server, ServerTls
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.server.connections.http1_connection import Http1Link
from towpath._transport.server.connections.http2_connection import Http2Link
from towpath._transport.tls import Rotating
from towpath._wire.grpc.dialect import HEAD
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, PREFACE
from towpath._wire.http2.limits import Limits

pytestmark = pytest.mark.untraced

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
LARGE = 250_000
"""Bytes that only a read which fills its buffer brings."""
UNKNOWN = frames.frame(0xFA, 0, 0)
PATIENT = Limits(overhead_burst=1_000_000_000)


class Clock:
    """Which turn of the loop it is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turn = 0
        self._loop = loop
        self._tick()

    def _tick(self) -> None:
        self.turn += 1
        self._handle = self._loop.call_soon(self._tick)

    def stop(self) -> None:
        self._handle.cancel()


class Nobody:
    """The endpoint of a client's connection that nobody calls over."""

    def retire(self, link: ClientLink) -> None: ...
    def forget(self, link: ClientLink) -> None: ...
    def wake_one(self) -> None: ...
    def wake_all(self) -> None: ...


class Watched:
    """A protocol that notes in which turn each read came, and how large it was."""

    def __init__(self, link: Any, clock: Clock) -> None:
        self.link = link
        self.reads: list[tuple[int, int]] = []
        own = link.data_received

        def noted(data: bytes) -> None:
            self.reads.append((clock.turn, len(data)))
            own(data)

        link.data_received = noted

    def came(self) -> int:
        return sum(size for _, size in self.reads)

    def together(self) -> list[int]:
        """The turns of full reads that were not alone in theirs."""
        taken = [turn for turn, _ in self.reads]
        return [turn for turn, size in self.reads if size >= LARGE and taken.count(turn) > 1]


def http2_server(loop: asyncio.AbstractEventLoop) -> tuple[Any, bytes, bytes]:
    return Http2Link(loop, Server([Echo()], limits=PATIENT)), PREFACE + frames.settings([]), UNKNOWN


def http1_server(loop: asyncio.AbstractEventLoop) -> tuple[Any, bytes, bytes]:
    head = b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return Http1Link(loop, Server([Echo()])), head, b"400\r\n" + b" " * 1024 + b"\r\n"


def http2_client(loop: asyncio.AbstractEventLoop) -> tuple[Any, bytes, bytes]:
    return ClientLink(loop, Nobody(), PATIENT), frames.settings([]), UNKNOWN


def fill(sock: socket.socket, head: bytes, piece: bytes) -> int:
    """Send until the socket takes no more; returns how much it took."""
    sock.setblocking(False)
    flood = head + piece * ((3 << 20) // len(piece))
    sent = 0
    try:
        while sent < len(flood):
            sent += sock.send(memoryview(flood)[sent : sent + 100_000])
    except (BlockingIOError, ssl.SSLWantWriteError):
        return sent
    return sent


async def flooded(made: Callable[[asyncio.AbstractEventLoop], tuple[Any, bytes, bytes]], tls: tuple[Any, Any] | None) -> Watched:
    """A link that a peer has flooded, once it has read all of it."""
    loop = asyncio.get_running_loop()
    link, head, piece = made(loop)
    clock = Clock(loop)
    watched = Watched(link, clock)
    listener = await loop.create_server(lambda: link, "127.0.0.1", 0, ssl=tls[0] if tls else None)
    address = listener.sockets[0].getsockname()

    def connect() -> socket.socket:
        sock = socket.create_connection(address)
        return sock if tls is None else tls[1].wrap_socket(sock, server_hostname="localhost")

    peer = await asyncio.to_thread(connect)
    sent = fill(peer, head, piece)
    await turn_until(lambda: watched.came() >= sent)
    assert sum(size >= LARGE for _, size in watched.reads) > 2 or tls, "the flood was too small to show anything"
    clock.stop()
    link.abort()
    async with asyncio.timeout(PATIENCE):
        await link.closed
    peer.close()
    listener.close()
    return watched


@LOOPS
@pytest.mark.parametrize("made", [http2_server, http1_server, http2_client])
def test_what_a_flood_leaves_in_the_socket_waits_for_the_turn_of_the_others(made: Any, loop: Any) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(flooded(made, None)).together() == []


@LOOPS
@pytest.mark.parametrize("made", [http2_server, http2_client])
def test_behind_tls_too(made: Any, loop: Any, tmp_path: Path) -> None:
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    own = Rotating(ServerTls(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")).context
    trusting = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    with asyncio.Runner(loop_factory=loop) as runner:
        watched = runner.run(flooded(made, (own, trusting)))
    turns_of_large = [turn for turn, size in watched.reads if size >= 8192]
    assert len(turns_of_large) > 2
    assert len(turns_of_large) == len(set(turns_of_large))


def patient() -> tuple[Http2Link, Recording]:
    """A server's link that takes any number of frames, and its transport."""
    loop = asyncio.get_running_loop()
    link = Http2Link(loop, Server([Echo()], limits=PATIENT))
    transport = Recording(loop, link)
    link.connection_made(transport)
    link.data_received(PREFACE + frames.settings([]))
    return link, transport


async def test_a_read_that_leaves_nothing_behind_costs_no_turn() -> None:
    link, transport = patient()
    link.data_received(UNKNOWN * 1_500)
    assert not transport.paused
    link.data_received(UNKNOWN * 30_000)
    assert transport.paused
    await turns(30)
    assert not transport.paused
    link.abort()
    await link.closed


async def test_every_reason_not_to_read_holds_until_it_is_gone() -> None:
    link, transport = patient()
    link.data_received(UNKNOWN * 30_000)
    link.data_received(UNKNOWN * 30_000)
    link.pause_writing()
    await turns(60)
    assert transport.paused, "the peer does not read"
    assert link.connection.behind, "nothing more is taken from who does not read"
    link.resume_writing()
    assert transport.paused, "it is the turn of the others"
    await turns(60)
    assert not transport.paused
    assert not link.connection.behind
    link.resume_writing()
    assert not transport.paused
    link.data_received(UNKNOWN * 30_000)
    link.connection_lost(None)
    await turns()
    assert transport.paused, "nothing is asked of a transport that is gone"


def calls(count: int) -> bytes:
    head = request_head(b"Nothing")
    return b"".join(frames.frame(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, head) for stream_id in range(1, 2 * count, 2))


async def test_calls_that_come_in_one_read_are_taken_over_several_turns_and_answered_in_between() -> None:
    link, transport = patient()
    link.data_received(calls(1500))
    seen = [link.asked]
    while link.connection.behind:
        written = len(transport.writes)
        await turns(1)
        seen.append(link.asked)
        assert len(transport.writes) > written
    steps = [later - sooner for sooner, later in pairwise([-1, *seen])]
    assert max(steps) <= 2 * 160
    assert seen[-1] == 2 * 1500 - 1
    await turns(2)
    assert not transport.paused
    link.abort()


async def test_requests_of_http1_that_come_in_one_read_are_taken_over_several_turns() -> None:
    loop = asyncio.get_running_loop()
    link = Http1Link(loop, Server([Echo()]))
    transport = Recording(loop, link)
    link.connection_made(transport)
    link.data_received(b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n" * 6000)
    seen = [link.asked]
    while link.connection.behind:
        await turns(1)
        seen.append(link.asked)
    assert max(later - sooner for sooner, later in pairwise([0, *seen])) <= 400
    assert seen[-1] == 6000
    await turns(2)
    assert not transport.paused
    link.abort()


async def test_what_waited_for_a_window_goes_in_portions() -> None:
    """One frame opens all windows, and 20 MiB wait."""
    link, transport = patient()
    connection = link.connection
    link.data_received(frames.settings([(frames.Setting.INITIAL_WINDOW_SIZE, 2**31 - 1)]))
    link.data_received(b"".join(frames.frame(frames.HEADERS, END_HEADERS, each, request_head(b"Say")) for each in range(1, 21, 2)))
    for stream in list(connection.streams.values()):
        connection.send_head(stream, connection.encode(HEAD), end_stream=False)
        connection.send_body(stream, bytes(2 << 20), end_stream=True)
    await turns()
    transport.writes.clear()
    link.data_received(frames.window_update(0, 2**30))
    while connection.behind:
        await turns(1)
    await turns(2)
    sizes = [len(write) for write in transport.writes]
    assert sum(sizes) > 19 << 20
    assert max(sizes) <= 3 << 20
    link.abort()
