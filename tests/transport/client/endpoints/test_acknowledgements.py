"""Servers that take nothing more: one that has no room says so and may, one whose machine says nothing is given up."""

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from tests.echo_service import PATIENCE
from towpath._transport.client.endpoints.acknowledgements import Acknowledgements
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.keepalive import KeptLink
from towpath._wire.http2 import Limits

INFO = getattr(socket, "TCP_INFO", None)
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
SIZE = 32 << 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of acknowledgements")


class Nobody:
    """Takes no interest in its connection."""

    def retire(self, link: ClientLink) -> None: ...
    def replace(self, link: ClientLink) -> None: ...
    def forget(self, link: ClientLink) -> None: ...
    def wake_one(self, link: ClientLink) -> None: ...
    def wake_all(self) -> None: ...


def vanish(connection: socket.socket) -> None:
    """Drop whatever comes for `connection` before TCP sees it, as if its machine were gone."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    connection.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(drop)))  # SO_ATTACH_FILTER


def asked(connection: Any) -> int:
    """How often TCP has asked for room, or has sent again what it had sent. It waits twice as long each time, and first for 0.2 s."""
    assert INFO is not None
    return connection.getsockopt(socket.IPPROTO_TCP, INFO, 8)[4]


def heard(connection: socket.socket) -> int:
    """Milliseconds since TCP heard of the peer."""
    assert INFO is not None
    return struct.unpack_from("=56xI", connection.getsockopt(socket.IPPROTO_TCP, INFO, 60))[0]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the system's TCP does, which announces nothing."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextmanager
def listening() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def linked(listener: socket.socket, patience: float) -> tuple[asyncio.Transport, KeptLink, socket.socket]:
    loop = asyncio.get_running_loop()
    transport, link = await loop.create_connection(
        lambda: KeptLink(loop, Nobody(), Limits(), interval=None, timeout=patience), *listener.getsockname()
    )
    accepted, _ = listener.accept()
    return transport, link, accepted


def run(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE):
            await main

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(within())


@LOOPS
def test_a_server_without_room_may_pause_for_longer_than_the_timeout(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> None:
        with listening() as listener:
            transport, link, accepted = await linked(listener, patience=2.5)  # Linux answers one question in half a second
            with accepted:
                transport.write(bytes(SIZE))
                connection = transport.get_extra_info("socket")
                await until(lambda: asked(connection) >= 5)  # after 6 s
                assert not link.closed.done()
                accepted.setblocking(False)
                left = SIZE
                while left > 0:
                    left -= len(await asyncio.to_thread(_received, accepted))
                link.abort()
                await link.closed

    run(loop, main())


def _received(connection: socket.socket) -> bytes:
    connection.settimeout(PATIENCE)
    return connection.recv(1 << 20)


@LOOPS
@pytest.mark.parametrize("full", [False, True])
def test_a_server_whose_machine_says_nothing_is_given_up(loop: Callable[[], asyncio.AbstractEventLoop], full: bool) -> None:
    async def main() -> None:
        with listening() as listener:
            transport, link, accepted = await linked(listener, patience=0.2)
            with accepted:
                if full:
                    transport.write(bytes(SIZE))
                    await until(lambda: asked(transport.get_extra_info("socket")))
                vanish(accepted)
                transport.write(b"?")
                await link.closed
                assert link.fault == f"{link.peer} acknowledged nothing for 1 s"

    run(loop, main())


async def test_the_time_is_counted_from_when_something_waits() -> None:
    with listening() as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            found = Acknowledgements.of(client)
            assert found is not None
            assert found.silence() == 0
            vanish(server)
            await until(lambda: heard(client) >= 50)
            client.send(b"?")
            assert found.silence() == 0  # nothing came before, because nothing was sent
            await until(lambda: found.silence() >= 0.05)
    assert found.silence() == 0  # it is closed


def test_a_connection_that_cannot_tell_is_not_asked() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert Acknowledgements.of(here) is None
    with socket.socket() as connection:
        connection.close()
        assert Acknowledgements.of(connection) is None
