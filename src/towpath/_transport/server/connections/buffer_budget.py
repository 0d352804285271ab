"""How many bytes a server keeps in buffers for all its connections: requests that have come in part, and answers that are not read.

No single limit bounds their sum. Each message may be large, each connection may have many streams, and there may be many connections. So
they share one budget. Beyond a quarter of it, requests that have come in part get room for their rest one after the other, the oldest
first: then a crowd of clients that upload at once waits a little, and none fails. Beyond the whole of it, for a second without a break, the
greediest connection pays. Its calls end for which most is kept. If what is kept is on its way in the socket, which belongs to no call, the
connection ends.

Large answers to clients that read them are no attack, and many slow clients are none. So a connection is spared if it took something within
the last second, or if little is kept for it. Beyond `_SPARED_FACTOR` times the budget nothing is spared, and nothing waits for a second.

A connection or call that keeps bytes says so by `grew`. The sum of these is more than what is kept, since most of it goes again at once.
So it only tells when to look. What is kept is measured then, at the connections that said so, once so much may have come that a bound can
be exceeded. A call whose request and answer come and go in one piece pays nothing for that.
"""

import asyncio
from collections.abc import Iterator, Mapping
from math import inf
from typing import Final, Protocol

from towpath._core import clock
from towpath._core.decisions import Decision, Signal
from towpath._transport.server.call import PartialRequest
from towpath._transport.server.connections.connection_limits import ROLE

BUFFERS_FULL: Final = "BUFFERS_FULL"
"""Calls or a connection ended, since the server keeps too many bytes and most of them there."""

_SPARED: Final = 1024 * 1024
"""Bytes that are kept for one connection without making it greedy: many a message has as many."""

_SPARED_FACTOR: Final = 4
"""How many times the budget may be used for a moment, and by connections that are spared."""

_PATIENCE: Final = 1.0
"""Seconds for which more than the budget may be used, and within which a connection that takes something is spared."""

_LOOKS: Final = 16
"""One part in so many of the budget may come before all connections are looked at again."""

_NOT_NOW: Final = -(1 << 62)
"""Bytes that are never reached by what comes while a look lasts."""

_INTERVAL: Final = 0.02
"""Seconds between two looks while more than a quarter of the budget is used."""


class Kept(Protocol):
    """A call, or what else bytes are kept for."""

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        ...

    def overdrawn(self, reason: str) -> None:
        """End it, and keep nothing any more."""
        ...


class Keeper(Protocol):
    """A connection."""

    loop: asyncio.AbstractEventLoop
    written: int
    """Bytes that were handed to the transport."""

    @property
    def unsent(self) -> int:
        """How many of them the client has not taken."""
        ...

    @property
    def held(self) -> int:
        """Bytes that are kept for the socket."""
        ...

    def kept(self) -> Iterator[Kept]:
        """The calls for which bytes are kept."""
        ...

    def overdrawn(self, reason: str) -> None:
        """End the connection, and keep nothing any more."""
        ...


class BufferBudget:
    """The bytes that one server keeps."""

    __slots__ = ("_growing", "_limit", "_over_since", "_overdrawn", "_room", "_signal", "_since", "_taken", "_timer", "_waiting", "tight")

    def __init__(self, limit: int, signal: Signal) -> None:
        """`limit` in bytes."""
        self._limit = limit
        self._signal = signal
        self._since = 0
        self._room = limit >> 2
        self.tight = False
        """Whether more than a quarter of the budget is used: a request that has come in part asks for room by `ask`."""
        self._growing: dict[Keeper, None] = {}
        """The connections for which something is kept, or was a moment ago."""
        self._taken: dict[Keeper, tuple[int, float]] = {}
        """How much each of them had taken, and when that was last seen to be more."""
        self._overdrawn: set[Keeper] = set()
        """Connections that have paid and are ending."""
        self._over_since = inf
        """Since when more than the budget is used."""
        self._waiting: dict[PartialRequest, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def grew(self, link: Keeper, size: int) -> None:
        """So many bytes are kept for `link` that were not kept before, at the most."""
        self._growing[link] = None
        self._since += size
        if self._since > self._room:
            self.look()

    def ask(self, request: PartialRequest) -> None:
        """Give room to `request` when its turn has come."""
        self._waiting.setdefault(request)

    def leave(self, link: Keeper) -> None:
        """The connection has ended."""
        self._growing.pop(link, None)
        self._taken.pop(link, None)
        self._overdrawn.discard(link)

    def look(self) -> None:
        """Measure what is kept, and have the greediest pay if it is too much."""
        self._since = _NOT_NOW  # what is written while calls end must not lead here again
        now = clock.now()
        used = {link: link.held + sum(kept.held for kept in link.kept()) for link in self._growing if link not in self._overdrawn}
        self._growing = {link: None for link, size in used.items() if size}
        self._taken = {link: self._taken_by(link, now) for link in self._growing}
        total = sum(used.values())
        if total <= self._limit:
            self._over_since = inf
        else:
            self._over_since = min(self._over_since, now)
            if now - self._over_since >= _PATIENCE or total > self._limit * _SPARED_FACTOR:
                total -= self._charge_greediest(used, total, now)
        self._since = 0
        quarter = self._limit >> 2
        self.tight = total > quarter
        self._room = max(quarter - total, self._limit // _LOOKS)
        if self.tight and self._timer is None:
            for link in self._growing:
                self._timer = link.loop.call_later(_INTERVAL, self.give_turns)
                break

    def _taken_by(self, link: Keeper, now: float) -> tuple[int, float]:
        taken = link.written - link.unsent
        before = self._taken.get(link)
        return (taken, now) if before is None or taken > before[0] else before

    def _charge_greediest(self, used: Mapping[Keeper, int], total: int, now: float) -> int:
        """Have the greediest connections pay until no more than the budget is used. Returns how many bytes they have paid."""
        paid = 0
        for link in sorted(self._growing, key=used.__getitem__, reverse=True):
            if total - paid <= self._limit:
                break
            spared = used[link] <= _SPARED or now - self._taken[link][1] < _PATIENCE
            if not spared or total - paid > self._limit * _SPARED_FACTOR:
                paid += self._charge(link, used[link], total - paid - self._limit)
        return paid

    def _charge(self, link: Keeper, size: int, excess: int) -> int:
        """Have `link`, for which `size` bytes are kept, pay for `excess` bytes and some more. Returns how many it has paid."""
        self._signal(Decision("", ROLE, BUFFERS_FULL, False, None, True))
        reason = f"the server keeps too many bytes, {size} of them for this connection"
        if link.held * 2 > size:
            self._overdrawn.add(link)
            link.overdrawn(reason)
            return size
        wanted = excess + self._limit // _LOOKS
        paid = 0
        for kept in sorted(link.kept(), key=lambda kept: kept.held, reverse=True):
            if paid >= wanted:
                break
            paid += kept.held
            kept.overdrawn(reason)
        return paid

    def give_turns(self) -> None:
        """Give room to the requests that wait for it, as far as there is some, by turns."""
        self._timer = None
        self.look()
        room = self._limit // _LOOKS
        for request in list(self._waiting):
            if not request.partial:
                del self._waiting[request]
            elif request.owed and (not self.tight or room > 0):
                room -= request.owed
                del self._waiting[request]
                self._waiting[request] = None  # behind all others: one that sends little must not be always the first
                request.give_room()
        if not self.tight:
            self._waiting.clear()
