"""The lifespan of a mounted application (https://asgi.readthedocs.io/en/latest/specs/lifespan.html): its start before the server listens,
and its end after the last call. Both happen in one task, since an application may hold across them what belongs to a task."""

import asyncio
import logging
from typing import Any, Final

from towpath._core.disclosure.printable import printable
from towpath._core.errors import SetupError
from towpath._transport.server.mounts.mount import Event, Mount

log = logging.getLogger("towpath.server")

_STARTUP: Final = "lifespan.startup"
_SHUTDOWN: Final = "lifespan.shutdown"

_LAST_WORDS: Final = 1.0
"""Seconds that an application has to return when it has nothing more to do, and when it is cancelled."""


class Lifespan:
    """The lifespan of one application: `start`, then `stop`."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._task: asyncio.Task[None] | None = None
        self._heard = False
        """Whether the application has taken the event of the start, and so knows what a lifespan is."""
        self._foreign = False
        """Whether the application answered with what is no event of a lifespan."""
        self._fault = ""
        self._started = False
        self._answered = asyncio.Event()
        self._events: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        """Start the application, and wait until it has started. Does nothing for one that knows no lifespan. Raises SetupError if it fails.
        If this is cancelled, so is the application's start."""
        if self._mount.lifespan == "off":
            return
        task = self._task = asyncio.create_task(self._run(), name=f"lifespan of the application mounted at {self._mount.name}")
        self._events.put_nowait(_STARTUP)
        try:
            await self._until_answered(task)
        except asyncio.CancelledError:
            await self._end(task, 0.0)
            raise
        if self._started:
            return
        self._task = None
        error = await self._end(task, _LAST_WORDS)
        if self._fault or (self._heard and not self._foreign and error is not None):
            if error is not None:
                log.error("the application mounted at %s failed to start", self._mount.name, exc_info=error)
            why = self._fault or f"{type(error).__name__}: {error}"
            raise SetupError(
                f"the application mounted at {self._mount.name} did not start: {_last_line(why)}; mend it, or mount it with "
                'lifespan="off" if it needs no start'
            )

    async def stop(self, seconds: float) -> None:
        """End the application, and wait so many seconds for that. Its failure is logged. If this is cancelled, so is what is left of it."""
        task, self._task = self._task, None
        if task is None:
            return
        self._answered.clear()
        self._events.put_nowait(_SHUTDOWN)
        late = False
        try:
            async with asyncio.timeout(seconds):
                await self._until_answered(task)
        except TimeoutError:
            late = True
            log.warning("the application mounted at %s did not end within %.1f seconds, and is cancelled", self._mount.name, seconds)
        except asyncio.CancelledError:
            late = True
            raise
        finally:
            error = await self._end(task, 0.0 if late else _LAST_WORDS)
        if self._fault or error is not None:
            why = _last_line(self._fault or f"{type(error).__name__}: {error}")
            log.error("the application mounted at %s failed to end: %s", self._mount.name, why, exc_info=error)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._mount.state}
        await self._mount.app(scope, self._receive, self._send)

    async def _receive(self) -> Event:
        event = await self._events.get()
        self._heard = True
        return {"type": event}

    async def _send(self, event: Event) -> None:
        kind = event["type"]
        if kind == f"{_STARTUP}.complete":
            self._started = True
        elif kind in (f"{_STARTUP}.failed", f"{_SHUTDOWN}.failed"):
            self._fault = str(event.get("message", "")) or "it does not say why"
        elif kind != f"{_SHUTDOWN}.complete":
            self._foreign = True
            raise RuntimeError(f"{kind!r} is no event of a lifespan")
        self._answered.set()

    async def _until_answered(self, task: asyncio.Task[Any]) -> None:
        answered = asyncio.create_task(self._answered.wait())
        try:
            await asyncio.wait((answered, task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            answered.cancel()
            await asyncio.wait((answered,))

    async def _end(self, task: asyncio.Task[None], seconds: float) -> BaseException | None:
        """Let the application return within so many seconds, since it has nothing more to do, and give back what it has raised."""
        if seconds and not task.done():
            await asyncio.wait((task,), timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=_LAST_WORDS)
        if not task.done():
            log.warning("the application mounted at %s goes on though it was cancelled", self._mount.name)
        return task.exception() if task.done() and not task.cancelled() else None


def _last_line(text: str) -> str:
    """Starlette gives a whole traceback for a reason."""
    lines = text.strip().splitlines() or [""]
    return printable(lines[-1].strip())
