"""A stop is requested by signals, of which the second cuts the clean-up short, and by the process itself."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from towpath._app.process.signals import StopRequest, stopping

Step = Callable[[StopRequest], None]


async def cancellations(*steps: Step) -> int:
    """How often a task is cancelled whose stop is requested by `steps`, one after the other."""
    seen = 0
    with stopping() as request:
        for step in steps:
            step(request)
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                seen += 1
        assert request
    return seen


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param((StopRequest.stop,), 1, id="a signal"),
        pytest.param((StopRequest.stop, StopRequest.stop), 2, id="a second signal"),
        pytest.param((StopRequest.stop_in_order, StopRequest.stop_in_order), 1, id="two reasons of its own"),
        pytest.param((StopRequest.stop, StopRequest.stop_in_order), 1, id="a signal, then a reason of its own"),
        pytest.param((StopRequest.stop_in_order, StopRequest.stop), 1, id="a reason of its own, then a signal"),
        pytest.param((StopRequest.stop_in_order, StopRequest.stop, StopRequest.stop), 2, id="then a second signal"),
    ],
)
async def test_the_second_signal_alone_cuts_the_stop_short(steps: tuple[Step, ...], expected: int) -> None:
    assert await cancellations(*steps) == expected


async def test_no_stop_was_requested_before() -> None:
    with stopping() as request:
        assert not request


async def test_a_flood_of_hup_has_the_file_read_once_and_once_more_behind_it() -> None:
    read: list[bool] = []
    again = asyncio.Event()

    def flood() -> None:
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGHUP)

    def reload() -> None:
        read.append(True)
        if len(read) == 1:
            flood()  # while it is read
        else:
            again.set()

    with stopping(reload):
        flood()
        await again.wait()
        assert read == [True, True]


async def test_a_file_that_cannot_be_read_is_read_at_the_next_hup() -> None:
    failed, again = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: failed.set())

    def reload() -> None:
        if not failed.is_set():
            raise OSError("torn")
        again.set()

    with stopping(reload):
        os.kill(os.getpid(), signal.SIGHUP)
        await failed.wait()
        os.kill(os.getpid(), signal.SIGHUP)
        await again.wait()


async def test_nothing_is_read_once_a_stop_was_requested() -> None:
    read: list[bool] = []
    with stopping(lambda: read.append(True)) as request:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        request.stop()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(3600)
        for _ in range(10):
            await asyncio.sleep(0)
    assert not read
