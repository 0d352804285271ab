"""The policies that a method may have for retries and hedges, in the terms of gRPC's service config (gRFC A6), and for its fallback.

These are values only. Contracts and service files give them, and the layers of these names in `towpath._layers` act on them.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Final

from towpath._core.errors import Code, SetupError

MAX_ATTEMPTS: Final = 5
"""The highest `max_attempts`. More is an error; gRFC A6 has the same bound."""


class InvalidField(SetupError):
    """A value out of its range. A reader of files puts its own spelling of the field before the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        """The field of the policy, as Python and contracts spell it."""
        self.reason = reason
        """The rest of the message: the value, and what to give."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a failed attempt is tried again.

    The n-th retry waits a random time from 0 to `initial_backoff * backoff_multiplier ** (n - 1)`, capped at `max_backoff`: full jitter, as
    in "Exponential Backoff and Jitter" (AWS, 2015), over Envoy's 25 ms. Raises InvalidField for a value out of its range.
    """

    max_attempts: int = 3
    """Attempts in all, the first one among them, at most 5. 1 switches retries off."""
    initial_backoff: float = 0.025
    """The longest wait before the first retry, in seconds."""
    max_backoff: float = 0.25
    """The longest wait before any retry, in seconds."""
    backoff_multiplier: float = 2.0
    """How many times longer the next wait may be, 1 or more."""
    retryable_codes: frozenset[Code] = frozenset({Code.UNAVAILABLE})
    """Codes after which an attempt is repeated although the server may have processed it. This holds for idempotent methods and for calls
    with an idempotency key. Any other call is tried again only if no handler began with it, whatever its code is."""

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidField("max_attempts", f"is {self.max_attempts}; give 1 (no retries) to {MAX_ATTEMPTS}")
        if not 0 < self.initial_backoff < float("inf"):
            raise InvalidField("initial_backoff", f"is {self.initial_backoff:g} s; give more than 0")
        if not self.initial_backoff <= self.max_backoff < float("inf"):
            raise InvalidField("max_backoff", f"is {self.max_backoff:g} s; give {self.initial_backoff:g} s, the first backoff, or more")
        if not (isfinite(self.backoff_multiplier) and self.backoff_multiplier >= 1):
            raise InvalidField("backoff_multiplier", f"is {self.backoff_multiplier:g}; give 1 or more")


def backoff_range(initial: float | None, longest: float | None) -> tuple[float, float]:
    """A policy's `initial_backoff` and `max_backoff`, in seconds. One that is left out (None) has its default, or the value of the other if
    the default would be on the wrong side of that."""
    if initial is None:
        initial = RetryPolicy.initial_backoff if longest is None else min(RetryPolicy.initial_backoff, longest)
    return initial, max(RetryPolicy.max_backoff, initial) if longest is None else longest


@dataclass(frozen=True, kw_only=True)
class HedgingPolicy:
    """How further attempts are sent while the first has not been answered yet; for idempotent methods only. Raises InvalidField for a value
    out of its range."""

    max_attempts: int = 2
    """Attempts in all, the first one among them, at most 5."""
    hedging_delay: float | None = None
    """Seconds from one attempt to the next. None takes a percentile of recent latencies: all but `extra_load` of the calls are faster."""
    extra_load: float = 0.01
    """The largest share of calls that get a second attempt, at most 0.05."""
    non_fatal_codes: frozenset[Code] = frozenset({Code.UNAVAILABLE})
    """Errors of one attempt that let the other attempts go on. Any other error ends the call."""

    def __post_init__(self) -> None:
        if not 2 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidField("max_attempts", f"of a hedge is {self.max_attempts}; give 2 to {MAX_ATTEMPTS}")
        if self.hedging_delay is not None and not 0 <= self.hedging_delay < float("inf"):
            raise InvalidField("hedging_delay", f"is {self.hedging_delay:g} s; give 0 or more, or leave it out")
        if not 0 < self.extra_load <= 0.05:
            raise InvalidField("extra_load", f"is {self.extra_load:g}; give more than 0 and at most 0.05")


@dataclass(frozen=True, kw_only=True)
class FallbackPolicy:
    """How a call is answered when the server fails. Raises InvalidField for a value out of its range."""

    value: bytes | None = None
    """A response as JSON. Without it the call is answered with the last good answer to the same request."""
    skip: bool = False
    """Whether the call is not even made while it would probably end too late. This needs a `value`."""
    max_age: float = 60.0
    """Seconds for which a last good answer may be used."""
    size: int = 1000
    """How many requests have their last good answers kept, the most recent ones."""

    def __post_init__(self) -> None:
        check_last_answers(self.max_age, self.size)


def check_last_answers(max_age: float, size: int) -> None:
    """Check that the last good answers of `size` requests can be kept for `max_age` seconds. Raises InvalidField."""
    if not 0 < max_age < float("inf"):
        raise InvalidField("max_age", f"of a fallback is {max_age:g} s; give more than 0")
    if size < 1:
        raise InvalidField("size", f"of a fallback is {size}; give 1 or more")
