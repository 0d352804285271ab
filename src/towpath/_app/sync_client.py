"""The client's golden path for code without asyncio: `connect_sync`, and the channel that generated sync clients take.

All calls of a process run on one event loop in one thread, which the first call starts. So all threads share connections, and calls made at
once share writes. A forked process has neither its parent's thread nor its parent's connections: its first call starts its own. So a
channel may be made when a module is loaded, even if the process forks later (gunicorn, uWSGI, multiprocessing).
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Self, TypeVar
from weakref import WeakSet

from towpath._app.client import Channel, connect
from towpath._app.decision_callback import DecisionCallback
from towpath._app.event_loop import new_loop
from towpath._app.settings.resilience import DEFAULT, Resilience
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.targets import NO_OTHER_LIMITS, ChannelLimits
from towpath._core.calls.asynchronous import ClientExchange
from towpath._core.calls.sync_calls import LoopRunner, SyncExchange, SyncStreamOpener, SyncUnaryCall, patched_by_gevent
from towpath._core.context import CallOptions
from towpath._core.disclosure.tracebacks import without_own_frames
from towpath._core.errors import Code, RpcError
from towpath._core.service import Layer, MethodSpec, Req, Res
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ChannelOptions
from towpath._transport.tls import ClientTls

_Opener = TypeVar("_Opener")

_PATIENCE: Final = 2.0
"""Seconds that the end of the process waits for connections to be closed."""


class SyncChannel:
    """A channel to one target, with the default stack. Generated sync clients take it. It connects on the first call, and threads may share
    it.

    Calls raise RuntimeError in a thread that runs an event loop, which they would block. Use the asynchronous client there.
    """

    def __init__(self, make: Callable[[], Channel], runner: Callable[[], LoopRunner]) -> None:
        """`runner` gives the runner of calls in the current process. `make` makes the channel that it uses, and is called again after a
        fork, when the runner is another one."""
        self._make = make
        self._runner = runner
        self._channel = make()
        self._used_by: LoopRunner | None = None
        self._closed = False

    @property
    def target(self) -> str:
        """The text that says what the channel calls."""
        return self._channel.target

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Calls under way end with UNAVAILABLE, later ones with CANCELLED."""
        self._closed = True
        if self._used_by is not None and self._used_by is self._runner():
            self._used_by.run(self.aclose)

    async def aclose(self) -> None:
        """Close the connections, from the loop that makes the calls. Calls under way end with UNAVAILABLE, later ones with CANCELLED."""
        self._closed = True
        await self._channel.close()

    def bind(self, method: MethodSpec[Req, Res]) -> SyncUnaryCall[Req, Res]:
        """The callable for the unary `method`, with the stack that the asynchronous client has."""
        current = self._current(lambda channel: channel.bind(method))

        def call(request: Req, options: CallOptions | None) -> Res:
            runner, bound = current()
            try:
                return runner.run(partial(bound, request, options))
            except RpcError as error:
                error.__traceback__ = without_own_frames(error.__traceback__)
                raise

        return call

    def bind_stream(self, method: MethodSpec[Req, Res]) -> SyncStreamOpener[Req, Res]:
        """The callable that begins a call of the streaming `method`, with the stack that the asynchronous client has."""
        current = self._current(lambda channel: channel.bind_stream(method))

        def start(request: Req | None, options: CallOptions | None) -> SyncExchange[Req, Res]:
            runner, begin = current()

            async def begun() -> ClientExchange[Req, Res]:
                return begin(request, options)

            return SyncExchange(runner, runner.run(begun))

        return start

    def _current(self, bind: Callable[[Channel], _Opener]) -> Callable[[], tuple[LoopRunner, _Opener]]:
        """A function that gives the current runner and what `bind` made for it. `bind` is called once for each runner."""
        held: tuple[LoopRunner, _Opener] | None = None

        def current() -> tuple[LoopRunner, _Opener]:
            nonlocal held
            runner = self._runner()
            if held is None or held[0] is not runner:
                held = runner, bind(self._channel_for(runner))
            return held

        return current

    def _channel_for(self, runner: LoopRunner) -> Channel:
        with _Process.lock:  # a lock of the channel's own could be left locked for ever by a fork
            if self._closed:
                raise RpcError(Code.CANCELLED, f"the channel to {self.target} is closed")
            if self._used_by is not None and self._used_by is not runner:
                # The process was forked. The old channel's connections are the parent's too: this process must neither close them nor
                # write to them.
                _ABANDONED.append(self._channel)
                self._channel = self._make()
            self._used_by = runner
            _OPEN.add(self)
            return self._channel


def connect_sync(
    target: str,
    *,
    config: ServiceConfig | None = None,
    metrics: CallMetrics | None = None,
    tls: ClientTls | None = None,
    insecure: bool = False,
    options: ChannelOptions | None = None,
    resilience: Resilience = DEFAULT,
    limits: ChannelLimits = NO_OTHER_LIMITS,
    on_decision: DecisionCallback | None = None,
    layers: Sequence[Layer] = (),
) -> SyncChannel:
    """A channel to `target` for code without asyncio. The parameters are those of `towpath.connect`. Close it, or use it with `with`;
    channels that are open at the end of the process are closed then. `on_decision` is called in the thread of the loop that makes the
    calls, and not in the caller's, and so are `layers`. Raises SetupError."""
    make = partial(
        connect,
        target,
        config=config,
        metrics=metrics,
        tls=tls,
        insecure=insecure,
        options=options,
        resilience=resilience,
        limits=limits,
        on_decision=on_decision,
        layers=layers,
    )
    return SyncChannel(make, process_runner)


def process_runner() -> LoopRunner:
    """The runner of this process's calls. Its thread is started on first use."""
    runner = _Process.runner
    if runner is None:
        with _Process.lock:
            runner = _Process.runner
            if runner is None:
                # To gevent the thread is a greenlet: asyncio's loop lets others run while it waits, and uvloop's would stop them all.
                loop = asyncio.new_event_loop() if patched_by_gevent() else new_loop()
                _Process.thread = threading.Thread(target=_run_loop, args=(loop,), name="towpath-calls", daemon=True)
                # Before the thread starts, which lets other greenlets run: they must not wait for the lock.
                runner = _Process.runner = LoopRunner(loop)
                _Process.thread.start()
    return runner


class _Process:
    """What each process has one of."""

    runner: LoopRunner | None = None
    thread: threading.Thread | None = None
    lock = threading.Lock()


_OPEN: Final[WeakSet[SyncChannel]] = WeakSet()
"""Channels that are closed at the end of the process."""
_ABANDONED: Final[list[Channel]] = []
"""Channels of the parent process. They are kept so that nothing closes their connections."""


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _after_fork() -> None:
    _Process.runner = None
    _Process.lock = threading.Lock()  # the parent's lock may have been held by a thread that this process does not have
    _OPEN.clear()


def _close_all() -> None:
    runner, thread = _Process.runner, _Process.thread
    if runner is None or thread is None:
        return

    async def close(channels: list[SyncChannel]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(*(channel.aclose() for channel in channels))

    runner.run(partial(close, list(_OPEN)))
    runner.soon(runner.loop.stop)
    thread.join(_PATIENCE)
    if not thread.is_alive():
        runner.loop.close()  # so that a call that is made even later fails, and does not wait


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
