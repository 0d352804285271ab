"""What is known of one endpoint, by which balancers choose.

Latency is the peak EWMA of Finagle (`PeakEwma.scala`): the moving average of latency, which jumps up to a worse sample at once and decays
with a time constant of 10 s.
"""

import asyncio
import math
from typing import Any, Final, Protocol, TypeVar

from towpath._core import clock
from towpath._core.errors import Code, RpcError
from towpath._core.outcome import classify
from towpath._transport.client.load_balancing.outlier_ejection import Tally

_TAU: Final = 10.0
"""Seconds after which a sample weighs 1/e; Finagle's default."""

_UNANSWERED: Final = float(1 << 47)
"""The load of an endpoint that was asked and has never answered; Finagle's penalty."""

_REFUSED: Final = 5.0
"""Seconds that a refused call counts as: refusals are fast, and would attract the calls that they refuse (as in Linkerd's load biaser)."""

_MIN_WARMTH: Final = 0.1
"""The least share of its load that an endpoint gets in slow start; Envoy's default of 10 %."""


class Load:
    """The load of one endpoint, and what its calls came to. Times are in seconds."""

    __slots__ = ("cost", "in_flight", "since", "stamp", "tally")

    def __init__(self) -> None:
        self.in_flight = 0
        """Calls that have begun and not ended."""
        self.cost = 0.0
        """The peak EWMA of its latency; 0 before the first answer."""
        self.stamp = clock.now()
        """When `cost` was last brought up to date."""
        self.since = -math.inf
        """When it became ready, from which its slow start counts."""
        self.tally = Tally()
        """What outlier ejection counts."""

    def allows(self, method: str) -> bool:
        """Whether one more call of `method` may go there; see `towpath._transport.client.load_balancing.endpoint_guard`."""
        return True

    def begin(self, method: str) -> Any:
        """A call of `method` begins; returns what its end is to be told with: when that was."""
        self.in_flight += 1
        return clock.now()

    def succeeded(self, began: Any) -> None:
        """The call succeeded."""
        self.in_flight -= 1
        self.tally.successes += 1
        now = clock.now()
        self.observe(now - began, now)

    def failed(self, began: Any, error: BaseException) -> None:
        """The call failed with `error`."""
        self.in_flight -= 1
        self.tally.count(classify(error))
        now = clock.now()
        latency: float = now - began
        if isinstance(error, RpcError) and error.code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED):
            latency = max(latency, _REFUSED)
        elif isinstance(error, asyncio.CancelledError) and latency < self.cost:
            return  # would have taken longer, nobody knows how much
        self.observe(latency, now)

    def streamed(self, began: Any, error: BaseException | None) -> None:
        """A stream has ended, with `error` if not well. How long it lasted tells nothing."""
        self.in_flight -= 1
        self.tally.count(classify(error))

    def observe(self, latency: float, now: float) -> None:
        """Take a sample into the average."""
        if latency > self.cost:
            self.cost = latency
        else:
            weight = math.exp(-max(0.0, now - self.stamp) / _TAU)
            self.cost = self.cost * weight + latency * (1.0 - weight)
        self.stamp = now

    def peak_ewma(self, now: float) -> float:
        """The load as latency times calls."""
        if self.cost == 0.0:
            return _UNANSWERED + self.in_flight if self.in_flight else 0.0
        return self.cost * math.exp(-max(0.0, now - self.stamp) / _TAU) * (self.in_flight + 1)

    def least_request(self, _now: float) -> float:
        """The load as calls."""
        return self.in_flight + 1.0

    def warmth(self, now: float, window: float) -> float:
        """The share of a full load that the endpoint may get, `window` seconds being its slow start: linear, as Envoy's by default."""
        age = now - self.since
        return 1.0 if age >= window else max(_MIN_WARMTH, age / window)


class Loaded(Protocol):
    """An endpoint, as a balancer sees it."""

    name: str
    """Its place as text, which stays the same when it is connected to anew."""

    load: Load


Choice = TypeVar("Choice", bound=Loaded)
