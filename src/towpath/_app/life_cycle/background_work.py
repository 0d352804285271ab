"""Work of the service that goes on beside its calls: a cache that is filled anew, a queue that is read.

asyncio says nothing when such a task ends, until somebody awaits it, and a service whose cache has died looks healthy. So each end before
that of the service is logged and counted, and is treated as its policy says. Work that belongs to one call and goes on after its answer is
`towpath.background_task`, which may end.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Literal, get_args

from prometheus_client import CollectorRegistry, Counter

from towpath._core.context import enter
from towpath._core.errors import SetupError
from towpath._telemetry.metric_names import BACKGROUND_DEATHS

OnEnd = Literal["unready", "stop", "log"]
"""What the end of background work does beside being counted: the service is not ready any more, or stops in order with status 1, or only
tells its log."""

log = logging.getLogger("towpath.app")


class WorkEnded(Exception):
    """Background work ended without which the service is not to go on."""


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

    def __bool__(self) -> bool:
        """Whether any work was started."""
        return self._used

    def start(self, work: Coroutine[Any, Any, Any], name: str | None, on_end: OnEnd) -> "asyncio.Task[Any]":
        """Run `work` until it ends or the application closes. Raises SetupError for what is no coroutine, an unknown policy, or an
        application that has closed."""
        self._check(work, on_end)
        known = name or str(getattr(work, "__qualname__", type(work).__name__)).rpartition("<locals>.")[2]
        self._used = True
        if self._deaths is None:
            known_as = BACKGROUND_DEATHS
            self._deaths = Counter(known_as.name, known_as.help, known_as.labels, registry=self._registry)
        self._deaths.labels(known)  # a series from the beginning: the first death is an increase of it
        context = copy_context()
        context.run(enter, None)  # no call's, even if a handler starts it
        task = asyncio.get_running_loop().create_task(_contained(work), name=f"background {known}", context=context)
        task.add_done_callback(lambda _: work.close())  # of a task that is cancelled before it begins, nothing runs
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

    def _check(self, work: object, on_end: str) -> None:
        if inspect.iscoroutinefunction(work):
            name = getattr(work, "__name__", "work")
            raise SetupError(f"app.background was given the function {name}; call it: app.background({name}(...))")
        if not inspect.iscoroutine(work):
            raise SetupError(f"app.background was given an object of {type(work).__name__}; give a coroutine: app.background(work())")
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

    def _end(self, task: "asyncio.Task[Any]", name: str, on_end: OnEnd) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._closing:
            if error is not None:
                log.error("background work %s failed as it was cancelled", name, exc_info=error)
            return
        if self._deaths is not None:
            self._deaths.labels(name).inc()
        how = "was cancelled" if task.cancelled() else "returned" if error is None else f"failed: {str(error) or type(error).__name__}"
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
