"""A client of plain HTTP/1.1 that costs as little as it can: requests that were written beforehand, answers cut out by their length. The
same for every server, so that a suite compares servers and not clients."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench import payload
from bench.measuring.load import Caller


class _Connection(asyncio.Protocol):
    """One call at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data
        head, separator, body = buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length and self._answer is not None:
            self._buffer = b""
            if head.startswith(b"HTTP/1.1 200 "):
                self._answer.set_result(body)
            else:
                self._answer.set_exception(ValueError(head.decode("latin-1")))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    def call(self, request: bytes) -> "asyncio.Future[bytes]":
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return answer

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Caller]:
    """GETs of one item from `address`, over as many connections as there are calls in flight."""
    host, port = address.split(":")
    loop = asyncio.get_running_loop()
    request = f"GET /v1/items/{payload.ID}?n={payload.N} HTTP/1.1\r\nhost: {address}\r\naccept: application/json\r\n\r\n".encode()
    idle: list[_Connection] = []
    every: list[_Connection] = []

    async def call() -> bytes:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await loop.create_connection(_Connection, host, int(port))
            every.append(connection)
        answer = await connection.call(request)
        idle.append(connection)
        return answer

    def check(answer: bytes) -> None:
        item = json.loads(answer)
        payload.verify(item["id"], item["n"], item["text"])

    try:
        yield Caller(call, check)
    finally:
        for connection in every:
            connection.close()
