"""Large answers are made by turns while many bytes of answers wait for their clients.

What a server keeps for its connections has a bound (`towpath._transport.server.connections.buffer_budget`), and to end calls is the last
way to hold it. Before that, calls wait: an answer that is not made takes no memory. So while much is kept, a handler begins, and a message
of a stream is encoded, only when there is room for what comes of it. A connection that has much to read gets more only as its client
reads. Its small answers go on, so that a download holds up nobody's other calls.

How large an answer will be is a guess: as large as the last large one of the same method. So calls with small answers do not wait for the
large ones of others.

Nobody waits for ever. A client that reads all that it is sent gets an answer a second, whatever others leave unread. And of all who wait,
the first one goes on if none did for a second: its client may need this answer before it reads the others.
"""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any, Final, Protocol

from towpath._core import clock
from towpath._transport.server.method_route import LARGE

MODEST: Final = 1024 * 1024
"""Bytes that are kept for one connection without making it greedy: many a message has as many."""

_PATIENCE: Final = 1.0
"""Seconds after which somebody goes on."""


class _Waiting:
    """A call that waits for its turn, to begin or, if it has `begun`, to send what its handler has made."""

    __slots__ = ("begun", "go", "link", "since", "size")

    def __init__(self, link: Hashable, size: int, *, begun: bool) -> None:
        self.link = link
        self.size = size
        self.begun = begun
        self.since = clock.now()
        self.go: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Begun(Protocol):
    """A call whose handler has begun."""

    @property
    def over(self) -> bool:
        """Whether its answer is there, or nobody waits for it any more."""
        ...


class AnswerTurns:
    """The calls of one server whose answers wait for room."""

    __slots__ = ("_behind", "_crowded", "_expected", "_last", "_limit", "_made", "_requests", "_room", "_waiting", "_went_on", "scarce")

    def __init__(self, limit: int) -> None:
        """`limit` is in bytes of answers that are kept."""
        self._limit = limit
        self._room = limit
        self.scarce = False
        """Whether more than half of it is used."""
        self._crowded: set[Hashable] = set()
        """The connections for which more than a little is kept then."""
        self._behind: set[Hashable] = set()
        """The connections for which as much as a large answer is kept."""
        self._expected: dict[Begun, int] = {}
        """Calls that went on, and the bytes of their answers, which are still to come."""
        self._requests: dict[Begun, int] = {}
        """Calls that wait to begin, and the bytes of their requests."""
        self._waiting: dict[_Waiting, None] = {}
        self._made = 0
        """Bytes of those whose answers are made."""
        self._went_on: dict[Hashable, float] = {}
        """When one of those that waited went on, for each connection, within the last second."""
        self._last = 0.0
        """The same, for all of them."""

    @property
    def waiting(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def request_of(self, call: Begun) -> int:
        """Bytes of the request of `call`, if it waits."""
        return self._requests.get(call, 0)

    def measured(self, kept: Mapping[Any, int]) -> None:
        """So many bytes of answers are kept for each connection."""
        total = sum(kept.values())
        self.scarce = total > self._limit >> 1
        self._crowded = {link for link, size in kept.items() if size > MODEST} if self.scarce else set()
        self._behind = {link for link, size in kept.items() if size >= LARGE}
        self._expected = {call: size for call, size in self._expected.items() if not call.over}
        self._room = self._limit - total - sum(self._expected.values())

    async def begin(self, link: Hashable, call: Begun, request: int, size: int) -> None:
        """Until the handler of `call` may begin, with a request of so many bytes, whose answer will have about `size`."""
        self._requests[call] = request
        try:
            await self.wait(link, size)
        finally:
            del self._requests[call]
        task = asyncio.current_task()
        if size and task is not None:
            self._expected[call] = size
            task.add_done_callback(lambda _: self._expected.pop(call, None))  # nobody may measure again for long

    async def wait(self, link: Hashable, size: int, *, begun: bool = False) -> None:
        """Until an answer of `size` bytes may be made for the connection, or sent if the handler has `begun` and made it."""
        one = _Waiting(link, size, begun=begun)
        if not self._has_to_wait(one):
            self._room -= size
            return
        self._waiting[one] = None
        self._made += size * begun
        try:
            await one.go
        finally:
            if self._waiting.pop(one, one) is None:
                self._made -= size * begun

    def _has_to_wait(self, one: _Waiting) -> bool:
        crowded = one.link in self._crowded
        room = self._room if one.begun else self._room - self._made
        if one.size >= LARGE:
            return crowded or room < one.size
        return crowded and room <= 0

    def give(self, now: float) -> None:
        """Let those go on for which there is room, in the order in which they came, but first those whose answers are made."""
        self._went_on = {link: at for link, at in self._went_on.items() if now - at < _PATIENCE}
        for one in sorted(self._waiting, key=lambda one: not one.begun):
            late = now - one.since >= _PATIENCE and one.link not in self._behind and one.link not in self._went_on
            if late or not self._has_to_wait(one):
                self._go(one, now)
        oldest = next(iter(self._waiting), None)
        if oldest is not None and now - max(self._last, oldest.since) >= _PATIENCE:
            self._go(oldest, now)

    def _go(self, one: _Waiting, now: float) -> None:
        del self._waiting[one]
        self._made -= one.size * one.begun
        self._room -= one.size
        self._last = self._went_on[one.link] = now
        if not one.go.done():
            one.go.set_result(None)
