"""Work of the service that goes on beside its calls: a cache that is filled anew, a queue that is read.

asyncio says nothing when such a task ends, until somebody awaits it, and a service whose cache has died looks healthy. So each end before
that of the service is logged and counted, and is treated as its policy says. Work may be started anew a few times first. Work that belongs
to one call and goes on after its answer is `towpath.background_task`, which may end.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter

from towpath._core import chance, clock
from towpath._core.context import enter
from towpath._core.errors import SetupError
from towpath._telemetry.metric_names import BACKGROUND_DEATHS, BACKGROUND_RESTARTS, MetricName
from towpath._transport.client.connection_backoff import Backoff

Work = Coroutine[Any, Any, Any] | Callable[[], Coroutine[Any, Any, Any]]
"""A coroutine, or what makes one each time, which work that is started anew needs."""

OnEnd = Literal["unready", "stop", "log"]
"""What the end of background work does beside being counted: the service is not ready any more, or stops in order with status 1, or only
tells its log."""

Restart = Literal["never", "on_failure"]
"""Whether work that raised is started anew, before `OnEnd` has a say."""

MAX_RESTARTS: Final = 5
"""How often in a row work is started anew. Whatever fails once more is a fault that a restart does not mend."""

BACKOFF: Final = Backoff(initial=1.0, factor=2.0, most=60.0)
"""Seconds before work is started anew: 1, 2, 4, 8 and 16, give or take a fifth."""

SETTLED: Final = 60.0
"""Seconds after which work counts as restored: its next failure is the first one in a row."""

log = logging.getLogger("towpath.app")


class WorkEnded(Exception):
    """Background work ended without which the service is not to go on."""


class TooManyFailures(Exception):
    """Background work failed more often in a row than it is started anew."""


class BackgroundWork:
    """The tasks of one application. `on_unready` is called with a name at an end with the policy "unready"."""

    def __init__(self, registry: CollectorRegistry, on_unready: Callable[[str], object]) -> None:
        self.on_stop: Callable[[], object] | None = None
        """Called at an end with the policy "stop", once `ended` is set."""
        self.ended: WorkEnded | None = None
        """The end of work without which the service is not to go on; None as long as there is none."""
        self._registry = registry
        self._on_unready = on_unready
        self._tasks: set[asyncio.Task[Any]] = set()
        self._used = False
        self._closing = False
        self._deaths: Counter | None = None
        self._restarts: Counter | None = None

    def __bool__(self) -> bool:
        """Whether any work was started."""
        return self._used

    def start(self, work: Work, name: str | None, on_end: OnEnd, restart: Restart = "never") -> "asyncio.Task[Any]":
        """Run `work` until it ends for good or the application closes. Raises SetupError for what is no coroutine, or makes none where
        `restart` asks for a function, an unknown policy, or an application that has closed."""
        first = self._checked(work, on_end, restart)
        known = name or str(getattr(first, "__qualname__", type(first).__name__)).rpartition("<locals>.")[2]
        again = work if restart == "on_failure" and callable(work) else None
        self._used = True
        if self._deaths is None:
            self._deaths = self._counter(BACKGROUND_DEATHS)
        if again is not None:
            self._restarts = self._restarts or self._counter(BACKGROUND_RESTARTS)
            self._restarts.labels(known)
        self._deaths.labels(known)  # a series from the beginning: the first death is an increase of it
        context = copy_context()
        context.run(enter, None)  # no call's, even if a handler starts it
        task = asyncio.get_running_loop().create_task(self._run(first, again, known), name=f"background {known}", context=context)
        task.add_done_callback(lambda _: first.close())  # of a task that is cancelled before it begins, nothing runs
        task.add_done_callback(lambda task: self._end(task, known, on_end))
        self._tasks.add(task)
        return task

    async def close(self, seconds: float) -> None:
        """Cancel all work and wait `seconds` at most for its end. Cancellation ends the wait."""
        self._closing = True
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel("the application closes")
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=seconds)
            for task in left:
                log.error("%s goes on in spite of its cancellation, and is left behind", task.get_name())

    async def _run(self, work: Coroutine[Any, Any, Any], again: Callable[[], Coroutine[Any, Any, Any]] | None, name: str) -> None:
        """Run `work` and, if it raises, what `again` makes, until there were `MAX_RESTARTS` in a row. Raises what the last one raised."""
        source, failures = chance.generator(), 0
        following: Coroutine[Any, Any, Any] | None = work
        while True:
            begun = clock.now()
            try:
                return await _contained(following or _made(again))
            except Exception as error:
                failures = 1 if clock.now() - begun >= SETTLED else failures + 1
                if again is None or self._closing:
                    raise
                if failures > MAX_RESTARTS:
                    raise TooManyFailures(f"{_told(error)}, after it was started anew again and again") from error
                log.warning("background work %s failed: %s; it is started anew", name, _told(error), exc_info=error)
            await asyncio.sleep(BACKOFF.delay(failures, source))
            if self._restarts is not None:
                self._restarts.labels(name).inc()
            following = None

    def _counter(self, metric: MetricName) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self._registry)

    def _checked(self, work: object, on_end: str, restart: str) -> Coroutine[Any, Any, Any]:
        """The coroutine to run, of `work` or made by it."""
        name = getattr(work, "__name__", "work")
        if restart not in get_args(Restart):
            _close(work)
            raise SetupError(f"restart is {restart!r}; give one of {', '.join(map(repr, get_args(Restart)))}")
        if restart == "on_failure":
            if inspect.iscoroutine(work):
                _close(work)
                name = str(work.__qualname__).rpartition("<locals>.")[2]
                raise SetupError(
                    f"restart is 'on_failure', and a coroutine runs only once; give the function: app.background({name}, restart=...), or "
                    f"app.background(lambda: {name}(...), restart=...)"
                )
            if callable(work) and not inspect.isclass(work):
                work = work()
        elif inspect.iscoroutinefunction(work):
            raise SetupError(f"app.background was given the function {name}; call it: app.background({name}(...))")
        if not inspect.iscoroutine(work):
            what = "coroutine: app.background(work())" if restart == "never" else "coroutine function: app.background(work, restart=...)"
            raise SetupError(f"app.background was given an object of {type(work).__name__}; give a {what}")
        wrong = None
        if on_end not in get_args(OnEnd):
            wrong = f"on_end is {on_end!r}; give one of {', '.join(map(repr, get_args(OnEnd)))}"
        elif self._closing:
            wrong = "the application has closed, and nothing runs beside its calls any more"
        else:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                wrong = "app.background needs the event loop; call it in main, or in an async handler"
        if wrong is not None:
            work.close()
            raise SetupError(wrong)
        return work

    def _end(self, task: "asyncio.Task[Any]", name: str, on_end: OnEnd) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._closing:
            if error is not None:
                log.error("background work %s failed as it was cancelled", name, exc_info=error)
            return
        if self._deaths is not None:
            self._deaths.labels(name).inc()
        how = "was cancelled" if task.cancelled() else "returned" if error is None else f"failed: {_told(error)}"
        then = {"unready": "the service is not ready any more", "stop": "the service stops", "log": "the service goes on"}[on_end]
        log.error("background work %s %s; %s", name, how, then, exc_info=error)
        if on_end == "unready":
            self._on_unready(f"background work {name}")
        elif on_end == "stop":
            self.ended = self.ended or WorkEnded(f"background work {name} {how}, and the service is not to go on without it")
            if self.on_stop is not None:
                self.on_stop()


async def _contained(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except (SystemExit, KeyboardInterrupt) as error:  # asyncio would end the loop, and all calls with it
        raise RuntimeError(f"it raised {type(error).__name__}") from error


def _made(work: Callable[[], Any] | None) -> Coroutine[Any, Any, Any]:
    made = None if work is None else work()
    if not inspect.iscoroutine(made):
        raise TypeError(f"the function returned an object of {type(made).__name__} and no coroutine")
    return made


def _close(work: object) -> None:
    if inspect.iscoroutine(work):
        work.close()


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
