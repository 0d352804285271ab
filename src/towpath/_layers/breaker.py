"""When to leave an endpoint alone for a while, and when to ask whether it is well again. An algorithm without IO;
`towpath._layers.endpoint_breaker` has one for each method of an endpoint, and says what is recorded.

A breaker trips on five failures in a row, which finds an endpoint that is gone. It also trips on half of at least 20 calls in ten seconds,
which finds an endpoint that is merely ill (Linkerd's unified breaker). Overload counts towards the share and never towards the streak: a
rejection proves that the server is there, and clients that counted it would switch off a whole fleet that sheds load, endpoint by endpoint.
The breaker stays open for 1 to 30 s; the time doubles with each trip and is jittered, so that clients do not come back together. Then one
call at a time passes, and its success closes the breaker. A call that was sent while the breaker was open, because most endpoints looked
ill, closes it by its success too.

The states are a transition table; a pair that it does not list is illegal. A call's outcome counts only for the state in which the call
began: the stragglers of an outage neither close a breaker nor trip it again. `towpath._core.outcome` says what an outcome is worth.
"""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final

from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._core.outcome import BLAMES_SERVER, Outcome
from towpath._layers.window import Window


class BreakerState(Enum):
    """The state of a breaker."""

    CLOSED = "closed"
    """Calls pass and are counted."""
    OPEN = "open"
    """No call passes until the breaker's time is over."""
    HALF_OPEN = "half_open"
    """The next call passes as a probe."""
    PROBING = "probing"
    """The probe is under way, and no other call passes."""


class BreakerEvent(Enum):
    """An event that moves a breaker to another state."""

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
    (_S.OPEN, _E.PROBE_ANSWERED): _S.CLOSED,  # a call was sent there for want of other endpoints, and succeeded
    (_S.PROBING, _E.PROBE_ANSWERED): _S.CLOSED,
    (_S.PROBING, _E.PROBE_FAILED): _S.OPEN,
    (_S.PROBING, _E.PROBE_LOST): _S.HALF_OPEN,  # the probe was cancelled, or has not ended for the longest time that a breaker stays open
}

# Each call reads these, and reading a member from its enum class runs Python code in 3.11.
_CLOSED: Final = _S.CLOSED
_OPEN: Final = _S.OPEN
_HALF_OPEN: Final = _S.HALF_OPEN
_PROBING: Final = _S.PROBING
_SUCCESS: Final = Outcome.SUCCESS
_CANCELLED: Final = Outcome.CANCELLED
_OVERLOAD: Final = Outcome.OVERLOAD


@dataclass(frozen=True, kw_only=True)
class BreakerOptions:
    """When a breaker trips, and for how long. Raises SetupError for values that make no sense."""

    failures: int = 5
    """Failures in a row that trip it."""
    ratio: float = 0.5
    """The share of failures, among at least `min_calls` in 10 s, that trips it."""
    min_calls: int = 20
    """Calls in 10 s below which `ratio` does not count."""
    min_open: float = 1.0
    """Seconds that it stays open after the first trip. The time doubles each time that a probe fails."""
    max_open: float = 30.0
    """Seconds that it stays open at most."""
    jitter: float = 0.2
    """The share of the time open by which that varies at random."""

    def __post_init__(self) -> None:
        if self.failures < 1 or self.min_calls < 1:
            raise SetupError(f"failures of the breaker is {self.failures} and min_calls {self.min_calls}; give 1 or more")
        if not 0 < self.ratio <= 1:
            raise SetupError(f"ratio of the breaker is {self.ratio:g}; give more than 0 and at most 1")
        if not 0 < self.min_open <= self.max_open < float("inf"):
            raise SetupError(
                f"min_open of the breaker is {self.min_open:g} s and max_open {self.max_open:g} s; give more than 0, the first no larger"
            )
        if not 0 <= self.jitter < 1:
            raise SetupError(f"jitter of the breaker is {self.jitter:g}; give 0 or more, and less than 1")


class Breaker:
    """One breaker, for calls that have an endpoint and a method in common. Ask `allows` when choosing an endpoint. Give each call one
    `begin`, and one `record` with the number that `begin` returned, after a cancellation too. Bound to one loop; not thread-safe."""

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
        """The state now."""
        if (self._state is _OPEN or self._state is _PROBING) and clock.now() >= self._until:
            self._move(_E.COOLED if self._state is _OPEN else _E.PROBE_LOST)
        return self._state

    def allows(self) -> bool:
        """Whether a call may go to the endpoint now. The question changes nothing: ask as often as you like."""
        if self._state is _CLOSED:
            return True
        return self.state is _HALF_OPEN

    def begin(self) -> int:
        """A call begins; in the half-open state this call is the probe. Returns the number for `record`. A call that is sent although none
        is allowed can close an open breaker and cannot trip it. Beside a probe it counts for nothing."""
        if self._state is not _CLOSED:
            state = self.state
            if state is _PROBING:
                return -1
            if state is _HALF_OPEN:
                self._move(_E.PROBE_SENT)
                self._until = clock.now() + self._options.max_open
        return self._era

    def record(self, outcome: Outcome, begun: int) -> None:
        """The call ended with `outcome`. A cancelled call tells nothing of the endpoint, and lets the next one probe."""
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
        if self._streak >= options.failures or (window.total >= options.min_calls and window.marked >= options.ratio * window.total):
            self._move(_E.TRIPPED)
            self._stay_open()

    def _stay_open(self) -> None:
        options = self._options
        seconds = min(options.max_open, options.min_open * 2.0 ** min(self._trips, 64))
        self._trips += 1
        self._until = clock.now() + seconds * self._source.uniform(1 - options.jitter, 1 + options.jitter)

    def _move(self, event: BreakerEvent) -> None:
        """Take a transition. Calls that began before it do not count any more, and the counts start from zero."""
        self._state = TRANSITIONS[self._state, event]
        self._era += 1
        self._streak = 0
        self._window.clear()
