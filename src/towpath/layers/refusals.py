"""How a server says no to thousands of calls a second: the same error for several of them, which the transport encodes once."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from towpath.core.errors import Code, RpcError
from towpath.core.service import MethodSpec
from towpath.core.signals import Signal, refusal

_SAID_AGAIN: Final = 32
"""Refusals that are told the same: their figures and their pushback are of one moment."""

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
        self._said: dict[str, list[Any]] = {}  # by reason: the error, and how often it was given

    def next(self, reason: str, share: float) -> RpcError:
        """The error for one more call, which nobody may raise, since others get it too. The larger the `share` (0 to 1) of calls that are
        refused, the later they are told to come again: 50 ms to 2 s, give or take half."""
        self._signal(self._name, self._role, reason, False)
        said = self._said.get(reason)
        if said is None or said[1] >= _SAID_AGAIN:
            said = self._said[reason] = [self._error(reason, share), 0]
        said[1] += 1
        error: RpcError = said[0]
        return error

    def _error(self, reason: str, share: float) -> RpcError:
        pushback = _SHORTEST_PUSHBACK + (_LONGEST_PUSHBACK - _SHORTEST_PUSHBACK) * share**2
        return refusal(
            Code.RESOURCE_EXHAUSTED,
            self._method,
            role=self._role,
            reason=reason,
            why="the server is overloaded and refused the call unstarted",
            figures=self._figures(),
            pushback=pushback * self._rng.uniform(0.5, 1.5),
        )
