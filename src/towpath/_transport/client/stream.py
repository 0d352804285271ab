"""One streaming call on the client, in any protocol: an HTTP/2 stream on one side, the call's exchange on the other.

Responses are cut out of the body when they are read, and only what was read gives the server room for more: a client that does not read
holds no more than a window, and the part of a message that is under way, which the message limit bounds.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from towpath._core.calls.asynchronous import ClientExchange, CostlyResponse
from towpath._core.calls.recording import AttemptRows
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, deadline_exceeded, locate, not_a_message
from towpath._core.service import Handler, MethodSpec
from towpath._transport.client.attempt import Attempt, link_for, literals_for, look_for_kept
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.pool import Pool
from towpath._transport.connection_driver import MAX_SEND_QUEUE
from towpath._transport.decoding_thread import check_apart, decoded
from towpath._wire.compression import Compression
from towpath._wire.elements import UNCHECKED, needs_count
from towpath._wire.grpc import framing, status
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http2 import ErrorCode, Stream
from towpath._wire.http2.states import AFTER_SEND_FRAME, CLOSED, ILLEGAL
from towpath._wire.protocol import ClientHalf
from towpath._wire.response_reader import MessageSource, PutBack, StreamResponseReader


class ClientStream(Stream):
    """The `towpath._core.calls.asynchronous.ClientStreamTransport` of an exchange, of which `responses` reads all that comes.

    `over` is settled with the call: None if it ended well, else it raises RpcError. Requests are enveloped as gRPC's in every protocol.
    """

    __slots__ = (
        "_compression",
        "_exchange",
        "_half_closed",
        "_limit",
        "_link",
        "_owed",
        "_reader",
        "_response",
        "_responses",
        "_room",
        "head_at",
        "over",
    )

    def __init__(
        self,
        link: ClientLink,
        exchange: ClientExchange[Any, Any],
        response: type[Message],
        limit: int,
        responses: StreamResponseReader,
        *,
        compression: Compression | None,
    ) -> None:
        Stream.__init__(self, link.connection)
        self.over: asyncio.Future[None] = link.loop.create_future()
        self._link = link
        self._exchange = exchange
        self._response = response
        self._limit = limit
        self._compression = compression
        self._responses = responses
        self._reader: MessageSource | None = None
        self._owed = 0
        self._room: asyncio.Future[None] | None = None
        self._half_closed = False
        self.head_at = 0.0
        """When the head of the answer came, in seconds of the clock; 0 if that is not recorded."""

    # What the connection tells.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The answer begins; a head that also ends it may carry the status."""
        self.head_at = self._link.read_at
        responses = self._responses
        fields = (*head.fields, *extra)
        try:
            responses.head(head.status, fields)
        except RpcError as error:
            self._fail(error)
            return
        if end_stream and not responses.ends_in_body:
            self._finish(fields)
            return
        self._reader = responses.messages
        self._exchange.ctx.reply.headers = responses.headers
        if end_stream:
            self._body_ended()
        else:
            self._exchange.wake()

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A piece of the responses."""
        reader = self._reader
        if reader is None or self.over.done():
            return
        self._owed += len(data)
        try:
            reader.feed(data)
            complete = reader.complete()
        except RpcError as error:
            self._fail(error)
            return
        if complete:
            self._exchange.wake()
        elif not end_stream:
            self._give_room(self._owed)  # for the rest of a message, which the limit bounds
        if end_stream:
            self._body_ended()

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The end of the answer."""
        self._finish((*trailers.fields, *extra))

    def reset_received(self, code: int, reason: str) -> None:
        """The call is over before its end."""
        self._settle(status.from_reset(code, reason, answering=self.head_seen))

    def drained(self) -> None:
        """What was sent has gone."""
        self._let_send()

    def expire(self) -> None:
        """The deadline has passed: stop waiting, and tell the server to stop working."""
        self._fail(deadline_exceeded(self._exchange.ctx.method))

    # What the exchange does.

    def take(self) -> Message | None:
        """The next response that has come, or None."""
        reader = self._reader
        if reader is None:
            return None
        before = reader.unread
        try:
            raw = reader.next()
        except RpcError as error:
            self._fail(error)
            raise
        if raw is None:
            # What is there of a message came behind another one, and was not given back with it.
            self._give_room(self._owed)
            over = self.over
            if reader.unread and over.done() and not over.cancelled() and over.exception() is None:
                fault = framing.ended_within_message(self._exchange.ctx.method)
                locate(fault, self._exchange.ctx.method, self._link.target, self._link.peer)
                raise fault
            return None
        self._give_room(min(before - reader.unread, self._owed))
        try:
            if len(raw) > UNCHECKED and needs_count(self._response, raw, self._limit):
                raise CostlyResponse(lambda: self._read_apart(raw))
            return self._response.FromString(raw)
        except RpcError as error:
            self._fail(error)
            raise
        except DecodeError as error:
            fault = RpcError(Code.INTERNAL, f"a response is not a {self._response.DESCRIPTOR.full_name}: {error}")
            self._fail(fault)
            raise fault from None

    async def _read_apart(self, raw: bytes) -> Message:
        try:
            await check_apart(self._response, raw, self._limit, self._exchange.ctx)
            return decoded(self._response, raw)
        except RpcError as error:
            self._fail(error)
            raise
        except asyncio.CancelledError:  # whoever asks next gets it
            if self._reader is not None:
                self._reader = PutBack(raw, self._reader)
            raise

    def write(self, message: Message) -> bool:
        """Send a request, unless the call is over; whether there is room for more."""
        if self._half_closed:
            raise RuntimeError(f"the call of {self._exchange.ctx.method} was half-closed; nothing more can be sent on it")
        if AFTER_SEND_FRAME[self.state] == ILLEGAL:
            return False
        try:
            raw = message.SerializeToString()
        except AttributeError:
            raise not_a_message(message, self._exchange.ctx.method) from None
        body = framing.frame(raw, self._compression) if self._compression is not None else framing.pack_prefix(0, len(raw)) + raw
        self._link.connection.send_piece(self, body)
        self._link.gather()
        return self.queued < MAX_SEND_QUEUE and not self._link.paused

    async def room(self) -> None:
        """Until what was sent has gone, or the call is over."""
        if self._link.paused:
            await self._link.writable()
        if self.queued < MAX_SEND_QUEUE or self.over.done():
            await asyncio.sleep(0)  # who never waits would keep everybody else from working
            return
        if self._room is not None:
            raise RuntimeError(f"two tasks send on the same call of {self._exchange.ctx.method}; let one send for both")
        room = self._room = self._link.loop.create_future()
        try:
            await room
        finally:
            self._room = None

    def half_close(self) -> None:
        """No more requests."""
        if AFTER_SEND_FRAME[self.state] != ILLEGAL and not self._half_closed:
            self._half_closed = True
            self._link.connection.send_body(self, b"", end_stream=True)
            self._link.schedule_flush()

    def answering(self) -> bool:
        """Whether a response has begun; an answer that is nothing but its end is none."""
        return self._reader is not None

    def reset(self, code: ErrorCode) -> None:
        """End the call; a sender that waits for room is woken."""
        Stream.reset(self, code)
        self._let_send()

    # What becomes of it.

    def _give_room(self, size: int) -> None:
        self._owed -= size
        before = self.unconsumed
        self.consumed(size)
        if self.unconsumed < before:
            self._link.schedule_flush()

    def _let_send(self) -> None:
        room = self._room
        if room is not None and not room.done():
            room.set_result(None)

    def _body_ended(self) -> None:
        if self._responses.ends_in_body:
            self._finish(())
        else:
            self._fail(RpcError(Code.INTERNAL, "the server ended the call without trailers"))

    def _finish(self, fields: Sequence[Field]) -> None:
        error: RpcError | None = None
        try:
            self._responses.end(fields)
        except RpcError as fault:
            error = fault
        look_for_kept(self._exchange.ctx, fields)
        self._exchange.ctx.reply.trailers = self._responses.trailers
        self._settle(error)
        if self.state != CLOSED:
            self.reset(ErrorCode.NO_ERROR)  # the server answered before it had read all requests

    def _fail(self, error: RpcError) -> None:
        self._settle(error)
        self.reset(ErrorCode.CANCEL)
        self._link.schedule_flush()

    def _settle(self, error: RpcError | None) -> None:
        if error is not None:
            locate(error, self._exchange.ctx.method, self._link.target, self._link.peer)
        if not self.over.done():
            if error is None:
                self.over.set_result(None)
            else:
                self.over.set_exception(error)
        self._let_send()
        self._exchange.wake()


def stream_handler(
    pool: Pool,
    method: MethodSpec[Any, Any],
    head: Template,
    protocol: ClientHalf,
    *,
    limit: int,
    compression: Compression | None,
    rows: AttemptRows | None = None,
) -> Handler:
    """The innermost handler of a streaming `method`: one attempt in `protocol`, as long as the stream."""
    response_type: type[Message] = method.response
    implied = method.default_criticality

    async def attempt(exchange: ClientExchange[Any, Any], ctx: Context) -> None:
        request = exchange.request
        try:
            body = b"" if request is None else framing.frame(request.SerializeToString(), compression)
        except AttributeError:
            raise not_a_message(request, method.full_name, method.request) from None
        link = pool.available(ctx, method) or await link_for(pool, ctx, method, rows)
        connection = link.connection
        stream = ClientStream(link, exchange, response_type, limit, protocol.stream_reader(limit), compression=compression)
        literals = literals_for(link, protocol, ctx, implied, rows)  # before the stream exists, or its place would be lost
        if request is None:
            connection.open(stream)
            connection.send_head(stream, connection.encode(head, literals), end_stream=False)
        else:
            connection.request(stream, head, literals, body)
        with Attempt(link, stream, ctx, method, rows):
            exchange.attached(stream)
            await stream.over

    return attempt
