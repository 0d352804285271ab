"""How many connections a server has, from whom, and for how long.

A connection costs a socket before it has said anything, and one that lives for ever keeps its client from ever finding a new replica. The
age is gRPC's MAX_CONNECTION_AGE, with its jitter of ten percent so that clients that came together do not leave together
(https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md).
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol

from towpath.core import chance, clock
from towpath.core.deadline import Slot, wheel_of

_JITTER: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """`total` (10,000) and `per_peer` (None: any number, since a proxy is one peer) bound the connections that are open at once; one more
    is closed without a word. `max_age` (seconds, None: any) is after how long one is drained, give or take a tenth: its calls finish, and
    its client connects anew."""

    total: int = 10_000
    per_peer: int | None = None
    max_age: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a limit that lets nobody in."""
        for name, value in (("total", self.total), ("per_peer", self.per_peer), ("max_age", self.max_age)):
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value}; give more than 0")


class Connections:
    """The connections of one server."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._source = chance.generator()
        self._by_peer: Counter[str] = Counter()

    def admit(self, peer: str) -> bool:
        """Count a connection from the host `peer`, unless it is one too many."""
        limits = self._limits
        most = limits.per_peer
        if self._by_peer.total() >= limits.total or (most is not None and self._by_peer[peer] >= most):
            return False
        self._by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """A connection that was admitted has ended."""
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def age(self, link: "Draining") -> None:
        """Drain `link` once it has reached its age."""
        if self._limits.max_age is not None:
            until = clock.now() + self._limits.max_age * self._source.uniform(1 - _JITTER, 1 + _JITTER)
            aging = _Aging(link)
            slot: Slot = wheel_of(link.loop).add(until, aging)
            link.closed.add_done_callback(lambda _: slot.pop(aging, None))


class Draining(Protocol):
    """A connection that can be drained."""

    loop: asyncio.AbstractEventLoop
    closed: asyncio.Future[None]

    def drain(self) -> None:
        """Ask the client to go elsewhere, and close once nothing is under way."""
        ...


class _Aging:
    """What stands on the wheel for a connection."""

    def __init__(self, link: Draining) -> None:
        self._link = link

    def expire(self) -> None:
        self._link.drain()
