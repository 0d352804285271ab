"""Calls for code without asyncio: Django, Flask, scripts, and handlers that run in threads. Generated sync clients are made of them.

The call itself runs on an event loop in another thread, with all of its stack; the thread that makes it waits. Each thing that is waited
for costs a hop to that thread and back, so responses of a stream are fetched as many at a time as have come.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from towpath._core.calls.asynchronous import ClientExchange, ClientStreamingCall, StreamingCall
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._core.service import MethodSpec, Req, Res

T = TypeVar("T")

_MOST_FETCHED: Final = 64
"""Responses that one hop brings at the most."""

_LOOK: Final = 1.0
"""Seconds after which who waits makes sure that the loop is still there."""


class LoopRunner:
    """Has work done by `loop`, which another thread runs. Any number of threads may share one."""

    __slots__ = ("loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the coroutine that `start` makes returns or raises; it has the contextvars of this thread, as they are now.

        If waiting is interrupted (Ctrl-C) the coroutine is cancelled. Raises RuntimeError in a thread that runs a loop itself, which would
        stand still meanwhile, and RpcError (CANCELLED) if the coroutine was cancelled or the loop is closed.
        """
        if _runs_a_loop():
            raise RuntimeError("a synchronous call would block the event loop that runs here; await the method of the asynchronous client")
        work = _Work(start)
        try:  # from here on: Ctrl-C may come as soon as the work has begun, which may be before this thread goes on
            try:
                self.loop.call_soon_threadsafe(work.begin)
            except RuntimeError:  # closed
                raise _no_loop() from None
            while not work.over.acquire(timeout=_LOOK):
                if self.loop.is_closed():
                    raise _no_loop()
        except BaseException:
            self.soon(work.cancel)
            raise
        return work.outcome()

    def soon(self, what: Callable[[], object]) -> None:
        """Have `what` called in the loop's thread, and do not wait; nothing happens if the loop is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(what)


class _Work(Generic[T]):
    """One coroutine, begun in the loop's thread and waited for in another. `over` is released at its end."""

    __slots__ = ("_start", "_task", "over")

    def __init__(self, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._start = start
        self.over = threading.Lock()
        self.over.acquire()

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._whole())
        self._task.add_done_callback(self._ended)

    async def _whole(self) -> T:
        return await self._start()  # within the task, so that what `start` itself raises is told too

    def cancel(self) -> None:
        if hasattr(self, "_task"):  # begun before, since callbacks run in order, unless the interrupt came before it was asked for
            self._task.cancel()

    def _ended(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # it is told to who waits, who may have gone
        self.over.release()

    def outcome(self) -> T:
        if self._task.cancelled():
            raise RpcError(Code.CANCELLED, "the call was cancelled: its loop is being closed")
        try:
            return self._task.result()
        finally:
            del self._task  # an error's traceback would hold what holds it


def _runs_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _no_loop() -> RpcError:
    return RpcError(Code.CANCELLED, "the event loop that made the calls is closed")


SyncUnaryCall = Callable[[Req, CallOptions | None], Res]
"""A unary method as a generated sync client holds it."""


class SyncExchange(Generic[Req, Res]):
    """A streaming call that has begun, and what does its work."""

    __slots__ = ("exchange", "runner")

    def __init__(self, runner: LoopRunner, exchange: ClientExchange[Req, Res]) -> None:
        self.runner = runner
        self.exchange = exchange


SyncStreamOpener = Callable[[Req | None, CallOptions | None], SyncExchange[Req, Res]]
"""A streaming method, likewise: begins a call."""


class SyncBinder(Protocol):
    """What a generated sync client needs of a channel. Each is called once per method, when a client is made."""

    def bind(self, method: MethodSpec[Req, Res]) -> SyncUnaryCall[Req, Res]:
        """The callable for the unary `method`, with its whole stack composed."""
        ...

    def bind_stream(self, method: MethodSpec[Req, Res]) -> SyncStreamOpener[Req, Res]:
        """What begins a call of `method`, which streams, with its whole stack composed."""
        ...


class SyncStreamingCall(Generic[Req, Res]):
    """What the three kinds of streaming call have in common. One thread may read and one send."""

    __slots__ = ("_call", "_exchange", "_given", "_runner")

    def __init__(self, begun: SyncExchange[Req, Res], requests: Iterable[Req] | None = None) -> None:
        self._runner = begun.runner
        self._exchange = begun.exchange
        self._call = StreamingCall(begun.exchange)  # which warns if it is dropped
        self._given = requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cancel(self) -> None:
        """End the call now, and tell the server; whoever reads gets RpcError (CANCELLED). Does nothing once it has ended."""
        self._runner.soon(self._call.cancel)

    def close(self) -> None:
        """`cancel`, and wait until nothing of the call runs any more."""
        self._runner.run(self._call.aclose)

    def headers(self) -> Metadata:
        """The metadata that come before the first response; waits for them, and is empty if the call ends without."""
        return self._runner.run(self._exchange.headers)

    @property
    def reply(self) -> Reply:
        """The answer's metadata as far as they have come; trailers once the call has ended."""
        return self._call.reply


class _SyncReading(SyncStreamingCall[Req, Res]):
    __slots__ = ("_fault", "_fetched")

    def __init__(self, begun: SyncExchange[Req, Res], requests: Iterable[Req] | None = None) -> None:
        super().__init__(begun, requests)
        self._fetched: deque[Res] = deque()
        self._fault: RpcError | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Res:
        """The next response. Raises RpcError if the call fails; what came before is delivered first."""
        fetched = self._fetched
        if not fetched:
            fault, self._fault = self._fault, None
            if fault is not None:
                raise fault
            fetched.extend(self._runner.run(self._fetch))
            if not fetched:
                raise StopIteration
        return fetched.popleft()

    async def _fetch(self) -> list[Res]:
        """The next response and all that have come with it; none after the last."""
        exchange = self._exchange
        first = await exchange.receive()
        if first is None:
            return []
        found = [first]
        wire = exchange.wire
        try:
            while wire is not None and len(found) < _MOST_FETCHED and (message := wire.take()) is not None:
                found.append(message)
        except RpcError as error:
            exchange.task.cancel()
            self._fault = error
        return found


class _SyncWriting(SyncStreamingCall[Req, Res]):
    __slots__ = ()

    def send(self, request: Req) -> bool:
        """Send a request, and wait while the server does not read. False if the server has ended the call well and wants no more of them;
        raises RpcError if it has ended it otherwise."""
        self._refuse_second_source()
        return self._runner.run(lambda: self._exchange.send(request))

    def half_close(self) -> None:
        """Say that no more requests come. Responses may go on."""
        self._refuse_second_source()
        self._runner.run(self._exchange.half_close)

    def _refuse_second_source(self) -> None:
        if self._given is not None:
            raise RuntimeError(f"the call of {self._exchange.ctx.method} takes its requests from what it was given; send them there")


class SyncServerStreamingCall(_SyncReading[Any, Res]):
    """One request, any number of responses: iterate over it."""

    __slots__ = ()


class SyncClientStreamingCall(_SyncWriting[Req, Res]):
    """Any number of requests, one response: give the requests, or `send` them; then ask for the `response`."""

    __slots__ = ()

    def response(self) -> Res:
        """Send the requests that the call was given, half-close, and wait for the response. Raises RpcError, and what the iterator of the
        requests raises, which ends the call."""
        if self._given is not None:
            try:
                _send_all(self._runner, self._exchange, self._given)
            except BaseException:
                self.close()
                raise
        return self._runner.run(ClientStreamingCall(self._exchange).response)


class SyncBidiStreamingCall(_SyncReading[Req, Res], _SyncWriting[Req, Res]):
    """Any number of both, in any order: iterate over it, and give it requests or `send` them. Requests that it is given are sent by a
    thread of the call's own, so that their iterator may wait for responses."""

    __slots__ = ()

    def __init__(self, begun: SyncExchange[Req, Res], requests: Iterable[Req] | None = None) -> None:
        super().__init__(begun, requests)
        if requests is not None:
            # The thread is not to keep a call alive that nobody holds any more, and so has no reference to this.
            given = begun.runner, begun.exchange, requests
            threading.Thread(target=_send_beside, args=given, name=f"{begun.exchange.ctx.method} requests", daemon=True).start()


def _send_beside(runner: LoopRunner, exchange: ClientExchange[Any, Any], requests: Iterable[Any]) -> None:
    try:
        _send_all(runner, exchange, requests)
    except BaseException as error:  # noqa: BLE001 - whatever the caller's iterator raised is told to the caller, where it reads
        fault = error
        if isinstance(error, (SystemExit, KeyboardInterrupt)):  # which would end the loop, and not the thread that reads
            fault = RuntimeError(f"where the requests of {exchange.ctx.method} come from raised {type(error).__name__}")
            fault.__cause__ = error
        runner.soon(partial(exchange.fail, fault))


def _send_all(runner: LoopRunner, exchange: ClientExchange[Any, Any], requests: Iterable[Any]) -> None:
    for request in requests:
        if not runner.run(partial(exchange.send, request)):
            return
    runner.run(exchange.half_close)
