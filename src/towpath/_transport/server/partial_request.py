"""Calls whose requests have come in part, as the budget of buffers sees them (`towpath._transport.server.connections.buffer_budget`)."""

import asyncio
from typing import Any

from towpath._core.errors import Code, RpcError
from towpath._transport.server.call import Handling
from towpath._transport.server.response_writer import ResponseWriter
from towpath._wire.dialect import Dialect
from towpath._wire.grpc.framing import MessageReader
from towpath._wire.http2 import ErrorCode, Stream


class PartialStream(Stream, Handling):
    """What the budget asks of a unary call over gRPC."""

    __slots__ = ()

    _link: Any
    _message: bytes
    _owed: int
    _reader: MessageReader | None

    @property
    def partial(self) -> bool:
        """Whether the request has come in part, and the rest is awaited."""
        return self._reader is not None and not self._over

    @property
    def owed(self) -> int:
        """Bytes of room that the client waits for."""
        return self._owed

    def give_room(self) -> None:
        """Give the client room for the rest of its message."""
        owed, self._owed = self._owed, 0
        self.consumed(owed)
        self._link.schedule_flush()

    @property
    def held(self) -> int:
        """Bytes that are kept of the request, or of an answer that waits for the client."""
        reader = self._reader
        waiting = b"" if self._over else getattr(self, "_message", b"")
        request = len(waiting) + (0 if reader is None else reader.unread) + self._link.buffers.turns.request_of(self)
        return self.retained + request

    def overdrawn(self, reason: str) -> None:
        """End the call, since too much is kept."""
        if not self._over:
            self.cancel(RpcError(Code.RESOURCE_EXHAUSTED, reason))
        else:
            self.reset(ErrorCode.ENHANCE_YOUR_CALM)
            self._link.schedule_flush()
            self._link.lingering.pop(self, None)
            self._ended()
        self._reader = None

    def _keep_part(self, size: int) -> None:
        """A piece of a message came. Give room for the rest, which the limit bounds, or have it given when it is this call's turn."""
        self._owed += size
        buffers = self._link.buffers
        buffers.grew(self._link, size)
        if buffers.tight:
            buffers.ask(self)
        else:
            self.give_room()


class PartialExchange(Handling):
    """What the budget asks of a call that a dialect speaks."""

    __slots__ = ()

    _dialect: Dialect
    _owed: int
    _request_over: bool
    _writer: ResponseWriter

    @property
    def received(self) -> int | None:
        """What its dialect holds."""
        return None if self._request_over or self._over or self.served.method.kind.requests_stream else self._dialect.unread

    @property
    def unread(self) -> int:
        """Bytes that are kept of the request."""
        return self._dialect.unread

    @property
    def partial(self) -> bool:
        """Whether a message has come in part, and the rest is awaited."""
        return not self._over and not self._request_over and self._owed > 0

    @property
    def owed(self) -> int:
        """Bytes of room that the caller waits for."""
        return self._owed

    def give_room(self) -> None:
        """Give the caller room for the rest of its message."""
        self._give_room(self._owed)

    def _give_room(self, size: int) -> None:
        self._owed -= size
        self._writer.consumed(size)

    def _keep_part(self, size: int) -> None:
        """A piece of a message came. Give room for the rest, which the limit bounds, or have it given when it is this call's turn."""
        buffers = self._link.buffers
        buffers.grew(self._link, size)
        if buffers.tight:
            buffers.ask(self)
        else:
            self.give_room()

    async def _take_turn_to_stream(self) -> None:
        """Wait before the handler of a stream of responses gets its request until there is room for the first one."""
        link = self._link
        if link.paused:
            await link.writable()
        if link.buffers.scarce:
            await link.buffers.turns.wait(link, self.served.large_answer)

    async def _take_turn_to_send(self, message: Any) -> None:
        """Wait before a message of a stream is encoded until there is room for it."""
        self._check(message)
        await self._link.buffers.turns.wait(self._link, message.ByteSize(), begun=True)

    def _check(self, message: Any) -> None:
        """Raises TypeError for what is no response of the method."""
        raise NotImplementedError

    def _forget(self, _: asyncio.Task[None]) -> None:
        self._left()
        self._writer.handler_ended()
