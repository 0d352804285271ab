"""Whether an overload has outlasted its cause: those who are refused come again, and are refused again, though all of them could be served.

No figure tells so many callers who each call again from calls that never end. So now and then nobody is refused, and those who cannot begin
gather behind the newest. If they become so many that those who came last would wait for half of what they can, there is an overload, and
the trial is over; that takes the less time the larger it is. If they do not, it ends with the overload: a second without refusals. The
first trial comes soon, and ends at a quarter: most overloads are no such thing, and some calls are served late in it.

Pure: told of turns.
"""

from math import inf
from typing import Final

_FIRST: Final = 1.0
_LAST: Final = 64.0
"""Seconds of an overload before the first trial, and between two later ones at the most: twice as many after each that failed."""

_FIRST_SHARE: Final = 0.25
_MAX_SHARE: Final = 0.5
"""Of what calls can wait, filled by those who gather: the end of the first trial, and of a later one."""


class Trial:
    """One queue's. `running` says that nobody is to be refused now."""

    __slots__ = ("_after", "_at", "running")

    def __init__(self) -> None:
        self.running = False
        self._after = _FIRST
        self._at = inf

    def overloaded(self, now: float) -> None:
        """An overload begins. If it is the one before that comes again, the next trial is as far away as that had it."""
        self.running = False
        if now > self._at + self._after:
            self._after = _FIRST
        self._at = now + self._after

    def goes_on(self, now: float, share: float) -> bool:
        """A turn of an overload is over: whether nobody is to be refused. Those who came last wait for `share` of what they can."""
        if self.running and share > (_FIRST_SHARE if self._after == _FIRST else _MAX_SHARE):
            self.running = False
            self._after = min(_LAST, 2 * self._after)
            self._at = now + self._after
        elif now >= self._at:
            self.running = True
        return self.running
