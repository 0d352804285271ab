"""Clients that do not take what they asked for, or do not send what they began: for how long, from one look at a connection to the next.

Both looks are exact, and cost a call next to nothing. What a client has read is known from what was written and what still waits in the
transport, so a client that reads slowly is told from one that reads nothing. And a request that is one message has a time in which it has
to come, which grows with what has come: that bounds a body of which one byte comes a minute, and leaves an upload over a slow line alone
(Apache's RequestReadTimeout has the same rate). Messages of a stream have no such time: a quiet stream is a healthy one.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from towpath._core.errors import RpcError

RATE: Final = 500
"""Bytes of a request by which its client gets a second more."""


class Arriving(Protocol):
    """A call whose request has not come whole."""

    @property
    def received(self) -> int | None:
        """Bytes of its one request that have come; None if there is nothing to wait for."""
        ...

    @property
    def served(self) -> Any:
        """The method that is called."""
        ...

    def cancel(self, error: RpcError, /) -> None:
        """End the call."""
        ...


class Reading(Protocol):
    """A connection, as far as its client's reading goes."""

    written: int
    """Bytes that were handed to the transport."""

    @property
    def unsent(self) -> int:
        """How many of them still wait there."""
        ...


class UnreadTime:
    """How long a client has read nothing of what waits for it."""

    __slots__ = ("_since", "_taken")

    def __init__(self) -> None:
        self._since: float | None = None
        self._taken = 0

    def look(self, link: Reading, now: float) -> float:
        """Seconds, 0 if nothing waits. The time begins with the look that first sees something wait."""
        unsent = link.unsent
        taken = link.written - unsent
        if not unsent:
            self._since = None
        elif self._since is None or taken != self._taken:
            self._since = now
        self._taken = taken
        return 0.0 if self._since is None else now - self._since


class LateRequests:
    """The requests of one connection that have not come whole, and since when they are seen."""

    __slots__ = ("_since", "alone")

    def __init__(self) -> None:
        self._since: dict[Arriving, float] = {}
        self.alone = False
        """Whether there are such requests and no other calls, as of the last look."""

    def look(self, arriving: Iterable[Arriving], now: float, timeout: float) -> list[Arriving]:
        """Those of `arriving` that have had `timeout` seconds, and a second more for each `RATE` bytes of theirs that have come."""
        before, self._since = self._since, {}
        late: list[Arriving] = []
        others = 0
        for call in arriving:
            received = call.received
            if received is None:
                others += 1
                continue
            since = self._since[call] = before.get(call, now)
            if now - since >= timeout + received / RATE:
                late.append(call)
        self.alone = bool(self._since) and not others
        return late

    def all_late(self, arriving: Iterable[Arriving], now: float, timeout: float) -> bool:
        """Whether each of `arriving` has had its time."""
        since = self._since
        return all(call.received is not None and call in since and now - since[call] >= timeout + call.received / RATE for call in arriving)
