"""What a client does about a target that is not well: which of it is on, and in which measure. The defaults are for nearly everybody."""

import random
from dataclasses import dataclass, field
from typing import Final, Literal

from towpath.core.outcome import Outcome
from towpath.core.signals import Signal
from towpath.layers.breaker import Breaker
from towpath.layers.budget import BudgetOptions
from towpath.transport import EndpointGuard, Guards

Mode = Literal["on", "off", "shadow"]
"""Whether a role decides, is not there, or decides without effect and is only counted."""


@dataclass(frozen=True, kw_only=True)
class Resilience:
    """Of one target. `breaker` (on) leaves alone that of several endpoints which is ill, `throttle` (on) holds back from a target that
    refuses, and `budget` bounds what retries and hedges add to its load."""

    breaker: Mode = "on"
    throttle: Mode = "on"
    budget: BudgetOptions = field(default_factory=BudgetOptions)


DEFAULT: Final = Resilience()

EVERY_METHOD: Final = "*"
"""What stands for the method where an endpoint is judged, whichever it is called for."""


def guards_of(mode: Mode, source: random.Random, signal: Signal) -> Guards | None:
    """What makes the breaker of each endpoint; None for none. `signal` is told of what one in shadow would have kept away."""
    if mode == "off":
        return None
    if mode == "shadow":
        return lambda _: _Watched(Breaker(source=source), signal)
    return lambda _: Breaker(source=source)


class _Watched(EndpointGuard):
    """A breaker that trips and closes, and lets everything through."""

    __slots__ = ("_breaker", "_signal")

    def __init__(self, breaker: Breaker, signal: Signal) -> None:
        self._breaker = breaker
        self._signal = signal

    def allows(self) -> bool:
        if not self._breaker.allows():
            self._signal(EVERY_METHOD, "breaker", "BREAKER_OPEN", True)
        return True

    def begin(self) -> int:
        return self._breaker.begin()

    def record(self, outcome: Outcome, begun: int) -> None:
        self._breaker.record(outcome, begun)
