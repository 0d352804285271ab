"""What every test has: `async def` tests run in an event loop of their own, and a leak in it fails the test that leaked.

There is no plugin for this, because little is needed: a new loop per test, in debug mode where time does not matter to the test, and a
check that no task is left. Resources are taken with `async with` inside the test, so fixtures stay synchronous. A test that waits for ever
is cancelled and fails; what does not end by that is `tests/watchdog.py`'s to end.
"""

import asyncio
import inspect
import os
import signal
from collections.abc import Iterator
from types import CoroutineType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.ports import free_port
from tests.tracing import Tracing
from tests.watchdog import Watchdog, limit_of
from towpath._core import service

# How long an example takes says how busy the machine is, and no test may fail for that.
settings.register_profile("towpath", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("towpath")

# A call has two seconds by default, which a busy machine may take for anything. A call of a test has them where the test says so.
service.DEFAULT_TIMEOUT = 120.0


# Programs that tests start write their logs into pipes. Most tests look for a text there, and those that look for JSON take this back.
os.environ.setdefault("TOWPATH_LOG_FORMAT", "console")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this repository's tests."""
    parser.addoption("--hostile-long", action="store_true", help="let the hostile peers and the fuzzers of tests/hostile go on for long")


def pytest_configure(config: pytest.Config) -> None:
    """Have the whole run watched, so that it ends. What a script starts in its background ignores Ctrl-C, and so would all that tests
    start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Watchdog(), "watchdog")
    config.pluginmanager.register(Tracing(), "tracing")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, those that may take long go first, so that none is left to one process at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which nobody listens until the test does."""
    with free_port() as port:
        yield port


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test to its end in a fresh loop; other tests are left to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner() as runner:
        runner.run(without_leaks(pyfuncitem.obj, arguments, limit_of(pyfuncitem)))
    return True


def is_of_grpcio(task: asyncio.Task[Any]) -> bool:
    """Whether the task is at a coroutine of grpcio, which is a compiled one or in one of its files."""
    coroutine = task.get_coro()
    return not isinstance(coroutine, CoroutineType) or f"{os.sep}grpc{os.sep}aio{os.sep}" in coroutine.cr_code.co_filename


async def without_leaks(test: Any, arguments: dict[str, Any], limit: float) -> None:
    """Await `test` for `limit` seconds at the most, then demand that every task it started has ended, or ends within a few turns of the
    loop. The tasks of grpcio end when one of its threads has said so, and that may take a busy machine a while."""
    turns = 0
    async with asyncio.timeout(limit):
        await test(**arguments)
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            if turns >= 10 and not any(map(is_of_grpcio, left)):
                break
            turns += 1
            await asyncio.sleep(0)
        else:
            return
    pytest.fail(f"{len(left)} task(s) left running: {', '.join(sorted(repr(task.get_coro()) for task in left))}")
