"""Which of several ready endpoints gets the next call.

Power of two choices: of two endpoints drawn at random the less loaded one, which is nearly as good as the least loaded of all and does
not send every client to the same one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). Load is by default
the peak EWMA of Finagle (`PeakEwma.scala`): the moving average of latency, which jumps up to a worse sample at once and decays with a
time constant of 10 s, times the calls in flight and one. An endpoint that has not answered yet gets one call and no more until it has.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

from towpath.core import clock
from towpath.core.errors import Code, RpcError
from towpath.core.outcome import classify
from towpath.transport.client.load_balancing.outlier_ejection import Tally

Policy = Literal["peak_ewma", "least_request", "round_robin"]

_TAU: Final = 10.0
"""Seconds after which a sample weighs 1/e; Finagle's default."""

_UNANSWERED: Final = float(1 << 47)
"""The load of an endpoint that was asked and has never answered; Finagle's penalty."""

_REFUSED: Final = 5.0
"""Seconds that a refused call counts as: refusals are fast, and would attract the calls that they refuse (as in Linkerd's load biaser)."""

_COLDEST: Final = 0.1
"""The least share of its load that an endpoint gets in slow start; Envoy's default of 10 %."""


class Load:
    """What is known of one endpoint: calls in flight, the peak EWMA of its latency in seconds, since when it is ready, and what its calls
    came to."""

    __slots__ = ("cost", "in_flight", "since", "stamp", "tally")

    def __init__(self) -> None:
        self.in_flight = 0
        self.cost = 0.0
        self.stamp = clock.now()
        self.since = -math.inf
        self.tally = Tally()

    def allows(self, method: str) -> bool:
        """Whether one more call of `method` may go there; see `towpath.transport.client.load_balancing.endpoint_guard`."""
        return True

    def begin(self, method: str) -> Any:
        """A call of `method` begins; returns what its end is to be told with: when that was."""
        self.in_flight += 1
        return clock.now()

    def succeeded(self, began: Any) -> None:
        """It was answered."""
        self.in_flight -= 1
        self.tally.successes += 1
        now = clock.now()
        self.observe(now - began, now)

    def failed(self, began: Any, error: BaseException) -> None:
        """It was not, or with an error."""
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
        return 1.0 if age >= window else max(_COLDEST, age / window)


class Loaded(Protocol):
    """An endpoint, as it is chosen."""

    load: Load


Choice = TypeVar("Choice", bound=Loaded)


@dataclass(kw_only=True)
class Balancer:
    """Chooses by `policy`. `slow_start` is in seconds, 0 for none; `source` is where its chances come from."""

    policy: Policy = "peak_ewma"
    slow_start: float = 0.0
    source: random.Random

    def __post_init__(self) -> None:
        """The first of a turn is drawn, or every client would begin with the same."""
        self._turn = self.source.randrange(1 << 16)

    def pick(self, ready: Sequence[Choice]) -> Choice:
        """One of `ready`, which are at least one."""
        count = len(ready)
        if count == 1:
            return ready[0]
        if self.policy == "round_robin":
            return self._next(ready)
        chance = self.source.random
        first = int(chance() * count)
        second = int(chance() * (count - 1))
        one, other = ready[first], ready[second + (second >= first)]
        now = clock.now()
        return one if self._load(one.load, now) <= self._load(other.load, now) else other

    def _load(self, load: Load, now: float) -> float:
        value = load.peak_ewma(now) if self.policy == "peak_ewma" else load.least_request(now)
        return value if not self.slow_start else value / load.warmth(now, self.slow_start)

    def _next(self, ready: Sequence[Choice]) -> Choice:
        now = clock.now()
        choice = ready[0]
        for _ in ready:  # one that warms up is passed over most of the time; when all are, the last one is as good as any
            self._turn += 1
            choice = ready[self._turn % len(ready)]
            if not self.slow_start or self.source.random() < choice.load.warmth(now, self.slow_start):
                break
        return choice


T = TypeVar("T")


def subset(endpoints: Sequence[T], size: int, client: int) -> Sequence[T]:
    """The `size` endpoints that client number `client` uses of the sorted `endpoints`: deterministic subsetting, which gives every endpoint
    the same number of clients as long as these are numbered from 0 (Google SRE book, chapter 20)."""
    if len(endpoints) <= size:
        return endpoints
    subsets = len(endpoints) // size
    shuffled = list(endpoints)
    random.Random(client // subsets).shuffle(shuffled)  # every client has to shuffle alike
    start = client % subsets * size
    return shuffled[start : start + size]
