"""Values that mean nothing are refused where they are given."""

import pytest

from towpath._core.errors import SetupError
from towpath._core.policies import FallbackPolicy, HedgingPolicy, RetryPolicy, backoff_range


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_attempts": 0}, "max_attempts is 0; give 1"),
        ({"max_attempts": 6}, "max_attempts is 6"),
        ({"initial_backoff": 0.0}, "initial_backoff is 0 s"),
        ({"initial_backoff": 1.0}, "max_backoff is 0.25 s; give 1 s, the first backoff, or more"),
        ({"max_backoff": float("inf")}, "max_backoff is inf s"),
        ({"backoff_multiplier": 0.5}, "backoff_multiplier is 0.5"),
        ({"backoff_multiplier": float("nan")}, "backoff_multiplier is nan"),
    ],
)
def test_a_retry_that_cannot_be_meant_is_refused(values, said) -> None:
    with pytest.raises(SetupError, match=said):
        RetryPolicy(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_attempts": 1}, "max_attempts of a hedge is 1"),
        ({"hedging_delay": -1.0}, "hedging_delay is -1 s"),
        ({"extra_load": 0.0}, "extra_load is 0;"),
        ({"extra_load": 0.06}, "extra_load is 0.06"),
    ],
)
def test_a_hedge_that_cannot_be_meant_is_refused(values, said) -> None:
    with pytest.raises(SetupError, match=said):
        HedgingPolicy(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"max_age": 0.0}, "max_age of a fallback is 0 s; give more than 0"),
        ({"max_age": float("inf")}, "max_age of a fallback is inf s"),
        ({"size": 0}, "size of a fallback is 0; give 1 or more"),
    ],
)
def test_a_fallback_that_cannot_be_meant_is_refused(values, said) -> None:
    with pytest.raises(SetupError, match=said):
        FallbackPolicy(**values)


@pytest.mark.parametrize(
    ("initial", "longest", "wanted"),
    [
        (None, None, (0.025, 0.25)),
        (1.0, None, (1.0, 1.0)),
        (0.1, None, (0.1, 0.25)),
        (None, 0.005, (0.005, 0.005)),
        (None, 1.0, (0.025, 1.0)),
        (2.0, 1.0, (2.0, 1.0)),
    ],
)
def test_a_backoff_that_is_left_out_gives_way_to_the_other(initial, longest, wanted) -> None:
    assert backoff_range(initial, longest) == wanted


def test_what_is_usual_is_taken() -> None:
    assert FallbackPolicy().value is None
    assert (RetryPolicy().max_attempts, HedgingPolicy(hedging_delay=0.05).max_attempts) == (3, 2)
