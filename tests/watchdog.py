"""The last resort against a test that never ends: a process that is at one test, or between two, for too long shows where it is and ends.

Nothing is raised in a test for that. An exception out of a signal handler comes wherever the main thread is: raised while the coverage
tracer holds its lock, it leaves the lock held, and the whole run stands still for ever. So a thread watches, writes the name of the test
and the stacks of all threads, ends the processes that tests have started, and then this one. Where it does not come to run either, because
something holds the interpreter, the timer of `faulthandler` does the same without the children. A coroutine that only waits for too long is
no case for this: `tests/conftest.py` cancels it, which fails the one test.

Where pytest-xdist shares the tests among processes, each of these watches itself, and one that ends so fails the test that it was at, in
the process that hands out the tests. That one has no test to watch: how long it waits for the others is theirs to limit.

It refuses to measure: limits are ten times what the slowest machine needs, or more.
"""

import contextlib
import faulthandler
import math
import os
import sys
import threading
import time

import psutil
import pytest

LIMIT = 600.0
"""Seconds for a test with its fixtures, for collecting them all, and for what comes after the last one. A test that needs more is marked
`timeout(seconds)`."""

WORDS = 30.0
"""Seconds that a coroutine has to clean up after it was cancelled, and then the thread to say what there is to say."""


def limit_of(item: pytest.Item) -> float:
    """How many seconds a test may take."""
    mark = item.get_closest_marker("timeout")
    return LIMIT if mark is None else max(LIMIT, mark.args[0])


class Watchdog:
    """A plugin of pytest's, from its beginning on."""

    def __init__(self) -> None:
        self._stderr = os.dup(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2)  # pytest puts a file in its place during tests
        self._moved = threading.Condition()
        self._what = ""
        self._until = 0.0
        self._watch("collecting the tests", LIMIT)
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item):
        self._watch(item.nodeid, limit_of(item))
        try:
            return (yield)
        finally:
            self._watch(f"what comes after {item.nodeid}", LIMIT)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session):
        if session.config.pluginmanager.has_plugin("dsession"):  # of pytest-xdist: the tests are run elsewhere
            self._rest()
        try:
            return (yield)
        finally:
            self._watch("what comes after the tests", LIMIT)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """A process that has done its share waits for the others, and is then ended."""
        if hasattr(config, "workerinput"):
            self._rest()

    @pytest.hookimpl(trylast=True)
    def pytest_exception_interact(self) -> None:
        """A test has failed, and pytest's own plugin has stopped the timer."""
        self._arm()

    @pytest.hookimpl(tryfirst=True)
    def pytest_enter_pdb(self) -> None:
        """Somebody looks for themselves, for as long as they like; pytest's own plugin stops the timer."""
        self._rest()

    def _rest(self) -> None:
        with self._moved:
            self._until = math.inf
        faulthandler.cancel_dump_traceback_later()

    def _watch(self, what: str, limit: float) -> None:
        with self._moved:
            self._what = what
            self._until = time.monotonic() + limit + WORDS
            self._moved.notify()
        self._arm()

    def _arm(self) -> None:
        if self._until < math.inf:
            faulthandler.dump_traceback_later(max(0.0, self._until - time.monotonic()) + WORDS, exit=True, file=self._stderr)

    def _run(self) -> None:
        with self._moved:
            while (left := self._until - time.monotonic()) > 0:
                self._moved.wait(min(left, LIMIT))
            what = self._what
        os.write(self._stderr, f"\nwatchdog: no end to {what}; these are the stacks of all threads\n".encode())
        faulthandler.dump_traceback(file=self._stderr, all_threads=True)
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # gone by itself
                child.kill()
        os._exit(1)
