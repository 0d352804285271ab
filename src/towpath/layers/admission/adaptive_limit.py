"""An adaptive limit of calls under way: how many make the most of a server, learnt from how long they take.

The rule is TCP Vegas' as Netflix' concurrency-limits applies it to calls, with failsafe-go's corrections (`adaptivelimiter.go`): of `L`
calls under way, `L * (1 - baseline / latency)` are in a queue somewhere; few of those let the limit grow, many let it shrink. A baseline
drifts, so where the limit binds it may only grow while more calls under way also meant more calls done. Latency begins with a call's
arrival, and the baseline is learnt from its work alone: where a handler burns the one event loop's CPU, its own time never changes, and
all of the queue lies before it.

While the loop is in time what is under way does no harm, so the limit is never below it then. It says nothing about who may begin: whether
it binds is decided by `towpath.layers.admission.method_queue`.

Pure: told of samples, asked for `limit`. It never sends calls away only to measure, as limiters do that probe for their baseline.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, log10, sqrt
from typing import Final

_FEW_QUEUED: Final = 3
_MANY_QUEUED: Final = 6
"""Vegas' alpha and beta, in units of `log10 L` (failsafe-go: 3 and 6)."""

_HISTORY: Final = 20
_ENOUGH: Final = 8
_NEGATIVE: Final = 0.0
_WEAK: Final = 0.3
_STRONG: Final = 0.5
_FLAT: Final = 0.2
"""failsafe-go's: shrink if in-flight and throughput correlate below 0, or below 0.3 while in-flight and latency do above 0.5, or if
throughput varies by less than 0.2 of its mean while they do."""

_VARIED: Final = 0.05
_MOST_OF_IN_FLIGHT: Final = 5
_UNUSED: Final = 2
_UNUSED_FASTER: Final = 10
_SMOOTHED: Final = 5
_STEP: Final = 10
_SAMPLES: Final = 100
"""In a window, of a method that is called more often."""

_MAX_STRIDE: Final = 100
"""Calls for one that is measured: 200,000 a second are as many as that at a hundred samples a window, and no Python loop serves more."""


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """`initial` (20) calls may be under way at first. The limit never learns to be less than `least` (1) or more than `most` (1000); what
    was under way while the loop was in time stays allowed even if it is more.

    Every `window` (0.05 s) with at least `samples` (10) calls moves the limit once, so that a loss of capacity is answered within a second;
    a window may last `longest_window` (1 s) for lack of calls. `drift` (10 s) is the time constant with which the baseline follows
    latencies that stay higher although the limit has shrunk: a handler may simply have become slower. Raises ValueError for what
    admits nobody.
    """

    initial: int = 20
    least: int = 1
    most: int = 1000
    window: float = 0.05
    longest_window: float = 1.0
    samples: int = 10
    drift: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.initial <= self.most:
            raise ValueError(
                f"least {self.least}, initial {self.initial}, most {self.most}; give 1 or more, each no less than the one before"
            )
        if not (0 < self.window <= self.longest_window and self.samples > 0 and self.drift > 0):
            raise ValueError("window, longest_window, samples and drift must be more than 0, and the window no longer than its longest")


DEFAULT_LIMIT: Final = LimitOptions()


class AdaptiveLimit:
    """The limit of one method. `limit` is what may be under way now, where it binds.

    Of a method that is called often, not every call need be told of: `skip` is how many may begin, each of them taking one off it, before
    the next one is to be measured. A window then still has a hundred samples, and a call costs nothing here (10 % of it, measured).
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
        self.skip = 0
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
        """A call has ended that waited for `wait` seconds from its arrival and then took `work` seconds; `in_flight` were under way with
        it, and `late` says whether the loop was. Calls that were refused, or that their caller gave up, are not to be told: they say
        nothing of how long the work takes."""
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
        if elapsed >= options.window and (len(self._latencies) >= options.samples or elapsed >= options.longest_window):
            self._close_window(now, elapsed, late)

    def reach(self, in_flight: int) -> None:
        """So many are under way and the loop is in time: that many are no harm."""
        self.limit = max(self.limit, in_flight)

    def grow(self) -> None:
        """Calls wait for a place and none has become free: what holds the places says nothing of how many the server can do."""
        self.limit += max(1, self.limit // _STEP)

    def _close_window(self, now: float, elapsed: float, late: bool) -> None:
        in_flight, options = self._highest, self._options
        self._recent.append(_median(self._latencies))
        latency = _median(self._recent)
        count = len(self._latencies) + self._skipped
        self._history.append((in_flight, count / elapsed, latency))
        self._learn(in_flight, _median(self._works), elapsed)
        self._move(in_flight, latency, options.least if late else max(options.least, in_flight))
        self._stride = max(1, min(_MAX_STRIDE, int(count * options.window / elapsed) // _SAMPLES))
        self._latencies.clear()
        self._works.clear()
        self._highest, self._skipped, self._since = 0, 0, now

    def _move(self, in_flight: int, latency: float, least: int) -> None:
        limit, options = self.limit, self._options
        if in_flight * _UNUSED < limit:
            return  # so few say nothing of what more would do
        unit = max(1.0, log10(limit))
        queued = ceil(limit * (1 - self._baseline / latency)) if latency > self._baseline else 0
        useless = in_flight >= limit and self._more_is_no_use()
        if queued > _MANY_QUEUED * unit or (useless and queued >= _FEW_QUEUED * unit):
            limit -= max(1, limit // _STEP)
        elif queued <= unit:
            limit += max(1, limit // _STEP)
        elif queued < _FEW_QUEUED * unit and not useless:
            limit += int(unit)
        self.limit = max(least, min(limit, options.most, max(options.initial, _MOST_OF_IN_FLIGHT * in_flight)))

    def _learn(self, in_flight: int, work: float, elapsed: float) -> None:
        """Shorter work is believed at once, longer work slowly: it may be a queue behind this server that is meant to be seen."""
        baseline = self._baseline
        if work < baseline or not baseline:
            self._baseline = work
        else:
            # Where the limit does not bind, hardly anything can have queued.
            constant = self._options.drift if in_flight * _UNUSED >= self.limit else self._options.drift / _UNUSED_FASTER
            self._baseline = baseline + (work - baseline) * min(1.0, elapsed / constant)

    def _more_is_no_use(self) -> bool:
        """Whether more calls under way have lately meant no more calls done, only longer ones."""
        if len(self._history) < _ENOUGH:
            return False
        in_flight, throughput, latency = (list(column) for column in zip(*self._history, strict=True))
        if _spread(in_flight) < _VARIED:
            return False  # correlated with next to nothing, everything is noise
        with_throughput = correlation(in_flight, throughput)
        if with_throughput < _NEGATIVE:
            return True
        if correlation(in_flight, latency) <= _STRONG:
            return False
        return with_throughput < _WEAK or _spread(throughput) < _FLAT


def correlation(left: list[float], right: list[float]) -> float:
    """Pearson's, of two series of one length; 0 if either never changes."""
    count = len(left)
    mean_left, mean_right = sum(left) / count, sum(right) / count
    product = sum((x - mean_left) * (y - mean_right) for x, y in zip(left, right, strict=True))
    squares = sum((x - mean_left) ** 2 for x in left) * sum((y - mean_right) ** 2 for y in right)
    return product / sqrt(squares) if squares > 0 else 0.0


def _median(values: Collection[float]) -> float:
    return sorted(values)[len(values) // 2]


def _spread(values: list[float]) -> float:
    """The coefficient of variation."""
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / len(values)) / mean
