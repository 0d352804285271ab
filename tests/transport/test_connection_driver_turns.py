"""One peer that sends without end does not keep the loop from all others: however much waits, one read at a time."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.transport.test_connection_driver import connected, turns
from towpath._transport import Server, ServerTls
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.server.connections.http1_connection import Http1Link
from towpath._transport.server.connections.http2_connection import Http2Link
from towpath._transport.tls import Rotating
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import PREFACE
from towpath._wire.http2.limits import DEFAULT_LIMITS

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
LARGE = 250_000
"""Bytes that only a read which fills its buffer brings."""
UNKNOWN = frames.frame(0xFA, 0, 0)


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
    return Http2Link(loop, Server([Echo()])), PREFACE + frames.settings([]), UNKNOWN


def http1_server(loop: asyncio.AbstractEventLoop) -> tuple[Any, bytes, bytes]:
    head = b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return Http1Link(loop, Server([Echo()])), head, b"400\r\n" + b" " * 1024 + b"\r\n"


def http2_client(loop: asyncio.AbstractEventLoop) -> tuple[Any, bytes, bytes]:
    return ClientLink(loop, Nobody(), DEFAULT_LIMITS), frames.settings([]), UNKNOWN


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


async def test_a_read_that_leaves_nothing_behind_costs_no_turn() -> None:
    link, transport = connected()
    link.data_received(UNKNOWN * 20_000)
    assert not transport.paused
    link.data_received(UNKNOWN * 30_000)
    assert transport.paused
    await turns(1)
    assert not transport.paused
    link.abort()
    await link.closed


async def test_every_reason_not_to_read_holds_until_it_is_gone() -> None:
    link, transport = connected()
    link.data_received(UNKNOWN * 30_000)
    link.data_received(UNKNOWN * 30_000)
    link.pause_writing()
    await turns()
    assert transport.paused, "the peer does not read"
    link.data_received(UNKNOWN * 30_000)
    link.resume_writing()
    assert transport.paused, "it is the turn of the others"
    await turns(1)
    assert not transport.paused
    link.resume_writing()
    assert not transport.paused
    link.data_received(UNKNOWN * 30_000)
    link.connection_lost(None)
    await turns()
    assert transport.paused, "nothing is asked of a transport that is gone"
