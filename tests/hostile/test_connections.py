"""Connections that say nothing, or stop in the middle, or are too many: they lose their places, and a client that calls has one."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.echo_service import PATIENCE, turn_until
from tests.hostile.kit import LOOPS, Attacker, Victim, attacking, reached, unharmed, victim
from tests.transport.raw_peer import request_head
from towpath._transport import Channel
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import PREFACE

_GREETING = PREFACE + frames.settings([])
_POST = b"POST /v1/weigh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

SILENT = {
    "nothing": b"",
    "two letters of the preface": b"PR",
    "three letters of the preface": b"PRI",
    "half of the preface": PREFACE[:20],
    "the preface without settings": PREFACE,
    "half of a frame": _GREETING + b"\0\0\x08\x06",
    "half of a header block": _GREETING + frames.frame(frames.HEADERS, 0, 1, request_head(b"Say")),
    "a letter of a method": b"G",
    "a method": b"GET",
    "half of a head": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "half of a second head": b"GET /v1/books HTTP/1.1\r\nHost: a\r\n\r\nGET / HT",
    "half of a body": _POST + b"Content-Length: 10\r\n\r\n{",
    "half of the size of a chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n5",
    "half of a body for nobody": b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{",
    "a handshake of TLS": b"\x16\x03\x01\x02\x00\x01",
}
"""What a client says before it falls silent."""

MANY = {"silent": b"", "greeted": _GREETING}
"""What each of too many clients says."""

PLACES = 20

ANY = 1_000_000
"""Lines that a server may log when it cannot accept, for this is about its clients."""

BURST = min(400, int(Path("/proc/sys/net/core/somaxconn").read_text()) - 1)
"""Clients that connect at once: more than the 100 that event loops let wait by default, and as many as the system allows."""


@pytest.fixture(scope="module", params=LOOPS)
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server with little time and few places for its clients."""
    settings = tmp_path_factory.mktemp("strict") / "towpath.toml"
    settings.write_text(f'[service.connections]\nhead_timeout = "1s"\nmax_connections = {PLACES}\n')
    with victim(request.param, settings) as started:
        yield started


async def test_a_client_that_falls_silent_loses_its_place(strict: Victim) -> None:
    async def cut(peer: Attacker, said: bytes) -> None:
        peer.read(in_frames=False)
        await peer.send(said)
        await peer.over.wait()

    async with unharmed(strict), asyncio.timeout(PATIENCE):
        for kinds in (list(SILENT)[: PLACES // 2], list(SILENT)[PLACES // 2 :]):
            async with AsyncExitStack() as stack:
                peers = {kind: await stack.enter_async_context(attacking(strict)) for kind in kinds}
                await asyncio.gather(*(cut(peer, SILENT[kind]) for kind, peer in peers.items()))


@pytest.mark.parametrize("kind", MANY)
async def test_idle_clients_make_room(kind: str, strict: Victim) -> None:
    async with unharmed(strict) as probe, AsyncExitStack() as stack:
        peers: list[Attacker] = []
        for _ in range(3 * PLACES):
            peer = await stack.enter_async_context(attacking(strict))
            peer.read(in_frames=False)
            peers.append(peer)
            await peer.send(MANY[kind])
        async with Channel(strict.address) as newcomer:
            await reached(newcomer)
        await probe.goes_on()
        await turn_until(lambda: sum(not peer.over.is_set() for peer in peers) < PLACES)  # the probe has one


@pytest.mark.parametrize("loop", LOOPS)
async def test_a_process_with_few_files_serves_on(loop: str) -> None:
    with victim(loop, files=64) as server:
        async with unharmed(server, faults=ANY) as probe, AsyncExitStack() as stack:
            for _ in range(200):
                await stack.enter_async_context(attacking(server))
            async with Channel(server.address) as newcomer:
                await reached(newcomer)
            await probe.goes_on()


async def test_clients_that_connect_while_the_server_stands_still_all_get_in(server: Victim) -> None:
    async with unharmed(server) as probe:
        server.process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
                for _ in range(BURST):  # each is there before the next one is made: the system takes it in
                    await stack.enter_async_context(attacking(server))
                server.process.send_signal(signal.SIGCONT)
                await probe.goes_on()
        finally:
            server.process.send_signal(signal.SIGCONT)
