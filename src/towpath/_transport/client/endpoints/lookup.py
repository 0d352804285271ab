"""Names are looked up in threads of their own, since the system's resolver blocks, and waits for minutes where no name server answers.

The loop's own `getaddrinfo` does it in threads that it shares with the application: asyncio in five to thirty-two of its default executor,
whose end it waits for, and uvloop in four. A few lookups that hang then hold up all others and `asyncio.to_thread`. Here one name holds one
thread, however often it is asked for meanwhile, and the end of the process waits for none.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

from towpath._core.calls.daemon_threads import DaemonThreads

_MOST_NAMES: Final = 64
"""Names that are looked up at once in a process. Further ones wait for their turn."""

Asked = Callable[..., list[Any]]
"""A function with the parameters and the result of `socket.getaddrinfo`. It blocks."""


class Lookups:
    """The names that are being looked up. `ask` does it, in daemon threads."""

    def __init__(self, ask: Asked) -> None:
        self._ask = ask
        self._threads = DaemonThreads(_MOST_NAMES, "towpath-name")
        self._under_way: dict[tuple[str, int], Future[list[Any]]] = {}
        if hasattr(os, "register_at_fork"):  # a child has none of the threads
            os.register_at_fork(after_in_child=self._under_way.clear)

    async def of(self, host: str, port: int, within: float | None = None) -> list[Any]:
        """What is said of a name. If it is being asked for already, that answer. Raises what `ask` raises, and TimeoutError after `within`
        seconds, if given. That and a cancellation end the wait alone."""
        loop, key = asyncio.get_running_loop(), (host, port)
        found = self._under_way.get(key)
        if found is None:
            found = self._under_way[key] = self._threads.submit(self._ask, host, port, type=socket.SOCK_STREAM)
            found.add_done_callback(lambda _: self._under_way.pop(key, None))
        answer: asyncio.Future[list[Any]] = loop.create_future()

        def tell(ended: Future[list[Any]]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_settle, answer, ended)

        found.add_done_callback(tell)
        if within is None:
            return await answer
        try:
            async with asyncio.timeout(within):
                return await answer
        except TimeoutError:
            raise TimeoutError(f"no answer within {within:g} s") from None


_lookups: Final = Lookups(socket.getaddrinfo)


async def lookup(host: str, port: int, within: float | None = None) -> list[Any]:
    """What `socket.getaddrinfo` says of a name, for TCP. Raises OSError (`socket.gaierror`, and TimeoutError after `within` seconds), and
    UnicodeError for a name that cannot be one. A loop that knows names itself, such as a simulated one, is asked instead, without a limit:
    each timer more shifts the order of what a simulation does at one moment."""
    loop = asyncio.get_running_loop()
    if _asks_the_system(loop):
        return await _lookups.of(host, port, within)
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _settle(answer: "asyncio.Future[list[Any]]", ended: Future[list[Any]]) -> None:
    if answer.done():
        return
    error = ended.exception()
    if error is None:
        answer.set_result(ended.result())
    else:
        answer.set_exception(error)


def _asks_the_system(loop: asyncio.AbstractEventLoop) -> bool:
    kind: Any = type(loop)
    return kind.getaddrinfo is asyncio.BaseEventLoop.getaddrinfo or kind.__module__.partition(".")[0] == "uvloop"
