"""Blocks that are seen while they last: each is held until the monitor has reported it."""

import asyncio
import gc
import linecache
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.telemetry.loop_monitor.holding import Reports, compute_until_reported, match_until_reported, run, sleep_until_reported, watched
from towpath._core.calls.activity import activity_of
from towpath._core.context import Context
from towpath._telemetry.loop_monitor.block import Block, Cause
from towpath._telemetry.loop_monitor.monitor import LoopMonitor

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def source(block: Block) -> str:
    """The line of code that a block is blamed on."""
    frame = block.stack[0]
    return linecache.getline(f"{__file__.rpartition('/tests/')[0]}/{frame.file}", frame.line).strip()


def longest(reports: Reports) -> Block:
    return max(reports.ends, key=lambda block: block.seconds)


@LOOPS
@pytest.mark.parametrize("hold", [sleep_until_reported, compute_until_reported])
def test_the_line_that_blocks_is_named_while_it_does(loop: str, hold: Callable[[Reports], None]) -> None:
    reports = Reports()
    run(lambda: watched(lambda: hold(reports), reports), loop)
    # It is reported during the block, or `hold` would not have ended.
    for block in (reports.blamed_now[0], reports.blamed()[0]):
        assert hold.__name__ in [frame.function for frame in block.stack]
        assert block.task == "the doer"
    assert reports.blamed_now[0].number == reports.blamed()[0].number


@LOOPS
def test_a_function_of_c_that_lets_threads_run_is_named_by_the_line_that_calls_it(loop: str) -> None:
    reports = Reports()
    run(lambda: watched(lambda: sleep_until_reported(reports), reports), loop)
    block = reports.blamed()[0]
    assert block.in_c
    assert block.stack[0].source == source(block) == "reports.gate.acquire()"


@LOOPS
def test_a_function_of_c_that_lets_no_thread_run_is_named_by_the_line_that_calls_it(loop: str) -> None:
    reports = Reports()
    run(lambda: watched(lambda: match_until_reported(reports), reports), loop)
    block = reports.blamed()[0]
    assert "match_until_reported" in [frame.function for frame in block.stack]


@LOOPS
def test_the_call_that_did_it_and_those_that_waited_are_named(loop: str) -> None:
    reports = Reports()
    calls = tuple(Context(f"a.A/{n}", traceparent=b"00-%032x-00f067aa0ba902b7-01" % (n + 1)) for n in range(20))
    run(lambda: watched(lambda: sleep_until_reported(reports), reports, calls=calls), loop)
    block = reports.blamed()[0]
    assert block.by is not None
    assert block.by.method == "a.A/0"
    assert block.waited == 19
    assert [victim.method for victim in block.victims] == [f"a.A/{n}" for n in range(1, 9)]
    assert block.victims[0].trace_id == f"{2:032x}"


@LOOPS
def test_a_collection_of_garbage_is_no_fault_of_the_code_that_runs(loop: str) -> None:
    reports = Reports(until=Cause.GC)

    def hold(phase: str, _: dict[str, Any]) -> None:
        if phase == "start" and threading.current_thread() is threading.main_thread():
            sleep_until_reported(reports)

    def collect() -> None:
        gc.disable()  # so that this collection is the only one
        gc.callbacks.append(hold)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(hold)
            gc.enable()

    run(lambda: watched(collect, reports), loop)
    block = longest(reports)
    assert (block.cause, block.stack, block.by, block.note) == (Cause.GC, (), None, "generation 2")


@LOOPS
def test_a_callback_that_is_no_task_is_named(loop: str) -> None:
    """Uvloop and asyncio call it each in their own way."""
    reports = Reports()

    async def main() -> None:
        await watched(lambda: asyncio.get_running_loop().call_soon(sleep_until_reported, reports), reports)

    run(main, loop)
    block = reports.blamed()[0]
    assert [frame.function for frame in block.stack] == ["sleep_until_reported"]
    assert block.task == ""


@LOOPS
def test_a_function_of_c_that_the_loop_calls_itself_has_no_line(loop: str) -> None:
    reports = Reports()

    def call_c() -> None:
        asyncio.get_running_loop().call_soon(reports.gate.acquire)

    run(lambda: watched(call_c, reports), loop)
    block = reports.blamed()[0]
    assert block.stack == ()
    assert "not written in Python" in block.note


def test_nothing_runs_while_no_calls_come() -> None:
    async def main() -> None:
        monitor = LoopMonitor(Reports())
        monitor.start()
        try:
            assert not monitor.armed
            activity = activity_of(asyncio.get_running_loop())
            activity.stir()
            assert monitor.armed
            while monitor.armed:  # noqa: ASYNC110 - it ends by itself
                await asyncio.sleep(0.001)
            assert monitor.look() is None
            assert activity.quiet  # and hears of the next request
        finally:
            monitor.close()
        assert not activity.quiet

    run(main, "asyncio")


def test_what_listens_may_fail() -> None:
    heard: list[Block] = []

    class Failing(Reports):
        def __call__(self, block: Block) -> None:
            super().__call__(block)
            heard.append(block)
            raise ZeroDivisionError

    reports = Failing()
    run(lambda: watched(lambda: sleep_until_reported(reports), reports), "asyncio")
    assert len(heard) >= 2
    assert time.time() >= heard[0].began
