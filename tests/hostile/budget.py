"""How long the fuzzers and the attackers go on: `--hostile-long` makes it longer."""

from typing import Any

from hypothesis import HealthCheck, settings


class Budget:
    """What a run may spend."""

    examples: int = 1
    """How many times as many examples a fuzzer tries as in a short run."""
    volume: int = 1
    """How many times as much an attacker sends as in a short run."""

    def lengthen(self) -> None:
        """Spend much more, in tests that are defined from now on."""
        self.examples, self.volume = 100, 20


BUDGET = Budget()


def fuzzed(examples: int) -> Any:
    """Hypothesis' settings for a test with so many examples, or many more in a long run. A short run tries the same ones each time, so that
    what it finds is new with a change. Its fixtures hold servers, which last for all examples."""
    healthy = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    short = BUDGET.examples == 1
    return settings(max_examples=examples * BUDGET.examples, derandomize=short, suppress_health_check=healthy)
