"""When to leave an endpoint alone for a while, and when to ask whether it is well again. An algorithm without IO;
`towpath.layers.endpoint_breaker` has one for each method of an endpoint, and says what is recorded.

It trips on five failures in a row, which is soon enough for an endpoint that is gone, or on half of at least 20 calls in ten seconds, which
finds one that is merely ill (Linkerd's unified breaker). Overload hurts the share and never the streak: a refusal proves that somebody is
there, and a whole fleet that sheds load would be switched off by its clients, endpoint by endpoint. After a time that doubles with each
trip, 1 to 30 s and jittered so that clients do not come back together, one call at a time is let through: its success closes the breaker.
So does that of a call which was sent while it was open, because most endpoints looked ill and somebody had to be asked.

The states are a transition table; what is not listed is illegal. What a call says counts only for the state in which it began: the
stragglers of an outage neither close a breaker nor trip it again. What an outcome is worth is `towpath.core.outcome`'s to say.
"""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from towpath.core import clock
from towpath.core.errors import SetupError
from towpath.core.outcome import BLAMES_SERVER, Outcome
from towpath.layers.window import Window


class BreakerState(Enum):
    """Where a breaker is."""

    CLOSED = "closed"
    """Calls pass and are counted."""
    OPEN = "open"
    """None passes until its time is over."""
    HALF_OPEN = "half_open"
    """The next call is let through to see."""
    PROBING = "probing"
    """That call is under way, and no other passes."""


class BreakerEvent(Enum):
    """What moves it."""

    TRIPPED = "tripped"
    COOLED = "cooled"
    PROBE_SENT = "probe_sent"
    PROBE_ANSWERED = "probe_answered"
    PROBE_FAILED = "probe_failed"
    PROBE_LOST = "probe_lost"


_S, _E = BreakerState, BreakerEvent

TRANSITIONS: Final[dict[tuple[BreakerState, BreakerEvent], BreakerState]] = {
    (_S.CLOSED, _E.TRIPPED): _S.OPEN,
    (_S.OPEN, _E.COOLED): _S.HALF_OPEN,
    (_S.HALF_OPEN, _E.PROBE_SENT): _S.PROBING,
    (_S.OPEN, _E.PROBE_ANSWERED): _S.CLOSED,  # a call was sent there all the same, for want of others, and shows that it is well
    (_S.PROBING, _E.PROBE_ANSWERED): _S.CLOSED,
    (_S.PROBING, _E.PROBE_FAILED): _S.OPEN,
    (_S.PROBING, _E.PROBE_LOST): _S.HALF_OPEN,  # cancelled, or not heard of for as long as a breaker is ever open
}

# Each call asks for these, and reading a member from its enum class runs Python code in 3.11.
_CLOSED: Final = _S.CLOSED
_OPEN: Final = _S.OPEN
_HALF_OPEN: Final = _S.HALF_OPEN
_PROBING: Final = _S.PROBING
_SUCCESS: Final = Outcome.SUCCESS
_CANCELLED: Final = Outcome.CANCELLED
_OVERLOAD: Final = Outcome.OVERLOAD


@dataclass(frozen=True, kw_only=True)
class BreakerOptions:
    """When it trips and for how long.

    `failures` (5) in a row trip it, or a share of `ratio` (0.5) of at least `least_calls` (20) in 10 s. It stays open for `shortest` (1)
    seconds, twice as long each time its probe fails up to `longest` (30), give or take `jitter` (0.2) of it. Raises SetupError for what
    cannot be meant.
    """

    failures: int = 5
    ratio: float = 0.5
    least_calls: int = 20
    shortest: float = 1.0
    longest: float = 30.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.failures < 1 or self.least_calls < 1:
            raise SetupError(f"failures of the breaker is {self.failures} and least_calls {self.least_calls}; give 1 or more")
        if not 0 < self.ratio <= 1:
            raise SetupError(f"ratio of the breaker is {self.ratio:g}; give more than 0 and at most 1")
        if not 0 < self.shortest <= self.longest < float("inf"):
            raise SetupError(
                f"shortest of the breaker is {self.shortest:g} s and longest {self.longest:g} s; give more than 0, the first no larger"
            )
        if not 0 <= self.jitter < 1:
            raise SetupError(f"jitter of the breaker is {self.jitter:g}; give 0 or more, and less than 1")


class Breaker:
    """One breaker, of whatever its calls have in common. Ask `allows` when choosing; for each call `begin`, and `record` what it came to
    with what `begin` gave, cancellation included. Bound to one loop; not thread-safe."""

    __slots__ = ("_era", "_options", "_source", "_state", "_streak", "_trips", "_until", "_window")

    def __init__(self, options: BreakerOptions | None = None, *, source: random.Random) -> None:
        self._options = BreakerOptions() if options is None else options
        self._source = source
        self._state = _CLOSED
        self._era = 0
        self._streak = 0
        self._trips = 0
        self._until = 0.0
        self._window = Window()

    @property
    def state(self) -> BreakerState:
        """Where it is now."""
        if (self._state is _OPEN or self._state is _PROBING) and clock.now() >= self._until:
            self._move(_E.COOLED if self._state is _OPEN else _E.PROBE_LOST)
        return self._state

    def allows(self) -> bool:
        """Whether a call may go to the endpoint now. Takes nothing: ask as often as you like."""
        if self._state is _CLOSED:
            return True
        return self.state is _HALF_OPEN

    def begin(self) -> int:
        """A call begins; where only one may pass, this is it. Returns what to give to `record`. One that is sent although it is not
        allowed, for want of another endpoint, can close an open breaker and not trip it; beside a probe it counts for nothing."""
        if self._state is not _CLOSED:
            state = self.state
            if state is _PROBING:
                return -1
            if state is _HALF_OPEN:
                self._move(_E.PROBE_SENT)
                self._until = clock.now() + self._options.longest
        return self._era

    def record(self, outcome: Outcome, begun: int) -> None:
        """What the call came to. A cancelled one tells nothing of the endpoint, and lets the next one probe."""
        if begun != self._era:
            return
        state = self._state
        if state is _CLOSED:
            if outcome is not _CANCELLED:
                self._count(outcome)
        elif outcome is not _CANCELLED and outcome not in BLAMES_SERVER:
            self._move(_E.PROBE_ANSWERED)
            self._trips = 0
        elif state is _PROBING and outcome is _CANCELLED:
            self._move(_E.PROBE_LOST)
        elif state is _PROBING:
            self._move(_E.PROBE_FAILED)
            self._stay_open()

    def _count(self, outcome: Outcome) -> None:
        window = self._window
        if outcome is _SUCCESS or outcome not in BLAMES_SERVER:
            self._streak = 0
            window.add(marked=False)
            return
        window.add(marked=True)
        if outcome is not _OVERLOAD:
            self._streak += 1
        options = self._options
        if self._streak >= options.failures or (window.total >= options.least_calls and window.marked >= options.ratio * window.total):
            self._move(_E.TRIPPED)
            self._stay_open()

    def _stay_open(self) -> None:
        options = self._options
        seconds = min(options.longest, options.shortest * 2.0 ** min(self._trips, 64))
        self._trips += 1
        self._until = clock.now() + seconds * self._source.uniform(1 - options.jitter, 1 + options.jitter)

    def _move(self, event: BreakerEvent) -> None:
        """Take a transition. Calls that began before it do not count any more, and what was counted is forgotten."""
        self._state = TRANSITIONS[self._state, event]
        self._era += 1
        self._streak = 0
        self._window.clear()
