"""A start that is cancelled, at each of its awaits: it leaves no socket, task, timer or thread."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from tests.echo_service import Echo
from towpath import App
from towpath._core.errors import SetupError
from towpath._transport import Server
from towpath._transport.tls import ServerTls

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


async def cancelled_after(turns: int, start: Callable[[], Awaitable[None]]) -> bool:
    """Cancel a start after so many turns of the loop. Whether it had ended before."""
    task = asyncio.ensure_future(start())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


def listening(family: socket.AddressFamily, folder: Path, name: str) -> socket.socket:
    listener = socket.socket(family)
    listener.bind(("127.0.0.1", 0) if family is socket.AF_INET else str(folder / name))
    listener.listen()
    listener.setblocking(False)
    return listener


def nobody_listens(sock: socket.socket, place: Any) -> bool:
    with socket.socket(socket.AF_INET if isinstance(place, tuple) else socket.AF_UNIX) as client:
        return sock.fileno() == -1 and client.connect_ex(place) != 0


@LOOPS
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_a_server_that_is_cancelled_while_it_starts_listens_nowhere(loop: Any, family: socket.AddressFamily, tmp_path: Path) -> None:
    async def scenario() -> None:
        turns = 0
        while True:
            server = Server([Echo()])
            sock = listening(family, tmp_path, str(turns))
            place = sock.getsockname()
            if await cancelled_after(turns, lambda: server.start(sock=sock)):  # noqa: B023 # called at once
                await server.close(0)
                break
            if turns:  # else it has not begun
                await asyncio.sleep(0)
                assert nobody_listens(sock, place)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            await server.close(0)
            sock.close()
            turns += 1

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


async def test_connections_that_came_before_it_was_cancelled_are_ended() -> None:
    server = Server([Echo()])
    sock = listening(socket.AF_INET, Path(), "")
    with socket.create_connection(sock.getsockname()) as client:  # the system has accepted it
        client.setblocking(False)
        assert not await cancelled_after(1, lambda: server.start(sock=sock))
        reader, writer = await asyncio.open_connection(sock=client)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
    assert not server.links


async def test_a_start_that_fails_owns_the_socket_too(tmp_path: Path) -> None:
    broken = ServerTls(certificate=tmp_path / "none.crt", key=tmp_path / "none.key")
    sock = listening(socket.AF_INET, tmp_path, "")
    with pytest.raises(SetupError, match=r"none\.crt"):
        await Server([Echo()]).start(sock=sock, tls=broken)
    assert sock.fileno() == -1


async def test_certificates_are_not_watched_for_a_server_that_was_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    timers: list[asyncio.TimerHandle] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def noted(*arguments: Any, **named: Any) -> asyncio.TimerHandle:
        timers.append(call_later(*arguments, **named))
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", noted)
    tls = ServerTls(certificate=tmp_path / "tls.crt", key=tmp_path / "tls.key")
    assert not await cancelled_after(1, lambda: Server([Echo()]).start(tls=tls))
    assert timers
    assert all(timer.cancelled() for timer in timers)


@LOOPS
def test_an_application_that_is_cancelled_while_it_starts_leaves_nothing(loop: Any, tmp_path: Path) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for answer in ("startup", "shutdown"):
            await receive()
            await asyncio.sleep(0)
            await send({"type": f"lifespan.{answer}.complete"})

    async def probe() -> None:
        await asyncio.sleep(0)

    async def scenario() -> None:
        turns = 0
        ended = False
        while not ended:
            sock = listening(socket.AF_INET, tmp_path, "")
            place = sock.getsockname()
            async with App() as app:
                app.add(Echo())
                app.mount("/slow", slow)
                app.ready("db", probe)
                ended = await cancelled_after(turns, lambda: app.start(sock=sock))  # noqa: B023 # called at once
                if not ended and turns:
                    await asyncio.sleep(0)
                    assert nobody_listens(sock, place)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert threading.active_count() == before
            sock.close()
            turns += 1
        assert turns > 5

    before = threading.active_count()
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())
