"""Which endpoints answer so much worse than the others that they had better not be asked for a while.

The success-rate algorithm of gRPC's outlier detection (https://github.com/grpc/proposal/blob/master/A50-xds-outlier-detection.md): at the
end of each interval, endpoints whose share of good answers is below the mean by some standard deviations are left out, longer each time.
What a breaker sees of one endpoint alone is not its concern: here nobody is bad but by comparison, and when all fail none is ejected.

Pure: counters in, decisions out. It has no timer; who picks endpoints asks whether a sweep is `due`. A50's failure-percentage algorithm is
left out: a fixed threshold per endpoint is what a breaker has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from towpath._core.errors import SetupError
from towpath._core.outcome import BLAMES_SERVER, Outcome


@dataclass(frozen=True, kw_only=True)
class Ejection:
    """Times in seconds; the defaults are gRPC's.

    Endpoints are compared by their success rates, and one that is much worse than the others gets no calls for a while. Raises SetupError
    for what cannot be meant.
    """

    interval: float = 10.0
    """Seconds from one comparison of the endpoints to the next."""
    base_time: float = 30.0
    """Seconds for which an endpoint is ejected, times how often it was. An interval that it spends in use takes one time back."""
    most_time: float = 300.0
    """Seconds for which an endpoint is ejected at most."""
    most_share: float = 0.1
    """The share of the endpoints at which no more are ejected. The first may always be, and the last may exceed the share: A50's rule."""
    hosts: int = 5
    """Endpoints that need enough calls in an interval for a comparison."""
    requests: int = 100
    """Calls in an interval that are enough."""
    sigmas: float = 1.9
    """Standard deviations below the mean success rate at which an endpoint is ejected."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < math.inf:
                raise SetupError(f"ejection's {field.name} is {value}; give more than 0")
        if self.most_share > 1:
            raise SetupError(f"ejection's most_share is {self.most_share}; give at most 1")


class Tally:
    """What an endpoint came to since the last sweep, and since when it is ejected (None: it is not), for the how manieth time."""

    __slots__ = ("ejected_at", "failures", "successes", "times")

    def __init__(self) -> None:
        self.successes = 0
        self.failures = 0
        self.ejected_at: float | None = None
        self.times = 0

    def count(self, outcome: Outcome) -> None:
        """An attempt has ended. One that was cancelled says nothing, and a caller's own fault is a good answer."""
        if outcome in BLAMES_SERVER:
            self.failures += 1
        elif outcome is not Outcome.CANCELLED:
            self.successes += 1


class Ejector:
    """Compares the endpoints of one channel. `now` is when it begins, in seconds of `towpath._core.clock`."""

    def __init__(self, options: Ejection, now: float) -> None:
        self.due = now + options.interval
        """When to sweep."""
        self._options = options

    def sweep(self, tallies: Sequence[Tally], now: float) -> bool:
        """Judge `tallies`, all endpoints, and begin to count anew; whether anybody was ejected or let in.

        Sweeps that come an interval late or more, because nobody called, judge nothing: what they would judge is too old.
        """
        options = self._options
        fresh = now < self.due + options.interval
        self.due = now + options.interval
        changed = fresh and self._eject(tallies, now)
        for tally in tallies:
            tally.successes = tally.failures = 0
            if tally.ejected_at is None:
                tally.times = max(0, tally.times - 1)
            elif now > tally.ejected_at + min(options.base_time * tally.times, max(options.base_time, options.most_time)):
                tally.ejected_at = None
                changed = True
        return changed

    def _eject(self, tallies: Sequence[Tally], now: float) -> bool:
        options = self._options
        rates = [
            (tally.successes / (tally.successes + tally.failures), tally)
            for tally in tallies
            if tally.successes + tally.failures >= options.requests
        ]
        if len(rates) < options.hosts:
            return False
        mean = math.fsum(rate for rate, _ in rates) / len(rates)
        deviation = math.sqrt(math.fsum((rate - mean) ** 2 for rate, _ in rates) / len(rates))
        threshold = mean - options.sigmas * deviation
        changed = False
        for rate, tally in rates:
            if sum(other.ejected_at is not None for other in tallies) >= options.most_share * len(tallies):
                break
            if rate < threshold and tally.ejected_at is None:
                tally.ejected_at = now
                tally.times += 1
                changed = True
        return changed
