"""Which share of the calls that come is more than a server can do, and which calls that is: the least important.

What begins is what a server can do, as long as somebody waits; so the share in excess is one less those that began by those that came, both
of lately, with a few more let in than began: without some in excess nobody would notice that more can be done. Nothing has to be known of
the load that retries make, nor of what a call costs.

When little is in excess and few wait, nobody is turned away for what came before: of an overload that has just ended the share is the last
to hear, and a call would be refused that could begin.

A loop that is late although few calls wait computes something else. Then the share is what would bring it back to its longest lag.
"""

from typing import Final

from towpath.core.context import Criticality
from towpath.layers.admission.loop_lag import LagProbe
from towpath.layers.admission.priority import COHORTS, Prioritizer

CLASS: Final = 2 * COHORTS
"""Levels of one criticality."""

_WINDOW: Final = 0.02
_SMOOTHING: Final = 0.1
_FORGOTTEN: Final = 1.0
"""Seconds over which those that come and those that begin are compared, how much each comparison counts, and after how long none does."""

_LIGHT: Final = 0.2

_SPARE: Final = 1.1
_HIGHEST: Final = 0.98
_NONE: Final = CLASS * max(Criticality)


class Excess:
    """Of one method. `share` (0 to 0.98) is turned away; `late` says that it is because of the loop's lag, whose bound is `longest_lag`
    in seconds."""

    __slots__ = ("_began", "_came", "_least", "_least_before", "_longest_lag", "_prioritizer", "_probe", "_since", "late", "share")

    def __init__(self, probe: LagProbe, longest_lag: float) -> None:
        self.share = 0.0
        self.late = False
        self._probe = probe
        self._longest_lag = longest_lag
        self._prioritizer = Prioritizer()
        self._came = self._began = 0
        self._least = self._least_before = _NONE
        self._since = -_FORGOTTEN

    @property
    def refused_class(self) -> int:
        """The criticality, less one, of those among whom the line is drawn; of the least important that came lately as long as there is
        none that is certain."""
        line = self._prioritizer.threshold if self._prioritizer.certain else 0
        return (line or min(self._least, self._least_before)) // CLASS

    @property
    def line(self) -> int:
        """The level below which calls are in excess."""
        return self._prioritizer.threshold

    def came(self, level: int) -> None:
        """A call of `level` has come that does not begin at once."""
        self._came += 1
        self._least = min(self._least, level)

    @property
    def light(self) -> bool:
        """Whether so little is in excess that the next call may be a while away: a fifth at the most."""
        return self.share <= _LIGHT

    def spares(self, level: int, few_wait: bool) -> bool:
        """Whether a call of `level` (see `towpath.layers.admission.priority`) is not in excess."""
        return self._prioritizer.spares(level) or (few_wait and self.light and not self.late)

    def began(self, now: float, calls: int) -> None:
        """So many have begun."""
        self._began += calls
        elapsed = now - self._since
        if elapsed < _WINDOW:
            return
        came = self._came
        excess = 1 - _SPARE * self._began / came if came and elapsed < _FORGOTTEN else 0.0
        share = self.share = self.share + _SMOOTHING * (min(_HIGHEST, max(0.0, excess)) - self.share)
        lag = self._probe.seconds / self._longest_lag
        self.late = lag > 1 and share < 1 - 1 / lag
        self._prioritizer.turn_away(1 - 1 / lag if self.late else share)
        self._came = self._began = 0
        self._least_before, self._least = self._least, _NONE
        self._since = now
