"""An adaptive limit of calls under way: how many calls make the most of a server, learnt from how long they take.

The rule is TCP Vegas' as Netflix' concurrency-limits applies it to calls, with failsafe-go's corrections (`adaptivelimiter.go`): of `L`
calls under way, `L * (1 - baseline / latency)` are in a queue somewhere; a small queue lets the limit grow, a large one makes it shrink.
A baseline drifts, so a limit that binds may only grow while more calls under way also meant more calls done. Latency begins with a call's
arrival, and the baseline is learnt from its work alone: where a handler burns the one event loop's CPU, its own time never changes, and
all of the queue lies before it.

While the loop is in time, calls under way do no harm, so the limit is never below their number then. The limit says nothing about which
calls may begin: `towpath._layers.admission.in_flight` decides whether it binds.

The limit is pure: it is told of samples and asked for `limit`. It never rejects calls only to measure, as limiters do that probe for their
baseline.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, log10, sqrt
from typing import Final

_GROW_BELOW: Final = 3
"""Queued calls, in units of `log10 L`, below which the limit grows: Vegas' alpha, as failsafe-go has it."""

_SHRINK_ABOVE: Final = 6
"""Queued calls, in units of `log10 L`, above which the limit shrinks: Vegas' beta, as failsafe-go has it."""

_HISTORY: Final = 20
"""Windows that in-flight calls, throughput and latency are correlated over."""

_MIN_HISTORY: Final = 8
"""Windows below which no correlation is believed."""

_NEGATIVE: Final = 0.0
"""The limit shrinks if in-flight calls and throughput correlate below this (failsafe-go's)."""

_WEAK: Final = 0.3
"""The limit shrinks if they correlate below this while latency grows with in-flight calls (failsafe-go's)."""

_STRONG: Final = 0.5
"""In-flight calls and latency that correlate above this grow together (failsafe-go's)."""

_FLAT: Final = 0.2
"""Throughput whose coefficient of variation is below this does not grow with in-flight calls (failsafe-go's)."""

_MIN_VARIATION: Final = 0.05
"""In-flight calls with a coefficient of variation below this correlate with nothing but noise."""

_MAX_FACTOR: Final = 5
"""The limit grows to at most this many times the calls that were under way."""

_UNUSED: Final = 2
"""A limit of which less than one part in this many is used does not move."""

_UNUSED_DRIFT: Final = 10
"""The baseline follows longer work this many times faster while the limit does not bind, since hardly anything can have queued then."""

_SMOOTHED: Final = 5
"""Windows whose median latency counts."""

_STEP: Final = 10
"""The limit moves by one part in this many."""

_SAMPLES: Final = 100
"""Samples in a window of a method that is called often."""

_MAX_STRIDE: Final = 100
"""Calls for one that is measured: 200,000 a second are as many as that at a hundred samples a window, and no Python loop serves more."""


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """The bounds of a limit, and how it moves. Raises ValueError for bounds that admit nobody."""

    initial: int = 20
    """Calls that may be under way before anything was learnt."""

    min_limit: int = 1
    """The limit never learns to be less."""

    max_limit: int = 1000
    """The limit never learns to be more; calls that were under way while the loop was in time stay allowed even so."""

    window: float = 0.05
    """Seconds after which the limit moves once, so that a loss of capacity is answered within a second."""

    max_window: float = 1.0
    """Seconds that a window may last for lack of calls."""

    samples: int = 10
    """Calls that a window needs before `max_window` is over."""

    drift: float = 10.0
    """The time constant in seconds with which the baseline follows latencies that stay higher although the limit has shrunk: a handler may
    simply have become slower."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_limit <= self.initial <= self.max_limit:
            raise ValueError(
                f"min_limit {self.min_limit}, initial {self.initial}, max_limit {self.max_limit}; "
                "give 1 or more, each no less than the one before"
            )
        if not (0 < self.window <= self.max_window and self.samples > 0 and self.drift > 0):
            raise ValueError("window, max_window, samples and drift must be more than 0, and window no longer than max_window")


DEFAULT_LIMIT: Final = LimitOptions()


class AdaptiveLimit:
    """The limit of one method.

    Of a method that is called often, not every call need be measured: a window then still has a hundred samples, and a call that is
    skipped costs nothing here (10 % of it, measured).
    """

    __slots__ = (
        "_baseline",
        "_granted",
        "_highest",
        "_history",
        "_latencies",
        "_options",
        "_recent",
        "_since",
        "_skipped",
        "_stride",
        "_works",
        "limit",
        "skip",
    )

    def __init__(self, options: LimitOptions = DEFAULT_LIMIT) -> None:
        self._options = options
        self.limit = options.initial
        """Calls that may be under way now, where the limit binds."""
        self.skip = 0
        """Calls that may begin unmeasured, each of them taking one off it, before the next one is to be measured."""
        self._granted = 0
        self._skipped = 0
        self._stride = 1
        self._baseline = 0.0
        self._since: float | None = None
        self._latencies: list[float] = []
        self._works: list[float] = []
        self._highest = 0
        self._recent: deque[float] = deque(maxlen=_SMOOTHED)
        self._history: deque[tuple[float, float, float]] = deque(maxlen=_HISTORY)

    @property
    def baseline(self) -> float:
        """The latency in seconds of a call that waits for nobody, as far as is known; 0 before the first window has ended."""
        return self._baseline

    def done(self, now: float, wait: float, work: float, in_flight: int, *, late: bool = False) -> None:
        """Count a call that has ended.

        The call waited for `wait` seconds from its arrival and then took `work` seconds; `in_flight` were under way with it, and `late`
        says whether the loop was. Calls that were rejected, or that their caller gave up, are not to be recorded: they say nothing of how
        long the work takes.
        """
        options = self._options
        since = self._since
        if since is None:
            since = self._since = now
        # What really began unmeasured: of calls that all began before one of them ended, none did.
        self._skipped += self._granted - self.skip
        self.skip = self._granted = self._stride - 1
        self._latencies.append(wait + work)
        self._works.append(work)
        self._highest = max(self._highest, in_flight)
        elapsed = now - since
        if elapsed >= options.window and (len(self._latencies) >= options.samples or elapsed >= options.max_window):
            self._close_window(now, elapsed, late)

    def raise_to(self, in_flight: int) -> None:
        """Allow as many calls as are under way while the loop is in time: that many do no harm."""
        self.limit = max(self.limit, in_flight)

    def grow(self) -> None:
        """Allow some more calls, since others wait and none ends: calls that never end say nothing of how many the server can do."""
        self.limit += max(1, self.limit // _STEP)

    def _close_window(self, now: float, elapsed: float, late: bool) -> None:
        in_flight, options = self._highest, self._options
        self._recent.append(_median(self._latencies))
        latency = _median(self._recent)
        count = len(self._latencies) + self._skipped
        self._history.append((in_flight, count / elapsed, latency))
        self._learn(in_flight, _median(self._works), elapsed)
        self._move(in_flight, latency, options.min_limit if late else max(options.min_limit, in_flight))
        self._stride = max(1, min(_MAX_STRIDE, int(count * options.window / elapsed) // _SAMPLES))
        self._latencies.clear()
        self._works.clear()
        self._highest, self._skipped, self._since = 0, 0, now

    def _move(self, in_flight: int, latency: float, floor: int) -> None:
        limit, options = self.limit, self._options
        if in_flight * _UNUSED < limit:
            return  # so few say nothing of what more would do
        unit = max(1.0, log10(limit))
        queued = ceil(limit * (1 - self._baseline / latency)) if latency > self._baseline else 0
        saturated = in_flight >= limit and self._saturated()
        if queued > _SHRINK_ABOVE * unit or (saturated and queued >= _GROW_BELOW * unit):
            limit -= max(1, limit // _STEP)
        elif queued <= unit:
            limit += max(1, limit // _STEP)
        elif queued < _GROW_BELOW * unit and not saturated:
            limit += int(unit)
        self.limit = max(floor, min(limit, options.max_limit, max(options.initial, _MAX_FACTOR * in_flight)))

    def _learn(self, in_flight: int, work: float, elapsed: float) -> None:
        """Believe shorter work at once and longer work slowly, since a queue behind this server may have made it longer."""
        baseline = self._baseline
        if work < baseline or not baseline:
            self._baseline = work
        else:
            constant = self._options.drift if in_flight * _UNUSED >= self.limit else self._options.drift / _UNUSED_DRIFT
            self._baseline = baseline + (work - baseline) * min(1.0, elapsed / constant)

    def _saturated(self) -> bool:
        """Whether more calls under way have lately meant longer calls, and no more calls done."""
        if len(self._history) < _MIN_HISTORY:
            return False
        in_flight, throughput, latency = (list(column) for column in zip(*self._history, strict=True))
        if _spread(in_flight) < _MIN_VARIATION:
            return False  # correlated with next to nothing, everything is noise
        with_throughput = correlation(in_flight, throughput)
        if with_throughput < _NEGATIVE:
            return True
        if correlation(in_flight, latency) <= _STRONG:
            return False
        return with_throughput < _WEAK or _spread(throughput) < _FLAT


def correlation(left: list[float], right: list[float]) -> float:
    """Pearson's correlation of two series of one length; 0 if either never changes."""
    count = len(left)
    mean_left, mean_right = sum(left) / count, sum(right) / count
    product = sum((x - mean_left) * (y - mean_right) for x, y in zip(left, right, strict=True))
    squares = sum((x - mean_left) ** 2 for x in left) * sum((y - mean_right) ** 2 for y in right)
    return product / sqrt(squares) if squares > 0 else 0.0


def _median(values: Collection[float]) -> float:
    return sorted(values)[len(values) // 2]


def _spread(values: list[float]) -> float:
    """The coefficient of variation: the standard deviation by the mean."""
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / len(values)) / mean
