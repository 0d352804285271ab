"""The seam for what stands before each endpoint and may refuse it calls: a breaker.

The transport knows no breaker. It asks a guard per endpoint before it sends an attempt there, and tells it how the attempt ended. Both are
done where an endpoint's load is kept, so that a channel without guards pays nothing for them. Nor does one with a single endpoint, which
has none: there is nobody else to ask, and behind one address there are often many servers, of which one is ill.
"""

import logging
from collections.abc import Callable
from typing import Final, Protocol

from towpath.core import clock
from towpath.core.outcome import Outcome, classify
from towpath.transport.balancer import Load

log: Final = logging.getLogger("towpath.client")

_SUCCESS: Final = Outcome.SUCCESS  # reading a member from its enum class runs Python code in 3.11


class EndpointGuard(Protocol):
    """Of one endpoint. Called on the loop; must be quick and must not raise. What `record` raises is logged."""

    def allows(self) -> bool:
        """Whether to send it an attempt, now. Takes nothing."""
        ...

    def begin(self) -> int:
        """An attempt is sent, also one that was not allowed, for want of another endpoint. Returns what to give to `record`."""
        ...

    def record(self, outcome: Outcome, begun: int) -> None:
        """An attempt has ended; `begun` is what its `begin` gave."""
        ...


Guards = Callable[[str], EndpointGuard]
"""Makes the guard of an endpoint, whose place it is given as text: `host:port` or `unix:path`."""


class GuardedLoad(Load):
    """The load of an endpoint that has a guard. An attempt's beginning is its time and what the guard gave for it."""

    __slots__ = ("_guard",)

    def __init__(self, guard: EndpointGuard) -> None:
        super().__init__()
        self._guard = guard

    def allows(self) -> bool:
        """Whether the guard lets one more call go there."""
        return self._guard.allows()

    def begin(self) -> tuple[float, int]:
        """A call begins."""
        self.in_flight += 1
        return clock.now(), self._guard.begin()

    def succeeded(self, began: tuple[float, int]) -> None:
        """It was answered."""
        Load.succeeded(self, began[0])  # `super()` takes 0.1 us more
        try:
            self._guard.record(_SUCCESS, began[1])
        except Exception as fault:  # noqa: BLE001 # the call has its answer, which matters more than what a guard makes of it
            _missed(_SUCCESS, fault)

    def failed(self, began: tuple[float, int], error: BaseException) -> None:
        """It was not, or with an error."""
        Load.failed(self, began[0], error)
        outcome = classify(error)
        try:
            self._guard.record(outcome, began[1])
        except Exception as fault:  # noqa: BLE001 # likewise
            _missed(outcome, fault)

    def streamed(self, began: tuple[float, int], outcome: Outcome) -> None:
        """A stream has ended."""
        Load.streamed(self, began[0], outcome)
        try:
            self._guard.record(outcome, began[1])
        except Exception as fault:  # noqa: BLE001 # likewise
            _missed(outcome, fault)


def _missed(outcome: Outcome, fault: Exception) -> None:
    log.error("a guard failed to take down that an attempt came to %s", outcome.value, exc_info=fault)
