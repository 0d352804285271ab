"""The breakers of one endpoint: one for each method that is called there, and one for its connections.

A method with a bug fails at every endpoint, and says nothing about other methods. So each method has a breaker. A lost connection, or a
server that gives calls back unprocessed, affects all methods. So the endpoint has a breaker for these, which counts each such event once,
and not once for each call that it hits.

A failure counts only if the endpoint is to blame for it. A used-up quota or any other exhausted share is the caller's. A cancelled call
says nothing about the endpoint. A call that ran out of time counts against the endpoint only if the slowest recent answer to the method, at
any endpoint, took at most half that time. So neither a caller with a short timeout nor a method that is slow at all endpoints opens a
breaker.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from towpath._core import clock
from towpath._core.decisions import shed
from towpath._core.errors import RpcError
from towpath._core.outcome import Outcome, classify
from towpath._layers.breaker import Breaker, BreakerOptions, BreakerState

AMPLE: Final = 2.0
"""A time that is so many times as long as the slowest recent answer took is ample for any answer."""

BREAKER_OPEN: Final = "BREAKER_OPEN"
"""The reason of decisions by an open breaker: too many recent calls have failed."""

_PERIOD: Final = 10.0
"""Seconds in one period. An answer is remembered in its own period and in the next."""

_NO_SHARE: Final = 1 << 62
"""The `min_calls` of the breaker for connections. The share of failures has no effect on it: one connection carries any number of calls, so
a share of lost connections among them means nothing."""

_SUCCESS: Final = Outcome.SUCCESS
_OVERLOAD: Final = Outcome.OVERLOAD
_TRANSIENT: Final = Outcome.TRANSIENT
_CANCELLED: Final = Outcome.CANCELLED
_DEADLINE: Final = Outcome.DEADLINE
_CLOSED: Final = BreakerState.CLOSED


class Pace:
    """The time that the slowest answer to one method took in the last 10 to 20 s, at all endpoints of a target."""

    __slots__ = ("_before", "_slowest", "_until")

    def __init__(self) -> None:
        self._slowest = 0.0
        self._before = 0.0
        self._until = clock.now() + _PERIOD

    def answered(self, seconds: float) -> None:
        """Count an answer that took `seconds`."""
        now = clock.now()
        if now >= self._until:
            self._turn(now)
        self._slowest = max(self._slowest, seconds)

    def ample(self, seconds: float) -> bool:
        """Whether `seconds` would have been ample for every recent answer; False if there was none."""
        now = clock.now()
        if now >= self._until:
            self._turn(now)
        return 0.0 < AMPLE * max(self._slowest, self._before) <= seconds

    def _turn(self, now: float) -> None:
        self._before = self._slowest if now < self._until + _PERIOD else 0.0
        self._slowest = 0.0
        self._until = now + _PERIOD


Paces = dict[str, Pace]
"""The `Pace` of each method of one target, by the method's full name."""


class _Judged:
    """One method at one endpoint, with its breaker."""

    __slots__ = ("breaker", "method", "pace")

    def __init__(self, method: str, pace: Pace, options: BreakerOptions, source: random.Random) -> None:
        self.method = method
        self.pace = pace
        self.breaker = Breaker(options, source=source)


Begun = tuple[_Judged, int, int, int]


class EndpointBreaker:
    """The breakers of one endpoint. All endpoints of a target share `paces`. `options` hold for each breaker, but the one for connections
    heeds no share of failures. `source` draws the jitter of the times for which breakers stay open. Ask `allows` when choosing an endpoint.
    Give each call one `begin` and one `record`. Bound to one loop; not thread-safe."""

    __slots__ = ("__weakref__", "_connections", "_faults", "_methods", "_options", "_paces", "_source", "_wary")

    def __init__(self, paces: Paces, options: BreakerOptions | None = None, *, source: random.Random) -> None:
        self._options = BreakerOptions() if options is None else options
        self._paces = paces
        self._source = source
        self._methods: dict[str, _Judged] = {}
        self._connections = Breaker(replace(self._options, min_calls=_NO_SHARE), source=source)
        self._faults = 0
        self._wary = False
        """Whether a connection was lost, so that its breaker has to hear of the next answer over another."""

    def states(self) -> Iterator[BreakerState]:
        """The state of each breaker now, that for connections first."""
        yield self._connections.state
        for judged in self._methods.values():
            yield judged.breaker.state

    def allows(self, method: str) -> bool:
        """Whether a call of `method` may go to the endpoint now. The question changes nothing: ask as often as you like."""
        if not self._connections.allows():
            return False
        judged = self._methods.get(method)
        return judged is None or judged.breaker.allows()

    def begin(self, method: str) -> Begun:
        """Count a call that begins, whether it is allowed or not. Returns the value that `record` takes."""
        judged = self._methods.get(method)
        if judged is None:
            pace = self._paces.setdefault(method, Pace())
            judged = self._methods[method] = _Judged(method, pace, self._options, self._source)
        return judged, judged.breaker.begin(), self._connections.begin(), self._faults

    def record(self, begun: Begun, seconds: float, error: BaseException | None) -> None:
        """Count the end of a call after `seconds`, with `error` or with None in success. For a stream `seconds` is 0, since the length of a
        stream says nothing about the endpoint."""
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
            self._connections.record(_CANCELLED, connected)  # no answer came, so the connection is not known to hold
            return
        said = outcome is not _OVERLOAD or (isinstance(error, RpcError) and shed(error, judged.method))
        judged.breaker.record(outcome if said else _CANCELLED, era)
        if self._wary:
            self._held(connected)

    def _held(self, connected: int) -> None:
        """Count an answer, which shows that its connection holds."""
        self._connections.record(_SUCCESS, connected)
        self._wary = self._connections.state is not _CLOSED

    def _lost(self, connected: int, faults: int) -> None:
        """Count a call that was lost with its connection, or given back unprocessed. `faults` is the number of faults when the call began.
        Calls that were under way together are hit by one fault, which counts once."""
        if faults != self._faults:
            self._connections.record(_CANCELLED, connected)
            return
        self._faults += 1
        self._wary = True
        self._connections.record(_TRANSIENT, connected)
