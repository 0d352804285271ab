"""Whether a service can do its work now, by probes of what it depends on: its database, its cache.

A probe is asked every few seconds, and the service is ready while all of them succeed. A probe that raises, returns False or does not
answer in time has failed. One that goes on in spite of its cancellation is not asked again before it has ended, so that no tasks pile up.
The log has one entry for each change, not for each question.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, Final, cast

from prometheus_client import CollectorRegistry, Gauge

from towpath._core.context import enter
from towpath._core.disclosure.printable import shortened
from towpath._core.errors import SetupError
from towpath._telemetry.metric_names import READY

Probe = Callable[[], Awaitable[object]]
"""An async function that succeeds if what it asks is there. The result False is a failure, and any other a success."""

DEFAULT_EVERY: Final = 5.0
"""Seconds between two questions."""

DEFAULT_TIMEOUT: Final = 2.0
"""Seconds that a probe may take."""

_YEAR: Final = 365 * 86_400.0

log = logging.getLogger("towpath.app")


class _Probed:
    """One probe, and what it said last."""

    def __init__(self, name: str, probe: Probe, every: float, timeout: float) -> None:
        self.name = name
        self.probe = probe
        self.every = every
        self.timeout = timeout
        self.asked = asyncio.Event()
        """Set once the first answer has come, or has not come in time."""
        self.kind = ""
        """The kind of its last failure; empty after a success and before the first answer."""
        self.running: asyncio.Task[object] | None = None


class Readiness:
    """The probes of one application. `on_change` are called with True or False whenever the service becomes ready, or is not any more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.on_change: list[Callable[[bool], object]] = []
        self._registry = registry
        self._gauge: Gauge | None = None
        self._failed: dict[str, None] = {}
        self._probes: dict[str, _Probed] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether nothing that the service depends on is missing."""
        return not self._failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of what is missing, in the order in which it was lost. A probe that was not answered yet is among them."""
        return tuple(self._failed)

    def add(self, name: str, probe: Probe, every: float, timeout: float) -> None:
        """Ask `probe` from now on. Raises SetupError for a probe that cannot be asked, a name that is taken, and times out of range."""
        self._check(name, probe, every, timeout)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise SetupError("app.ready needs the event loop; call it in main") from None
        probed = self._probes[name] = _Probed(name, probe, every, timeout)
        self._change(name, failed=True)
        context = copy_context()
        context.run(enter, None)  # no call's
        self._tasks.append(loop.create_task(self._watch(probed), name=f"probe {name}", context=context))

    def fail(self, name: str) -> None:
        """Be not ready from now on, because of `name`, which no probe can bring back."""
        self._change(name, failed=True)

    async def asked(self) -> None:
        """Wait until each probe was asked once, which takes as long as the longest of their timeouts at most. Raises SetupError if a probe
        is no coroutine function."""
        for probed in self._probes.values():
            await probed.asked.wait()
        for task in self._tasks:
            if task.done():
                task.result()

    async def close(self) -> None:
        """Ask nothing any more. A probe under way is cancelled, and not waited for longer than its cancellation takes a moment."""
        tasks, self._tasks = self._tasks, []
        running = [probed.running for probed in self._probes.values() if probed.running is not None]
        for task in (*tasks, *running):
            task.cancel()
        if tasks or running:
            await asyncio.wait((*tasks, *running), timeout=_MOMENT)

    def _check(self, name: str, probe: object, every: float, timeout: float) -> None:
        where = f"app.ready({name!r})"
        if name in self._probes:
            raise SetupError(f"{where} was called before; give the second probe another name")
        for option, value in (("every", every), ("timeout", timeout)):
            if not 0 < value <= _YEAR:
                raise SetupError(f"{where}: {option} is {value!r}; give seconds, more than 0")
        if inspect.iscoroutine(probe):
            probe.close()
            raise SetupError(f"{where}: the probe is a coroutine, which can be asked once; give the function that makes it")
        if not callable(probe):
            raise SetupError(f"{where}: the probe is an object of {type(probe).__name__}; give an async function without parameters")
        try:
            inspect.signature(probe).bind()
        except TypeError:
            raise SetupError(f"{where}: the probe cannot be called without arguments; give an async function without parameters") from None
        except ValueError:  # compiled code without a signature: the first question will tell
            return

    async def _watch(self, probed: _Probed) -> None:
        try:
            while True:
                kind, reason = await self._ask(probed)
                self._tell(probed, kind, reason)
                probed.asked.set()
                await asyncio.sleep(probed.every)
        finally:
            probed.asked.set()

    async def _ask(self, probed: _Probed) -> tuple[str, str]:
        """Ask once. Returns the kind of the failure and its description, and two empty texts for a success."""
        if probed.running is not None and not probed.running.done():
            return "silent", f"did not answer within {probed.timeout:g} s, and goes on in spite of its cancellation"
        try:
            answer: Any = probed.probe()
        except Exception as error:  # noqa: BLE001 - a failed probe is an answer
            return type(error).__name__, _told(error)
        if not inspect.isawaitable(answer):
            raise SetupError(
                f"app.ready({probed.name!r}): the probe is a plain function, which would block the event loop, and returned "
                f"{type(answer).__name__}; write `async def`"
            )
        task = probed.running = asyncio.ensure_future(_awaited(cast("Awaitable[object]", answer)))
        if inspect.iscoroutine(answer):  # a task that is cancelled before its first turn leaves it as it is
            task.add_done_callback(lambda _: answer.close())
        done, _ = await asyncio.wait({task}, timeout=probed.timeout)
        if not done:
            task.cancel()
            task.add_done_callback(_heard)
            return "silent", f"did not answer within {probed.timeout:g} s"
        if task.cancelled():
            return "cancelled", "was cancelled"
        error = task.exception()
        if error is not None:
            return type(error).__name__, _told(error)
        return ("refused", "said no") if task.result() is False else ("", "")

    def _tell(self, probed: _Probed, kind: str, reason: str) -> None:
        first, changed = not probed.asked.is_set(), kind != probed.kind
        probed.kind = kind
        if kind and changed:
            log.warning("not ready: %s %s", probed.name, reason)
        elif changed and not first:
            log.info("%s is there again", probed.name)
        self._change(probed.name, failed=bool(kind))

    def _change(self, name: str, *, failed: bool) -> None:
        was = self.ready
        if failed:
            self._failed.setdefault(name)
        else:
            self._failed.pop(name, None)
        if self._gauge is None:
            self._gauge = Gauge(READY.name, READY.help, READY.labels, registry=self._registry)
        self._gauge.labels(name).set(not failed)
        if was != self.ready:
            for told in self.on_change:
                told(self.ready)


_MOMENT: Final = 0.5
"""Seconds that a probe has to end after its cancellation."""


async def _awaited(answer: Awaitable[object]) -> object:
    try:
        return await answer
    except (SystemExit, KeyboardInterrupt) as error:  # asyncio would end the loop
        raise RuntimeError(f"it raised {type(error).__name__}") from error


def _heard(task: "asyncio.Task[object]") -> None:
    """Take the exception of a probe that was given up, of which asyncio would complain."""
    if not task.cancelled():
        task.exception()


def _told(error: BaseException) -> str:
    return f"failed: {type(error).__name__}: {shortened(str(error))}"
