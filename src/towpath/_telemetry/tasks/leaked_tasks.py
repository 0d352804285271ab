"""Tasks that outlive the call which started them, and locks that tasks wait for too long: each is logged once.

A task that a handler starts has the handler's context, so it is known which call it belongs to, and whether that call is over. A task of
`towpath.background_task` has a context of its own and is meant to go on. Nothing of asyncio is changed for this: now and then all tasks are
looked at, in the thread of the loop monitor, and only while calls come.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from prometheus_client import CollectorRegistry, Counter

from towpath._core import clock
from towpath._core.calls.activity import activity_of
from towpath._core.clock import TimeSource
from towpath._core.context import Context
from towpath._core.disclosure.printable import printable
from towpath._telemetry.loop_monitor.blocked_calls import call_of
from towpath._telemetry.metric_names import LEAKED_TASKS
from towpath._telemetry.tasks.waiting import Waiting, held, waiting

MAX_TASKS: Final = 5_000
"""Tasks that are looked at. Where there are more, none is, since it would take long."""

LOOKS: Final = 4
"""Looks in the time after which a task is reported."""

log = logging.getLogger("towpath.tasks")


class LeakedTasks:
    """Looks at the tasks of `loop`, and reports what has lasted for `after` seconds."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        after: float,
        registry: CollectorRegistry,
        time: TimeSource = clock,
        tasks: Callable[[asyncio.AbstractEventLoop], "set[asyncio.Task[Any]]"] = asyncio.all_tasks,
    ) -> None:
        self._loop = loop
        self._after = after
        self._time = time
        self._tasks = tasks
        self._next = time.now() + after / LOOKS
        self._since: WeakKeyDictionary[asyncio.Task[Any], float] = WeakKeyDictionary()
        self._waits: WeakKeyDictionary[asyncio.Task[Any], tuple[Any, float]] = WeakKeyDictionary()
        self._reported: WeakSet[Any] = WeakSet()
        name = LEAKED_TASKS
        self._count = Counter(name.name, name.help, name.labels, registry=registry)

    def look_when_due(self) -> None:
        """Look, if the last time was long enough ago. It may be called in any thread, and never raises."""
        now = self._time.now()
        if now >= self._next:
            self._next = now + self._after / LOOKS
            with suppress(Exception):  # whatever a task is like, the monitor goes on
                self.look()

    def look(self) -> None:
        """Look at all tasks now."""
        now = self._time.now()
        tasks = self._tasks(self._loop)
        if len(tasks) > MAX_TASKS:
            return
        under_way = {id(ctx) for _, ctx in activity_of(self._loop).calls()}
        waits: dict[asyncio.Task[Any], Waiting] = {}
        for task in tasks:
            if task.done():
                continue
            call = call_of(task)
            over = call is not None and call.server is not None and id(call) not in under_way
            if call is not None and over and now - self._since.setdefault(task, now) >= self._after and task not in self._reported:
                self._reported.add(task)
                self._tell_leaked(task, call)
            waits[task] = waiting(task)
        for task, each in waits.items():
            self._look_at_lock(task, each, now, waits)

    def _look_at_lock(self, task: "asyncio.Task[Any]", each: Waiting, now: float, waits: dict["asyncio.Task[Any]", Waiting]) -> None:
        if each.lock is None:
            self._waits.pop(task, None)
            return
        lock, since = self._waits.get(task, (None, now))
        if lock is not each.lock:
            self._waits[task] = each.lock, now
        elif now - since >= self._after and lock not in self._reported:
            self._reported.add(lock)
            others = [(other, its) for other, its in waits.items() if its.lock is not lock]
            holder = next((pair for pair in others if id(lock) in held(pair[0], {id(lock): lock})), None)
            text = _lock_sentence(task, each, holder, len(waits) - len(others))
            log.warning("%s for more than %g s", printable(text), self._after)

    def _tell_leaked(self, task: "asyncio.Task[Any]", call: Context) -> None:
        self._count.labels(call.method).inc()
        each = waiting(task)
        coroutine: Any = task.get_coro()
        where = _where(each)
        log.warning(
            "%s",
            printable(
                f"the task {task.get_name()} of {getattr(coroutine, '__qualname__', coroutine)} goes on, more than {self._after:g} s after "
                f"its call of {call.method} has ended{where}; await it, cancel it, or start it with towpath.background_task"
            ),
        )


def _where(each: Waiting) -> str:
    if not each.places:
        return ""
    place = each.places[-1]
    return f": it waits for {each.on or 'something unknown'} at {place.file}:{place.line} {place.source}"


def _lock_sentence(task: "asyncio.Task[Any]", each: Waiting, holder: tuple["asyncio.Task[Any]", Waiting] | None, queue: int) -> str:
    others = f" and {queue - 1} more" if queue > 1 else ""
    place = f" at {each.places[-1].file}:{each.places[-1].line}" if each.places else ""
    has = "nobody is seen to have it" if holder is None else f"the task {holder[0].get_name()} has it{_where(holder[1])}"
    verb = "wait" if others else "waits"
    return f"the task {task.get_name()}{others} {verb} for {each.on}{place}, and {has}; this goes on"
