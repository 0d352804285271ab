"""The ASGI applications that an `App` serves beside its services: made known before it starts, started and ended with it."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from towpath._transport.server.mounts.lifespan import Lifespan
from towpath._transport.server.mounts.mount import AsgiApp, LifespanMode, MaxBody, Mount, mounted

_LAST_WORDS: Final = 2.0
"""Seconds that an application has to end at the least, and that a request has which was cancelled."""


class MountedApplications:
    """The applications of one `App`."""

    def __init__(self) -> None:
        self.mounts: list[Mount] = []
        self._lifespans: list[Lifespan] = []

    def add(self, prefix: str, app: AsgiApp, *, max_body: MaxBody, lifespan: LifespanMode) -> None:
        """Mount one more. Raises SetupError for what cannot be mounted, or not there."""
        self.mounts.append(mounted(prefix, app, max_body=max_body, lifespan=lifespan, others=self.mounts))

    @property
    def names(self) -> tuple[str, ...]:
        """The paths at which they are, in order."""
        return tuple(mount.name for mount in self.mounts)

    async def start(self) -> None:
        """Start each, in order. Raises SetupError for the first that fails, after those before it have ended again."""
        for mount in self.mounts:
            lifespan = Lifespan(mount)
            try:
                await lifespan.start()
            except BaseException:
                await self.stop(0.0)
                raise
            self._lifespans.append(lifespan)

    async def stop(self, grace: float) -> None:
        """End each, in reverse order, once they have ended the work that outlives its response or its client. What takes longer than
        `grace` seconds is cancelled; 2 seconds are given at the least to end in."""
        try:
            await self._finish_left(grace)
        finally:
            async with AsyncExitStack() as ends:  # each of them ends, also where this is cancelled
                for lifespan in self._lifespans:
                    ends.push_async_callback(lifespan.stop, max(grace, _LAST_WORDS))
                self._lifespans.clear()

    async def _finish_left(self, grace: float) -> None:
        left = {task for mount in self.mounts for task in mount.running if task is not None}
        try:
            if left:
                await asyncio.wait(left, timeout=grace)
        finally:
            late = {task for task in left if not task.done()}
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_WORDS)
