"""A collector over HTTP/1.1 that is a real server, and as bad as a test wants it."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Reply = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]
"""Bytes, or a function that does what it likes with the connection."""


def response(status: str = "200 OK", body: bytes = b"", **fields: str) -> bytes:
    """An answer whole."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join([*head, "", ""]).encode() + body


def partial(rejected: int, message: str = "") -> bytes:
    """The answer of a collector that does not keep all."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = message
    return response(body=answer.SerializeToString())


class Collector:
    """What was asked of it. `replies` are given one after the other, and then `otherwise`."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.heads: list[dict[str, str]] = []
        self.connections = 0
        self.replies: list[Reply] = []
        self.otherwise: Reply = response()
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        """How many requests there were, once for each."""
        self.port = 0

    @property
    def spans(self) -> list[Span]:
        """Of all requests."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
                body = await reader.readexactly(int(fields["content-length"]))
                if fields.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                self.requests.append(ExportTraceServiceRequest.FromString(body))
                self.heads.append({"": head[0], **fields})
                self.asked.put_nowait(len(self.requests))
                reply = self.replies.pop(0) if self.replies else self.otherwise
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                else:
                    await reply(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def collector(tls: Any = None) -> AsyncIterator[Collector]:
    """Serve at a free port of this machine."""
    one = Collector()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await one.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No answer: the connection ends."""
    writer.close()
    await writer.wait_closed()
    raise ConnectionResetError


async def is_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """No answer, until the other side goes."""
    await reader.read()
    raise ConnectionResetError
