"""More connections to one endpoint, made while a server's limit on concurrent streams leaves calls waiting, and given back when idle.

A server's SETTINGS_MAX_CONCURRENT_STREAMS is per connection, and often 100. Go's client, Envoy and grpc-dotnet go over to another
connection there; gRPC's core lets calls wait. A call that waits for a long stream to end can wait for ever, so another connection is made
here. Their number is bounded, or one client could take all the connections that its server has.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

from towpath._core import clock
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.connection_age import jittered_age

_LOOK: Final = 15.0
"""Seconds from one look at whether a connection is still used to the next; it is given back if nothing was asked in between."""

_PAUSE: Final = 1.0
"""Seconds after a failure before another connection is tried for: calls go on over those that there are."""


class FurtherConnections:
    """Those of one endpoint beside its first. `dial` makes one, or None if it cannot be had; then `look_again` is called after a while, for
    calls that still wait."""

    def __init__(
        self,
        most: int,
        max_age: float | None,
        source: random.Random,
        dial: Callable[[], Coroutine[Any, Any, ClientLink | None]],
        look_again: Callable[[], None],
    ) -> None:
        self.links: list[ClientLink] = []
        """Those that take calls."""
        self._most = most
        self._max_age = max_age
        self._source = source
        self._dial = dial
        self._look_again = look_again
        self._timers: dict[ClientLink, asyncio.TimerHandle] = {}
        self._dialling = False
        self._soonest = 0.0

    def room(self) -> ClientLink | None:
        """One that takes a stream now."""
        for link in self.links:
            if link.connection.can_open():
                return link
        return None

    def wanted(self, full: ClientLink) -> bool:
        """Whether one more is to be made, for a call that found `full` and all the others full."""
        return (
            not self._dialling
            and len(self.links) < self._most
            and len(full.connection.streams) > 0  # or the server takes none at all, and would not over another one
            and clock.now() >= self._soonest
            and self.room() is None
        )

    def add(self, keep: Callable[[ClientLink], bool]) -> Coroutine[Any, Any, None]:
        """What makes one more; from now on no other is wanted. It is let go again unless `keep` says that it is still of use."""
        self._dialling = True
        return self._add(keep)

    async def _add(self, keep: Callable[[ClientLink], bool]) -> None:
        try:
            link = await self._dial()
        finally:
            self._dialling = False
        if link is None:
            self._soonest = clock.now() + _PAUSE
            asyncio.get_running_loop().call_later(_PAUSE, self._look_again)
        elif keep(link):
            self.links.append(link)
            ends = None if self._max_age is None else clock.now() + jittered_age(self._max_age, self._source)
            link.closed.add_done_callback(lambda _: self._timers.pop(link).cancel())
            self._look_later(link, ends)
        else:
            link.finish()

    def remove(self, link: ClientLink) -> None:
        """It takes no calls any more."""
        if link in self.links:
            self.links.remove(link)

    def finish(self) -> None:
        """Let all of them end with their calls."""
        links, self.links = self.links, []
        for link in links:
            link.finish()

    def _look_later(self, link: ClientLink, ends: float | None) -> None:
        wait = _LOOK if ends is None else min(_LOOK, max(0.0, ends - clock.now()))
        self._timers[link] = asyncio.get_running_loop().call_later(wait, self._look, link, link.connection.opened(), ends)

    def _look(self, link: ClientLink, opened: int, ends: float | None) -> None:
        if link not in self.links:
            return
        connection = link.connection
        old = ends is not None and clock.now() >= ends
        if old or (not connection.streams and connection.opened() == opened):
            self.links.remove(link)
            link.finish()
        else:
            self._look_later(link, ends)
