"""How a server says no to thousands of calls a second: the same error for several of them, which the transport encodes once."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from towpath.core.context import Context
from towpath.core.errors import Code, RpcError
from towpath.core.service import MethodSpec
from towpath.core.signals import Decision, Signal, rejection

_SAID_AGAIN: Final = 0.05
"""Seconds for which refusals are told the same: to make the error takes as long as to refuse ten calls. The pushback counts from when each
caller hears it, so that those who hear the same one do not come back at once."""

_SHORTEST_PUSHBACK: Final = 0.05
_LONGEST_PUSHBACK: Final = 2.0


class Refusals:
    """Of one method, by `role`. `figures` gives what decided, now; `rng` spreads the pushback."""

    __slots__ = ("_figures", "_method", "_name", "_rng", "_role", "_said", "_signal")

    def __init__(
        self, method: MethodSpec[Any, Any], role: str, figures: Callable[[], Mapping[str, str]], signal: Signal, rng: random.Random
    ) -> None:
        self._method = method
        self._name = method.full_name
        self._role = role
        self._figures = figures
        self._signal = signal
        self._rng = rng
        self._said: dict[str, tuple[RpcError, float, Decision]] = {}  # by reason: the error, until when it is given, and without a call

    def next(self, reason: str, share: float, now: float, ctx: Context | None = None) -> RpcError:
        """The error for one more call, which nobody may raise, since others get it too. The larger the `share` (0 to 1) of calls that are
        refused, the later they are told to come again: 50 ms to 2 s, give or take half. `ctx` is the call; None if only its headers are
        known."""
        said = self._said.get(reason)
        if said is None or now >= said[1]:
            decision = Decision(self._name, self._role, reason, False, None, True)
            said = self._said[reason] = (self._error(reason, share), now + _SAID_AGAIN, decision)
        self._signal(said[2] if ctx is None else Decision(self._name, self._role, reason, False, ctx, True))
        return said[0]

    def _error(self, reason: str, share: float) -> RpcError:
        pushback = _SHORTEST_PUSHBACK + (_LONGEST_PUSHBACK - _SHORTEST_PUSHBACK) * share**2
        return rejection(
            Code.RESOURCE_EXHAUSTED,
            self._method,
            role=self._role,
            reason=reason,
            why="the server is overloaded and refused the call unstarted",
            figures=self._figures(),
            pushback=pushback * self._rng.uniform(0.5, 1.5),
        )
