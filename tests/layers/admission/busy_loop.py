"""An event loop in virtual time, with a socket that calls come from: what a handler that computes does to those behind it, in no time.

Time passes where a test says that something computes (`burn`), and in `select` until the next arrival or timer. As in a real loop, arrivals
are seen only when everything that was ready has run; they then all are read at once.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from towpath._core import clock


class _Socket(selectors.DefaultSelector):
    loop: "BusyLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.loop.read(timeout)
        return []


class BusyLoop(asyncio.SelectorEventLoop):
    """`arrivals` are times with what is called for each once it is read, in order."""

    def __init__(self) -> None:
        selector = _Socket()
        selector.loop = self
        self.now = 1000.0
        self.arrivals: deque[tuple[float, Callable[[float], None]]] = deque()
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def burn(self, seconds: float) -> None:
        self.now += seconds

    def read(self, timeout: float | None) -> None:
        if timeout is None or timeout > 0:
            until = self.now + timeout if timeout is not None else float("inf")
            if self.arrivals:
                until = min(until, self.arrivals[0][0])
            if until < float("inf"):
                self.now = max(self.now, until)
        due = []
        while self.arrivals and self.arrivals[0][0] <= self.now:
            due.append(self.arrivals.popleft())
        if due:
            self.call_soon(lambda: [arrive(at) for at, arrive in due])

    def drive(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run `main` to its end, towpath's clock being this loop's."""
        with clock.using(lambda: self.now), asyncio.Runner(loop_factory=lambda: self) as runner:
            return runner.run(main)
