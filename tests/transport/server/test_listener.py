"""Clients that connect to a process which may not have another file open, on asyncio's loop."""

import asyncio
import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, serving
from towpath._core.context import CallOptions
from towpath._transport import Channel
from towpath._transport.server.connections.connection_limits import NO_FILE_LEFT
from towpath._transport.server.listener import Listener


@contextmanager
def no_file_left() -> Iterator[None]:
    """This process has as many files open as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in held:
            os.close(fd)


async def hung_up(client: socket.socket) -> None:
    async with asyncio.timeout(PATIENCE):
        try:
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
        except ConnectionResetError:
            return


async def test_clients_are_turned_away_at_once_and_others_are_served(caplog: pytest.LogCaptureFixture) -> None:
    reasons: list[str] = []
    caplog.set_level(logging.WARNING)
    async with serving(Echo(), signal=lambda decision: reasons.append(decision.reason)) as server, Channel(server.address) as channel:
        client = EchoServiceClient(channel)
        options = CallOptions(timeout=PATIENCE)
        await client.say(pb.SayRequest(), options)
        host, port = server.address.split(":")
        crowd = [socket.socket() for _ in range(40)]
        for one in crowd:
            one.setblocking(False)
        with no_file_left():
            for one in crowd:
                one.connect_ex((host, int(port)))
            await asyncio.gather(*map(hung_up, crowd))
            assert (await client.say(pb.SayRequest(id="a"), options)).id == "a"
        assert reasons == [NO_FILE_LEFT] * len(crowd)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "NO_FILE_DESCRIPTOR_LEFT 1" in line
        async with Channel(server.address) as later:
            assert (await EchoServiceClient(later).say(pb.SayRequest(id="b"), options)).id == "b"
        for one in crowd:
            one.close()


def listening() -> tuple[socket.socket, Listener, list[str]]:
    original, refused = socket.create_server(("127.0.0.1", 0)), list[str]()
    return original, Listener(original, lambda: refused.append("refused")), refused


def test_a_listener_without_a_reserve_says_what_the_system_says_and_gets_one_again() -> None:
    original, listener, refused = listening()
    first, second = (socket.create_connection(original.getsockname()) for _ in range(2))
    with no_file_left():
        with pytest.raises(BlockingIOError):
            listener.accept()
        with pytest.raises(BlockingIOError):
            listener.accept()
        with pytest.raises(BlockingIOError):
            listener.accept()  # nobody waits any more
    assert refused == ["refused"] * 2
    for client in (first, second):
        client.close()
    listener.close()
    assert original.fileno() == listener.fileno() == -1


def test_where_not_even_the_reserve_is_enough_the_loop_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    original, listener, refused = listening()

    def full(_: socket.socket) -> tuple[int, object]:
        raise OSError(errno.ENFILE, "Too many open files in system")

    opened = os.open
    monkeypatch.setattr("socket.socket._accept", full)
    monkeypatch.setattr("os.open", lambda *_: full(original))
    for _ in range(2):
        with pytest.raises(OSError, match="in system"):
            listener.accept()
    monkeypatch.undo()
    assert os.open is opened
    with socket.create_connection(original.getsockname()), listener.accept()[0]:
        assert refused == []
    listener.close()


def test_another_error_is_the_loops_affair() -> None:
    _, listener, _ = listening()
    with pytest.raises(BlockingIOError):
        listener.accept()
    os.close(listener.detach())
    with pytest.raises(OSError, match="Bad file descriptor"):
        listener.accept()
    listener.close()
