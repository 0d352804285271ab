"""Unary calls over gRPC, for which `towpath._transport.client.unary` is written out: they are most of all calls.

An answer of one plain message is cut out of its only DATA frame without a reader, and an attempt is one coroutine with no object around it.
"""

import asyncio
from asyncio import get_running_loop
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from towpath._core import clock
from towpath._core.calls.recording import AttemptRows
from towpath._core.context import Context
from towpath._core.deadline import NO_SLOT
from towpath._core.errors import Code, RpcError, deadline_exceeded, locate, not_a_message, several_responses
from towpath._core.service import Handler, MethodSpec
from towpath._transport.client.attempt import link_for, look_for_kept, note_failed, pins_for
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.pool import Pool
from towpath._transport.client.load_balancing.load import Load
from towpath._transport.decoding_thread import check_apart
from towpath._wire import metadata, propagation
from towpath._wire.compression import Compression
from towpath._wire.elements import UNCHECKED
from towpath._wire.grpc import framing, status
from towpath._wire.grpc.client import ResponseHead, has_status
from towpath._wire.grpc.framing import PREFIX_SIZE, pack_prefix
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http2 import ErrorCode, Stream
from towpath._wire.http2.connection import Connection
from towpath._wire.http2.states import CLOSED


class GrpcUnaryStream(Stream):
    """One unary call over gRPC. Await `answer` for the response message's bytes; it raises RpcError."""

    __slots__ = ("_body", "_compression", "_ctx", "_limit", "_reader", "answer")

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, ctx: Context, limit: int) -> None:
        Stream.__init__(self, connection)  # `super()` takes 0.1 us more (measured)
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self._ctx = ctx
        self._limit = limit
        self._body: bytes | None = None
        self._reader: framing.MessageReader | None = None
        self._compression: Compression | None = None

    # What the connection tells.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The answer begins; a head that also ends it carries the status."""
        facts = ResponseHead.of(head)
        if facts.error is not None and not has_status(head.fields, extra):
            self._fail(facts.error)
            return
        if end_stream:
            self._finish(head.fields, extra)
            return
        self._compression = facts.compression
        reply = self._ctx.cached_reply
        if reply is not None:
            reply.headers = metadata.decode((*head.fields, *extra))

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A piece of the response."""
        size = len(data) - PREFIX_SIZE
        if self._body is None and self._reader is None and 0 <= size <= self._limit and data[:PREFIX_SIZE] == pack_prefix(0, size):
            # One plain message, whole. The stream is about to end, so its window need not be given back.
            self._body = data[PREFIX_SIZE:]
        else:
            self._collect(data)
        if end_stream and not self.answer.done():
            self._fail(RpcError(Code.INTERNAL, "the server ended the call without trailers"))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The end of the answer."""
        if trailers.says_ok and not extra and self._body is not None and self.state == CLOSED:
            if not self.answer.done():
                self.answer.set_result(self._body)
            if self._ctx.cached_reply is None:
                return
        if not extra and not trailers.says_ok and status.decode(trailers.fields) is None:
            trailers.says_ok = True
        self._finish(trailers.fields, extra)

    def reset_received(self, code: int, reason: str) -> None:
        """The call is over before its end."""
        self._settle(status.from_reset(code, reason, answering=self.head_seen))

    def expire(self) -> None:
        """The deadline has passed: stop waiting, and tell the server to stop working."""
        self._fail(deadline_exceeded(self._ctx.method))

    # What becomes of it.

    def _collect(self, data: bytes) -> None:
        if self.answer.done() or not data:
            return
        reader = self._reader
        if reader is None:
            reader = self._reader = framing.MessageReader(self._limit, self._compression)
            if self._body is not None:  # a second message follows the one that was taken for the only one
                self._fail(several_responses(self._ctx.method))
                return
        try:
            reader.feed(data)
            if self._body is None:
                self._body = reader.next()
            if self._body is not None and not reader.finished():  # an error now, since a server could go on for ever
                raise several_responses(self._ctx.method)
        except RpcError as error:
            self._fail(error)
            return
        self.consumed(len(data))

    def _finish(self, fields: tuple[Field, ...], extra: Sequence[Field]) -> None:
        every = (*fields, *extra)
        look_for_kept(self._ctx, every)
        reply = self._ctx.cached_reply
        if reply is not None:
            reply.trailers = metadata.decode(every)
        error = status.decode(every)
        if error is None and self._body is None:
            error = RpcError(Code.INTERNAL, f"{self._ctx.method} answered OK without a whole message")
        self._settle(error)
        if self.state != CLOSED:
            self.reset(ErrorCode.NO_ERROR)  # the server answered before it had read the whole request

    def _fail(self, error: RpcError) -> None:
        self._settle(error)
        self.reset(ErrorCode.CANCEL)

    def _settle(self, error: RpcError | None) -> None:
        answer = self.answer
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        elif self._body is not None:
            answer.set_result(self._body)


def grpc_unary_handler(
    pool: Pool, method: MethodSpec[Any, Any], head: Template, *, limit: int, compression: Compression | None, rows: AttemptRows | None
) -> Handler:
    """The innermost handler of a unary `method`: one attempt over gRPC, as `towpath._transport.client.unary.unary_handler` makes it."""
    response_type, name, implied = method.response, method.full_name, method.default_criticality

    async def attempt(request: Message, ctx: Context) -> Message:
        # INLINED: unary_handler, Attempt, Pool.available, decoded; held to them by tests/transport/client/test_attempt.py
        try:
            message = request.SerializeToString()
        except AttributeError:
            raise not_a_message(request, name, method.request) from None
        link = pool.sole
        if link is None or link.loop is not get_running_loop() or not link.connection.can_open():
            link = pool.pick(ctx, method) or await link_for(pool, ctx, method, rows)
        connection = link.connection
        call = GrpcUnaryStream(connection, link.loop, ctx, limit)
        body = pack_prefix(0, len(message)) + message if compression is None else framing.frame(message, compression)
        try:  # the literals may raise, and come before the stream exists
            sent = clock.now()
            literals = propagation.literals(ctx, sent, implied)
            if rows is not None and rows.pins:
                literals += pins_for(rows, link)
            connection.request(call, head, literals, body)
        except BaseException:
            link.stream_ended()  # the place is the next call's
            raise
        if len(connection.streams) == 1:
            link.flush()  # nobody to share a write with: waiting for the turn's end would only cost time
        else:
            link.schedule_flush()
        slot = NO_SLOT if ctx.deadline is None else link.wheel.add(ctx.deadline, call)
        load = link.load
        began = 0.0 if load is None else load.begin(name)
        try:
            answer = await call.answer
        except (asyncio.CancelledError, RpcError) as error:
            _tell_failed(load, began, ctx, link, error, (rows, sent, len(message), call.head_seen))
            _end(call, link, error, name)
            raise
        finally:
            slot.pop(call, None)
            if link.needs_attention:
                link.stream_ended()
        read = 0.0 if rows is None else link.read_at
        try:
            if len(answer) > UNCHECKED:
                await check_apart(response_type, answer, limit, ctx)
            response = response_type.FromString(answer)
        except (asyncio.CancelledError, RpcError, DecodeError) as error:
            fault = _unread(error, method, link)
            _tell_failed(load, began, ctx, link, fault, (rows, sent, len(message), True))
            raise fault from None
        if load is not None:
            load.succeeded(began)
        if rows is not None:
            rows.succeeded(ctx, link.peer, (sent, sent, read, read), len(message), len(answer))
        return response

    return attempt


def _end(call: GrpcUnaryStream, link: ClientLink, error: asyncio.CancelledError | RpcError, name: str) -> None:
    """The call of the method `name` has ended with `error`, and with it the stream."""
    call.reset(ErrorCode.CANCEL)
    link.schedule_flush()  # also the reset of a call that expired: the wheel knows no link
    link.call_failed(error)
    if isinstance(error, RpcError):
        locate(error, name, link.target, link.peer)


def _tell_failed(
    load: Load | None,
    began: Any,
    ctx: Context,
    link: ClientLink,
    error: BaseException,
    tried: tuple[AttemptRows | None, float, int, bool],
) -> None:
    """An attempt has failed. `tried` is what records it, when it was sent, its bytes, and whether an answer had begun."""
    if load is not None:
        load.failed(began, error)
    rows, sent, size, answered = tried
    if rows is not None:
        note_failed(rows, ctx, link, sent, size, error, answered=answered)


def _unread(
    error: asyncio.CancelledError | RpcError | DecodeError, method: MethodSpec[Message, Message], link: ClientLink
) -> asyncio.CancelledError | RpcError:
    """What a call of `method` ends in whose answer could not be read because of `error`."""
    if isinstance(error, DecodeError):
        error = RpcError(Code.INTERNAL, f"the answer is not a {method.response.DESCRIPTOR.full_name}: {error}")
    if isinstance(error, RpcError):
        locate(error, method.full_name, link.target, link.peer)
    return error
