"""How much a connection of HTTP/1.1 takes of what has come: a bounded piece in each turn, and no flood of what asks for nothing."""

from abc import ABC, abstractmethod
from typing import Final

from towpath._wire.http.abuse_budget import AbuseBudget
from towpath._wire.http1.fault import Fault
from towpath._wire.http1.limits import Http1Limits
from towpath._wire.http1.stream import Http1ConnectionDelegate

_PIECE: Final = 8 * 1024
"""Bytes that are parsed before it is looked whether there is more to do than fits in one turn."""

_TURN: Final = 128
"""Requests and pieces of bodies that are taken in one turn. They are counted and not timed: the same bytes make the same turns on any
machine."""

_SMALL: Final = 5
"""Bytes. A piece of a body with fewer, behind another such one, carries less than it costs."""


class Intake(ABC):
    """The bytes that have come, as far as they are not parsed."""

    def __init__(self, delegate: Http1ConnectionDelegate, limits: Http1Limits) -> None:
        self._delegate = delegate
        self._limits = limits
        self._max_fields = limits.max_fields
        self.behind = False
        """Whether more has come than fits in one turn; `go_on` takes the next piece of it."""
        self._rest = b""
        self._left = _TURN
        """Requests and pieces of bodies that may still be taken in this turn."""
        self._overhead = AbuseBudget(limits.overhead_burst, limits.overhead_per_second)
        self._after_small = False
        """Whether the last piece of a body was small. A request that begins clears it."""
        self._last = False
        """Whether the connection ends with the response that is being sent."""
        self._reading_paused = False

    @abstractmethod
    def _ignores(self, size: int) -> bool:
        """Whether the `size` bytes that come next are not parsed any more."""

    @abstractmethod
    def _take(self, data: memoryview | bytes) -> None:
        """Parse a piece. Its faults end the connection."""

    def begin(self) -> None:  # noqa: B027 # a server speaks first over HTTP/2 alone
        """Wait for the client to speak."""

    def receive(self, data: bytes) -> None:
        """Take bytes as they came, in pieces of any size."""
        if self._rest:
            self._rest += data
        elif len(data) > _PIECE:
            self._take_turn(data)
        else:
            self._left = _TURN
            if not self._ignores(len(data)):
                self._take(data)

    def go_on(self) -> None:
        """Take the next piece of what has come, since everybody else had a turn."""
        rest, self._rest = self._rest, b""
        self.behind = False
        self._take_turn(rest)

    def _take_turn(self, data: bytes) -> None:
        self._left = _TURN
        for start in range(0, len(data), _PIECE):
            if self._ignores(len(data) - start):
                return
            if start and (self._left <= 0 or self._reading_paused):
                self._rest = data[start:]
                self.behind = True
                return
            self._take(memoryview(data)[start : start + _PIECE])

    def _pause(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._delegate.pause_reading()

    def _count_piece(self, size: int) -> None:
        """A piece of a body came. Raises Fault for the small one that is too many."""
        self._left -= 1
        small = size < _SMALL
        if small and self._after_small and not self._spend():
            raise Fault(429, f"too many pieces of bodies with less than {_SMALL} bytes")
        self._after_small = small

    def count_unwanted(self) -> None:
        """There is nothing here for the request that is accepted. Call this from `Http1ConnectionDelegate.accept`: the answer to the one
        that is too many is the last."""
        if not self._last and not self._spend():
            self._last = True

    def _spend(self) -> bool:
        if self._overhead.spend(self._delegate.now()):
            return True
        self._delegate.flooded()
        return False
