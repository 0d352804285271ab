"""`[[methodConfig]]`: the entries for methods that are called, as gRPC's service config has them.

    [[methodConfig]]
    name = [{ service = "skyline.flights.v1.FlightsService" }]
    retryPolicy = { maxAttempts = 4, initialBackoff = "0.05s", maxBackoff = "1s", retryableStatusCodes = ["UNAVAILABLE", "ABORTED"] }

    [[methodConfig]]
    name = [{ service = "skyline.weather.v1.WeatherService" }]
    hedgingPolicy = { maxAttempts = 2, hedgingDelay = "0.02s", extraLoad = 0.02 }

A field that is left out has its default from `towpath._core.policies`.
"""

from typing import Any

import msgspec

from towpath._app.settings import toml
from towpath._app.settings.duration import parse_duration
from towpath._app.settings.fallback import FallbackSettings
from towpath._app.settings.suggest import suggestion
from towpath._contracts.policy import MethodConfig
from towpath._core.context import Criticality
from towpath._core.errors import Code, SetupError
from towpath._core.policies import HedgingPolicy, RetryPolicy, backoff_range


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A `retryPolicy`, as the file has it."""

    max_attempts: int | None = None
    initial_backoff: str | None = None
    max_backoff: str | None = None
    backoff_multiplier: float | None = None
    retryable_status_codes: tuple[str, ...] | None = None
    """Codes after which an attempt is repeated although the server may have processed it. This holds for idempotent methods and for calls
    with an idempotency key. Any other call is tried again only if no handler began with it. Without it UNAVAILABLE alone."""

    def policy(self, where: str) -> RetryPolicy:
        """The checked policy. Raises SetupError that names the place `where` and the mistake."""
        initial = None if self.initial_backoff is None else parse_duration(self.initial_backoff, f"{where}.initialBackoff")
        longest = None if self.max_backoff is None else parse_duration(self.max_backoff, f"{where}.maxBackoff")
        given: dict[str, Any] = {"max_attempts": self.max_attempts, "backoff_multiplier": self.backoff_multiplier}
        given["initial_backoff"], given["max_backoff"] = backoff_range(initial, longest)
        if self.retryable_status_codes is not None:
            given["retryable_codes"] = _codes(self.retryable_status_codes, f"{where}.retryableStatusCodes")
        return toml.policy(RetryPolicy, given, self, where)


class HedgingSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A `hedgingPolicy`, as the file has it."""

    max_attempts: int | None = None
    hedging_delay: str | None = None
    """The time from one attempt to the next. Without it a percentile of recent latencies: all but `extraLoad` of the calls are faster."""
    extra_load: float | None = None
    non_fatal_status_codes: tuple[str, ...] | None = None
    """Codes of one attempt that let the other attempts go on. Any other error ends the call. Without it UNAVAILABLE alone."""

    def policy(self, where: str) -> HedgingPolicy:
        """The checked policy. Raises SetupError that names the place `where` and the mistake."""
        given: dict[str, Any] = {"max_attempts": self.max_attempts, "extra_load": self.extra_load}
        if self.hedging_delay is not None:
            given["hedging_delay"] = parse_duration(self.hedging_delay, f"{where}.hedgingDelay")
        if self.non_fatal_status_codes is not None:
            given["non_fatal_codes"] = _codes(self.non_fatal_status_codes, f"{where}.nonFatalStatusCodes")
        return toml.policy(HedgingPolicy, given, self, where)


class _Name(msgspec.Struct, frozen=True, kw_only=True):
    service: str = ""
    """The full name of a service. Without it the entry is for every method."""
    method: str = ""
    """The name of a method. Without it the entry is for every method of the service."""


class MethodTable(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One `[[methodConfig]]`, as the file has it."""

    name: tuple[_Name, ...]
    timeout: str | None = None
    """The time for a call with all its attempts. Without it the contract decides."""
    criticality: str | None = None
    """How important the calls are: "CRITICAL_PLUS", "CRITICAL", "SHEDDABLE_PLUS" or "SHEDDABLE". An overloaded server sheds the last
    first."""
    retry_policy: RetrySettings | None = None
    hedging_policy: HedgingSettings | None = None
    fallback: FallbackSettings | None = None

    def config(self, where: str) -> MethodConfig:
        """The checked entry. Raises SetupError that names the place `where` and the mistake."""
        timeout = None if self.timeout is None else parse_duration(self.timeout, f"{where}.timeout")
        criticality = None
        if self.criticality is not None:
            if self.criticality not in Criticality.__members__:
                near = suggestion(self.criticality, Criticality.__members__, kind="values")
                raise SetupError(f"{where}.criticality: {self.criticality!r} is not a criticality; {near}")
            criticality = Criticality[self.criticality]
        names = tuple((name.service, name.method) for name in self.name)
        return MethodConfig(
            names=names,
            timeout=timeout,
            criticality=criticality,
            retry=None if self.retry_policy is None else self.retry_policy.policy(f"{where}.retryPolicy"),
            hedge=None if self.hedging_policy is None else self.hedging_policy.policy(f"{where}.hedgingPolicy"),
            fallback=None if self.fallback is None else self.fallback.policy(f"{where}.fallback"),
            source=where,
        )


def _codes(names: tuple[str, ...], where: str) -> frozenset[Code]:
    for name in names:
        if name not in Code.__members__:
            raise SetupError(f"{where}: {name!r} is not a status code; {suggestion(name, Code.__members__, kind='codes')}")
    return frozenset(Code[name] for name in names)
