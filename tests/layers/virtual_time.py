"""Time that passes only when everybody waits: a test of backoffs and windows takes no time and always goes the same way."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from towpath.core import clock

START = 1000.0


class Hand:
    """A clock that a test sets."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class _Leaping(selectors.DefaultSelector):
    """Does not wait for the next timer, but says that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everybody waits for what will never come"
        self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time leaps to the next timer as soon as nothing is left to do."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a `VirtualLoop` that is the library's clock too; fails if a task is left."""

    @functools.wraps(test)
    def run(*args: Any, **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner, clock.using(runner.get_loop().time):
            runner.run(_without_leaks(test(*args, **arguments)))

    return run


async def _without_leaks(test: Coroutine[Any, Any, None]) -> None:
    await test
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"left running: {left}"
