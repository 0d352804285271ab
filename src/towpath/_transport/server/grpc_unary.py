"""One call on the server: reassembles the request, runs the handler in a task of its own, sends whatever came of it.

A call ends exactly once, by whichever comes first: the handler's answer or error, the deadline, or the end of the stream (the client
cancelled, or is gone). The last two cancel the handler; what it still returns is then dropped, so a handler that is slow to die, or
refuses to, keeps nobody waiting and harms no other call.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from google.protobuf.message import DecodeError, Message

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.deadline import NO_SLOT
from towpath._core.early_rejection import ADMIT, WAIT, Rejection
from towpath._core.errors import Code, RpcError, deadline_exceeded, first_cause, over_limit
from towpath._core.metadata import EMPTY, Metadata, Pairs
from towpath._transport.server.call import Handling, cap_deadline, expired, not_one_message
from towpath._transport.server.method_route import LARGE, MethodRoute, grpc_fields
from towpath._transport.server.partial_request import PartialStream
from towpath._transport.server.routes import GrpcUnaryRoute
from towpath._transport.server.unfinished_stream import LingeringLink, linger
from towpath._wire import metadata, propagation
from towpath._wire.codec import PROTO
from towpath._wire.elements import UNCHECKED
from towpath._wire.grpc import framing, status
from towpath._wire.grpc.dialect import HEAD, HEADS
from towpath._wire.grpc.framing import PREFIX_SIZE, pack_prefix
from towpath._wire.hpack import literal
from towpath._wire.http.fields import Field, Section, Template, list_size
from towpath._wire.http2 import ErrorCode, ResponseTemplate, ServerConnection, Stream
from towpath._wire.http2.states import AFTER_RECV_END, CLOSED, ILLEGAL

_TRAILERS_OK: Final = Template((b"grpc-status", b"0"))
_HEAD_SIZE: Final = list_size(HEAD.fields)
_ANSWER: Final = ResponseTemplate(HEAD, _TRAILERS_OK)


class Http2CallLink(LingeringLink, Protocol):
    """The connection that a call over gRPC came over, as the call sees it."""

    connection: ServerConnection

    def defer_flush(self, pieces: int) -> None:
        """Write the last `pieces` of what waits within some milliseconds."""
        ...


class ServerCall(PartialStream):
    """One unary call, from its head to its end. Its deadline holds throughout: while the request comes, while it is handled, and while the
    answer waits for the client to make room."""

    __slots__ = ("_ctx", "_flag", "_link", "_message", "_over", "_owed", "_reader", "_route", "_slot", "task")

    _ctx: Context  # set with the head, before anything reads it
    _message: bytes  # set while the call waits
    _owed: int  # set with the reader

    def __init__(self, link: Http2CallLink, route: GrpcUnaryRoute) -> None:
        Stream.__init__(self, link.connection)  # `super()` takes 0.1 us more (measured)
        self._link = link
        self._route = route
        self._reader: framing.MessageReader | None = None
        self._flag = 0  # whether the message is compressed
        self.task: asyncio.Task[None] | None = None
        self._slot = NO_SLOT
        self._over = False

    @property
    def call(self) -> Handling:
        """Itself: see `Http2Exchange`."""
        return self

    @property
    def served(self) -> MethodRoute:
        """The method that is called."""
        return self._route.method_route

    @property
    def received(self) -> int | None:
        """What its reader holds."""
        if self._over or AFTER_RECV_END[self.state] == ILLEGAL:
            return None
        return 0 if self._reader is None else self._reader.unread

    # What the connection tells.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The call begins."""
        route, link = self._route, self._link
        method_route = route.method_route
        try:
            now = clock.now()
            ctx = propagation.received(method_route.name, route.inherited, extra, link.peer, method_route.timeout, now)
        except RpcError as error:
            method_route.tell_unstarted(error.code)
            self._fail(error)
            return
        if link.caller:
            ctx.caller = link.caller
        self._ctx = ctx
        if method_route.max_timeout is not None:
            cap_deadline(ctx, now, method_route.max_timeout, link.signal)
        if ctx.deadline is not None:
            self._slot = link.wheel.add(ctx.deadline, self)
        if end_stream:
            self._finish_request()

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A piece of the request."""
        if self._over or self.task is not None:
            self._rest_ended()
            return
        size = len(data) - PREFIX_SIZE
        if end_stream and self._reader is None and 0 <= size <= self._route.message_limit and data[:PREFIX_SIZE] == pack_prefix(0, size):
            # The whole body in one plain message, as nearly always: no reader, and no copy but this one.
            self._start(data[PREFIX_SIZE:])
            return
        self._collect(data)
        if end_stream and not self._over:
            self._finish_request()
        elif not self._over:
            self._keep_part(len(data))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """Trailers of a request mean nothing to gRPC, but they end it."""
        if not self._over and self.task is None:
            self._finish_request()
        else:
            self._rest_ended()

    def arrived(self) -> float | None:
        """When the call began, unless it ended with its head."""
        return None if self._over else self.began()

    def reset_received(self, code: int, reason: str) -> None:
        """The client cancelled the call or is gone: nobody waits for the answer."""
        self._left_unstarted()
        self._over = True
        self._link.lingering.pop(self, None)
        self._ended()
        self._stop(reason)

    def drained(self) -> None:
        """The answer, which may have waited for the client's window, has gone."""
        self._ended()

    def expire(self) -> None:
        """The deadline has passed: tell the client, who may not have noticed, and stop the handler."""
        if not self._over:
            self._count_unstarted(Code.DEADLINE_EXCEEDED)
            self._fail(deadline_exceeded(self._route.method_route.name))
            self._stop("deadline exceeded")
        elif self.state != CLOSED:  # the client has made no room for the answer, or goes on sending after it
            self.reset(ErrorCode.CANCEL if self.queue else ErrorCode.NO_ERROR)
            self._link.schedule_flush()
            self._rest_ended()

    # The request.

    def _collect(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            reader = self._reader = framing.MessageReader(self._route.message_limit)  # it only cuts; `_decoded` unfolds
            self._owed = 0
        try:
            reader.feed(data)
            if reader.overfull():  # an error now, since a client could go on for ever
                raise not_one_message(self._route.method_route.name)
        except RpcError as error:
            self._unreadable(error)

    def _finish_request(self) -> None:
        reader, self._reader = self._reader, None
        try:
            taken = reader.take() if reader is not None else None
            if reader is None or taken is None or not reader.finished():
                raise not_one_message(self._route.method_route.name)
        except RpcError as error:
            self._unreadable(error)
            return
        self._flag, message = taken
        self._start(message)

    def _start(self, message: bytes) -> None:
        early = self._route.method_route.early_rejection
        if early is not None:
            try:
                verdict = early.on_arrival(self._ctx, self)
            except Exception as fault:  # noqa: BLE001 # a policy that fails rejects no call, and ends no connection
                self._report(fault)
                verdict = ADMIT
            if verdict is not ADMIT:
                if verdict is WAIT:
                    self._message = message
                    self._link.buffers.grew(self._link, len(message))
                else:
                    self.reject(verdict)
                return
        self._serve(message)

    @property
    def over(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._over

    def begin(self) -> None:
        """Begin a call that waited, in a task of its own."""
        self._serve(self._message)
        self._message = b""

    async def run(self) -> None:
        """Begin a call that waited, in this task."""
        request = self._decoded(self._message)
        self._message = b""
        if request is not None:
            self._link.calls[self] = None
            self.task = asyncio.current_task()
            await self._run(self._route.method_route, request, self._ctx)

    def reject(self, rejection: Rejection) -> None:
        """End the call, which was not begun."""
        if not self._over:
            link = self._link
            before = len(link.connection.out)
            self._end_with(rejection.encoded or grpc_fields(rejection))
            link.defer_flush(len(link.connection.out) - before)

    def _serve(self, message: bytes) -> None:
        request = self._decoded(message)
        if request is not None:
            link, method_route = self._link, self._route.method_route
            link.calls[self] = None
            self.task = link.create_task(self._run(method_route, request, self._ctx), name=method_route.name)

    def _decoded(self, message: bytes) -> Message | None:
        """The request; None if it is none, which ends the call, or if it takes long to read, after which the call begins by itself."""
        method_route = self._route.method_route
        try:
            if self._flag or len(message) > UNCHECKED:
                if expired(self._ctx):
                    self.expire()
                    return None
                limit = self._route.message_limit
                message = framing.unfolded(self._flag, message, limit, self._route.negotiation.request)
                if len(message) > UNCHECKED and PROTO.is_costly(message, method_route.request, limit):
                    self._link.calls[self] = None
                    self.task = self._link.create_task(self._read_and_run(method_route, message), name=method_route.name)
                    return None
            return method_route.request.FromString(message)
        except RpcError as error:
            self._unreadable(error)
            return None
        except DecodeError as error:
            self._count_unstarted(Code.INTERNAL)
            self._fail(RpcError(Code.INTERNAL, f"the request is not a {method_route.request.DESCRIPTOR.full_name}: {error}"))
            return None

    async def _read_and_run(self, method_route: MethodRoute, message: bytes) -> None:
        """Begin a call whose request takes long to read."""
        limit = self._route.message_limit
        try:
            request = await self._read_first(lambda: PROTO.decode(message, method_route.request, limit))
        except BaseException as error:  # noqa: BLE001 # told to the caller; what is not an error of a call is logged
            self._failed(error)
            self._slot.pop(self, None)
            self._left()
            return
        await self._run(method_route, request, self._ctx)

    # The answer.

    async def _run(self, method_route: MethodRoute, request: Message, ctx: Context) -> None:
        try:
            try:
                if self._link.buffers.scarce:
                    await self._take_turn(request.ByteSize())
                response = await method_route.handler(request, ctx)
                if not self._over:
                    self._reply(method_route, response, ctx)
            except (RpcError, BaseExceptionGroup) as error:
                cause = first_cause(error)
                if not isinstance(cause, RpcError):
                    raise
                self._raised(self._with_reply(cause, ctx), error)
        except BaseException as error:  # noqa: BLE001 # told to the caller; what is not an error of a call is logged
            self._failed(error)
        finally:
            if not self.queue:
                self._slot.pop(self, None)
            else:  # the deadline also holds for the answer that waits
                self._link.buffers.grew(self._link, self.queued)
            self._left()

    def _reply(self, method_route: MethodRoute, response: Any, ctx: Context) -> None:
        if not isinstance(response, method_route.response):
            raise TypeError(f"{ctx.method} returned {type(response).__name__} instead of {method_route.response.__name__}")
        link = self._link
        connection = link.connection
        reply = ctx.cached_reply
        if reply is None and method_route.compression is None:
            message = response.SerializeToString()
            size = len(message)
            self._over = True
            connection.answer(self, _ANSWER, pack_prefix(0, size) + message)
            if size >= LARGE:
                method_route.large_answer = size
                link.flush()  # no gain from a write that it shares
            elif len(link.calls) == 1 or (ctx.server is not None and ctx.server.flush_alone):
                link.flush()  # no other answer to share a write with
            else:
                link.schedule_flush()
            return
        compression = self._route.negotiation.response(method_route.compression)
        body = framing.frame(response.SerializeToString(), compression)
        head = metadata.encode(reply.headers) if reply is not None else b""
        trailers = metadata.encode(reply.trailers) if reply is not None else b""
        size, room = max(len(head), len(trailers)), room_for_trailers(connection)
        if size > room:  # the call fails by them in any case: the client could not say why
            raise over_limit("the call has succeeded, with more metadata than its caller takes", size=size, limit=room)
        self._over = True
        connection.send_whole(
            self,
            connection.encode(HEADS[compression], head),
            body,
            _TRAILERS_OK,
            trailers,
        )
        if len(body) >= LARGE:
            method_route.large_answer = len(body)
            link.flush()
        else:
            link.schedule_flush()

    def _with_reply(self, error: RpcError, ctx: Context) -> RpcError:
        """The error with the trailers that the handler set before it raised; those that the error brings come on top."""
        reply = ctx.cached_reply
        if reply is None or reply.trailers is EMPTY:
            return error
        # Not made of both anew: what a gateway passes on, as it came, must not fail the stricter check of what applications set.
        merged = Metadata.received((*_made(reply.trailers), *_made(error.metadata)))
        told = RpcError(error.code, error.message, error.details, metadata=merged)
        told.pushback = error.pushback
        told.outward = error.outward
        return told

    def _tell(self, error: RpcError, *, bare: bool) -> None:
        """A response of trailers alone."""
        fields = status.fitting(status.encode(error), room_for_trailers(self._link.connection))
        self._end_with(b"".join(literal(name, value) for name, value in fields))
        self._link.schedule_flush()

    def _end_with(self, fields: bytes) -> None:
        """Answer with trailers alone, which the caller flushes. The client may still be sending, and hears of them before it is told to
        stop."""
        link = self._link
        self._over = True
        self._reader = None
        link.connection.send_head(self, link.connection.encode(HEAD, fields), end_stream=True)
        self._ended()
        if self.state != CLOSED:
            self._slot = linger(self, link)

    def _rest_ended(self) -> None:
        """The rest of the request may have ended, for which the stream was kept after the answer."""
        if self.state == CLOSED:
            self._link.lingering.pop(self, None)
            self._ended()


def _made(metadata: Metadata | Pairs) -> Metadata:
    """Metadata, where a handler has put pairs in their place."""
    return metadata if isinstance(metadata, Metadata) else Metadata(metadata)


def room_for_trailers(connection: ServerConnection) -> int:
    """Bytes that the client takes of trailers, also where they come with the head."""
    return connection.peer_max_header_list - _HEAD_SIZE
