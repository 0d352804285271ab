"""Time that passes only when everybody waits: a test of backoffs and windows takes no time and always goes the same way."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from towpath._core import clock
from towpath.testing._loop import START, VirtualLoop


class Hand:
    """A clock that a test sets."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


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
