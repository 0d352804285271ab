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


def test_an_interrupt_before_the_loop_runs_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def made() -> AsyncGenerator[None]:
        steps.append("entered")
        yield
        steps.append("left")

    thread, told = LoopThread(made), threading.Event()
    run, soon = thread._run, thread._soon

    def late() -> None:
        assert told.wait(120)
        run()

    def tell(function: Callable[[], object]) -> None:
        soon(function)
        told.set()

    inner = threading.Thread(target=late, name="towpath-serving", daemon=True)
    monkeypatch.setattr(thread, "_thread", inner)
    monkeypatch.setattr(thread, "_soon", tell)
    monkeypatch.setattr(thread, "_entered", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        thread.enter()
    assert not inner.is_alive()
    assert steps == ["entered", "left"]
