"""What may be said of a method's retries and hedges, in the terms of gRPC's service config (gRFC A6), and of its fallback.

Values only: the roles of these names in `towpath.layers` act on them, contracts and service files give them.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Final

from towpath.core.errors import Code, SetupError

MOST_ATTEMPTS: Final = 5
"""More attempts than these are refused, as gRFC A6 does."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a failed attempt is tried again.

    `max_attempts` counts the first one (default 3; 1 switches retries off, at most 5). The n-th retry waits a random time from 0 to
    `initial_backoff * backoff_multiplier ** (n - 1)` (0.025 s at first), capped at `max_backoff` (0.25 s): full jitter, as in
    "Exponential Backoff and Jitter" (AWS, 2015), over Envoy's 25 ms. `retryable_codes` (UNAVAILABLE) are tried again even though the
    server may have processed the attempt, if the method is idempotent or the call has an idempotency key; any other call is tried again
    only if no handler began with it, whatever the codes are. Raises SetupError for what cannot be meant.
    """

    max_attempts: int = 3
    initial_backoff: float = 0.025
    max_backoff: float = 0.25
    backoff_multiplier: float = 2.0
    retryable_codes: frozenset[Code] = frozenset({Code.UNAVAILABLE})

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise SetupError(f"maxAttempts is {self.max_attempts}; give 1 (no retries) to {MOST_ATTEMPTS}")
        if not (0 < self.initial_backoff <= self.max_backoff < float("inf")):
            raise SetupError(
                f"initialBackoff is {self.initial_backoff:g} s and maxBackoff {self.max_backoff:g} s; give more than 0, the first no larger"
            )
        if not (isfinite(self.backoff_multiplier) and self.backoff_multiplier >= 1):
            raise SetupError(f"backoffMultiplier is {self.backoff_multiplier:g}; give 1 or more")


@dataclass(frozen=True, kw_only=True)
class HedgingPolicy:
    """How a second attempt is sent while the first has not been answered yet; for idempotent methods only.

    `max_attempts` counts the first (default 2, at most 5). `hedging_delay` is in seconds; None (default) takes the latency that all but
    `extra_load` of the calls stay below. `extra_load` (0.01, at most 0.05) bounds the share of calls that get a second attempt.
    `non_fatal_codes` (UNAVAILABLE) let the other attempts go on; any other error ends the call. Raises SetupError for what cannot be meant.
    """

    max_attempts: int = 2
    hedging_delay: float | None = None
    extra_load: float = 0.01
    non_fatal_codes: frozenset[Code] = frozenset({Code.UNAVAILABLE})

    def __post_init__(self) -> None:
        if not 2 <= self.max_attempts <= MOST_ATTEMPTS:
            raise SetupError(f"maxAttempts of a hedge is {self.max_attempts}; give 2 to {MOST_ATTEMPTS}")
        if self.hedging_delay is not None and not 0 <= self.hedging_delay < float("inf"):
            raise SetupError(f"hedgingDelay is {self.hedging_delay:g} s; give 0 or more, or leave it out")
        if not 0 < self.extra_load <= 0.05:
            raise SetupError(f"extraLoad is {self.extra_load:g}; give more than 0 and at most 0.05")


@dataclass(frozen=True, kw_only=True)
class FallbackPolicy:
    """What stands in for an answer that the server cannot give.

    `value` is a response as JSON; with `skip` (False) the call is not even made while it would come too late. Without a value (default)
    it is the last good answer to the same request that is not older than `max_age` (60) seconds, of the `size` (1000) requests asked most
    recently. Raises SetupError for what cannot be meant.
    """

    value: bytes | None = None
    skip: bool = False
    max_age: float = 60.0
    size: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.max_age < float("inf"):
            raise SetupError(f"maxAge of a fallback is {self.max_age:g} s; give more than 0")
        if self.size < 1:
            raise SetupError(f"size of a fallback is {self.size}; give 1 or more")
