"""Clients that are slow on purpose, and looks of a server at its connections at times that the test chooses."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from echo.v1.echo_pb2 import SleepRequest
from stream.v1 import stream_pb2

from tests.echo_service import FOREVER, PATIENCE, turn_until
from tests.transport.raw_peer import request_head
from towpath._core import clock
from towpath._core.decisions import Decision
from towpath._transport import Server
from towpath._wire.grpc.framing import frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, PREFACE
from towpath._wire.json import JsonCodec

GREETING = PREFACE + frames.settings([])
LARGE = stream_pb2.RepeatRequest(answers=[stream_pb2.Answer(size=1 << 20)] * 64)


JSON = "application/json"
LONG = "Connect-Timeout-Ms: 9999999999"
HOURS = (b"grpc-timeout", b"99999999H")


def head(method: bytes, *more: tuple[bytes, bytes], stream_id: int = 1) -> bytes:
    """The head of a request over HTTP/2 whose body is to come."""
    return frames.frame(frames.HEADERS, END_HEADERS, stream_id, request_head(method, *more))


def sleeping() -> bytes:
    """A connection of HTTP/2 with a whole call that lasts for ever."""
    body = frame(SleepRequest(seconds=FOREVER).SerializeToString())
    return GREETING + head(b"Sleep", HOURS) + frames.frame(frames.DATA, END_STREAM, 1, body)


def posted(path: str, content_type: str, *more: str, body: bytes | None = None) -> bytes:
    length = () if body is None else (f"Content-Length: {len(body)}",)
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", *length, *more, "", ""]).encode() + (
        body or b""
    )


def download() -> bytes:
    """Asks for 64 MiB over HTTP/1.1."""
    return posted("/stream.v1.StreamService/Repeat", "application/connect+json", body=frame(JsonCodec().encode(LARGE)))


@asynccontextmanager
async def connected(server: Server, said: bytes) -> AsyncIterator[socket.socket]:
    """A client with a small buffer, which reads only what the test has it read."""
    host, port = server.address.split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (host, int(port)))
        await loop.sock_sendall(client, said)
        yield client


def later(server: Server, seconds: float) -> None:
    """A look at all connections after so many seconds."""
    now = clock.now() + seconds
    with clock.using(lambda: now):
        server.connections.expire()


async def refused(server: Server) -> None:
    """Until a new connection was closed."""
    async with connected(server, GREETING) as client, asyncio.timeout(PATIENCE):
        try:
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
        except ConnectionError:
            return


async def stuck(server: Server, number: int = 1) -> None:
    """Until the server has written what nobody reads."""
    await turn_until(lambda: sum(link.paused for link in server.links) == number)


def told() -> tuple[list[str], Callable[[Decision], None]]:
    reasons: list[str] = []
    return reasons, lambda decision: reasons.append(decision.reason)
