"""SystemExit and KeyboardInterrupt that leave the event loop by another task than its first."""

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from tests.logs import told
from towpath._app.process.exit_in_task import OrderlyExit

Factory = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


class Service:
    """Runs until it is asked to stop, and then for a few turns more."""

    def __init__(self, leaving: OrderlyExit, begin: Callable[[], Any]) -> None:
        self._leaving = leaving
        self._begin = begin
        self._stopping = asyncio.Event()
        self.begun: object = None
        self.ended = False
        self.failure: BaseException | None = None
        self.in_the_end: Callable[[], Any] = lambda: None

    async def main(self) -> None:
        self._leaving.stop = self._stopping.set
        self.begun = self._begin()
        await self._stopping.wait()
        ending = self.in_the_end()
        for _ in range(5):
            await asyncio.sleep(0)
        del ending
        self.ended = True
        if self.failure is not None:
            raise self.failure


async def exit_with(status: int) -> None:
    await asyncio.sleep(0)
    sys.exit(status)


async def interrupt() -> None:
    raise KeyboardInterrupt


def run(loop: Factory, begin: Callable[[], Any], change: Callable[[Service], object] = id) -> Service:
    """The service after its run, which has raised the exit."""
    leaving = OrderlyExit()
    service = Service(leaving, begin)
    change(service)
    with asyncio.Runner(loop_factory=loop) as runner:
        leaving.run(runner, service.main())
    return service


@LOOPS
def test_the_first_task_ends_in_order_before_the_process_does(loop: Factory, caplog: pytest.LogCaptureFixture) -> None:
    services: list[Service] = []
    with pytest.raises(SystemExit) as caught:
        run(loop, lambda: asyncio.create_task(exit_with(7)), services.append)
    assert (caught.value.code, services[0].ended) == (7, True)
    assert told(caplog, logging.CRITICAL) == [
        "the task of exit_with raised SystemExit(7): the service stops in order, and its process exits"
    ]


@LOOPS
def test_an_interrupt_is_an_exit_too(loop: Factory, caplog: pytest.LogCaptureFixture) -> None:
    services: list[Service] = []
    with pytest.raises(KeyboardInterrupt):
        run(loop, lambda: asyncio.create_task(interrupt()), services.append)
    assert services[0].ended
    assert "the task of interrupt raised KeyboardInterrupt()" in caplog.text


@LOOPS
def test_a_callback_may_raise_it(loop: Factory, caplog: pytest.LogCaptureFixture) -> None:
    services: list[Service] = []
    with pytest.raises(SystemExit):
        run(loop, lambda: asyncio.get_running_loop().call_soon(sys.exit, 4), services.append)
    assert services[0].ended
    assert "a callback of the event loop raised SystemExit(4)" in caplog.text


@LOOPS
def test_a_second_exit_on_the_way_changes_nothing(loop: Factory, caplog: pytest.LogCaptureFixture) -> None:
    services: list[Service] = []

    def change(service: Service) -> None:
        service.in_the_end = lambda: asyncio.create_task(exit_with(8))
        services.append(service)

    with pytest.raises(SystemExit) as caught:
        run(loop, lambda: asyncio.create_task(exit_with(7)), change)
    assert (caught.value.code, services[0].ended) == (7, True)
    assert "SystemExit(8)" in caplog.text


@LOOPS
@pytest.mark.parametrize(
    ("failure", "text"), [(ValueError("no"), "the end of the service failed"), (asyncio.CancelledError(), "stopped before running calls")]
)
def test_an_end_that_fails_is_told_and_the_status_stays(
    loop: Factory, failure: BaseException, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    def change(service: Service) -> None:
        service.failure = failure

    with pytest.raises(SystemExit) as caught:
        run(loop, lambda: asyncio.create_task(exit_with(7)), change)
    assert caught.value.code == 7
    assert text in caplog.text


@LOOPS
def test_what_the_first_task_raises_itself_is_raised_at_once(loop: Factory, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught, asyncio.Runner(loop_factory=loop) as runner:
        OrderlyExit().run(runner, exit_with(9))
    assert caught.value.code == 9
    assert not told(caplog)


@LOOPS
def test_an_exit_before_there_is_a_way_to_stop_ends_at_once(loop: Factory, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        task = asyncio.create_task(exit_with(5))
        await asyncio.wait({task})
        await asyncio.sleep(3600)

    with pytest.raises(SystemExit) as caught, asyncio.Runner(loop_factory=loop) as runner:
        OrderlyExit().run(runner, main())
    assert caught.value.code == 5
    assert not told(caplog, logging.CRITICAL)
