"""How a server rejects thousands of calls a second: with the same error for several of them, which the transport encodes once."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

from towpath._core.context import Context
from towpath._core.decisions import ADMISSION, Decision, DecisionCounter, Signal, rejection
from towpath._core.early_rejection import Rejection
from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodSpec

Reason = Literal["CONCURRENCY_LIMIT", "LOOP_LAG", "PRIORITY", "QUEUE_DELAY", "QUEUE_FULL"]
"""Why a call is rejected, as ErrorInfo and metrics say it."""

CONCURRENCY_LIMIT: Final = "CONCURRENCY_LIMIT"
"""As many calls as may are under way, and there is no room to wait for one of them to end."""

LOOP_LAG: Final = "LOOP_LAG"
"""The loop is late."""

PRIORITY: Final = "PRIORITY"
"""Other calls matter more."""

QUEUE_DELAY: Final = "QUEUE_DELAY"
"""The wait is too long, or would be."""

QUEUE_FULL: Final = "QUEUE_FULL"
"""As many calls wait as may at most."""

_REPEATED: Final = 0.05
"""Seconds for which rejections are told the same: to make the error takes as long as to reject ten calls. The pushback counts from when
each caller hears it, so that callers who hear the same one do not come back at once."""

_MIN_PUSHBACK: Final = 0.05
"""Seconds after which a rejected caller may come again when hardly any call is shed."""

_MAX_PUSHBACK: Final = 2.0
"""Seconds after which a rejected caller may come again when all calls are shed."""


class OverloadedQueue(Protocol):
    """What a rejection says of the queue that rejects."""

    @property
    def excess(self) -> float:
        """The fraction of calls that is shed, 0 to 1."""
        ...

    def figures(self) -> Mapping[str, str]:
        """The values that decided."""
        ...


class _Told:
    """What callers are told for a while: the rejection, until when, and how it is counted."""

    __slots__ = ("count", "decision", "rejection", "until")

    def __init__(self, rejection: Rejection, until: float, decision: Decision, count: Callable[[], None] | None) -> None:
        self.rejection = rejection
        self.until = until
        self.decision = decision
        self.count = count
        """Counts the decision once more; None if the signal has to know about which call it is."""


class Rejections:
    """The rejections of one method. `rng` spreads the pushback."""

    __slots__ = ("_counter", "_method", "_name", "_rng", "_signal", "_told")

    def __init__(self, method: MethodSpec[Any, Any], signal: Signal, rng: random.Random) -> None:
        self._method = method
        self._name = method.full_name
        self._signal = signal
        self._rng = rng
        self._counter = signal if isinstance(signal, DecisionCounter) else None
        self._told: dict[Reason, _Told] = {}

    def next(self, reason: Reason, now: float, queue: OverloadedQueue, ctx: Context | None = None) -> Rejection:
        """The rejection of one more call, which others get too. `ctx` is the call; None if only its headers are known.

        The larger the fraction of calls that `queue` sheds, the later callers are told to come again: 50 ms to 2 s, give or take half.
        """
        told = self._told.get(reason)
        if told is None or now >= told.until:
            told = self._tell_anew(reason, now, queue)
        if told.count is not None:
            told.count()
        else:
            self._signal(told.decision if ctx is None else Decision(self._name, ADMISSION, reason, False, ctx, True))
        return told.rejection

    def _tell_anew(self, reason: Reason, now: float, queue: OverloadedQueue) -> _Told:
        decision = Decision(self._name, ADMISSION, reason, False, None, True)
        count = None if self._counter is None else self._counter.counter_of(decision)
        error = self._error(reason, queue.excess, queue.figures())
        told = self._told[reason] = _Told(Rejection(error), now + _REPEATED, decision, count)
        return told

    def _error(self, reason: Reason, fraction: float, figures: Mapping[str, str]) -> RpcError:
        pushback = _MIN_PUSHBACK + (_MAX_PUSHBACK - _MIN_PUSHBACK) * fraction**2
        return rejection(
            Code.RESOURCE_EXHAUSTED,
            self._method,
            role=ADMISSION,
            reason=reason,
            why="the server is overloaded and refused the call unstarted",
            figures=figures,
            pushback=pushback * self._rng.uniform(0.5, 1.5),
        )
