"""The seam for what stands before each endpoint and may keep calls away from it: a breaker.

The transport knows no breaker. It asks a guard per endpoint before it sends an attempt there, and tells it how the attempt ended. Both are
done where an endpoint's load is kept, so that a channel without guards pays nothing for them. Nor does one with a single endpoint, which
has none: there is nobody else to ask, and behind one address there are often many servers, of which one is ill.

A guard chooses among endpoints and refuses no call: where fewer than half of those that are ready are allowed, all of them are asked. What
most of them fail at is hardly the fault of each, and the few that are left could not do the work of all (Envoy's panic threshold).
"""

import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from towpath._core import clock
from towpath._transport.client.load_balancing.load import Load

log: Final = logging.getLogger("towpath.client")

_MISSED: Final = "a guard failed to take down how an attempt ended"


class EndpointGuard(Protocol):
    """Of one endpoint. Called on the loop; must be quick and must not raise. What `record` raises is logged. A method is given by its full
    name."""

    def allows(self, method: str) -> bool:
        """Whether to send it an attempt at `method`, now. Takes nothing."""
        ...

    def begin(self, method: str) -> Any:
        """An attempt is sent, also one that was not allowed, for want of another endpoint. Returns what to give to `record`."""
        ...

    def record(self, begun: Any, seconds: float, error: BaseException | None) -> None:
        """An attempt has ended, after so many seconds (0 for a stream), with `error` if not well; `begun` is what its `begin` gave."""
        ...


Guards = Callable[[str], EndpointGuard]
"""Makes the guard of an endpoint, whose place it is given as text: `host:port` or `unix:path`."""


class GuardedLoad(Load):
    """The load of an endpoint that has a guard. An attempt's beginning is its time and what the guard gave for it."""

    __slots__ = ("_guard",)

    def __init__(self, guard: EndpointGuard) -> None:
        super().__init__()
        self._guard = guard

    def allows(self, method: str) -> bool:
        """Whether the guard lets one more call of `method` go there."""
        return self._guard.allows(method)

    def begin(self, method: str) -> tuple[float, Any]:
        """A call begins."""
        self.in_flight += 1
        return clock.now(), self._guard.begin(method)

    def succeeded(self, began: tuple[float, Any]) -> None:
        """The call succeeded."""
        Load.succeeded(self, began[0])  # `super()` takes 0.1 us more; sets the stamp to now
        try:
            self._guard.record(began[1], self.stamp - began[0], None)
        except Exception:  # the call has its answer, which matters more than what a guard makes of it
            log.exception(_MISSED)

    def failed(self, began: tuple[float, Any], error: BaseException) -> None:
        """The call failed with `error`."""
        Load.failed(self, began[0], error)
        self._missable(began[1], clock.now() - began[0], error)

    def streamed(self, began: tuple[float, Any], error: BaseException | None) -> None:
        """A stream has ended."""
        Load.streamed(self, began[0], error)
        self._missable(began[1], 0.0, error)

    def _missable(self, begun: Any, seconds: float, error: BaseException | None) -> None:
        try:
            self._guard.record(begun, seconds, error)
        except Exception:  # a guard costs nobody an answer
            log.exception(_MISSED)
