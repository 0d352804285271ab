"""One call on the server, in any protocol over any HTTP: requests in through a dialect, the handler in a task, responses out.

It is what a streaming handler iterates over and sends through (`towpath._core.calls.stream_handler.Exchange`). A request message is cut out
of the body when the handler asks for it, and only then does its caller get room for more; a response that its caller does not read makes
`send` wait. A call ends exactly once, by whichever comes first: the handler's end, the deadline, or the caller's going away."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self, cast

from towpath._core.context import Context
from towpath._core.deadline import NO_SLOT
from towpath._core.early_rejection import ADMIT, WAIT
from towpath._core.errors import Code, RpcError, deadline_exceeded
from towpath._core.metadata import EMPTY, Metadata
from towpath._core.service import MethodKind
from towpath._transport.connection_driver import MAX_SEND_QUEUE
from towpath._transport.server.call import CallLink, expired, not_one_message
from towpath._transport.server.held_calls import Held
from towpath._transport.server.method_route import MethodRoute
from towpath._transport.server.partial_request import PartialExchange
from towpath._transport.server.response_writer import ResponseWriter
from towpath._transport.server.stream_reply import StreamReply
from towpath._wire.dialect import CUT_SHORT, CostlyMessage, Dialect, ResponseEnd, StreamedDialect, WholeDialect, WholeResponse

_BURST: Final = 64
"""Responses that a handler may send before everybody else on the loop has a turn."""


class ServerExchange(PartialExchange):
    """A call, from its head to its end."""

    __slots__ = (
        "__weakref__",
        "_burst",
        "_changed",
        "_ctx",
        "_dialect",
        "_head_sent",
        "_link",
        "_message",
        "_method_route",
        "_over",
        "_owed",
        "_put_back",
        "_request_over",
        "_room",
        "_slot",
        "_writer",
        "task",
    )

    def __init__(self, link: CallLink, writer: ResponseWriter, method_route: MethodRoute, dialect: Dialect, ctx: Context) -> None:
        self._link = link
        self._writer = writer
        self._method_route = method_route
        self._dialect = dialect
        self._message: Callable[[Any], bytes] | None = cast("StreamedDialect", dialect).message if dialect.streams else None
        self._ctx = ctx
        self._slot = NO_SLOT
        self.task = self._put_back = None
        self._changed: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._owed = self._burst = 0
        self._over = self._request_over = self._head_sent = False

    @property
    def served(self) -> MethodRoute:
        """The method that is called."""
        return self._method_route

    # What the HTTP exchange tells.

    def begin(self, *, end: bool) -> None:
        """The head has come. A method that streams starts now, another one with its whole request."""
        if self._ctx.deadline is not None:
            self._slot = self._link.wheel.add(self._ctx.deadline, self)
        if self._method_route.method.kind is not MethodKind.UNARY:
            if self._streamed().early_head:
                self._ctx.cached_reply = StreamReply(self, self._link.loop)
            self._start()
        if end:
            self.request_over()

    def data(self, data: bytes, *, end: bool) -> None:
        """A piece of the request's body."""
        if self._over:
            return
        self._owed += len(data)
        try:
            self._dialect.feed(data)
            complete = self._dialect.complete()
        except RpcError as error:
            self._unreadable(error)
            self._stop(error.message)
            return
        if end:
            self.request_over()
        elif complete:
            if self._changed is None:  # the handler is busy
                self._link.buffers.grew(self._link, len(data))
            self._wake()
        else:
            self._keep_part(len(data))

    def request_over(self) -> None:
        """The request's body has ended."""
        if self._over or self._request_over:
            return
        self._request_over = True
        try:
            self._dialect.finish()
        except RpcError as error:
            self._unreadable(error)
            self._stop(error.message)
            return
        self._wake()
        if self._method_route.method.kind is MethodKind.UNARY:
            self._start()

    def lost(self, reason: str) -> None:
        """The caller cancelled the call or is gone: nobody waits for the answer."""
        self._left_unstarted()
        self._over = True
        self._ended()
        self._stop(reason)

    def drained(self) -> None:
        """What waited for the caller has gone."""
        room = self._room
        if room is not None and not room.done():
            room.set_result(None)
        if self._over:
            self._ended()

    # What the wheel and the server tell.

    def expire(self) -> None:
        """The deadline has passed: tell the caller, who may not have noticed, and stop the handler."""
        if self._writer.queued:  # the caller makes no room for the answer, and must not hold it for ever
            self._over = True
            self._writer.cut()
            self._link.schedule_flush()
            self._ended()
            self._stop("deadline exceeded")
        elif not self._over:
            self._count_unstarted(Code.DEADLINE_EXCEEDED)
            self.fail(deadline_exceeded(self._method_route.name))

    def fail(self, error: RpcError) -> None:
        """End the call with an error, and its handler."""
        self._fail(error)
        self._stop(error.message)

    # What the handler does.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next request."""
        while True:
            if self._over:
                raise RpcError(Code.CANCELLED, f"{self._method_route.name} has ended")
            message = self._take()
            if message is not None:
                return await self._read_costly(message) if type(message) is CostlyMessage else message
            if self._request_over:
                raise StopAsyncIteration
            if self._changed is not None:
                raise RuntimeError(f"two tasks iterate over the requests of {self._method_route.name}; let one hand out what comes")
            changed = self._changed = self._link.loop.create_future()
            try:
                await changed
            finally:
                self._changed = None

    async def only(self) -> Any:
        """The one request, of a stream of responses."""
        if self._link.paused or self._link.buffers.scarce:
            await self._take_turn_to_stream()
        message = await anext(self, None)
        if message is None or await anext(self, None) is not None:
            raise not_one_message(self._method_route.name)
        return message

    async def send(self, message: Any) -> None:
        """Send a response; waits while the caller does not read."""
        link = self._link
        if link.paused:  # before the response is encoded: of many streams of a connection, each would add one to what is not read
            await link.writable()
        if link.buffers.scarce:
            await self._take_turn_to_send(message)
        if self._over:
            raise RpcError(Code.CANCELLED, f"{self._method_route.name} has ended")
        encode = self._message
        if encode is not None and self._head_sent and isinstance(message, self._method_route.response):
            self._writer.send_data(encode(message), end=False)  # `_write`, without what only the first message needs
        else:
            self._write(message)
        link.gather()
        if self._writer.queued >= MAX_SEND_QUEUE and not self._over:
            if self._room is not None:
                raise RuntimeError(f"two tasks send the responses of {self._method_route.name}; let one send for both")
            room = self._room = link.loop.create_future()
            try:
                await room
            finally:
                self._room = None
            return
        self._burst += 1
        if self._burst >= _BURST:
            self._burst = 0
            await asyncio.sleep(0)

    # In between.

    def _whole(self) -> Any:
        """`only`, of a method that does not stream: its request is there, and is not read if the deadline has passed."""
        try:
            if expired(self._ctx):
                raise deadline_exceeded(self._method_route.name)
            message = self._take()
            if message is None or self._take() is not None:
                raise not_one_message(self._method_route.name)
        except RpcError as error:
            self._tell_unstarted(error.code)
            raise
        return message

    def _take(self) -> Any:
        dialect = self._dialect
        before = dialect.unread
        try:
            message, self._put_back = self._put_back or dialect.next(), None
            if message is None and self._request_over:
                dialect.finish()
        except RpcError as error:
            raise self._unreadable(error, started=True) from None
        if self._owed:
            # With the last whole message goes what is there of the next one, or its sender would wait for room for ever.
            self._give_room(self._owed if message is None else min(before - dialect.unread, self._owed))
        return message

    def _wake(self) -> None:
        changed = self._changed
        if changed is not None and not changed.done():
            changed.set_result(None)

    def _start(self) -> None:
        method_route = self._method_route
        early = method_route.early_rejection
        if early is not None:
            try:
                verdict = early.on_arrival(self._ctx, Held(self))
            except Exception as fault:  # noqa: BLE001 # a policy that fails rejects no call, and ends no connection
                self._report(fault)
                verdict = ADMIT
            if verdict is not ADMIT:
                if verdict is not WAIT:
                    self.fail(verdict.error)
                return
        self.let_in()

    @property
    def over(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._over

    def let_in(self) -> None:
        """Run the handler, in a task of its own."""
        link = self._link
        link.calls[self] = None
        self.task = link.create_task(self._run(), name=self._method_route.name)

    async def run(self) -> None:
        """Run the handler in the task that calls this."""
        self._link.calls[self] = None
        self.task = asyncio.current_task()
        await self._run()

    async def _run(self) -> None:
        method_route = self._method_route
        try:
            if method_route.takes_turns and self._link.buffers.scarce:
                await self._take_turn(0)  # the request is with the dialect
            if method_route.method.kind is MethodKind.UNARY:
                request = self._whole()
                if type(request) is CostlyMessage:
                    request = await self._read_first(request.read)
                response = await method_route.handler(request, self._ctx)
                if not self._over:
                    self._answer(response)
            else:
                await method_route.handler(self, self._ctx)
                if not self._over:
                    self._complete()
        except BaseException as error:  # noqa: BLE001 # told to the caller; what is not an error of a call is logged
            self._failed(error)
        finally:
            queued = self._writer.queued
            if not queued:
                self._slot.pop(self, None)
                self._writer.handler_ended()
            else:  # the deadline also holds for what waits
                self._link.buffers.grew(self._link, queued)
            self._left()

    def _answer(self, response: Any) -> None:
        """A unary call has succeeded. All is encoded before any of it is sent: what cannot be is an error, and not half an answer."""
        self._check(response)
        dialect = self._dialect
        if not dialect.streams:
            self._send_whole(cast("WholeDialect", dialect).whole_response(response, self._ctx.cached_reply))
            return
        dialect = self._streamed()
        head, fields = dialect.head(self._headers())
        message = dialect.message(response)
        ending = dialect.end(None, self._trailers())
        self._head_sent = True
        self._writer.send_head(head, fields, end=False)
        self._writer.send_data(message, end=False)
        self._finish(ending)

    def _write(self, message: Any) -> None:
        self._check(message)
        dialect = self._streamed()
        data = dialect.message(message)
        if not self._head_sent:
            self._send_head(dialect)
        self._writer.send_data(data, end=False)

    def _streamed(self) -> StreamedDialect:
        return cast("StreamedDialect", self._dialect)  # asked of no other: routes take a method that streams to none

    def _check(self, message: Any) -> None:
        expected = self._method_route.response
        if not isinstance(message, expected):
            raise TypeError(f"{self._method_route.name} returned {type(message).__name__} instead of {expected.__name__}")

    def _headers(self) -> Metadata:
        return EMPTY if (reply := self._ctx.cached_reply) is None else reply.headers

    def _trailers(self) -> Metadata:
        return EMPTY if (reply := self._ctx.cached_reply) is None else reply.trailers

    def _send_head(self, dialect: StreamedDialect) -> None:
        head, fields = dialect.head(self._headers())
        self._head_sent = True
        self._writer.send_head(head, fields, end=False)

    def send_headers(self) -> None:
        """Send the headers that the handler has set, unless a message has taken them along."""
        if self._over or self._head_sent:
            return
        try:
            self._send_head(self._streamed())
            self._link.schedule_flush()
        except Exception as fault:  # noqa: BLE001 # headers that cannot be written are a bug of the handler
            self._failed(fault)
            self._stop("its headers cannot be written")

    def _send_whole(self, answer: WholeResponse) -> None:
        self._over = self._head_sent = True
        self._writer.send_whole(answer.head, answer.fields, answer.body)
        self._writer.abandon()
        link, server = self._link, self._ctx.server
        if len(link.calls) == 1 or (server is not None and server.flush_alone):
            link.flush()  # no other answer to share a write with
        else:
            link.schedule_flush()

    def _complete(self) -> None:
        """The handler of a stream has ended well."""
        dialect = self._streamed()
        ending = dialect.end(None, self._trailers())
        if not self._head_sent:  # a stream without a message
            self._send_head(dialect)
        self._finish(ending)

    def _tell(self, error: RpcError, *, bare: bool) -> None:
        if self._head_sent:
            self._finish(self._streamed().end(error, EMPTY if bare else self._trailers()))
        else:
            self._send_whole(self._dialect.error_response(error, None if bare else self._ctx.cached_reply))
        if not self._writer.queued:  # else the deadline also holds for what waits
            self._ended()

    def _finish(self, ending: ResponseEnd) -> None:
        self._over = True
        if ending.trailers is not None:
            self._writer.send_trailers(ending.trailers)
        elif ending is CUT_SHORT:
            self._writer.cut()
        else:
            self._writer.send_data(ending.body, end=True)
        self._writer.abandon()
        self._link.schedule_flush()
