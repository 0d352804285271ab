"""ASGI applications that tests mount, and clients that ask them: curl for both versions of HTTP, a socket for what is said bit by bit."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.call_counts import counted_calls
from tests.echo_service import PATIENCE
from tests.programs import needed
from towpath import App
from towpath._app.settings.service_file import ServiceConfig
from towpath._transport import Server
from towpath._transport.server.mounts.mount import mounted

VERSIONS = ["--http1.1", "--http2-prior-knowledge"]
"""What curl is told to speak."""

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


@asynccontextmanager
async def mounting(app: Asgi, prefix: str = "/admin", config: ServiceConfig | None = None, **options: Any) -> AsyncIterator[App]:
    """An application that serves `app` on a free port."""
    async with App(config) as server:
        server.mount(prefix, app, **options)
        await server.start()
        yield server


@asynccontextmanager
async def serving_alone(app: Asgi, **options: Any) -> AsyncIterator[Server]:
    """A server of `app` at `/admin`, without layers."""
    server = Server([], mounts=[mounted("/admin", app, others=(), **{"max_body": None, "lifespan": "off", **options})])
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close(0)


async def curl(app: App | Server, path: str, *arguments: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    command = (needed("curl"), "-q", "--noproxy", "*", "-sS", "-i", "-m", str(PATIENCE), *arguments, f"http://{app.address}{path}")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    status = 100
    while status == 100:
        head, _, out = out.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        status = int(line.split()[1])
    return status, dict(field.split(": ", 1) for field in fields), out


@asynccontextmanager
async def dialled(app: App | Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A socket to the application."""
    host, _, port = app.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE):
            yield reader, writer
    finally:
        writer.close()


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Reset the connection. A client that only closes its half of it could still wait for its response."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def answer(send: Any, body: bytes = b"", status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """A whole response."""
    await send({"type": "http.response.start", "status": status, "headers": headers or []})
    await send({"type": "http.response.body", "body": body})


def only_http(app: Asgi) -> Asgi:
    """`app`, which knows no lifespan."""

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await app(scope, receive, send)

    return checked


def counted(app: App, code: str) -> float:
    """How many requests the metrics have under `code`."""
    return counted_calls(app.metrics.registry, "server", "mount/admin", code) or 0.0
