"""Which of several tries at a round counts."""

from collections.abc import Iterator

import pytest

from bench.measuring.rounds import Round, least_disturbed


@pytest.mark.parametrize(
    ("shares", "chosen", "tries"),
    [
        ([0.01], 0.01, 1),
        ([None], None, 1),
        ([0.4, 0.02], 0.02, 2),
        ([0.4, 0.2, 0.3, 0.25, 0.5], 0.2, 5),
    ],
)
async def test_the_least_disturbed_of_at_most_five_tries_counts(shares: list[float | None], chosen: float | None, tries: int) -> None:
    left: Iterator[float | None] = iter(shares)
    tried: list[float | None] = []

    async def measure() -> Round:
        tried.append(next(left))
        return Round(version="", windows={}, others=tried[-1])

    assert (await least_disturbed(measure)).others == chosen
    assert len(tried) == tries
