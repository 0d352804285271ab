"""Values that mean nothing are refused where they are given."""

import pytest

from towpath.core.errors import SetupError
from towpath.core.policies import FallbackPolicy, HedgingPolicy, RetryPolicy


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_attempts": 0}, "maxAttempts is 0; give 1"),
        ({"max_attempts": 6}, "maxAttempts is 6"),
        ({"initial_backoff": 0.0}, "initialBackoff is 0 s"),
        ({"initial_backoff": 1.0}, "maxBackoff 0.25 s"),
        ({"max_backoff": float("inf")}, "maxBackoff inf s"),
        ({"backoff_multiplier": 0.5}, "backoffMultiplier is 0.5"),
        ({"backoff_multiplier": float("nan")}, "backoffMultiplier is nan"),
    ],
)
def test_a_retry_that_cannot_be_meant_is_refused(values, said) -> None:
    with pytest.raises(SetupError, match=said):
        RetryPolicy(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_attempts": 1}, "maxAttempts of a hedge is 1"),
        ({"hedging_delay": -1.0}, "hedgingDelay is -1 s"),
        ({"extra_load": 0.0}, "extraLoad is 0;"),
        ({"extra_load": 0.06}, "extraLoad is 0.06"),
    ],
)
def test_a_hedge_that_cannot_be_meant_is_refused(values, said) -> None:
    with pytest.raises(SetupError, match=said):
        HedgingPolicy(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_age": 0.0}, "maxAge of a fallback is 0 s; give more than 0"),
        ({"max_age": float("inf")}, "maxAge of a fallback is inf s"),
        ({"size": 0}, "size of a fallback is 0; give 1 or more"),
    ],
)
def test_a_fallback_that_cannot_be_meant_is_refused(values, said) -> None:
    with pytest.raises(SetupError, match=said):
        FallbackPolicy(**values)


def test_what_is_usual_is_taken() -> None:
    assert FallbackPolicy().value is None
    assert (RetryPolicy().max_attempts, HedgingPolicy(hedging_delay=0.05).max_attempts) == (3, 2)
