"""The breakers of one endpoint: one for each method that is called there, and one for its connections.

A method that has a bug fails wherever it is called, and says nothing of the others; so each method is judged by itself. A connection that
is lost, or a server that gives calls back unbegun, concerns them all; so these are counted for the endpoint, one for each time that it
happens and not for each call that it hits.

What counts is what the endpoint is to blame for. A used-up quota or any other exhausted share is its caller's. A call that was cancelled
says nothing. One that ran out of time blames the endpoint only if others of the method were lately answered in half that time, by whichever
endpoint: a caller with little patience, or a method that is slow for everybody, has nobody shut out.
"""

import random
from typing import Final

from towpath._core import clock
from towpath._core.errors import RpcError
from towpath._core.outcome import Outcome, classify
from towpath._core.signals import shed
from towpath._layers.breaker import Breaker, BreakerOptions, BreakerState

AMPLE: Final = 2.0
"""How many times what the slowest answer took is time enough for any."""

BREAKER_OPEN: Final = "BREAKER_OPEN"
"""The reason for which a breaker keeps calls away: too many have failed of late."""

_PERIOD: Final = 10.0
"""Seconds after which an answer is one of those before; after twice as long it is forgotten."""

# A connection that holds is no call that succeeds, of which there may be any number: the share of lost ones means nothing.
_CONNECTIONS: Final = BreakerOptions(least_calls=1 << 62)

_SUCCESS: Final = Outcome.SUCCESS
_OVERLOAD: Final = Outcome.OVERLOAD
_TRANSIENT: Final = Outcome.TRANSIENT
_CANCELLED: Final = Outcome.CANCELLED
_DEADLINE: Final = Outcome.DEADLINE
_CLOSED: Final = BreakerState.CLOSED


class Pace:
    """How long the answers to one method take, at all endpoints of a target: the slowest of the last 10 to 20 s."""

    __slots__ = ("_before", "_slowest", "_until")

    def __init__(self) -> None:
        self._slowest = 0.0
        self._before = 0.0
        self._until = clock.now() + _PERIOD

    def answered(self, seconds: float) -> None:
        """One took `seconds`."""
        now = clock.now()
        if now >= self._until:
            self._turn(now)
        self._slowest = max(self._slowest, seconds)

    def ample(self, seconds: float) -> bool:
        """Whether `seconds` were enough for any answer of late; False while there was none."""
        now = clock.now()
        if now >= self._until:
            self._turn(now)
        return 0.0 < AMPLE * max(self._slowest, self._before) <= seconds

    def _turn(self, now: float) -> None:
        self._before = self._slowest if now < self._until + _PERIOD else 0.0
        self._slowest = 0.0
        self._until = now + _PERIOD


Paces = dict[str, Pace]
"""Those of one target, by the full name of the method."""


class _Judged:
    """A method at an endpoint."""

    __slots__ = ("breaker", "method", "pace")

    def __init__(self, method: str, pace: Pace, source: random.Random) -> None:
        self.method = method
        self.pace = pace
        self.breaker = Breaker(source=source)


Begun = tuple[_Judged, int, int, int]


class EndpointBreaker:
    """Of one endpoint; `paces` are shared by those of its target, `source` spreads when they ask again. Ask `allows` when choosing; for
    each call `begin`, and `record` how it ended. Bound to one loop; not thread-safe."""

    __slots__ = ("_connections", "_faults", "_methods", "_paces", "_source", "_wary")

    def __init__(self, paces: Paces, *, source: random.Random) -> None:
        self._paces = paces
        self._source = source
        self._methods: dict[str, _Judged] = {}
        self._connections = Breaker(_CONNECTIONS, source=source)
        self._faults = 0
        self._wary = False  # a connection was lost, and that others hold has to be told

    def allows(self, method: str) -> bool:
        """Whether a call of `method` may go to the endpoint now. Takes nothing: ask as often as you like."""
        if not self._connections.allows():
            return False
        judged = self._methods.get(method)
        return judged is None or judged.breaker.allows()

    def begin(self, method: str) -> Begun:
        """A call begins, allowed or not; returns what to give to `record`."""
        judged = self._methods.get(method)
        if judged is None:
            pace = self._paces.setdefault(method, Pace())
            judged = self._methods[method] = _Judged(method, pace, self._source)
        return judged, judged.breaker.begin(), self._connections.begin(), self._faults

    def record(self, begun: Begun, seconds: float, error: BaseException | None) -> None:
        """The call has ended, after so many seconds (0 for a stream, whose length says nothing), with `error` if not well."""
        judged, era, connected, faults = begun
        if error is None:
            judged.pace.answered(seconds)
            judged.breaker.record(_SUCCESS, era)
            if self._wary:
                self._held(connected)
            return
        outcome = classify(error)
        if isinstance(error, RpcError) and (error.lost or (error.unprocessed and outcome is _TRANSIENT)):
            judged.breaker.record(_CANCELLED, era)
            self._lost(connected, faults)
            return
        if outcome is _CANCELLED or outcome is _DEADLINE:
            blamed = outcome is _DEADLINE and judged.pace.ample(seconds)
            judged.breaker.record(outcome if blamed else _CANCELLED, era)
            self._connections.record(_CANCELLED, connected)  # there was no answer, over whatever connection
            return
        said = outcome is not _OVERLOAD or (isinstance(error, RpcError) and shed(error, judged.method))
        judged.breaker.record(outcome if said else _CANCELLED, era)
        if self._wary:
            self._held(connected)

    def _held(self, connected: int) -> None:
        """An answer has come over a connection."""
        self._connections.record(_SUCCESS, connected)
        self._wary = self._connections.state is not _CLOSED

    def _lost(self, connected: int, faults: int) -> None:
        """A call was lost with its connection, or given back; there had been so many faults when it began. Who was under way together is
        hit together, and counts once."""
        if faults != self._faults:
            self._connections.record(_CANCELLED, connected)
            return
        self._faults += 1
        self._wary = True
        self._connections.record(_TRANSIENT, connected)
