"""Threads that do not hold up the end of the process.

Python waits at its end for every thread of a `concurrent.futures.ThreadPoolExecutor`, also for one whose function never returns. A handler
that blocks would keep a service from ending within its grace, though its call has long been answered.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_at_fork: Any = getattr(os, "register_at_fork", dict)  # on Windows, which has none, something that does no harm


class DaemonThreads(Executor):
    """Up to `most` threads, which are started as they are needed and named after `name`. What they still run at the end of the process ends
    with it. A forked process starts its own."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._begin()
        _at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0
        self.running = 0
        """How many functions run now."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Run `fn` in a thread, once one is free."""
        future: Future[R] = Future()
        self._work.put((future, lambda: fn(*args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            with self._lock:
                if self._started < self._most:
                    threading.Thread(target=self._serve, name=f"{self._name}_{self._started}", daemon=True).start()
                    self._started += 1
        return future

    def _serve(self) -> None:
        while True:
            try:
                future, work = self._work.get_nowait()
            except Empty:
                self._idle.release()
                future, work = self._work.get()
            if future.set_running_or_notify_cancel():
                self._run(future, work)
            del future, work  # an idle thread holds nothing of the last call

    def _run(self, future: "Future[Any]", work: Callable[[], Any]) -> None:
        with self._lock:
            self.running += 1
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 # sys.exit() too is for the caller of the function
            self._ended()
            future.set_exception(error)
        else:
            self._ended()
            future.set_result(result)

    def _ended(self) -> None:
        with self._lock:
            self.running -= 1
