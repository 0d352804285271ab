"""How a client treats a target that fails or is overloaded. The defaults are right for nearly every target."""

import random
from dataclasses import dataclass, field
from typing import Final, Literal

from towpath._core.decisions import BREAKER, Decision, Signal
from towpath._layers.endpoint_breaker import BREAKER_OPEN, Begun, EndpointBreaker, Paces
from towpath._layers.retry_budget import BudgetOptions
from towpath._transport import EndpointGuard, Guards

Mode = Literal["on", "off", "shadow"]
"""Whether a role decides ("on"), is left out ("off"), or only counts what it would decide ("shadow")."""


@dataclass(frozen=True, kw_only=True)
class Resilience:
    """The breaker, throttle and retry budget of one target."""

    breaker: Mode = "on"
    """Whether calls of a method keep away from the few endpoints that fail it, as long as most endpoints are well."""
    throttle: Mode = "on"
    """Whether fewer calls are sent to a target that sheds load."""
    budget: BudgetOptions = field(default_factory=BudgetOptions)
    """How much retries and hedges may add to the target's load."""


DEFAULT: Final = Resilience()


def guards_of(mode: Mode, source: random.Random, signal: Signal) -> Guards | None:
    """The function that makes the breakers of each endpoint of one target; None if they are off. A breaker in shadow calls `signal` for
    each call that it would have kept away."""
    if mode == "off":
        return None
    paces: Paces = {}
    if mode == "shadow":
        return lambda _: _ShadowBreaker(EndpointBreaker(paces, source=source), signal)
    return lambda _: EndpointBreaker(paces, source=source)


class _ShadowBreaker(EndpointGuard):
    """Breakers that open and close without effect."""

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
