"""Which series a metric has, where callers choose the values of its labels and could choose a million.

The first sets of label values get a series each, until there are nearly as many as the cap allows. From then on a call counts in a series
whose open labels are `_OTHER`. What comes first is not what matters most, so a set of values that becomes heavy later gets its series all
the same. The calls that fall into `_OTHER` are counted by the algorithm of Misra and Gries, which knows every heavy set and few others in a
table of fixed size. A set with more calls than a series has had meanwhile takes the place of that series, which ends. To Prometheus its
calls then stop, as at the end of a process.

OpenTelemetry's cap is 2,000 sets of attributes for a metric, and so is this one (https://opentelemetry.io/docs/specs/otel/metrics/sdk/).
"""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from towpath._core import clock

DEFAULT_CAP: Final = 2_000
"""Series of one metric."""

MIN_CAP: Final = 64
"""The smallest cap: there has to be room for series of `_OTHER`."""

OTHER: Final = "_OTHER"
"""The value of a label that stands for all values which have no series of their own, as in OpenTelemetry's conventions."""

HEAVY: Final = 64
"""Calls in `_OTHER` from which on a set of values may take the place of another one's series."""

_CANDIDATES: Final = 256
"""Sets of values that are counted in `_OTHER`."""

_VICTIMS: Final = 64
"""Series that are found at a time whose places may be taken."""

_PERIOD: Final = 10.0
"""Seconds between two looks for series that are hardly used, each of which takes 2 ms or so."""

Values = tuple[str, ...]


class Counted(Protocol):
    """A series as the cap sees it."""

    mark: int

    @property
    def count(self) -> int:
        """The number of calls."""
        ...


S = TypeVar("S", bound=Counted)


class SeriesCap(Generic[S]):
    """The series of one metric by the values of its labels, of which the last `open_labels` are chosen by callers. There are never more
    than `cap`. Use it from one thread; another one may read `series` and `overflowed`."""

    def __init__(self, make: Callable[[], S], cap: int, labels: int, open_labels: int) -> None:
        self.series: Final[dict[Values, S]] = {}
        """What there is. The values of a series that ended are gone from here."""
        self.overflowed = 0
        """Calls that fell into `_OTHER`."""
        self.ended = 0
        """Series whose places were taken."""
        self._make = make
        self._cap = cap
        self._own = cap - cap // 8
        """The number of series up to which everybody gets one: the rest is for those of `_OTHER`."""
        self._kept = labels - open_labels
        self._open = (OTHER,) * open_labels
        self._last = (OTHER,) * (labels - 1)
        self._lasting: set[Values] = set()
        self._candidates: dict[Values, int] = {}
        self._victims: list[tuple[int, Values]] = []
        self._looked: float | None = None

    def lasting(self, values: Values) -> S:
        """The series of `values`, for a holder that keeps it: it never ends. It is that of `_OTHER` if there is no room."""
        found = self.current(values)
        if values in self.series:
            self._lasting.add(values)
        return found

    def current(self, values: Values) -> S:
        """The series for one call with `values`. The next call may have another one."""
        found = self.series.get(values)
        if found is not None:
            return found
        if len(self.series) < self._own:
            found = self.series[values] = self._make()
            return found
        return self._promoted(values) or self._other(values)

    def _other(self, values: Values) -> S:
        """The series of `_OTHER`: by all labels but the open ones while there is room, else by the first label alone, else by none."""
        self.overflowed += 1
        room = self._cap - len(self.series)
        summed = (*values[: self._kept], *self._open)
        if summed not in self.series and room <= self._cap // 16:
            summed = (values[0], *self._last)
            if summed not in self.series and room <= 1:
                summed = (OTHER, *self._last)
        found = self.series.get(summed)
        if found is None:
            found = self.series[summed] = self._make()
            self._lasting.add(summed)
        return found

    def _promoted(self, values: Values) -> S | None:
        """A series for `values` in the place of another one, if it has earned that."""
        candidates = self._candidates
        calls = candidates.get(values)
        if calls is not None:
            candidates[values] = calls = calls + 1
            if calls < HEAVY or not self._make_room(calls):
                return None
            candidates.pop(values, None)
            found = self.series[values] = self._make()
            return found
        if len(candidates) < _CANDIDATES:
            candidates[values] = 1
        else:  # one less for each, as many as have come since they were added: in the mean one step for each call
            self._candidates = {one: left - 1 for one, left in candidates.items() if left > 1}
        return None

    def _make_room(self, calls: int) -> bool:
        """End a series that has had fewer than `calls`, in the time since the last look and in that before it, if there is one."""
        now = clock.now()
        if self._looked is None or now - self._looked >= _PERIOD:
            self._looked = now
            self._look()
        while self._victims and self._victims[-1][0] < calls:
            _, values = self._victims.pop()
            series = self.series[values]
            if values not in self._lasting and series.count - series.mark < calls:
                del self.series[values]
                self.ended += 1
                return True
        return False

    def _look(self) -> None:
        """Find the series that have had the fewest calls since the last look, and count those in `_OTHER` anew from now on."""
        since: list[tuple[int, Values]] = []
        for values, series in self.series.items():
            if values not in self._lasting:
                count = series.count
                since.append((count - series.mark, values))
                series.mark = count
        since.sort(reverse=True)
        self._victims = since[-_VICTIMS:]
        self._candidates.clear()
