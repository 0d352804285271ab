"""The seam for what stands before each endpoint and may refuse it calls: a breaker.

The transport knows no breaker. It asks a guard per endpoint before it sends an attempt there, and tells it how the attempt ended. Both are
done where an endpoint's load is kept, so that a channel without guards pays nothing for them.
"""

from collections.abc import Callable
from typing import Protocol

from towpath.core.outcome import Outcome, classify
from towpath.transport.balancer import Load


class EndpointGuard(Protocol):
    """Of one endpoint. Called on the loop; must be quick and must not raise."""

    def allows(self) -> bool:
        """Whether to send it an attempt, now. One is sent if so, and `record` called with its end."""
        ...

    def record(self, outcome: Outcome) -> None:
        """An attempt that was allowed has ended."""
        ...


Guards = Callable[[str], EndpointGuard]
"""Makes the guard of an endpoint, whose place it is given as text: `host:port` or `unix:path`."""


class GuardedLoad(Load):
    """The load of an endpoint that has a guard."""

    __slots__ = ("_guard",)

    def __init__(self, guard: EndpointGuard) -> None:
        super().__init__()
        self._guard = guard

    def allows(self) -> bool:
        """Whether the guard lets one more call go there."""
        return self._guard.allows()

    def succeeded(self, began: float) -> None:
        """It was answered."""
        Load.succeeded(self, began)  # `super()` takes 0.1 us more
        self._guard.record(Outcome.SUCCESS)

    def failed(self, began: float, error: BaseException) -> None:
        """It was not, or with an error."""
        Load.failed(self, began, error)
        self._guard.record(classify(error))

    def streamed(self, outcome: Outcome) -> None:
        """A stream has ended."""
        Load.streamed(self, outcome)
        self._guard.record(outcome)
