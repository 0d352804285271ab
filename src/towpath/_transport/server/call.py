"""What every call on a server has in common, in whichever protocol: a task that may be stopped, and errors that must not tell too much."""

import asyncio
import inspect
import logging
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.deadline import DeadlineWheel, Slot
from towpath._core.decisions import Decision, Signal
from towpath._core.disclosure.tracebacks import without_layers
from towpath._core.errors import Code, RpcError, first_cause, only_rpc_errors
from towpath._transport.decoding_thread import read_apart
from towpath._transport.server.method_route import MethodRoute
from towpath._wire.compression import MalformedData
from towpath._wire.dialect import CostlyMessage

ROLE: Final = "transport"
"""The role of the limits that hold for every call before any layer sees it."""

MESSAGE_TOO_LARGE: Final = "MESSAGE_TOO_LARGE"
"""A message is larger than the server's limit, or has more elements than go with it."""

TIMEOUT_CAPPED: Final = "TIMEOUT_CAPPED"
"""A caller asked for a longer timeout than the server allows. Its call has the server's."""

log = logging.getLogger("towpath.server")


class AnswerTurns(Protocol):
    """Where answers wait: `towpath._transport.server.connections.answer_turns`."""

    def request_of(self, call: Any) -> int:
        """Bytes of the request of `call`, if it waits to begin."""
        ...

    async def begin(self, link: Any, call: Any, request: int, size: int) -> None:
        """Until the handler of `call` may begin, with a request of so many bytes, whose answer will have about `size`."""
        ...

    async def wait(self, link: Any, size: int, *, begun: bool = False) -> None:
        """Until an answer of `size` bytes may be made for the connection, or sent if the handler has `begun` and made it."""
        ...


class PartialRequest(Protocol):
    """A call whose request has come in part."""

    @property
    def partial(self) -> bool:
        """Whether the rest is still to come."""
        ...

    @property
    def owed(self) -> int:
        """Bytes of room that its caller waits for."""
        ...

    def give_room(self) -> None:
        """Give its caller this room."""
        ...


class Buffers(Protocol):
    """The server's budget of buffered bytes: `towpath._transport.server.connections.buffer_budget`."""

    @property
    def tight(self) -> bool:
        """Whether there is little room: a request that has come in part asks for it by `ask`."""
        ...

    @property
    def scarce(self) -> bool:
        """Whether another large answer has to wait for its turn."""
        ...

    @property
    def turns(self) -> AnswerTurns:
        """Where it waits."""
        ...

    def grew(self, link: Any, size: int) -> None:
        """So many bytes are kept for a connection that were not kept before, at the most."""
        ...

    def ask(self, request: PartialRequest) -> None:
        """Give room to `request` when its turn has come."""
        ...


class CallLink(Protocol):
    """The connection that a call came over, as the call sees it."""

    loop: asyncio.AbstractEventLoop
    wheel: DeadlineWheel
    """The deadlines of the loop's calls."""
    peer: str
    """The client's address."""
    caller: str
    """The client by its certificate; empty without one."""
    calls: "dict[Handling, None]"
    """The calls that have a handler running."""
    create_task: "Callable[..., asyncio.Task[Any]]"
    signal: Signal
    """What is told of messages that a limit rejects."""
    draining: bool
    """Whether the connection ends with the last of its calls."""
    paused: bool
    """Whether the peer does not read what it is sent."""

    @property
    def buffers(self) -> Buffers:
        """What is told of bytes that are kept."""
        ...

    @property
    def asgi_facts(self) -> dict[str, Any]:
        """What the connection says of its requests, for the scopes of mounted applications."""
        ...

    def flush(self) -> None:
        """Write what waits, now."""
        ...

    def flush_by(self, write: Callable[[], None]) -> None:
        """Call `write` at the end of this turn of the loop, which has to flush."""
        ...

    def schedule_flush(self) -> None:
        """Write what waits at the end of this turn of the loop."""
        ...

    def gather(self) -> None:
        """Write what waits at the end of this turn of the loop, or once much has gathered."""
        ...

    async def writable(self) -> None:
        """Until the peer reads what it is sent, or is gone."""
        ...

    def close_if_idle(self) -> None:
        """Close once the last call of a draining connection has ended."""
        ...


class Handling:
    """The end of a call: whoever derives from it says how an error is sent (`_tell`) and keeps the attributes."""

    __slots__ = ()

    _ctx: Context
    _link: Any
    _over: bool
    _put_back: CostlyMessage | None
    _slot: Slot
    task: asyncio.Task[None] | None

    def _tell(self, error: RpcError, *, bare: bool) -> None:
        """Send the end of a call that failed; `bare` leaves out what the handler has set of the reply. Encodes all before it sends any of
        it, so that what it raises leaves the call as it was."""
        raise NotImplementedError

    @property
    def served(self) -> MethodRoute:
        """The method that is called."""
        raise NotImplementedError

    @property
    def received(self) -> int | None:
        """Bytes that have come of a request that is one message and has not come whole. None if it has, if the request is a stream, or if
        the call has ended."""
        raise NotImplementedError

    @property
    def context(self) -> Context:
        """The context of the call, once its head was read."""
        return self._ctx

    def began(self) -> float | None:
        """When its head was read, in seconds of the clock; None for a call without a server."""
        server = self._ctx.server
        return None if server is None else server.arrived

    def _count_unstarted(self, code: Code) -> None:
        """Tell the layers that count calls of this one, which ends now, if they will not see it: its handler was not called, nor will be.
        A task that is cancelled before its first step runs nothing of its coroutine."""
        task = self.task
        if task is not None:
            coroutine: Any = task.get_coro()
            if coroutine is None or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
                return
        self._tell_unstarted(code)

    def _tell_unstarted(self, code: Code) -> None:
        began = self.began()
        seconds = 0.0 if began is None else clock.now() - began
        self.served.tell_unstarted(code, seconds)

    def _left_unstarted(self) -> None:
        """Count a call whose caller is gone, if it has not ended and was not begun."""
        if not self._over:
            self._count_unstarted(Code.DEADLINE_EXCEEDED if self._ctx.expired() else Code.CANCELLED)

    def _fail(self, error: RpcError, *, reported: bool = False) -> None:
        """End the call with an error; does nothing if it has ended. An error that cannot be written, for itself or for what the handler has
        set of the reply, is a bug and ends the call like any other; it is logged unless what led here is `reported`."""
        if self._over:
            return
        try:
            self._tell(error, bare=False)
        except Exception as fault:  # noqa: BLE001 # whatever it is, the caller waits for an answer
            self._tell(_internal(self._ctx), bare=True)
            if not reported:
                self._report(fault)

    def _unreadable(self, error: RpcError, *, started: bool = False) -> RpcError:
        """End a call of whose request a message cannot be read: because it is malformed, or because a limit of the server rejects it. Where
        the call has `started`, it is its own task that reads. Returns the error that the caller is told."""
        if isinstance(error, MalformedData):
            error = RpcError(Code.INVALID_ARGUMENT, error.message)
        if self._over:
            return error
        if not started:
            self._count_unstarted(error.code)
        if error.code is Code.RESOURCE_EXHAUSTED:
            self._link.signal(Decision(self._ctx.method, ROLE, MESSAGE_TOO_LARGE, False, self._ctx, True))
        self._fail(error)
        return error

    async def _read_first(self, read: Callable[[], Any]) -> Any:
        """`_read_apart`, before the handler is called."""
        return await self._before_start(self._read_apart(read))

    async def _take_turn(self, request: int) -> None:
        """Wait until there is room for what will come of a request of so many bytes, before the handler is called."""
        link = self._link
        link.buffers.grew(link, request)
        asked = clock.now()
        await self._before_start(link.buffers.turns.begin(link, self, request, self._large_answer()))
        server = self._ctx.server
        if server is not None:
            server.postponed(clock.now() - asked)

    def _large_answer(self) -> int:
        """Bytes of the answer, as large as the last large one was."""
        return self.served.large_answer

    async def _before_start(self, waited_for: Coroutine[Any, Any, Any]) -> Any:
        """The result of what the handler has to wait for. A call that ends meanwhile is counted."""
        try:
            return await waited_for
        except RpcError as error:
            self._tell_unstarted(error.code)
            raise
        except asyncio.CancelledError:
            self._tell_unstarted(Code.DEADLINE_EXCEEDED if self._ctx.expired() else Code.CANCELLED)
            raise

    async def _read_apart(self, read: Callable[[], Any]) -> Any:
        """What `read` makes of a message that takes long to read. Raises RpcError, which ends the call."""
        try:
            return await read_apart(read, self._ctx)
        except RpcError as error:
            raise self._unreadable(error, started=True) from None

    async def _read_costly(self, message: CostlyMessage) -> Any:
        """`_read_apart` of a message of a stream. If the wait for it is cancelled, the next one gets it."""
        try:
            return await self._read_apart(message.read)
        except asyncio.CancelledError:
            self._put_back = message
            raise

    def expire(self) -> None:
        """The deadline has passed."""
        raise NotImplementedError

    def cancel(self, error: RpcError) -> None:
        """The server ends the call: it is shutting down, and the grace period is over."""
        if not self._over:
            self._count_unstarted(error.code)
            self._fail(error)
        self._stop(error.message)

    def _ended(self) -> None:
        """Nothing more will be sent."""
        self._slot.pop(self, None)
        if self._link.draining:
            self._link.close_if_idle()

    def _stop(self, reason: str) -> None:
        task = self.task
        if task is not None:
            task.cancel(reason)
            # Cancelled before its first step, as when a request and its cancellation come in one read, nothing of it runs, not even its
            # `finally`.
            task.add_done_callback(self._forget)

    def _forget(self, _: asyncio.Task[None]) -> None:
        self._left()

    def _left(self) -> None:
        """The handler is not running any more."""
        link = self._link
        link.calls.pop(self, None)
        if link.draining:
            link.close_if_idle()

    def _failed(self, error: BaseException) -> None:
        """The handler has ended with `error`. What is not an RpcError is a bug, whatever it derives from: its caller is told without its
        text, it is logged whole, and nothing but its call ends. So sys.exit() in a handler is a bug too, and no way to stop a server. Of
        a group the caller is told the first cause, and the group is logged if there is a bug in it."""
        ctx, link = self._ctx, self._link
        cause = first_cause(error)
        if isinstance(cause, RpcError):
            self._raised(cause, error)
            return
        if isinstance(error, GeneratorExit) and link.loop.is_closed():
            raise error  # what is left of a call whose loop is gone
        if not isinstance(error, asyncio.CancelledError):
            self._fail(_internal(ctx), reported=True)
        elif self._over:
            return  # ours
        else:  # the handler cancelled itself, or let a cancelled task of its own show through
            self._fail(RpcError(Code.CANCELLED, f"{ctx.method} was cancelled by its server"), reported=True)
        self._report(error)
        if isinstance(error, KeyboardInterrupt) and _ctrl_c_raises():
            link.flush()
            raise error

    def _raised(self, cause: RpcError, error: BaseException) -> None:
        """The handler has ended with `error`, of which `cause` is for its caller. Where that is the error of a call that the handler has
        made, addresses of other servers are for the log."""
        told = cause
        if cause.outward:
            self.served.faults.tell(f"{self._ctx.method} failed by a call that it made", cause)
            told = RpcError(cause.code, cause.outward, cause.details, metadata=cause.metadata)
            told.pushback = cause.pushback
        self._fail(told)
        if cause is not error and not only_rpc_errors(error):
            self._report(error)

    def _report(self, fault: BaseException) -> None:
        """Log what is a bug."""
        ctx = self._ctx
        try:
            told = type(fault), fault, without_layers(fault.__traceback__)
            log.error("%s failed, request id %s", ctx.method, ctx.request_id, exc_info=told)
        except Exception as lost:  # noqa: BLE001 # from a handler of the application's logging; `fault` is its context
            self._link.loop.call_exception_handler({"message": f"the log did not take how {ctx.method} failed", "exception": lost})


def _internal(ctx: Context) -> RpcError:
    return RpcError(Code.INTERNAL, f"internal error, request id {ctx.request_id}")


def _ctrl_c_raises() -> bool:
    """Whether a KeyboardInterrupt may be Ctrl-C and must reach the program. `towpath.run` and asyncio.run have the signal cancel their main
    task instead, so that there it can only be the handler's own, or a second Ctrl-C, which a handler that blocked the loop has taken."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def not_one_message(method: str) -> RpcError:
    """What a call of a unary method ends in whose request is no message, half of one, or several."""
    return RpcError(Code.INTERNAL, f"{method} takes exactly one message, whole")


def expired(ctx: Context) -> bool:
    """Whether a call's deadline has passed, though the wheel may not have come round to it: what is large is then not read any more."""
    return ctx.deadline is not None and clock.now() >= ctx.deadline


def cap_deadline(ctx: Context, arrived: float, max_timeout: float, signal: Signal) -> None:
    """Let a call that has `arrived` end after `max_timeout` seconds, unless its deadline comes before."""
    latest = arrived + max_timeout
    if ctx.deadline is None or ctx.deadline > latest:
        unread: Any = ctx  # it was just made, and nobody has read its deadline
        unread.deadline = latest
        signal(Decision(ctx.method, ROLE, TIMEOUT_CAPPED, False, ctx, False))
