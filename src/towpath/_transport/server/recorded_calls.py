"""Received calls whose ends are recorded (`towpath._core.calls.recording`): each kind of call again, with its times.

They are classes of their own, so that calls which nobody records pay for nothing. A call leaves one row, when its handler has ended. A call
for which no handler was called leaves it with its own end.
"""

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import Message

from towpath._core import clock
from towpath._core.calls.recording import KEPT_FIELD, code_of, reason_in
from towpath._core.context import Context
from towpath._core.early_rejection import Rejection
from towpath._core.errors import Code, RpcError, first_cause
from towpath._core.metadata import Metadata, Pairs
from towpath._transport.server.call import CallLink, Handling
from towpath._transport.server.exchange import ServerExchange
from towpath._transport.server.grpc_unary import ServerCall
from towpath._transport.server.method_route import MethodRoute
from towpath._transport.server.mounts.mount_route import MountRoute
from towpath._transport.server.mounts.mounted_call import MountedCall
from towpath._transport.server.response_writer import ResponseWriter
from towpath._wire.dialect import Dialect, WholeResponse
from towpath._wire.grpc.framing import PREFIX_SIZE
from towpath._wire.http.fields import Field

KEPT_PAIR: Final = (KEPT_FIELD, "1")

_start: Final = ServerCall._start  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # `super()` takes a third as long again as the call itself


class _Recorded(Handling):
    """What the kinds of calls have in common. A time is 0 for as long as the call has not come to it."""

    __slots__ = ()

    _admitted: float
    _answered: float
    _received: float
    _recorded: bool
    _request_size: int
    _response_size: int
    _started: float
    _told: Code | None

    def _prepare(self) -> None:
        self._received = self._admitted = self._started = self._answered = 0.0
        self._request_size = self._response_size = 0
        self._recorded = False
        self._told = None
        rows, server = self.served.rows, self._ctx.server
        if rows is not None and server is not None:
            serial = server.serial = rows.next_serial()
            server.kept = None
            trace = self._ctx.cached_trace
            if trace is not None:  # begun before the call was let in, for its cohort or by who was told of it
                self._ctx.cached_trace = trace.of_received(serial)

    def _record(self, code: int) -> None:
        """Write the row, unless it is written."""
        if self._recorded:
            return
        self._recorded = True
        rows, answered = self.served.rows, self._answered
        if rows is not None:
            times = self._received, self._admitted, self._started, answered, clock.now()
            rows.ended(self._ctx, id(self.task), code, times, self._request_size, self._response_size)

    def _rejected(self) -> None:
        """Write the row of a call that was rejected before it cost a task. They may be very many, and most of them leave none."""
        self._recorded = True
        rows, ctx = self.served.rows, self._ctx
        if rows is not None:
            rows.rejected(((b"traceparent", ctx.raw_traceparent),), ctx.peer)

    def _tell_unstarted(self, code: Code) -> None:
        super()._tell_unstarted(code)
        self._started = 0.0
        self._response_size = 0
        self._record(code.value)

    def _keeps(self, code: int) -> bool:
        """Decide whether the call is kept, which is slow or has failed with `code`."""
        rows, server = self.served.rows, self._ctx.server
        if rows is None or server is None or self._recorded:
            return False
        return rows.keeps(self._ctx, code)

    def _say_kept(self) -> None:
        """Decide whether the call is kept, which ends well, and if it is have its trailers say so."""
        if self._keeps(0) and self._in_trailers():
            reply = self._ctx.reply
            reply.trailers = _with_kept(reply.trailers)

    def _in_trailers(self) -> bool:
        """Whether the answer has trailers, in which no application looks for what is towpath's."""
        return True

    def _noted(self, error: RpcError) -> RpcError:
        """What the caller is told of `error`: whether the call is kept, too."""
        self._told, server = error.code, self._ctx.server
        if server is not None and error.details:
            server.reason = reason_in(error)
        if not (self._keeps(error.code.value) and self._in_trailers()):
            return error
        told = RpcError(error.code, error.message, error.details, metadata=_with_kept(error.metadata))
        told.pushback = error.pushback
        told.outward = error.outward
        return told

    def _failed(self, error: BaseException) -> None:
        if self._told is None:
            self._told = code_of(error, self._ctx)
        super()._failed(error)


class RecordedServerCall(_Recorded, ServerCall):
    """A unary call over gRPC."""

    __slots__ = ("_admitted", "_answered", "_received", "_recorded", "_request_size", "_response_size", "_started", "_told")

    def _start(self, message: bytes) -> None:
        # INLINED: _Recorded._prepare, without what `_run` sets; one function call less
        self._request_size = len(message)
        self._recorded = False
        self._told = None
        self._answered = 0.0
        ctx, rows = self._ctx, self._route.method_route.rows
        server = ctx.server
        if server is not None and rows is not None:
            serial = server.serial = rows.next_serial()
            server.kept = None
            trace = ctx.cached_trace
            if trace is not None:
                ctx.cached_trace = trace.of_received(serial)
        self._received = self._admitted = clock.now()
        _start(self, message)

    def begin(self) -> None:
        """Begin a call that waited, in a task of its own."""
        self._admitted = clock.now()
        super().begin()

    async def run(self) -> None:
        """Begin a call that waited, in this task."""
        self._admitted = clock.now()
        await super().run()

    def reject(self, rejection: Rejection) -> None:
        """End the call, which was not begun."""
        if not self._over:
            self._rejected()
        super().reject(rejection)

    def _tell_unstarted(self, code: Code) -> None:
        if not hasattr(self, "_recorded"):  # its request has not come whole
            self._prepare()
        super()._tell_unstarted(code)

    def _tell(self, error: RpcError, *, bare: bool) -> None:
        # A head that is malformed makes no context, and leaves no row.
        super()._tell(self._noted(error) if hasattr(self, "_ctx") else error, bare=bare)

    async def _run(self, method_route: MethodRoute, request: Message, ctx: Context) -> None:
        # INLINED: ServerCall._run, with two times and the row
        started = clock.now()
        code, rows = 0, method_route.rows
        try:
            try:
                if self._link.buffers.scarce:
                    await self._take_turn(request.ByteSize())
                response = await method_route.handler(request, ctx)
                answered = self._answered = clock.now()
                server = ctx.server
                if server is not None and rows is not None and (server.kept or answered - server.arrived > rows.slow.after):
                    self._say_kept()
                if not self._over:
                    self._reply(method_route, response, ctx)
            except (RpcError, BaseExceptionGroup) as error:
                cause = first_cause(error)
                if not isinstance(cause, RpcError):
                    raise
                self._raised(self._with_reply(cause, ctx), error)
                code = self._code(error)
        except BaseException as error:  # noqa: BLE001 # told to the caller; what is not an error of a call is logged
            self._failed(error)
            code = self._code(error)
        finally:
            if not self.queue:
                self._slot.pop(self, None)
            else:  # the deadline also holds for the answer that waits
                self._link.buffers.grew(self._link, self.queued)
            # Bytes of DATA, less the prefix of the one message: as much less is the client's window.
            size = 0 if code else self.queued - self.own_window - PREFIX_SIZE
            self._left()
            if not self._recorded and rows is not None:  # INLINED: _Recorded._record
                self._recorded = True
                times = self._received, self._admitted, started, self._answered, clock.now()
                rows.ended(ctx, id(self.task), code, times, self._request_size, max(0, size))

    def _code(self, error: BaseException) -> int:
        """The code that the caller has been told, or would have been."""
        told = self._told
        return (code_of(error, self._ctx) if told is None else told).value


class _RecordedExchange(_Recorded, ServerExchange):
    """A call that a dialect speaks."""

    __slots__ = ()

    def _in_trailers(self) -> bool:
        return self._dialect.streams

    def request_over(self) -> None:
        """The request's body has ended."""
        if not self._received:
            self._received = clock.now()
        super().request_over()

    def fail(self, error: RpcError) -> None:
        """End the call with an error, and its handler."""
        if self.task is None and not self._over and not self._recorded:
            self._rejected()
        super().fail(error)

    def let_in(self) -> None:
        """Run the handler, in a task of its own."""
        self._admitted = clock.now()
        super().let_in()

    async def run(self) -> None:
        """Run the handler in the task that calls this."""
        self._admitted = clock.now()
        await super().run()

    async def _run(self) -> None:
        self._started = clock.now()
        try:
            await super()._run()
        finally:
            self._record(0 if self._told is None else self._told.value)

    def _tell(self, error: RpcError, *, bare: bool) -> None:
        super()._tell(self._noted(error), bare=bare)


class RecordedExchange(_RecordedExchange):
    """A call of any protocol that is no unary call over gRPC."""

    __slots__ = ("_admitted", "_answered", "_received", "_recorded", "_request_size", "_response_size", "_started", "_told")

    def __init__(self, link: CallLink, writer: ResponseWriter, method_route: MethodRoute, dialect: Dialect, ctx: Context) -> None:
        super().__init__(link, writer, method_route, dialect, ctx)
        self._prepare()

    def _answer(self, response: Any) -> None:
        self._answered = clock.now()
        rows, server = self.served.rows, self._ctx.server
        if rows is not None and server is not None and (server.kept or self._answered - server.arrived > rows.slow.after):
            self._say_kept()
        super()._answer(response)

    def _complete(self) -> None:
        self._answered = clock.now()
        server = self._ctx.server
        if server is not None and server.kept:
            self._say_kept()
        super()._complete()

    def _send_whole(self, answer: WholeResponse) -> None:
        self._response_size = len(answer.body)
        super()._send_whole(answer)


class RecordedMountedCall(_RecordedExchange, MountedCall):
    """A request to a mounted application."""

    __slots__ = ("_admitted", "_answered", "_received", "_recorded", "_request_size", "_response_size", "_started", "_told")

    def __init__(self, link: CallLink, writer: ResponseWriter, route: MountRoute, extra: Sequence[Field], ctx: Context) -> None:
        super().__init__(link, writer, route, extra, ctx)
        self._prepare()


def _with_kept(metadata: Metadata | Pairs) -> Metadata:
    """`metadata`, and that the call is kept. What a gateway passes on as it came is not checked as what applications set."""
    return Metadata.received((*(metadata if isinstance(metadata, Metadata) else Metadata(metadata)), KEPT_PAIR))
