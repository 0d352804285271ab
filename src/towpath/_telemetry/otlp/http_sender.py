"""OTLP over HTTP/1.1: one request at a time on one connection, which is used again.

It is no general client: it sends POST to one path, follows nothing, and reads no more of an answer than a collector's can be.
"""

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import Final

import httptools

from towpath._telemetry.otlp.options import Endpoint
from towpath._telemetry.otlp.sender import Answer, ExportError, answer, shown

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""A function that connects to the collector. Raises OSError."""

_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_LARGEST_ANSWER: Final = 1 << 18
"""Bytes of an answer, with its head. What has more is from no collector."""
_CHUNK: Final = 1 << 16


class HttpSender:
    """Sends to `endpoint`. `headers` go with each request. `dial` connects; by default asyncio does, with `tls` for a secure endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        compress: bool = False,
        tls: ssl.SSLContext | None = None,
        dial: Dial | None = None,
    ) -> None:
        self._endpoint: Final = endpoint
        self._compress: Final = compress
        self._tls: Final = tls
        self._dial: Final[Dial] = dial or self._connected
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        fields = {
            "host": f"{host}:{endpoint.port}",
            "user-agent": "towpath",
            "content-type": "application/x-protobuf",
            **({"content-encoding": "gzip"} if compress else {}),
            **dict(headers),
        }
        self._head: Final = f"POST {endpoint.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes, timeout: float) -> Answer:  # noqa: ASYNC109 - as of `Sender`
        """Send a request. A connection that the collector closed meanwhile is made anew, once."""
        if self._compress:
            request = await asyncio.to_thread(gzip.compress, request, 1)  # zlib lets other threads run
        message = f"{self._head}content-length: {len(request)}\r\n\r\n".encode("ascii") + request
        try:
            async with asyncio.timeout(timeout):
                got = await self._exchanged(message)
        except TimeoutError:
            await self.close()
            raise ExportError(f"no answer within {timeout:g} s", "timeout", is_retryable=True) from None
        except (OSError, EOFError) as error:
            await self.close()
            raise ExportError(_reason(error), "connection", is_retryable=True) from None
        except httptools.HttpParserError as error:
            await self.close()
            raise ExportError(f"the answer is not HTTP: {error}", "malformed_answer", is_retryable=True) from None
        except BaseException:
            await self.close()
            raise
        if not got.keeps_alive:
            await self.close()
        return _judged(got)

    async def close(self) -> None:
        """Close the connection, without waiting for the other side."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection[1].transport.abort()

    async def _exchanged(self, message: bytes) -> "_Response":
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(ConnectionError, _NothingCame):
                return await _asked(*connection, message)
            await self.close()
        connection = self._connection = await self._dial()
        return await _asked(*connection, message)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        endpoint = self._endpoint
        return await asyncio.open_connection(
            endpoint.host, endpoint.port, ssl=self._tls, server_hostname=endpoint.host if self._tls is not None else None
        )


class _NothingCame(EOFError):
    """The connection ended before an answer began."""


class _Response:
    """The callbacks of httptools' parser for one answer."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body = bytearray()
        self.retry_after = ""
        self.reason = b""
        self.is_complete = False
        self.is_interim = False
        self.has_length = False
        self.keeps_alive = False
        self.status = 0

    def on_status(self, status: bytes) -> None:
        self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"retry-after":
            self.retry_after = value.decode("latin-1").strip()
        elif name in (b"content-length", b"transfer-encoding"):
            self.has_length = True

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.is_interim = self.status < 200

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.is_interim:  # such as 100 Continue, which the answer follows
            self.reason = b""
            return
        self.is_complete = True
        self.keeps_alive = self.parser.should_keep_alive()


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> _Response:
    writer.write(message)
    got, size = _Response(), 0
    draining = asyncio.ensure_future(writer.drain())  # an answer may come before all was sent, such as 413
    try:
        while not got.is_complete:
            chunk = await reader.read(_CHUNK)
            size += len(chunk)
            if size > _LARGEST_ANSWER:
                raise ConnectionAbortedError(f"an answer of more than {_LARGEST_ANSWER} bytes")
            if chunk:
                got.parser.feed_data(chunk)
            elif not size:
                raise _NothingCame("the connection was closed without an answer")
            elif not got.status or got.has_length:
                raise EOFError("the connection was closed within the answer")
            else:  # the answer's end is that of the connection
                got.keeps_alive = False
                return got
    finally:
        draining.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await draining
    return got


def _judged(got: _Response) -> Answer:
    if 200 <= got.status < 300:
        return answer(bytes(got.body))
    after = _seconds(got.retry_after)
    reason = f"HTTP {got.status} {shown(got.reason)}".rstrip()
    raise ExportError(reason, str(got.status), is_retryable=got.status in _RETRYABLE, after=after)


def _seconds(text: str) -> float | None:
    """`Retry-After` in seconds: a number of them, or a date. None for nothing and for what is neither."""
    if text.isascii() and text.isdecimal():
        return float(text[:10])
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    return None


def _reason(error: OSError | EOFError) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, (ssl.SSLError, socket.gaierror)):
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return str(error) or type(error).__name__
