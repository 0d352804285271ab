"""Which fraction of the calls that come is more than a server can do, and which calls that is: the least important.

A server can do as many calls as begin, as long as somebody waits. So the fraction to shed is one less the calls that began by the calls
that came, both of lately, with a few more let in than began: without some in excess nobody would notice that more can be done. Nothing has
to be known of the load that retries make, nor of what a call costs.

The fraction lags behind an overload that has ended, so while it is small and few calls wait, it alone rejects no call: such a call could
begin.

A loop that is late although few calls wait computes something else. The fraction is then what would bring it back to its maximum lag.
"""

from typing import Final

from towpath._core.context import Criticality
from towpath._layers.admission.loop_lag import LagProbe
from towpath._layers.admission.priority import COHORTS, Prioritizer
from towpath._layers.admission.wait_limits import MIN_CAPACITY

LEVELS_PER_CLASS: Final = 2 * COHORTS
"""Levels of one criticality."""

_WINDOW: Final = 0.02
"""Seconds over which the calls that come and the calls that begin are compared."""

_SMOOTHING: Final = 0.1
"""How much each comparison counts."""

_STALE_AFTER: Final = 1.0
"""Seconds after which a comparison says nothing."""

_LIGHT: Final = 0.2
"""The fraction up to which a queue's next call may be a while away."""

_SPARE: Final = 1.1
"""Calls that are let in for each that begins."""

_MAX_FRACTION: Final = 0.98
"""The fraction that is shed at most."""

_NO_LEVEL: Final = LEVELS_PER_CLASS * max(Criticality)
"""Above the level of every call: none has come."""


class LoadShedding:
    """The shedding of one method, whose loop `probe` measures; `max_lag` is the lag in seconds that the loop may have."""

    __slots__ = (
        "_arrived",
        "_lowest",
        "_lowest_before",
        "_max_lag",
        "_probe",
        "_since",
        "_started",
        "fraction",
        "loop_is_late",
        "prioritizer",
        "spares_few",
    )

    def __init__(self, probe: LagProbe, max_lag: float) -> None:
        self.fraction = 0.0
        """The fraction of calls that is shed because more come than begin, 0 to 0.98."""
        self.loop_is_late = False
        """Whether calls are shed because of the loop's lag."""
        self.spares_few = True
        """Whether the threshold rejects no call while few wait."""
        self._probe = probe
        self._max_lag = max_lag
        self.prioritizer = Prioritizer()
        """The levels that have come, and which of them are shed."""
        self._arrived = self._started = 0
        self._lowest = self._lowest_before = _NO_LEVEL
        self._since = -_STALE_AFTER

    @property
    def shed_class(self) -> int:
        """Index of the criticality class that is being shed; before enough calls were seen, the lowest class of the last two windows."""
        threshold = self.prioritizer.threshold if self.prioritizer.has_enough_levels else 0
        return (threshold or min(self._lowest, self._lowest_before)) // LEVELS_PER_CLASS

    @property
    def threshold(self) -> int:
        """The level below which calls are shed."""
        return self.prioritizer.threshold

    @property
    def is_light(self) -> bool:
        """Whether so few calls are shed, a fifth at most, that the next call may be a while away."""
        return self.fraction <= _LIGHT

    def record_arrival(self, level: int) -> None:
        """Count a call of `level` that has come and does not begin at once."""
        self._arrived += 1
        if level < self._lowest:  # noqa: PLR1730 # `min` takes thrice the instructions
            self._lowest = level

    def admits(self, level: int, waiting: int) -> bool:
        """Whether a call of `level` (see `towpath._layers.admission.priority`) is not to be shed, while `waiting` calls wait. While few are
        shed, the next turn has room for the few that wait."""
        return self.prioritizer.admits(level) or (self.spares_few and waiting < MIN_CAPACITY)

    def record_starts(self, now: float, calls: int) -> None:
        """Count `calls` that have begun."""
        self._started += calls
        elapsed = now - self._since
        if elapsed < _WINDOW:
            return
        arrived = self._arrived
        excess = 1 - _SPARE * self._started / arrived if arrived and elapsed < _STALE_AFTER else 0.0
        fraction = self.fraction = self.fraction + _SMOOTHING * (min(_MAX_FRACTION, max(0.0, excess)) - self.fraction)
        lag = self._probe.seconds / self._max_lag
        self.loop_is_late = lag > 1 and fraction < 1 - 1 / lag
        self.spares_few = self.is_light and not self.loop_is_late
        self.prioritizer.shed(1 - 1 / lag if self.loop_is_late else fraction)
        self._arrived = self._started = 0
        self._lowest_before, self._lowest = self._lowest, _NO_LEVEL
        self._since = now
