"""What a client does about a target that is not well: which of it is on, and in which measure. The defaults are for nearly everybody."""

import random
from dataclasses import dataclass, field
from typing import Final, Literal

from towpath.core.signals import BREAKER, Decision, Signal
from towpath.layers.budget import BudgetOptions
from towpath.layers.endpoint_breaker import BREAKER_OPEN, Begun, EndpointBreaker, Paces
from towpath.transport import EndpointGuard, Guards

Mode = Literal["on", "off", "shadow"]
"""Whether a role decides, is not there, or decides without effect and is only counted."""


@dataclass(frozen=True, kw_only=True)
class Resilience:
    """Of one target. `breaker` (on) leaves alone that of several endpoints which is ill with a method, as long as most are well, `throttle`
    (on) holds back from a target that sheds what is too much for it, and `budget` bounds what retries and hedges add to its load."""

    breaker: Mode = "on"
    throttle: Mode = "on"
    budget: BudgetOptions = field(default_factory=BudgetOptions)


DEFAULT: Final = Resilience()


def guards_of(mode: Mode, source: random.Random, signal: Signal) -> Guards | None:
    """What makes the breakers of each endpoint of one target; None for none. `signal` is told of what those in shadow would have kept
    away."""
    if mode == "off":
        return None
    paces: Paces = {}
    if mode == "shadow":
        return lambda _: _Watched(EndpointBreaker(paces, source=source), signal)
    return lambda _: EndpointBreaker(paces, source=source)


class _Watched(EndpointGuard):
    """Breakers that trip and close, and let everything through."""

    __slots__ = ("_breaker", "_signal")

    def __init__(self, breaker: EndpointBreaker, signal: Signal) -> None:
        self._breaker = breaker
        self._signal = signal

    def allows(self, method: str) -> bool:
        return True

    def begin(self, method: str) -> Begun:
        if not self._breaker.allows(method):
            self._signal(Decision(method, BREAKER, BREAKER_OPEN, True, None))
        return self._breaker.begin(method)

    def record(self, begun: Begun, seconds: float, error: BaseException | None) -> None:
        self._breaker.record(begun, seconds, error)
