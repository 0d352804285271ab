"""A context manager in the event loop of another thread."""

import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest

from towpath.testing._loop_thread import LoopThread


class Interrupted(Future[None]):
    """What a test waits for that is interrupted at once."""

    def result(self, timeout: float | None = None) -> None:
        raise KeyboardInterrupt


class Late(LoopThread[None]):
    """Its loop does not run before an interrupt has been told to it."""

    def __init__(self, steps: list[str]) -> None:
        @asynccontextmanager
        async def made() -> AsyncGenerator[None]:
            steps.append("entered")
            yield
            steps.append("left")

        super().__init__(made)
        self._entered = Interrupted()
        self._told = threading.Event()

    def _soon(self, function: Callable[[], object]) -> None:
        super()._soon(function)
        self._told.set()

    def _run(self) -> None:
        assert self._told.wait(120)
        super()._run()


def test_an_interrupt_before_the_loop_runs_ends_the_thread() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        Late(steps).enter()
    assert steps == ["entered", "left"]
    assert not [thread for thread in threading.enumerate() if thread.name == "towpath-serving"]
