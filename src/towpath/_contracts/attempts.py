"""The further attempts that a method declares, and those that it must not have: without an idempotency level nothing may be done twice."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration

from towpath._core.errors import Code
from towpath._core.policies import HedgingPolicy, RetryPolicy, backoff_range
from towpath._gen.towpath.v1 import options_pb2

_SAFE = frozenset({Code.UNAVAILABLE})


def retry_policy(declared: options_pb2.RetryPolicy) -> RetryPolicy:
    """The contract's retry policy. Raises SetupError or ValueError for values that make no sense."""
    given: dict[str, Any] = {}
    if declared.max_attempts:
        given["max_attempts"] = declared.max_attempts
    given["initial_backoff"], given["max_backoff"] = backoff_range(
        seconds(declared.initial_backoff) if declared.HasField("initial_backoff") else None,
        seconds(declared.max_backoff) if declared.HasField("max_backoff") else None,
    )
    if declared.backoff_multiplier:
        given["backoff_multiplier"] = declared.backoff_multiplier
    if declared.retryable_status_codes:
        given["retryable_codes"] = _codes(declared.retryable_status_codes)
    return RetryPolicy(**given)


def hedging_policy(declared: options_pb2.HedgingPolicy) -> HedgingPolicy:
    """The contract's hedging policy. Raises SetupError or ValueError for values that make no sense."""
    given: dict[str, Any] = {}
    if declared.max_attempts:
        given["max_attempts"] = declared.max_attempts
    if declared.HasField("hedging_delay"):
        given["hedging_delay"] = seconds(declared.hedging_delay)
    if declared.extra_load:
        given["extra_load"] = declared.extra_load
    if declared.non_fatal_status_codes:
        given["non_fatal_codes"] = _codes(declared.non_fatal_status_codes)
    return HedgingPolicy(**given)


def unsafe(retry: RetryPolicy | None, hedge: HedgingPolicy | None, *, repeatable: bool) -> str:
    """Why a method with these policies could do something twice, or empty if it could not. `repeatable` says whether its contract declares
    an idempotency_level."""
    if repeatable:
        return ""
    if hedge is not None:
        return "a hedge sends a call twice, and the method declares no idempotency_level"
    if retry is not None and retry.max_attempts > 1 and not retry.retryable_codes <= _SAFE:
        codes = ", ".join(sorted(code.name for code in retry.retryable_codes - _SAFE))
        return f"a call that ended with {codes} may have been processed, and the method declares no idempotency_level"
    return ""


def seconds(duration: Duration) -> float:
    """The length in seconds."""
    return duration.seconds + duration.nanos / 1e9


def _codes(numbers: Iterable[int]) -> frozenset[Code]:
    return frozenset(Code(number) for number in numbers)
