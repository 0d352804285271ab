"""Calls for code without asyncio: Django, Flask, scripts, and handlers that run in threads. Generated sync clients are made of these calls.

The call itself runs on an event loop in another thread, with all of its stack, and the caller's thread waits. Each wait costs a hop to that
thread and back, so one hop fetches all the responses of a stream that have come.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from towpath._core.calls.asynchronous import ClientExchange, ClientStreamingCall, CostlyResponse, StreamingCall
from towpath._core.context import CallOptions, Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._core.service import MethodSpec, Req, Res

T = TypeVar("T")

_MAX_FETCHED: Final = 64
"""Responses that one hop brings at most."""

_CHECK_INTERVAL: Final = 1.0
"""Seconds between two looks of a waiting thread at whether the loop has been closed."""


class LoopRunner:
    """Runs coroutines on `loop`, which another thread runs, and waits for them. Any number of threads may share one runner."""

    __slots__ = ("loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run the coroutine that `start` makes, and return or raise what it does. It has a copy of this thread's contextvars.

        If waiting is interrupted (Ctrl-C) the coroutine is cancelled. Raises RuntimeError in a thread that itself runs a loop, which would
        be blocked, and RpcError (CANCELLED) if the coroutine was cancelled or the loop is closed.
        """
        if _blocks_a_loop():
            raise RuntimeError("a synchronous call would block the event loop that runs here; await the method of the asynchronous client")
        work = _Work(start)
        try:  # Ctrl-C may come as soon as the work has begun, and that may be before this thread goes on
            try:
                self.loop.call_soon_threadsafe(work.begin)
            except RuntimeError:  # closed
                raise _no_loop() from None
            while not work.over.acquire(timeout=_CHECK_INTERVAL):
                if self.loop.is_closed():
                    raise _no_loop()
        except BaseException:
            self.soon(work.cancel)
            raise
        return work.outcome()

    def soon(self, what: Callable[[], object]) -> None:
        """Call `what` in the loop's thread, without waiting. Nothing happens if the loop is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(what)


class _Work(Generic[T]):
    """One coroutine, begun in the loop's thread and waited for in another."""

    __slots__ = ("_start", "_task", "over")

    def __init__(self, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._start = start
        self.over = threading.Lock()
        """It is released at the end of the coroutine."""
        self.over.acquire()

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._whole())
        self._task.add_done_callback(self._ended)

    async def _whole(self) -> T:
        return await self._start()  # within the task, so that an error of `start` itself reaches the caller too

    def cancel(self) -> None:
        # The task is missing only if the interrupt came before `begin` was scheduled: callbacks run in order.
        if hasattr(self, "_task"):
            self._task.cancel()

    def _ended(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # marks the error as seen, for `outcome` raises it unless the caller was interrupted
        self.over.release()

    def outcome(self) -> T:
        if self._task.cancelled():
            raise RpcError(Code.CANCELLED, "the call was cancelled: its loop is being closed")
        try:
            return self._task.result()
        finally:
            del self._task  # the traceback of an error holds this object, whose task holds the error


def patched_by_gevent() -> bool:
    """Whether gevent has made this process's threads into greenlets (`gunicorn -k gevent`). All of them are one thread to asyncio."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def _blocks_a_loop() -> bool:
    """Whether waiting here would stop an event loop. With gevent each greenlet seems to run the loop of another one; only in the loop's own
    greenlet does a task run."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    return asyncio.current_task(loop) is not None or not patched_by_gevent()


def _no_loop() -> RpcError:
    return RpcError(Code.CANCELLED, "the event loop that made the calls is closed")


SyncUnaryCall = Callable[[Req, CallOptions | None], Res]
"""A unary method as a generated sync client holds it."""


class SyncExchange(Generic[Req, Res]):
    """A streaming call that has begun."""

    __slots__ = ("exchange", "runner")

    def __init__(self, runner: LoopRunner, exchange: ClientExchange[Req, Res]) -> None:
        self.runner = runner
        """The runner of the loop that the call runs on."""
        self.exchange = exchange
        """The state of the call. Only the loop's thread may use it."""


SyncStreamOpener = Callable[[Req | None, CallOptions | None], SyncExchange[Req, Res]]
"""A streaming method as a generated sync client holds it: each use begins a call."""


class SyncBinder(Protocol):
    """What a generated sync client needs of a channel. A client calls one of the two for each of its methods, when it is made."""

    def bind(self, method: MethodSpec[Req, Res]) -> SyncUnaryCall[Req, Res]:
        """The callable for the unary `method`, with its whole stack composed."""
        ...

    def bind_stream(self, method: MethodSpec[Req, Res]) -> SyncStreamOpener[Req, Res]:
        """The callable that begins a call of the streaming `method`, with its whole stack composed."""
        ...


class SyncStreamingCall(Generic[Req, Res]):
    """What the three kinds of streaming call have in common. One thread may read and one send."""

    __slots__ = ("_call", "_exchange", "_given", "_runner")

    def __init__(self, begun: SyncExchange[Req, Res], requests: Iterable[Req] | None = None) -> None:
        self._runner = begun.runner
        self._exchange = begun.exchange
        self._call = StreamingCall(begun.exchange)  # warns if it is dropped before its end
        self._given = requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cancel(self) -> None:
        """End the call now, and tell the server. A thread that reads gets RpcError (CANCELLED). Does nothing once the call has ended."""
        self._runner.soon(self._call.cancel)

    def close(self) -> None:
        """`cancel`, and wait until nothing of the call runs any more."""
        self._runner.run(self._call.aclose)

    def headers(self) -> Metadata:
        """Wait for the metadata that come before the first response. They are empty if the call ends without any."""
        return self._runner.run(self._exchange.headers)

    @property
    def reply(self) -> Reply:
        """The response's metadata as far as they have come. The trailers come with the end of the call."""
        return self._call.reply


class _SyncReading(SyncStreamingCall[Req, Res]):
    __slots__ = ("_costly", "_fault", "_fetched")

    def __init__(self, begun: SyncExchange[Req, Res], requests: Iterable[Req] | None = None) -> None:
        super().__init__(begun, requests)
        self._fetched: deque[Res] = deque()
        self._fault: RpcError | None = None
        self._costly: CostlyResponse | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Res:
        """The next response. Raises RpcError if the call fails, after the responses that came before."""
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
        """The next response, and those that have come after it. The list is empty after the last response."""
        exchange = self._exchange
        costly, self._costly = self._costly, None
        first = await (exchange.receive() if costly is None else exchange.costly(costly))
        if first is None:
            return []
        found = [first]
        wire = exchange.wire
        try:
            while wire is not None and len(found) < _MAX_FETCHED and (message := wire.take()) is not None:
                found.append(message)
        except RpcError as error:
            exchange.task.cancel()
            self._fault = error
        except CostlyResponse as costly:
            self._costly = costly
        return found


class _SyncWriting(SyncStreamingCall[Req, Res]):
    __slots__ = ()

    def send(self, request: Req) -> bool:
        """Send a request, and wait while the server does not read. Returns False if the server has ended the call with OK and takes no more
        requests. Raises RpcError if the call has ended with an error."""
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
        """Send the requests that the call was given, half-close, and wait for the response. Raises RpcError. An error that the iterator of
        the requests raises ends the call, and is raised too."""
        if self._given is not None:
            try:
                _send_all(self._runner, self._exchange, self._given)
            except BaseException:
                self.close()
                raise
        return self._runner.run(ClientStreamingCall(self._exchange).response)


class SyncBidiStreamingCall(_SyncReading[Req, Res], _SyncWriting[Req, Res]):
    """Any number of requests and responses, in any order: iterate over it, and give it requests or `send` them. A thread of the call's own
    sends the requests that it was given, so that their iterator may wait for responses."""

    __slots__ = ()

    def __init__(self, begun: SyncExchange[Req, Res], requests: Iterable[Req] | None = None) -> None:
        super().__init__(begun, requests)
        if requests is not None:
            # The thread has no reference to this object, so that it does not keep a call alive that nobody else holds.
            given = begun.runner, begun.exchange, requests
            threading.Thread(target=_send_beside, args=given, name=f"{begun.exchange.ctx.method} requests", daemon=True).start()


def _send_beside(runner: LoopRunner, exchange: ClientExchange[Any, Any], requests: Iterable[Any]) -> None:
    try:
        _send_all(runner, exchange, requests)
    except BaseException as error:  # noqa: BLE001 - an error of the caller's iterator, of any class, is raised where the caller reads
        fault = error
        if isinstance(error, (SystemExit, KeyboardInterrupt)):  # it would end the loop instead of the thread that reads
            fault = RuntimeError(f"where the requests of {exchange.ctx.method} come from raised {type(error).__name__}")
            fault.__cause__ = error
        runner.soon(partial(exchange.fail, fault))


def _send_all(runner: LoopRunner, exchange: ClientExchange[Any, Any], requests: Iterable[Any]) -> None:
    for request in requests:
        if not runner.run(partial(exchange.send, request)):
            return
    runner.run(exchange.half_close)
