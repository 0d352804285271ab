"""Which of several ready endpoints gets the next call. A new balancer is a class like those below, and an entry of `PICKERS`.

Power of two choices: of two endpoints drawn at random the less loaded one, which is nearly as good as the least loaded of all and does
not send every client to the same one (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from towpath._core import clock
from towpath._core.context import Context
from towpath._transport.client.load_balancing.load import Choice, Load


class Picker(Protocol):
    """Chooses for one channel."""

    def pick(self, ready: Sequence[Choice], ctx: Context) -> Choice:
        """One of `ready`, which are two or more, for an attempt at the call of `ctx`."""
        ...


class PickerFactory(Protocol):
    """Makes the picker of one channel."""

    def __call__(self, *, slow_start: float, source: random.Random) -> Picker:
        """`slow_start` is in seconds, 0 for none; `source` is where chances come from."""
        ...


class _TwoChoices(ABC):
    def __init__(self, *, slow_start: float, source: random.Random) -> None:
        self._slow_start = slow_start
        self._chance = source.random

    @abstractmethod
    def load_of(self, load: Load, now: float) -> float:
        """What is compared."""

    def pick(self, ready: Sequence[Choice], ctx: Context) -> Choice:
        """The less loaded of two that are drawn."""
        count = len(ready)
        chance = self._chance
        first = int(chance() * count)
        second = int(chance() * (count - 1))
        one, other = ready[first], ready[second + (second >= first)]
        now = clock.now()
        return one if self._weighted(one.load, now) <= self._weighted(other.load, now) else other

    def _weighted(self, load: Load, now: float) -> float:
        value = self.load_of(load, now)
        return value if not self._slow_start else value / load.warmth(now, self._slow_start)


class PeakEwma(_TwoChoices):
    """Power of two choices by recent latency times the calls in flight and one. An endpoint that has not answered yet gets one call and no
    more until it has."""

    def load_of(self, load: Load, now: float) -> float:
        """Latency times calls."""
        return load.peak_ewma(now)


class LeastRequest(_TwoChoices):
    """Power of two choices by calls in flight."""

    def load_of(self, load: Load, now: float) -> float:
        """Calls."""
        return load.least_request(now)


class RoundRobin:
    """One after the other. An endpoint in slow start is passed over most of the time."""

    def __init__(self, *, slow_start: float, source: random.Random) -> None:
        self._slow_start = slow_start
        self._source = source
        # The first of a turn is drawn, or every client would begin with the same.
        self._turn = source.randrange(1 << 16)

    def pick(self, ready: Sequence[Choice], ctx: Context) -> Choice:
        """The next one."""
        now = clock.now()
        choice = ready[0]
        for _ in ready:  # when all of them warm up, the last one is as good as any
            self._turn += 1
            choice = ready[self._turn % len(ready)]
            if not self._slow_start or self._source.random() < choice.load.warmth(now, self._slow_start):
                break
        return choice


PICKERS: Final[dict[str, PickerFactory]] = {"peak_ewma": PeakEwma, "least_request": LeastRequest, "round_robin": RoundRobin}
"""By the name that `ChannelOptions.balancer` gives."""


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
