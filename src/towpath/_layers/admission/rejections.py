"""How a server rejects thousands of calls a second: with the same error for several of them, which the transport encodes once."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from towpath._core.context import Context
from towpath._core.decisions import ADMISSION, Decision, Signal, rejection
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


class Rejections:
    """The rejections of one method. `rng` spreads the pushback."""

    __slots__ = ("_last", "_method", "_name", "_rng", "_signal")

    def __init__(self, method: MethodSpec[Any, Any], signal: Signal, rng: random.Random) -> None:
        self._method = method
        self._name = method.full_name
        self._signal = signal
        self._rng = rng
        self._last: dict[Reason, tuple[Rejection, float, Decision]] = {}  # the rejection, until when it is given, and what is told of it

    def next(
        self, reason: Reason, fraction: float, now: float, figures: Callable[[], Mapping[str, str]], *, ctx: Context | None = None
    ) -> Rejection:
        """The rejection of one more call, which others get too.

        The larger the `fraction` (0 to 1) of calls that is shed, the later callers are told to come again: 50 ms to 2 s, give or take half.
        `figures` gives what decided. `ctx` is the call; None if only its headers are known.
        """
        last = self._last.get(reason)
        if last is None or now >= last[1]:
            decision = Decision(self._name, ADMISSION, reason, False, None, True)
            last = self._last[reason] = (Rejection(self._error(reason, fraction, figures())), now + _REPEATED, decision)
        self._signal(last[2] if ctx is None else Decision(self._name, ADMISSION, reason, False, ctx, True))
        return last[0]

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
