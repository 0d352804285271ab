"""How many bytes a server keeps in buffers for all its connections: requests that have come in part, and answers that are not read.

No single limit bounds their sum. Each message may be large, each connection may have many streams, and there may be many connections. So
they share one budget. From a quarter of it on, requests that have come in part get room for their rest one after the other, the oldest
first: then a crowd of clients that upload at once waits a little, and none fails. From there on large answers are made by turns, too
(`towpath._transport.server.connections.answer_turns`). Beyond the whole of it, for a second without a break, the greediest connection pays.
Its calls end for which most is kept. If what is kept is on its way in the socket, which belongs to no call, the connection ends.

Large answers to clients that read them are no attack, and many slow clients are none. So a connection is spared if its client would take
what is kept within a minute or so. It is also spared if little is kept for it, as long as all together use little more than the budget.
Beyond `_SPARED_FACTOR` times the budget nothing is spared, and nothing waits for a second. What leads there are answers of calls that had
begun before there was much, since nobody knows how large an answer is before it is there.

A connection or call that keeps bytes says so by `grew`. The sum of these is more than what is kept, since most of it goes again at once.
So it only tells when to look. What is kept is measured then, at the connections that said so, once so much may have come that a bound can
be exceeded. A call whose request and answer come and go in one piece pays nothing for that.
"""

import asyncio
from collections.abc import Iterator, Mapping
from math import inf
from typing import Final, NamedTuple, Protocol

from towpath._core import clock
from towpath._core.decisions import Decision, Signal
from towpath._transport.server.call import PartialRequest
from towpath._transport.server.connections.answer_turns import MODEST, AnswerTurns
from towpath._transport.server.connections.connection_limits import ROLE

BUFFERS_FULL: Final = "BUFFERS_FULL"
"""Calls or a connection ended, since the server keeps too many bytes and most of them there."""

_SPARED_FACTOR: Final = 4
"""How many times the budget may be used for a moment, and by connections that are spared."""

_MODEST_FACTOR: Final = 1.25
"""How many times the budget may be used by connections for each of which little is kept, even if they take nothing."""

_PATIENCE: Final = 1.0
"""Seconds for which more than the budget may be used, and within which a connection that is spared takes its part."""

_PACE: Final = 64
"""A connection makes progress if its client takes one part in so many of what is kept within `_PATIENCE`, or ends requests of that size."""

_LOOKS: Final = 16
"""One part in so many of the budget may come before all connections are looked at again."""

_LOOKS_AT_MUCH: Final = 128
"""One part in so many of the budget is room for the rest of requests, each time, while more than three quarters of it are used."""

_NOT_NOW: Final = -(1 << 62)
"""Bytes that are never reached by what comes while a look lasts."""

_INTERVAL: Final = 0.02
"""Seconds between two looks while more than a quarter of the budget is used."""

_PER_CALL: Final = 20e-6
"""Seconds more for each call that is looked at, which takes about 2 us: looks take a tenth of the time at the most."""


class Kept(Protocol):
    """A call, or what else bytes are kept for."""

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        ...

    @property
    def retained(self) -> int:
        """How many of them are of an answer."""
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


class Progress(NamedTuple):
    """What a connection had done when it was last seen to go on."""

    taken: int
    """Bytes of answers that its client had taken."""
    requests: int
    """The most bytes of requests that were kept for it since."""
    at: float
    """When that was."""


class BufferBudget:
    """The bytes that one server keeps."""

    __slots__ = (
        "_calls",
        "_growing",
        "_limit",
        "_over_since",
        "_overdrawn",
        "_progress",
        "_room",
        "_signal",
        "_since",
        "_timer",
        "_used",
        "_waiting",
        "scarce",
        "tight",
        "turns",
    )

    def __init__(self, limit: int, signal: Signal) -> None:
        """`limit` in bytes."""
        self._limit = limit
        self._signal = signal
        self._since = self._used = self._calls = 0
        self._room = limit >> 2
        self.tight = False
        """Whether more than a quarter of the budget is used: a request that has come in part asks for room by `ask`."""
        self.scarce = False
        """Whether answers use more than a quarter of it: another large one waits in `turns`."""
        self.turns = AnswerTurns(limit >> 1)
        self._growing: dict[Keeper, None] = {}
        """The connections for which something is kept, or was a moment ago."""
        self._progress: dict[Keeper, Progress] = {}
        """What each of them has taken and has to send."""
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
        self._progress.pop(link, None)
        self._overdrawn.discard(link)

    def look(self) -> None:
        """Measure what is kept, and have the greediest pay if it is too much."""
        self._since = _NOT_NOW  # what is written while calls end must not lead here again
        now = clock.now()
        used, answers = self._measure()
        self.turns.measured(answers)
        self.scarce = self.turns.scarce
        self._growing = {link: None for link, size in used.items() if size}
        self._progress = {link: self._progress_of(link, used[link], answers[link], now) for link in self._growing}
        total = sum(used.values())
        if total <= self._limit:
            self._over_since = inf
        else:
            self._over_since = min(self._over_since, now)
            if now - self._over_since >= _PATIENCE or total > self._limit * _SPARED_FACTOR:
                total -= self._charge_greediest(used, total, now)
        self._since, self._used = 0, total
        quarter = self._limit >> 2
        self.tight = total > quarter
        self._room = max(quarter - total, self._limit // _LOOKS)
        if self._timer is None and (self.tight or self.turns.waiting):
            self._timer = asyncio.get_running_loop().call_later(_INTERVAL + self._calls * _PER_CALL, self.give_turns)

    def _measure(self) -> tuple[dict[Keeper, int], dict[Keeper, int]]:
        """Bytes that are kept for each connection, and how many of them are of answers."""
        used: dict[Keeper, int] = {}
        answers: dict[Keeper, int] = {}
        self._calls = 0
        for link in self._growing:
            if link not in self._overdrawn:
                calls = list(link.kept())
                self._calls += len(calls)
                used[link] = link.held + sum(call.held for call in calls)
                answers[link] = link.held + sum(call.retained for call in calls)
        return used, answers

    def _progress_of(self, link: Keeper, kept: int, answers: int, now: float) -> Progress:
        taken, requests = link.written - link.unsent, kept - answers
        before = self._progress.get(link)
        if before is None or max(taken - before.taken, before.requests - requests) * _PACE > kept:
            return Progress(taken, requests, now)
        return Progress(before.taken, max(before.requests, requests), before.at)

    def _charge_greediest(self, used: Mapping[Keeper, int], total: int, now: float) -> int:
        """Have the greediest connections pay until no more than the budget is used. Returns how many bytes they have paid."""
        paid = 0
        for link in sorted(self._growing, key=used.__getitem__, reverse=True):
            if total - paid <= self._limit:
                break
            spared = now - self._progress[link].at < _PATIENCE or (used[link] <= MODEST and total - paid <= self._limit * _MODEST_FACTOR)
            if not spared or total - paid > self._limit * _SPARED_FACTOR:
                paid += self._charge(link, used[link], total - paid - self._limit)
        return paid

    def _charge(self, link: Keeper, size: int, excess: int) -> int:
        """Have `link`, for which `size` bytes are kept, pay for `excess` bytes and some more. Returns how many it has paid."""
        self._signal(Decision("", ROLE, BUFFERS_FULL, False, None, True))
        reason = "the server keeps too many bytes for this connection"
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
        self.turns.give(clock.now())
        room = self._limit // (_LOOKS if self._used <= self._limit * 3 // 4 else _LOOKS_AT_MUCH)
        for request in list(self._waiting):
            if not request.partial:
                del self._waiting[request]
            elif request.owed and (not self.tight or room > 0):
                # The oldest one goes first until it has come whole: if all went on a little, all would be kept.
                room -= request.owed
                request.give_room()
        if not self.tight:
            self._waiting.clear()
