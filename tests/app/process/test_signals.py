"""A stop is requested by signals, of which the second cuts the clean-up short, and by the process itself."""

import asyncio
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
