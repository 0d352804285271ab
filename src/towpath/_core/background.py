"""Work that goes on after the answer: a task of the service and no longer of the call.

A task that a handler starts with `asyncio.create_task` inherits the call's context, so that its own calls end with that call's deadline.
Only the handler knows whether that is meant. `background_task` is the way out: its task has the call's trace, tenant, criticality and
request id, and a timeout of its own. The loop alone would hold such a task by a weak reference, tell nobody of its failure, and drop it at
the end of the process. So the tasks are kept here, their failures are logged, and the application waits for them within its grace.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from towpath._core import clock
from towpath._core.context import Context, current, enter

T = TypeVar("T")

_LAST_WORDS: Final = 1.0
"""Seconds that cancelled tasks are given to clean up."""

log = logging.getLogger("towpath.background")

_running: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, set[asyncio.Task[Any]]]] = WeakKeyDictionary()
"""The tasks of each loop that have not ended."""

_applications: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, int]] = WeakKeyDictionary()
"""How many applications serve in each loop."""


def background_task(work: Coroutine[Any, Any, T], *, timeout: float | None = None) -> "asyncio.Task[T]":
    """Run `work` in a task that goes on after the call which starts it, and is not cancelled with it.

    Calls that it makes inherit the call's trace, tenant, criticality and request id, but neither its deadline nor its key. After `timeout`
    seconds, if given, the task fails with TimeoutError, and the calls that it makes have that deadline. A failure is logged, whether or not
    somebody awaits the task. When the last application of the loop closes, it waits for the task within its grace, and cancels it then.
    `work` must not block. Raises ValueError for a timeout that is not positive, and RuntimeError in a thread that runs no event loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        work.close()
        raise RuntimeError("a background task needs the event loop; start it in an async handler, not in a thread") from None
    if timeout is not None and not timeout > 0:
        work.close()
        raise ValueError(f"timeout is {timeout!r}; give seconds, more than 0, or None for no end")
    call = current()
    task = loop.create_task(_whole(work, call, timeout), name=None if call is None else f"{call.method} background")
    task.add_done_callback(lambda _: work.close())  # of a task that is cancelled before it begins, nothing runs
    tasks = _running.setdefault(loop, set())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def count_applications(change: int) -> int:
    """How many applications serve in the running loop, after `change` of their number. The tasks belong to all of them: the last one that
    closes waits for them."""
    loop = asyncio.get_running_loop()
    number = _applications[loop] = _applications.get(loop, 0) + change
    return number


async def finish_background_tasks(grace: float) -> None:
    """Wait `grace` seconds at most for the background tasks of the running loop, those that they start included, then cancel what still
    runs. If this coroutine is cancelled, so are they, at once."""
    loop = asyncio.get_running_loop()
    due = loop.time() + grace
    try:
        while (tasks := _others(loop)) and (left := due - loop.time()) > 0:
            await asyncio.wait(tasks, timeout=left)
    finally:
        if tasks := _others(loop):
            for task in tasks:
                task.cancel("the application closes")
            await asyncio.wait(tasks, timeout=_LAST_WORDS)


def _others(loop: asyncio.AbstractEventLoop) -> "set[asyncio.Task[Any]]":
    """The background tasks of `loop`, without the one that asks."""
    return _running.get(loop, set[asyncio.Task[Any]]()) - {asyncio.current_task()}


async def _whole(work: Coroutine[Any, Any, T], call: Context | None, seconds: float | None) -> T:
    if call is not None:
        deadline = None if seconds is None else clock.now() + seconds
        own: Any = call.child(call.method, deadline)
        own.deadline = deadline  # the earlier one, of the call, does not hold
        enter(own)
    try:
        async with asyncio.timeout(seconds):
            return await work
    except (SystemExit, KeyboardInterrupt) as error:  # asyncio would end the loop, and all calls with it
        _report(call, error)
        raise RuntimeError(f"a background task raised {type(error).__name__}") from error
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        _report(call, error)
        raise


def _report(call: Context | None, error: BaseException) -> None:
    method, request_id = ("no call", "none") if call is None else (call.method, call.request_id)
    log.error("a background task of %s failed, request id %s", method, request_id, exc_info=error)
