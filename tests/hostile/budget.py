"""How long the fuzzers and the attackers go on: `--hostile-long` makes it longer."""

from typing import Any

from hypothesis import HealthCheck, settings

LONGER = 100
"""How many times as many examples a long run has."""

_factor = 1


def lengthen() -> None:
    """From now on, tests that are defined have many more examples."""
    global _factor
    _factor = LONGER


def of_examples(count: int) -> Any:
    """Hypothesis' settings for a test with so many examples. Its fixtures hold servers, which last for all examples."""
    return settings(max_examples=count * _factor, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
