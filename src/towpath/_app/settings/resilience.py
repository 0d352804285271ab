"""How a client treats a target that fails or is overloaded. The defaults are right for nearly every target.

    [targets.flights]
    breaker = "shadow"                       # or "off"; "on" without it
    throttle = { mode = "on", headroom = 2 }

    [targets.flights.breaker]                # or as a table, see `towpath._layers.breaker.BreakerOptions`
    mode = "on"
    failures = 5
    ratio = 0.5
    min_calls = 20
    min_open = "1s"
    max_open = "30s"
    jitter = 0.2

`towpath._layers.throttle.ThrottleOptions` explains the keys of a throttle: `headroom`, `max_share`, `min_calls` and `forced_after`.
"""

import random
from collections.abc import MutableSet
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from towpath._app.settings.option_tables import Keys, Number, Seconds, options
from towpath._core.decisions import BREAKER, Decision, Signal
from towpath._layers.breaker import BreakerOptions
from towpath._layers.endpoint_breaker import BREAKER_OPEN, Begun, EndpointBreaker, Paces
from towpath._layers.retry_budget import BudgetOptions
from towpath._layers.throttle import ThrottleOptions
from towpath._transport import EndpointGuard, Guards

Mode = Literal["on", "off", "shadow"]
"""Whether a role decides ("on"), is left out ("off"), or only counts what it would decide ("shadow")."""

BREAKER_KEYS: Final[Keys] = {
    "failures": Number("failures", 1, 1_000_000),
    "ratio": Number("ratio", 0.001, 1),
    "min_calls": Number("min_calls", 1, 1_000_000),
    "min_open": Seconds("min_open"),
    "max_open": Seconds("max_open"),
    "jitter": Number("jitter", 0, 0.99),
}

THROTTLE_KEYS: Final[Keys] = {
    "headroom": Number("headroom", 1, 1000),
    "max_share": Number("max_share", 0.001, 0.999),
    "min_calls": Number("min_calls", 1, 1_000_000),
    "forced_after": Seconds("forced_after"),
}


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A table `breaker` of a target, as the file has it."""

    mode: Mode = "on"
    """Whether calls keep away from an endpoint that fails, with "shadow" are only counted, or neither."""
    failures: int | None = None
    ratio: float | None = None
    min_calls: int | None = None
    min_open: str | None = None
    max_open: str | None = None
    jitter: float | None = None


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A table `throttle` of a target, as the file has it."""

    mode: Mode = "on"
    """Whether fewer calls are sent to a target that rejects many, with "shadow" are only counted, or neither."""
    headroom: float | None = None
    max_share: float | None = None
    min_calls: int | None = None
    forced_after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resilience:
    """The breaker, throttle and retry budget of one target."""

    breaker: Mode = "on"
    """Whether calls of a method keep away from the few endpoints that fail it, as long as most endpoints are well."""
    throttle: Mode = "on"
    """Whether fewer calls are sent to a target that sheds load."""
    budget: BudgetOptions = field(default_factory=BudgetOptions)
    """How much retries and hedges may add to the target's load."""
    breaker_options: BreakerOptions = field(default_factory=BreakerOptions)
    """When calls of a method, or all calls, keep away from an endpoint, and for how long."""
    throttle_options: ThrottleOptions = field(default_factory=ThrottleOptions)
    """How many fewer calls are sent. `throttle` decides its `shadow`."""


DEFAULT: Final = Resilience()


def breaker_of(setting: Mode | BreakerSettings, where: str) -> tuple[Mode, BreakerOptions]:
    """The mode and the options of a `breaker`. Raises SetupError that names the place `where`, and the key."""
    return (
        (setting, BreakerOptions()) if isinstance(setting, str) else (setting.mode, options(BreakerOptions, setting, BREAKER_KEYS, where))
    )


def throttle_of(setting: Mode | ThrottleSettings, where: str) -> tuple[Mode, ThrottleOptions]:
    """The mode and the options of a `throttle`. Raises SetupError that names the place `where`, and the key."""
    if isinstance(setting, str):
        return setting, ThrottleOptions()
    return setting.mode, options(ThrottleOptions, setting, THROTTLE_KEYS, where)


def guards_of(
    resilience: Resilience, source: random.Random, signal: Signal, made: MutableSet[EndpointBreaker] | None = None
) -> Guards | None:
    """The function that makes the breakers of each endpoint of one target, and adds them to `made`; None if they are off. A breaker in
    shadow calls `signal` for each call that it would have kept away."""
    mode, breaker_options = resilience.breaker, resilience.breaker_options
    if mode == "off":
        return None
    paces: Paces = {}

    def guard(_: str) -> EndpointGuard:
        breaker = EndpointBreaker(paces, breaker_options, source=source)
        if made is not None:
            made.add(breaker)
        return _ShadowBreaker(breaker, signal) if mode == "shadow" else breaker

    return guard


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
